"""One case in words and numbers: the single source of the page, the JSON export and the report."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from camlif.data.schema import Endpoint
from camlif.reference import HORIZONS
from camlif.scoring import MIN_AGREEMENT, SPREAD_Z, ScoreResult

if TYPE_CHECKING:
    from camlif.bundle import Bundle

MONTHS_PER_YEAR = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A value with the spread of the members around it (1.96 SD): model spread, no more."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HorizonSurvival:
    """Survival probability at one horizon; None with the reason where the gate is closed."""

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
    z : Interval
    hazard_ratio : Interval
        Against the median training patient, after the calibration slope.
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
    notes : tuple of str
        Warnings, or why there is no score.
    """

    patient_id: str
    score: CaseScore | None
    members_used: int
    members: int
    is_training: bool
    present: tuple[str, ...]
    absent: tuple[str, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values, with the label."""
        return {"label": self.score.label if self.score else "No score", **asdict(self)}


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
    return CaseSummary(
        patient_id=str(record["patient_id"]),
        score=_case_score(bundle, result, row) if result.scored[row] else None,
        members_used=int(result.members_used[row].sum()),
        members=bundle.n_members,
        is_training=bool(result.is_training[row]),
        present=tuple(m for m, there in zip(names, presence, strict=True) if there),
        absent=tuple(m for m, there in zip(names, presence, strict=True) if not there),
        notes=tuple(note for note in str(record["warnings"]).split("; ") if note),
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
    years = horizon.months // MONTHS_PER_YEAR
    when = f"{years} year" + ("s" if years != 1 else "")
    if horizon.survival is None:
        return f"Absolute risk at {when} is hidden: {horizon.reason}. Rank and group are shown."
    s = horizon.survival
    return (
        f"Of 100 patients with a score like this, about {100 * s.value:.0f} were "
        f"{endpoint.event_free} at {when} (model interval {100 * s.low:.0f} to "
        f"{100 * s.high:.0f}; {endpoint.name}, training cohort n = {n_training}). "
        "This describes groups, not this person's certain outcome."
    )
