"""The model bundle: stacked members, training reference and card; train, score, save and load.

A bundle folder holds ``model.safetensors`` (every array), ``config.json`` (schema, settings,
reference), ``card.json`` and ``card.md``. Nothing in it is ever unpickled.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from camlif import storage
from camlif.card import Card
from camlif.config import RunConfig
from camlif.data.cohort import BoolArray, Cohort
from camlif.data.preprocessing import RawInputs, encode
from camlif.data.schema import CohortInfo, FeatureSchema
from camlif.data.splits import make_splits
from camlif.evaluation import build_card
from camlif.exceptions import AlignmentError
from camlif.matching import MatchReport, align, match_schema
from camlif.reference import Reference, fit_reference
from camlif.scoring import ScoreResult, assemble_result, recognise, unscored_reasons
from camlif.strata import Strata
from camlif.survival import Calibration
from camlif.training.engine import (
    TrainingProgress,
    resolve_modality_dropout,
    train_ensemble,
)
from camlif.training.ensemble import Ensemble, choose_device


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
        """Encode a cohort in the model's columns; see `camlif.matching.align` for errors."""
        return encode(align(cohort, self.schema, missing=missing), self.schema)

    def seen(self, raw: RawInputs) -> BoolArray:
        """Members that had each patient in their training part, shape (n, e)."""
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
        start = time.perf_counter()
        if not any(m.source for m in self.match(cohort.schema).modalities):
            raise AlignmentError(
                f"The cohort shares no feature table with the model {self.name}.",
                found=", ".join(cohort.schema.names),
                expected=", ".join(self.schema.names),
                code="E-30",
            )
        raw = self.prepare(cohort, missing=missing)
        reasons = unscored_reasons(raw.presence, self.schema.names, self.reference)
        scorable = np.array([reason is None for reason in reasons], dtype=bool)
        rows = np.flatnonzero(scorable)
        prediction = self.ensemble.predict(raw.take(rows), embed=embed, progress=progress)
        return assemble_result(
            cohort=cohort,
            raw=raw,
            schema=self.schema,
            reference=self.reference,
            prediction=prediction,
            rows=rows,
            reasons=reasons,
            seen=self.seen(raw),
            started=start,
            device=str(self.device),
        )

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
    reproduce: str = "camlif.train(cohort, config)",
) -> Bundle:
    """Train the ensemble by Monte Carlo cross-validation and fit all that scoring needs.

    Parameters
    ----------
    cohort : Cohort
        Patients without an outcome are left out and counted in the card.
    config : RunConfig, optional
    name : str
        Name of the bundle.
    device : str
        ``auto`` takes CUDA, then MPS, then CPU.
    progress : callable, optional
        Called after each epoch.
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
    config = config or RunConfig()
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
    result = train_ensemble(known, config, splits, device=choose_device(device), progress=progress)
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
