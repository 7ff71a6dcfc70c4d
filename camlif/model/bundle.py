"""The model bundle: stacked members, training reference and card; score, save and load.

A cohort goes in, a `ScoreResult` comes out. Raises `SchemaError` and `AlignmentError` where the
cohort's columns are not the model's, `ArtifactError` for a damaged folder. A bundle folder holds
``model.safetensors`` (every array), ``config.json`` (schema, settings, reference), ``card.json``
and ``card.md``. Nothing in it is ever unpickled.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from camlif.data.cohort import Cohort
from camlif.data.preprocessing import RawInputs, encode
from camlif.exceptions import AlignmentError
from camlif.model import storage
from camlif.model.abstention import unscored_reasons
from camlif.model.matching import MatchReport, align, match_columns
from camlif.model.outcome_check import hold_to_outcomes, judge_table
from camlif.model.recognition import Recognised
from camlif.model.scoring import (
    ScoreResult,
    assemble_result,
    join_results,
)
from camlif.model.storage import BundleParts
from camlif.model.subgroups import find_members
from camlif.model.suitability import table_notes
from camlif.statistics import Calibration
from camlif.statistics.strata import Strata
from camlif.threads import free_threads, in_order
from camlif.training.ensemble import CHUNK, Prediction, choose_device

logger = logging.getLogger(__name__)
BLOCK = 1024
"""Patients scored and described together: few enough that a large cohort is never held twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle(BundleParts):
    """A trained ensemble ready to score patients.

    See `BundleParts` for what it holds.
    """

    @property
    def strata(self) -> Strata:
        """Frozen cut-offs."""
        return self.reference.strata

    @property
    def calibration(self) -> Calibration:
        """Calibration slope and baseline hazard, fitted on held-out risks."""
        return self.reference.calibration

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

    def match(self, cohort: Cohort) -> MatchReport:
        """Compare a cohort's columns with the model's."""
        return match_columns(self.schema, cohort.schema, cohort.clinical.columns)

    def prepare(self, cohort: Cohort, *, missing: tuple[str, ...] = ()) -> RawInputs:
        """Encode a cohort in the model's columns; see `camlif.model.matching.align` for errors."""
        return encode(align(cohort, self.schema, missing=missing), self.schema)

    def recognise(self, raw: RawInputs, patient_ids: NDArray[np.str_] | None = None) -> Recognised:
        """Find the training patients among some, and the members that saw them.

        Identifiers count only where the bundle keeps digests of them.
        """
        digests = self.reference.digests
        return digests.recognise(digests.digest(raw, self.schema, patient_ids), self.reference.seen)

    def score(
        self,
        cohort: Cohort,
        *,
        missing: tuple[str, ...] = (),
        embed: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> ScoreResult:
        """Score a cohort; its outcome, if any, can only hide absolute risks that it contradicts.

        A patient of the training cohort gets only the members that did not see it; one that may
        be, those that saw none of the training patients it may be, if there are such.

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
        joined = join_results(parts, seconds=time.perf_counter() - start)
        return hold_to_outcomes(joined, judge_table(joined.table, cohort))

    def score_blocks(
        self,
        cohort: Cohort,
        *,
        missing: tuple[str, ...] = (),
        embed: bool = True,
        start: int = 0,
    ) -> Iterator[ScoreResult]:
        """Score a cohort `BLOCK` patients at a time, in its order.

        Beside the cohort only a few blocks are in memory, one on each free core. A patient's result
        does not depend on its block. An empty cohort gives one empty block.

        Parameters
        ----------
        cohort, missing, embed
            As in `score`, and so the errors.
        start : int
            Row of the cohort to begin with.
        """
        if not any(m.source for m in self.match(cohort).modalities):
            raise AlignmentError(
                f"The cohort shares no feature table with the model {self.name}.",
                found=", ".join(cohort.schema.names),
                expected=", ".join(self.schema.names),
                code="E-30",
            )
        starts = range(start, max(len(cohort), 1), BLOCK)
        notes = table_notes(cohort, self.expected, missing=missing)
        score = partial(self._score_block, cohort, missing, embed, notes)
        yield from in_order(score, starts, free_threads(self.device))

    def _score_block(
        self,
        cohort: Cohort,
        missing: tuple[str, ...],
        embed: bool,
        notes: Mapping[str, str],
        start: int,
    ) -> ScoreResult:
        """Score the patients of one block; see `score_blocks`."""
        started = time.perf_counter()
        block = cohort.take(np.arange(start, min(start + BLOCK, len(cohort))))
        raw = self.prepare(block, missing=missing)
        subgroups = find_members(self.reference.subgroups, block)
        reasons = unscored_reasons(raw, subgroups, self.schema, self.reference)
        rows = np.flatnonzero(np.array([reason is None for reason in reasons], dtype=bool))
        prediction, device = self._predict(raw.take(rows), embed=embed)
        return assemble_result(
            cohort=block,
            raw=raw,
            schema=self.schema,
            reference=self.reference,
            prediction=prediction,
            rows=rows,
            subgroups=subgroups,
            reasons=reasons,
            recognised=self.recognise(raw, block.patient_ids),
            started=started,
            device=str(device),
            notes=notes,
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
        return {name: known.distance(name, raw.rows(name)) for name in self.schema.names}

    def save(self, path: str | Path) -> None:
        """Write the bundle folder, whole: one that is there is replaced at the end or stays.

        Raises
        ------
        ArtifactError
            If it cannot be written.
        """
        storage.save(self, Path(path))


def load_bundle(path: str | Path, *, device: str = "auto") -> Bundle:
    """Load a bundle folder after checking its files, schema, shapes and digest.

    Raises
    ------
    ArtifactError
        If a file is missing, damaged or not what the configuration says; column differences are
        named.
    """
    return storage.load(Path(path), Bundle).to(choose_device(device))
