"""The model bundle: stacked members, training reference and card; train, score, save and load.

A bundle folder holds ``model.safetensors`` (every array), ``config.json`` (schema, settings,
reference), ``card.json`` and ``card.md``. Nothing in it is ever unpickled.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import torch
from numpy.typing import NDArray

from camlif.config import PRODUCT_PRESET, RunConfig
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import RawInputs, encode
from camlif.data.schema import CohortInfo, FeatureSchema
from camlif.data.splits import make_splits
from camlif.exceptions import AlignmentError
from camlif.model import storage
from camlif.model.card import Card
from camlif.model.evaluation import build_card
from camlif.model.matching import MatchReport, align, match_schema
from camlif.model.reference import Recognised, Reference, fit_reference
from camlif.model.scoring import (
    ScoreResult,
    assemble_result,
    join_results,
    recognise,
    rows_of,
    unscored_reasons,
)
from camlif.statistics import Calibration
from camlif.statistics.strata import Strata
from camlif.threads import free_threads, in_order
from camlif.training.engine import resolve_modality_dropout, train_ensemble
from camlif.training.ensemble import CHUNK, Ensemble, Prediction, choose_device
from camlif.training.loop import TrainingProgress

logger = logging.getLogger(__name__)
BLOCK = 1024
"""Patients scored and described together: few enough that a large cohort is never held twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A trained ensemble ready to score patients.

    Attributes
    ----------
    name : str
    info : CohortInfo
        Of the training cohort.
    config : RunConfig
    ensemble : Ensemble
    reference : Reference
    card : Card
    """

    name: str
    info: CohortInfo
    config: RunConfig
    ensemble: Ensemble
    reference: Reference
    card: Card

    @property
    def schema(self) -> FeatureSchema:
        """Columns that the model reads."""
        return self.ensemble.schema

    @property
    def strata(self) -> Strata:
        """Frozen cut-offs."""
        return self.reference.strata

    @property
    def calibration(self) -> Calibration:
        """Calibration slope and baseline hazard, fitted on held-out risks."""
        return self.reference.calibration

    @property
    def n_members(self) -> int:
        """Number of members."""
        return len(self.ensemble)

    @property
    def device(self) -> torch.device:
        """Where the members live."""
        return self.ensemble.device

    @property
    def digest(self) -> str:
        """SHA-256 over parameters, preprocessing and reference."""
        return storage.digest(self)

    def to(self, device: str | torch.device) -> Bundle:
        """Return the bundle on another device."""
        return replace(self, ensemble=self.ensemble.to(torch.device(device)))

    def match(self, schema: FeatureSchema) -> MatchReport:
        """Compare a cohort's columns with the model's."""
        return match_schema(self.schema, schema)

    def prepare(self, cohort: Cohort, *, missing: tuple[str, ...] = ()) -> RawInputs:
        """Encode a cohort in the model's columns; see `camlif.model.matching.align` for errors."""
        return encode(align(cohort, self.schema, missing=missing), self.schema)

    def recognise(self, raw: RawInputs) -> Recognised:
        """Find the training patients among some, and the members that saw them."""
        return recognise(raw, self.schema, self.reference)

    def score(
        self,
        cohort: Cohort,
        *,
        missing: tuple[str, ...] = (),
        embed: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> ScoreResult:
        """Score a cohort; the outcome, if any, is not read.

        A patient of the training cohort gets only the members that did not see it.

        Parameters
        ----------
        cohort : Cohort
        missing : tuple of str
            Modalities to treat as missing whatever columns are there.
        embed : bool
            Also return fusion vectors (for similar cases).
        progress : callable, optional
            Called with (patients done, patients).

        Raises
        ------
        SchemaError
            If a modality has some of the model's columns but not all.
        AlignmentError
            If the cohort shares no modality with the model.
        """
        start, parts = time.perf_counter(), []
        for part in self.score_blocks(cohort, missing=missing, embed=embed):
            parts.append(part)
            if progress is not None:
                progress(sum(map(len, parts)), len(cohort))
        return join_results(parts, seconds=time.perf_counter() - start)

    def score_blocks(
        self,
        cohort: Cohort,
        *,
        missing: tuple[str, ...] = (),
        embed: bool = True,
        start: int = 0,
    ) -> Iterator[ScoreResult]:
        """Score a cohort `BLOCK` patients at a time, in its order, from row ``start`` on.

        Beside the cohort only a few blocks are in memory, one on each free core. A patient's result
        does not depend on its block. Arguments and errors as in `score`; an empty cohort gives one
        empty block.
        """
        if not any(m.source for m in self.match(cohort.schema).modalities):
            raise AlignmentError(
                f"The cohort shares no feature table with the model {self.name}.",
                found=", ".join(cohort.schema.names),
                expected=", ".join(self.schema.names),
                code="E-30",
            )
        starts = range(start, max(len(cohort), 1), BLOCK)
        score = partial(self._score_block, cohort, missing, embed)
        yield from in_order(score, starts, free_threads(self.device))

    def _score_block(
        self, cohort: Cohort, missing: tuple[str, ...], embed: bool, start: int
    ) -> ScoreResult:
        """Score the patients of one block; see `score_blocks`."""
        started = time.perf_counter()
        block = cohort.take(np.arange(start, min(start + BLOCK, len(cohort))))
        raw = self.prepare(block, missing=missing)
        reasons = unscored_reasons(raw.presence, self.schema.names, self.reference)
        rows = np.flatnonzero(np.array([reason is None for reason in reasons], dtype=bool))
        prediction, device = self._predict(raw.take(rows), embed=embed)
        return assemble_result(
            cohort=block,
            raw=raw,
            schema=self.schema,
            reference=self.reference,
            prediction=prediction,
            rows=rows,
            reasons=reasons,
            recognised=self.recognise(raw),
            started=started,
            device=str(device),
        )

    def _predict(self, raw: RawInputs, *, embed: bool) -> tuple[Prediction, torch.device]:
        """Run the members; in smaller chunks, then on the CPU, where a GPU has no memory left."""
        for chunk in (CHUNK, CHUNK // 2, CHUNK // 4):
            try:
                return self.ensemble.predict(raw, embed=embed, chunk=chunk), self.device
            except torch.OutOfMemoryError:
                logger.warning("out of memory", extra={"device": str(self.device), "chunk": chunk})
        cpu = torch.device("cpu")
        return self.ensemble.to(cpu).predict(raw, embed=embed), cpu

    def distances(
        self, cohort: Cohort, *, missing: tuple[str, ...] = ()
    ) -> dict[str, NDArray[np.float64]]:
        """Distance of each patient from the training data by modality, shape (n,).

        See `TrainingRange.distance`; arguments and errors as in `score`.
        """
        raw = self.prepare(cohort, missing=missing)
        known = self.reference.training_range
        return {name: known.distance(name, rows_of(raw, name)) for name in self.schema.names}

    def save(self, path: str | Path) -> None:
        """Write the bundle folder (created if needed)."""
        storage.save(self, Path(path))


def train(
    cohort: Cohort,
    config: RunConfig | None = None,
    *,
    name: str = "model",
    device: str = "auto",
    progress: Callable[[TrainingProgress], None] | None = None,
    processes: int | None = None,
    reproduce: str = "camlif.train(cohort, config)",
) -> Bundle:
    """Train the ensemble by Monte Carlo cross-validation and fit all that scoring needs.

    Parameters
    ----------
    cohort : Cohort
        Patients without an outcome are left out and counted in the card.
    config : RunConfig, optional
        Default: the preset ``robust``.
    name : str
        Name of the bundle.
    device : str
        ``auto`` takes CUDA, then MPS, then CPU.
    progress : callable, optional
        Called after each epoch.
    processes : int, optional
        Members are spread over so many; default: one a core. The weights are the same.
    reproduce : str
        Command named in the card.

    Returns
    -------
    Bundle
        On the device it was trained on.

    Raises
    ------
    ConfigError, NoEventsError, SchemaError
        If the cohort cannot be trained on.
    """
    config = config or RunConfig.from_preset(PRODUCT_PRESET)
    known = cohort.take(cohort.with_outcome)
    training = config.training
    splits = make_splits(
        known.patient_ids,
        known.event if known.event is not None else np.zeros(0, dtype=bool),
        n_splits=training.splits,
        scheme=training.split_scheme,
        test_fraction=training.test_fraction,
        seed=training.seed,
    )
    raw = encode(known, known.schema)
    config = config.with_training(modality_dropout=resolve_modality_dropout(training, raw))
    result = train_ensemble(
        known,
        config,
        splits,
        device=choose_device(device),
        progress=progress,
        processes=processes or joblib.cpu_count(only_physical_cores=True),
    )
    reference = fit_reference(known, raw, result.ensemble, splits.test, config.training)
    card = build_card(
        name=name,
        cohort=known,
        n_without_outcome=len(cohort) - len(known),
        config=config,
        splits=splits,
        result=result,
        reference=reference,
        member_log_risk=result.ensemble.predict(raw).log_risk,
        presence=raw.presence,
        reproduce=reproduce,
    )
    return Bundle(
        name=name,
        info=cohort.info,
        config=config,
        ensemble=result.ensemble,
        reference=reference,
        card=card,
    )


def load_bundle(path: str | Path, *, device: str = "auto") -> Bundle:
    """Load a bundle folder after checking its files, schema, shapes and digest.

    Raises
    ------
    ArtifactError
        If a file is missing, damaged or not what the configuration says; column differences are
        named.
    """
    parts = storage.load(Path(path))
    bundle = Bundle(
        name=parts.name,
        info=parts.info,
        config=parts.config,
        ensemble=parts.ensemble,
        reference=parts.reference,
        card=parts.card,
    )
    return bundle.to(choose_device(device))
