"""One case in words and numbers: the single source of the page, the JSON export and the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from camlif.data.schema import Endpoint
from camlif.model.reference import HORIZONS, SubsetValidation
from camlif.model.scoring import MIN_AGREEMENT, SPREAD_Z, ScoreResult
from camlif.model.training_range import ModalityCheck
from camlif.statistics.splits import Interval
from camlif.wording import MONTHS_PER_YEAR, period

if TYPE_CHECKING:
    from camlif.data.cohort import Cohort
    from camlif.model.bundle import Bundle
    from camlif.model.card import Card
    from camlif.statistics import GateResult


@dataclass(frozen=True, slots=True, kw_only=True)
class HorizonSurvival:
    """Survival probability with model spread; None with the reason where the gate is closed."""

    months: int
    survival: Interval | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseScore:
    """The numbers of a scored patient.

    Attributes
    ----------
    stratum : str
        Risk group of the model, by the frozen cut-offs.
    neighbour : str or None
        The other risk group of a borderline case: fewer than 80 % of the members agree, or the
        interval of z crosses a cut-off.
    percentile : float
        Percentage of training patients with a lower held-out risk.
    z, hazard_ratio : Interval
        Low to high is the spread of the members (1.96 SD): model spread, no more. The hazard ratio
        is against the median training patient, after the calibration slope.
    horizons : tuple of HorizonSurvival
    members_agree : int
        Members used that place the patient in ``stratum``.
    """

    stratum: str
    neighbour: str | None
    percentile: float
    z: Interval
    hazard_ratio: Interval
    horizons: tuple[HorizonSurvival, ...]
    members_agree: int

    @property
    def label(self) -> str:
        """Risk group as shown: "High risk" or "Borderline: intermediate-high"."""
        if self.neighbour is not None:
            return f"Borderline: {self.stratum}-{self.neighbour}"
        return f"{self.stratum.capitalize()} risk"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSummary:
    """What a board is told about one patient.

    Attributes
    ----------
    patient_id : str
    score : CaseScore or None
        None where the patient is not scored; ``notes`` then give the reason.
    members_used, members : int
        ``members_used`` leaves out members that saw the patient in training.
    is_training : bool
    present, absent : tuple of str
        Modalities of the model that the patient has and lacks.
    modalities : tuple of ModalityCheck
    clinical_missing : tuple of str
        Clinical inputs without a value, which take the training median.
    notes : tuple of str
        Warnings, or why there is no score.
    subset : SubsetValidation or None
        How the model did with just the modalities that the patient has, where some are absent.
    """

    patient_id: str
    score: CaseScore | None
    members_used: int
    members: int
    is_training: bool
    present: tuple[str, ...]
    absent: tuple[str, ...]
    modalities: tuple[ModalityCheck, ...]
    clinical_missing: tuple[str, ...]
    notes: tuple[str, ...]
    subset: SubsetValidation | None

    def to_json(self) -> dict[str, Any]:
        """Return plain values, with the label."""
        checks = [check.to_json() for check in self.modalities]
        label = self.score.label if self.score else "No score"
        return {"label": label, **asdict(self), "modalities": checks}


def summarise_case(bundle: Bundle, result: ScoreResult, row: int) -> CaseSummary:
    """Summarise one row of a score result.

    Parameters
    ----------
    bundle : Bundle
        The one that made ``result``.
    result : ScoreResult
    row : int
        Position of the patient in ``result``.
    """
    record = result.table.iloc[row]
    names, presence = bundle.schema.names, result.presence[row]
    missing = set(str(record["missing"]).split("; "))
    return CaseSummary(
        patient_id=str(record["patient_id"]),
        score=_case_score(bundle, result, row) if result.scored[row] else None,
        members_used=int(result.members_used[row].sum()),
        members=bundle.n_members,
        is_training=bool(result.is_training[row]),
        present=tuple(m for m, there in zip(names, presence, strict=True) if there),
        absent=tuple(m for m, there in zip(names, presence, strict=True) if not there),
        modalities=tuple(_check(result, row, i, name) for i, name in enumerate(names)),
        clinical_missing=tuple(c.name for c in bundle.schema.clinical if c.name in missing),
        notes=tuple(note for note in str(record["warnings"]).split("; ") if note),
        subset=bundle.reference.subset(frozenset(np.array(names)[presence].tolist())),
    )


def _check(result: ScoreResult, row: int, position: int, name: str) -> ModalityCheck:
    def known(values: NDArray[np.float64]) -> float | None:
        return float(values[row]) if np.isfinite(values[row]) else None

    distance = known(result.distance_percent[name])
    return ModalityCheck(
        name=name,
        present=bool(result.presence[row, position]),
        imputed=known(result.imputed[name]),
        without=str(result.without[name][row]),
        outside=known(result.out_of_range[name]),
        distance_percent=None if distance is None else int(distance),
    )


def _case_score(bundle: Bundle, result: ScoreResult, row: int) -> CaseScore:
    record = result.table.iloc[row]
    z = _z_interval(bundle, result, row)
    return CaseScore(
        stratum=str(record["stratum"]),
        neighbour=_neighbour(bundle, result, row, z),
        percentile=float(record["percentile"]),
        z=z,
        hazard_ratio=_hazard_ratio(bundle, result, row),
        horizons=tuple(_horizon(bundle, result, row, months) for months in HORIZONS),
        members_agree=round(float(record["agreement"]) * int(result.members_used[row].sum())),
    )


def _spread(result: ScoreResult, row: int) -> float:
    return SPREAD_Z * float(np.nan_to_num(result.table["risk_sd"].iloc[row]))


def _z_interval(bundle: Bundle, result: ScoreResult, row: int) -> Interval:
    z, half = float(result.z[row]), _spread(result, row) / bundle.reference.sd
    return Interval(value=z, low=z - half, high=z + half)


def _neighbour(bundle: Bundle, result: ScoreResult, row: int, z: Interval) -> str | None:
    """The nearest other risk group of a borderline case, else None."""
    own = str(result.table["stratum"].iloc[row])
    ends = bundle.strata.assign(np.array([z.low, z.high]))
    crosses = bool((ends != own).any())
    agreement = float(result.table["agreement"].iloc[row])
    if agreement >= MIN_AGREEMENT and not crosses:
        return None
    cutoffs = np.asarray(bundle.strata.cutoffs)
    nearest = int(np.abs(cutoffs - z.value).argmin())
    below, above = bundle.strata.names[nearest : nearest + 2]
    return below if own == above else above


def _hazard_ratio(bundle: Bundle, result: ScoreResult, row: int) -> Interval:
    reference, slope = bundle.reference, bundle.calibration.slope
    median = reference.mean + reference.sd * float(np.median(reference.sorted_z))
    distance, half = float(result.log_risk[row]) - median, _spread(result, row)
    low, high = sorted(np.exp(slope * np.array([distance - half, distance + half])).tolist())
    return Interval(value=float(np.exp(slope * distance)), low=low, high=high)


def _horizon(bundle: Bundle, result: ScoreResult, row: int, months: int) -> HorizonSurvival:
    gate = bundle.reference.gates[months]
    if not gate.open:
        return HorizonSurvival(months=months, survival=None, reason=gate.reason)
    half = _spread(result, row)
    risks = result.log_risk[row] + np.array([0.0, half, -half])
    value, low, high = bundle.calibration.survival(risks, np.array([float(months)]))[:, 0]
    return HorizonSurvival(
        months=months, survival=Interval(value=value, low=low, high=high), reason=""
    )


def survival_sentence(horizon: HorizonSurvival, endpoint: Endpoint, n_training: int) -> str:
    """Say the survival at a horizon as a frequency, with interval, endpoint and denominator."""
    when = period(horizon.months)
    if horizon.survival is None:
        return hidden_sentence(horizon.months, horizon.reason)
    s = horizon.survival
    return (
        f"Of 100 patients with a score like this, about {100 * s.value:.0f} were "
        f"{endpoint.event_free} at {when} (model interval {100 * s.low:.0f} to "
        f"{100 * s.high:.0f}; {endpoint.name}, training cohort n = {n_training}). "
        "This describes groups, not this person's certain outcome."
    )


def hidden_sentence(months: int, reason: str) -> str:
    """Say that absolute risk at a horizon is not shown, and why."""
    return (
        f"E-22: Absolute risk at {period(months)} is hidden: the calibration check fails "
        f"({reason}). Rank and group are still shown."
    )


def subset_sentence(subset: SubsetValidation | None) -> str:
    """Say what a reduced-modality result was validated by; empty where nothing is absent."""
    if subset is None:
        return ""
    return (
        f"Scored from {' + '.join(subset.modalities)} only: held-out C-index with these "
        f"{subset.c_index:.2f} ({subset.low:.2f} to {subset.high:.2f}; n = "
        f"{subset.n_patients:,}, {subset.n_events:,} events)."
    )


def percentile_words(score: CaseScore, n_training: int) -> str:
    """Say the percentile with its denominator."""
    return f"higher than {score.percentile:.0f}% of {n_training:,} training patients"


def spread_words(score: CaseScore) -> str:
    """Say z and hazard ratio with the spread of the members."""
    z, ratio = score.z, score.hazard_ratio
    return (
        f"z = {z.value:+.2f} ({z.low:+.2f} to {z.high:+.2f}); hazard ratio against the median "
        f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f}, model spread)"
    )


def agreement_sentence(summary: CaseSummary, score: CaseScore) -> str:
    """Say how many members place the case in its stratum, of those that did not see it."""
    unseen = " that did not see this patient" if summary.is_training else ""
    if summary.members_used == 1:
        return f"The only model{unseen} places it in {score.stratum}."
    return (
        f"{score.members_agree} of the {summary.members_used} models{unseen} place it in "
        f"{score.stratum}."
    )


def borderline_sentence(summary: CaseSummary, cutoffs: tuple[float, ...]) -> str | None:
    """Say why a case is borderline; None where it is not."""
    score = summary.score
    if score is None or score.neighbour is None:
        return None
    reasons = []
    if score.members_agree < MIN_AGREEMENT * summary.members_used:
        reasons.append(f"fewer than {100 * MIN_AGREEMENT:.0f}% of the models agree")
    crossed = [f"{c:+.2f}" for c in cutoffs if score.z.low < c <= score.z.high]
    if crossed:
        reasons.append(f"the interval of z crosses {' and '.join(crossed)}")
    return f"Borderline: {' and '.join(reasons)}."


def calibration_sentence(gate: GateResult) -> str:
    """Say whether absolute risk is calibrated at a horizon, with ratio and denominators."""
    when = period(gate.horizon)
    if not gate.open:
        return f"Calibration at {when} fails: {gate.reason}."
    return (
        f"Calibration at {when} passes: expected over observed events {gate.ratio:.2f} "
        f"(n = {gate.n_patients:,}, {gate.n_events:,} events by then)."
    )


def frequencies(score: CaseScore, endpoint: Endpoint) -> str:
    """Say survival at all open horizons as a frequency; empty where none is open."""
    shown = [(h.months // MONTHS_PER_YEAR, h.survival) for h in score.horizons if h.survival]
    parts = [f"{100 * s.value:.0f} at {years} y" for years, s in shown]
    return f"{endpoint.event_free.capitalize()}, of 100: {', '.join(parts)}" if parts else ""


def absence_reason(summary: CaseSummary) -> str:
    """Say why there is no score, as a sentence without its final stop."""
    note = "; ".join(summary.notes).removeprefix("not scored: ")
    reason = note.partition(" missing, and ")[2] or note
    return reason[:1].upper() + reason[1:]


def caveats(
    summary: CaseSummary, card: Card, *, modality: Callable[[str], str] = str
) -> tuple[str, ...]:
    """What a reader must keep in mind: warnings of the case, then limits of the model.

    ``modality`` says what a modality is called on the page.
    """
    notes = [_called(note, summary, modality) for note in summary.notes]
    seen = (
        f"This patient was in the training cohort. Only the {summary.members_used} of "
        f"{summary.members} models that did not see it are used."
    )
    d = card.discrimination
    ranking = (
        f"In its own cohort the model ranks pairs of unseen patients right in "
        f"{100 * d.mean:.0f} of 100 (C-index {d.mean:.3f}, SD {d.sd:.3f} over "
        f"{card.training.splits} splits)."
    )
    return (*notes, *([seen] if summary.is_training else ()), ranking, *card.limits)


def _called(note: str, summary: CaseSummary, modality: Callable[[str], str]) -> str:
    """Return a warning that is led by a modality's name with the name that people know it by."""
    name, colon, rest = note.partition(": ")
    known = {check.name for check in summary.modalities}
    return f"{modality(name)}{colon}{rest}" if name in known else note


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """What a patient has of one modality.

    Attributes
    ----------
    modality : str
    observed : float
        Share of the values that are there; 0 where the modality is absent.
    items : int or None
        Instances of a bag; None for a table.
    """

    modality: str
    observed: float
    items: int | None

    @property
    def status(self) -> str:
        """Say it: ``absent``, ``complete``, ``93% observed``, ``12 items``."""
        if self.observed == 0:
            return "absent"
        if self.items is not None:
            return f"{self.items:,} item{'' if self.items == 1 else 's'}"
        return "complete" if self.observed == 1 else f"{100 * self.observed:.0f}% observed"


def completeness(cohort: Cohort, row: int) -> tuple[Completeness, ...]:
    """What a patient has of each modality of its cohort."""
    found = []
    for i, modality in enumerate(cohort.schema.modalities):
        there = bool(cohort.presence[row, i])
        observed, items = float(there), None
        if modality.bag:
            items = len(cohort.bags[modality.name][row]) if there else 0
        elif there:
            observed = float(np.isfinite(cohort.tables[modality.name][row]).mean())
        found.append(Completeness(modality=modality.name, observed=observed, items=items))
    return tuple(found)
