"""What a bundle keeps of its training cohort: aggregates and digests, no patient rows.

Held-out risks (of members that did not see the patient, never in-sample ones) and outcomes go in; a
frozen `Reference` comes out: scale of z, strata, calibration, subsets of modalities, ranges. Raises
`EstimationError` where all risks are equal or strata cannot be cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from camlif.arrays import BoolArray
from camlif.config import HORIZONS, TrainConfig
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import RawInputs
from camlif.data.splits import partition_size
from camlif.exceptions import EstimationError
from camlif.model.follow_up_unit import FollowUpFacts
from camlif.model.input_worth import InputWorth, measure_worth
from camlif.model.member_spread import MemberSpread, fit_member_spread
from camlif.model.recognition import TrainingDigests
from camlif.model.training_range import TrainingRange, fit_range
from camlif.statistics import (
    Calibration,
    GateResult,
    KaplanMeierCurve,
    SurvivalBound,
    bootstrap_c_index,
    calibration_gate,
    fit_calibration,
    fit_survival_bound,
    kaplan_meier,
)
from camlif.statistics.outcome import FollowUp
from camlif.statistics.splits import Interval
from camlif.statistics.strata import Strata
from camlif.training.ensemble import Ensemble

MAX_SUBSET_MODALITIES = 6
MIN_SUBSET_PATIENTS = 50
MIN_SUBSET_EVENTS = 10
SAME_Z = 1e-5
"""Risks of float32 networks so close are the same, computed in batches of another size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubsetValidation:
    """Held-out discrimination with only these modalities shown to the members.

    ``valid`` says whether the interval's lower end lies above 0.5: a subset that does not rank
    patients in validation is not scored.
    """

    modalities: tuple[str, ...]
    n_patients: int
    n_events: int
    c_index: float
    low: float
    high: float

    @property
    def valid(self) -> bool:
        """Whether patients with exactly these modalities may be scored."""
        return (
            self.n_patients >= MIN_SUBSET_PATIENTS
            and self.n_events >= MIN_SUBSET_EVENTS
            and self.low > 0.5
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Training reference of a bundle.

    Attributes
    ----------
    mean, sd : float
        Of the held-out log risks; z = (log risk - mean) / sd.
    sorted_z : float64, shape (n_heldout,)
        Ascending held-out z, for percentiles.
    digests : TrainingDigests
        By which training patients are recognised.
    seen : bool, shape (n, e)
        Members that had the patient in their training part.
    spread : MemberSpread
        How far few members may lie from many.
    strata : Strata
        Cut-offs on z.
    curves : mapping of stratum to KaplanMeierCurve
    calibration : Calibration
    gates : mapping of horizon to GateResult
    bound : SurvivalBound
        What 9 of 10 patients outlive.
    training_range : TrainingRange
    subsets : tuple of SubsetValidation
    inputs : tuple of InputWorth
        What clinical inputs are worth.
    follow_up : FollowUpFacts or None
        Of the training patients; None, and no ``inputs``, in models of before they were stored.
    """

    mean: float
    sd: float
    sorted_z: NDArray[np.float64]
    digests: TrainingDigests
    seen: BoolArray
    spread: MemberSpread
    strata: Strata
    curves: Mapping[str, KaplanMeierCurve]
    calibration: Calibration
    gates: Mapping[int, GateResult]
    bound: SurvivalBound
    training_range: TrainingRange
    subsets: tuple[SubsetValidation, ...]
    inputs: tuple[InputWorth, ...] = ()
    follow_up: FollowUpFacts | None = None

    def z(self, log_risk: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return log risks on the held-out scale."""
        return (log_risk - self.mean) / self.sd

    def percentile(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Percentage of training patients with a lower held-out risk.

        A training patient's own risk, computed again, differs from the stored one by rounding: it
        is not lower than itself.
        """
        rank = np.searchsorted(self.sorted_z, z - SAME_Z, side="left")
        return np.where(np.isfinite(z), 100 * rank / len(self.sorted_z), np.nan)

    def subset(self, names: frozenset[str]) -> SubsetValidation | None:
        """Return the validation of a set of modalities, if there is one."""
        return next((s for s in self.subsets if frozenset(s.modalities) == names), None)


def heldout_mean(member_log_risk: NDArray[np.float64], test: BoolArray) -> NDArray[np.float64]:
    """Mean over the members that tested the patient, shape (n,); NaN where none did.

    Parameters
    ----------
    member_log_risk : float64, shape (n, e)
    test : bool, shape (e, n)
    """
    count = test.sum(axis=0)
    total = np.where(test.T, member_log_risk, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def fit_reference(
    cohort: Cohort,
    raw: RawInputs,
    ensemble: Ensemble,
    test: BoolArray,
    config: TrainConfig,
    *,
    digests: TrainingDigests,
) -> Reference:
    """Fit everything that later scoring needs from held-out risks.

    Parameters
    ----------
    cohort, raw
        Training patients, with outcome.
    ensemble : Ensemble
    test : bool, shape (e, n)
    config : TrainConfig
        Trained without modality dropout, no reduced set of modalities is validated.
    digests : TrainingDigests
        Of the same patients.
    """
    member = ensemble.predict(raw).log_risk
    log_risk = heldout_mean(member, test)
    known = np.isfinite(log_risk)
    risk, followed = log_risk[known], cohort.follow_up(known)
    outcome = (followed.event, followed.duration)
    mean, sd = float(risk.mean()), float(risk.std(ddof=1))
    if sd == 0:
        raise EstimationError("All held-out risks are equal: the model learned nothing.")
    z = (risk - mean) / sd
    strata = Strata.from_median(z) if config.strata == "median" else Strata.from_tertiles(z)
    assigned = strata.assign(z)
    return Reference(
        mean=mean,
        sd=sd,
        sorted_z=np.sort(z),
        digests=digests,
        seen=~test.T,
        spread=fit_member_spread(member, test, mean=mean, sd=sd, partition=partition_size(test)),
        strata=strata,
        curves={
            name: kaplan_meier(group.event, group.duration, group.entry)
            for name in strata.names
            for group in [followed.take(assigned == name)]
        },
        calibration=fit_calibration(risk, *outcome, entry=followed.entry),
        gates={
            h: calibration_gate(risk, *outcome, horizon=h, entry=followed.entry) for h in HORIZONS
        },
        bound=fit_survival_bound(risk, *outcome, entry=followed.entry),
        training_range=fit_range(cohort),
        subsets=_validate_subsets(cohort, raw, ensemble, test) if config.modality_dropout else (),
        inputs=measure_worth(
            raw,
            cohort.schema,
            cohort.follow_up(),
            known,
            lambda part, rows: heldout_mean(ensemble.predict(part).log_risk, test[:, rows]),
        ),
        follow_up=FollowUpFacts.of(cohort.follow_up()),
    )


def _ranking(risk: NDArray[np.float64], followed: FollowUp) -> Interval:
    """C-index with its interval; 0.5 of no width where all risks are equal."""
    if np.ptp(risk) == 0:
        return Interval(value=0.5, low=0.5, high=0.5)
    found = bootstrap_c_index(risk, followed.event, followed.duration, entry=followed.entry)
    return Interval(value=found.value, low=found.low, high=found.high)


def _validate_subsets(
    cohort: Cohort, raw: RawInputs, ensemble: Ensemble, test: BoolArray
) -> tuple[SubsetValidation, ...]:
    """Score held-out patients with every reduced set of modalities."""
    names = cohort.schema.names
    if len(names) > MAX_SUBSET_MODALITIES:
        return ()
    everyone = cohort.follow_up()
    results = []
    for size in range(1, len(names)):
        for chosen in combinations(range(len(names)), size):
            shown = np.isin(np.arange(len(names)), chosen)
            rows = np.flatnonzero(raw.presence[:, shown].all(axis=1) & test.any(axis=0))
            followed = everyone.take(rows)
            if not followed.event.any():
                continue
            part = raw.take(rows)
            masked = RawInputs(
                tables=part.tables,
                masks=part.masks,
                presence=part.presence & shown,
                clinical=part.clinical,
            )
            risk = heldout_mean(ensemble.predict(masked).log_risk, test[:, rows])
            interval = _ranking(risk, followed)
            results.append(
                SubsetValidation(
                    modalities=tuple(names[i] for i in chosen),
                    n_patients=len(rows),
                    n_events=int(followed.event.sum()),
                    c_index=interval.value,
                    low=interval.low,
                    high=interval.high,
                )
            )
    return tuple(results)
