"""How the model does with each set of its modalities, and whom it may score at all.

In go held-out risks with only some modalities shown to the members, out come a validation of each
set and its own calibration: a model that reads less spreads its risks differently, so that slope
and baseline of the whole do not hold for a part. A set that does not rank patients is not scored,
be it a part or the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from camlif.arrays import BoolArray, Float64Array
from camlif.config import HORIZONS
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import RawInputs
from camlif.exceptions import EstimationError
from camlif.model.input_worth import measure_ranking
from camlif.statistics import (
    Calibration,
    GateResult,
    calibration_gates,
    fit_calibration,
)
from camlif.statistics.outcome import FollowUp
from camlif.training.ensemble import Ensemble, heldout_mean
from camlif.wording import count, with_interval

MAX_SUBSET_MODALITIES = 6
MIN_SUBSET_PATIENTS = 50
MIN_SUBSET_EVENTS = 10
WEAK_C_INDEX = 0.6
"""C-index below which a set is called weak: right in fewer than 60 of 100 pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubsetValidation:
    """Held-out ranking and calibration with only these modalities shown to the members.

    Attributes
    ----------
    modalities : tuple of str
    n_patients, n_events : int
        Training patients who have all of them.
    c_index, low, high : float
        With the 95 % bootstrap interval.
    median : float
        Of their log risks.
    slope : float or None
        Calibration slope; None where it has no finite estimate.
    gates : tuple of GateResult
        By horizon.
    """

    modalities: tuple[str, ...]
    n_patients: int
    n_events: int
    c_index: float
    low: float
    high: float
    median: float
    slope: float | None
    gates: tuple[GateResult, ...]

    @property
    def fault(self) -> str:
        """Why patients with exactly these modalities are not scored; empty where they are."""
        if self.n_patients < MIN_SUBSET_PATIENTS or self.n_events < MIN_SUBSET_EVENTS:
            return (
                f"was validated on only {count(self.n_patients, 'patient')} with "
                f"{count(self.n_events, 'event')} "
                f"({MIN_SUBSET_PATIENTS} and {MIN_SUBSET_EVENTS} are needed)"
            )
        if self.low <= 0.5:
            found = with_interval(self.c_index, self.low, self.high)
            return f"did not rank patients in validation (C-index {found})"
        if self.slope is None or self.slope <= 0:
            slope = "none" if self.slope is None else f"{self.slope:.2f}"
            return f"did not rank patients in validation (calibration slope {slope})"
        return ""

    @property
    def valid(self) -> bool:
        """Whether patients with exactly these modalities may be scored."""
        return not self.fault

    @property
    def weak(self) -> bool:
        """Whether the ranking is little better than chance, though not by chance."""
        return self.c_index < WEAK_C_INDEX

    def gate(self, months: int) -> GateResult:
        """Return the gate at a horizon."""
        return next(gate for gate in self.gates if gate.horizon == months)

    @property
    def shown_at(self) -> str:
        """Say at which horizons absolute risk is shown."""
        shown = [f"{gate.horizon}" for gate in self.gates if gate.open]
        return f"{', '.join(shown)} months" if shown else "none"

    @property
    def open_until(self) -> int:
        """Last horizon in months at which absolute risk is shown; 0 where there is none."""
        return max((gate.horizon for gate in self.gates if gate.open), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatedSet:
    """A set of modalities and its calibration; None where the slope has no finite estimate."""

    validation: SubsetValidation
    calibration: Calibration | None

    def require_calibration(self) -> Calibration:
        """Return the calibration.

        Raises
        ------
        EstimationError
            If there is none.
        """
        if self.calibration is None:
            raise EstimationError(
                f"Risks from {' + '.join(self.validation.modalities)} have no calibration slope."
            )
        return self.calibration


def validate_parts(
    cohort: Cohort, raw: RawInputs, ensemble: Ensemble, test: BoolArray
) -> Iterator[ValidatedSet]:
    """Score held-out training patients with every reduced set of modalities.

    Parameters
    ----------
    cohort, raw
        Training patients, with outcome.
    ensemble : Ensemble
    test : bool, shape (e, n)

    Notes
    -----
    A set is validated on the patients who have all of its modalities; none without an event among
    them, and none at all where there are more than `MAX_SUBSET_MODALITIES`.
    """
    names, followed = cohort.schema.names, cohort.follow_up()
    for size in range(1, len(names)) if len(names) <= MAX_SUBSET_MODALITIES else ():
        for chosen in combinations(range(len(names)), size):
            shown = np.isin(np.arange(len(names)), chosen)
            rows = np.flatnonzero(raw.presence[:, shown].all(axis=1) & test.any(axis=0))
            if followed.event[rows].any():
                part = raw.take(rows)
                masked = replace(part, presence=part.presence & shown)
                risk = heldout_mean(ensemble.predict(masked).log_risk, test[:, rows])
                yield validate_set(risk, followed.take(rows), tuple(names[i] for i in chosen))


def complete_rows(presence: BoolArray, event: BoolArray, tested: BoolArray) -> BoolArray:
    """Training patients on whom the whole model is validated, shape (n,).

    Those with every modality; where they are fewer than a set needs, everyone as they are.

    Parameters
    ----------
    presence : bool, shape (n, m)
    event : bool, shape (n,)
    tested : bool, shape (n,)
        Patients with a held-out risk.
    """
    complete: BoolArray = presence.all(axis=1) & tested
    few = complete.sum() < MIN_SUBSET_PATIENTS or event[complete].sum() < MIN_SUBSET_EVENTS
    return tested if few else complete


def validate_set(
    risk: Float64Array, followed: FollowUp, modalities: tuple[str, ...]
) -> ValidatedSet:
    """Measure ranking and calibration of held-out risks, and fit a calibration on them.

    Parameters
    ----------
    risk : float64, shape (n,)
    followed : FollowUp
        Of the same patients, some with an event.
    modalities : tuple of str
        From which the risks come.
    """
    outcome: dict[str, Any] = {"event": followed.event, "duration": followed.duration}
    outcome["entry"] = followed.entry
    try:
        calibration = fit_calibration(risk, **outcome)
    except EstimationError:
        calibration = None
    c_index, low, high = measure_ranking(risk, followed)
    validation = SubsetValidation(
        modalities=modalities,
        n_patients=len(risk),
        n_events=int(followed.event.sum()),
        c_index=c_index,
        low=low,
        high=high,
        median=float(np.median(risk)),
        slope=None if calibration is None else calibration.slope,
        gates=calibration_gates(risk, **outcome, horizons=HORIZONS),
    )
    return ValidatedSet(validation=validation, calibration=calibration)
