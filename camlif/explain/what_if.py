"""A case as it is and as changed, scored by the same members.

A patient and changes go in; log risk, stratum and survival before and after come out. Raises the
errors of `camlif.explain.changes`; where a change cannot be scored the answer says why.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import BoolArray
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import RawInputs
from camlif.explain.changes import DropModality, WhatIfChange, apply_change
from camlif.explain.explained import prepare_encoded
from camlif.explain.modalities import attribute_modalities
from camlif.explain.results import ModalityAttribution
from camlif.model.abstention import unscored_reasons
from camlif.model.case import CaseSummary, summarise_case
from camlif.model.outcome_check import hold_to_outcomes
from camlif.model.recognition import Recognised
from camlif.model.scoring import ScoreResult, assemble_result
from camlif.model.subgroups import find_members
from camlif.statistics import GateResult

if TYPE_CHECKING:
    from camlif.model.bundle import Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model says of a case, changed or not.

    Attributes
    ----------
    result : ScoreResult
        Of one patient.
    summary : CaseSummary
        ``summary.score`` is None where the model abstains.
    modalities : ModalityAttribution or None
        Shapley values against the training median; None where the model abstains.
    """

    result: ScoreResult
    summary: CaseSummary
    modalities: ModalityAttribution | None

    @property
    def log_risk(self) -> float:
        """Ensemble log risk; NaN where the model abstains."""
        return float(self.result.log_risk[0])

    @property
    def used(self) -> BoolArray:
        """Members that count, shape (e,)."""
        used: BoolArray = self.result.members_used[0]
        return used

    @property
    def member_log_risk(self) -> NDArray[np.float64]:
        """Log risks of the members that count."""
        risks: NDArray[np.float64] = self.result.member_log_risk[0][self.used]
        return risks


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """A case as it is and as changed."""

    changes: tuple[WhatIfChange, ...]
    before: Answer
    after: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploredCase:
    """A case opened for exploration.

    Attributes
    ----------
    bundle : Bundle
    cohort : Cohort
        Of this patient alone.
    raw : RawInputs
        As it is.
    recognised : Recognised
        Whether it is a training patient, and the members that saw it or may have.
    judged : mapping of horizon in months to GateResult
        What the outcomes of its cohort say of absolute risk, as in `ScoreResult`.
    """

    bundle: Bundle
    cohort: Cohort
    raw: RawInputs
    recognised: Recognised
    judged: Mapping[int, GateResult] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        bundle: Bundle,
        cohort: Cohort,
        row: int,
        *,
        missing: tuple[str, ...] = (),
        judged: Mapping[int, GateResult] | None = None,
    ) -> ExploredCase:
        """Encode a patient of a cohort.

        Parameters
        ----------
        bundle : Bundle
        cohort : Cohort
        row : int
            The patient.
        missing : tuple of str
            Modalities to treat as missing whatever columns are there.
        judged : mapping of horizon in months to GateResult, optional
            Of the score result of the whole cohort: absolute risk that it contradicts stays hidden.
        """
        one = cohort.take([row])
        raw = bundle.prepare(one, missing=missing)
        recognised = bundle.recognise(raw, one.patient_ids)
        return cls(bundle=bundle, cohort=one, raw=raw, recognised=recognised, judged=judged or {})

    @property
    def present(self) -> tuple[str, ...]:
        """Modalities that the patient has."""
        names = self.bundle.schema.names
        return tuple(m for m, there in zip(names, self.raw.presence[0], strict=True) if there)

    def ask(self, changes: Sequence[WhatIfChange] = ()) -> Answer:
        """Return what the model says after some changes.

        Raises
        ------
        ConfigError
            If a change leaves the training range, or concerns what the model or the patient has
            not.
        """
        raw = self.raw
        # What is left out must not be filled again by a later change.
        for change in sorted(changes, key=lambda c: isinstance(c, DropModality)):
            raw = apply_change(self.bundle, raw, change)
        return self._answer(raw)

    def compare(self, changes: Sequence[WhatIfChange]) -> WhatIf:
        """Return what the model says before and after some changes; see `ask`."""
        return WhatIf(changes=tuple(changes), before=self.ask(), after=self.ask(changes))

    def _answer(self, raw: RawInputs) -> Answer:
        started, bundle = time.perf_counter(), self.bundle
        subgroups = find_members(bundle.reference.subgroups, self.cohort)
        reasons = unscored_reasons(raw, subgroups, bundle.schema, bundle.reference)
        rows = np.flatnonzero([reason is None for reason in reasons])
        result = assemble_result(
            cohort=self.cohort,
            raw=raw,
            schema=bundle.schema,
            reference=bundle.reference,
            prediction=bundle.ensemble.predict(raw.take(rows)),
            rows=rows,
            subgroups=subgroups,
            reasons=reasons,
            recognised=self.recognised,
            started=started,
            device=str(bundle.device),
        )
        result = hold_to_outcomes(result, self.judged)
        modalities = None
        if result.scored[0]:
            explained = prepare_encoded(bundle, raw, self.recognised.seen, reasons)
            modalities = attribute_modalities(explained)
        summary = summarise_case(bundle, result, 0)
        return Answer(result=result, summary=summary, modalities=modalities)
