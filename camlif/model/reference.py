"""What a bundle keeps of its training cohort: aggregates and digests, no patient rows.

Held-out risks (of members that did not see the patient, never in-sample ones) and outcomes go in; a
frozen `Reference` comes out: scale of z, strata, calibration, subsets of modalities, ranges. Raises
`EstimationError` where all risks are equal or strata cannot be cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camlif.arrays import BoolArray
from camlif.config import TrainConfig
from camlif.data.cohort import Cohort
from camlif.data.preprocessing import RawInputs
from camlif.data.splits import partition_size
from camlif.exceptions import EstimationError
from camlif.model.follow_up_unit import FollowUpFacts
from camlif.model.input_worth import InputWorth, measure_worth
from camlif.model.member_spread import MemberSpread, fit_member_spread
from camlif.model.modality_sets import (
    SubsetValidation,
    ValidatedSet,
    complete_rows,
    validate_parts,
    validate_set,
)
from camlif.model.recognition import TrainingDigests
from camlif.model.subgroups import SubgroupValidation, validate_subgroups
from camlif.model.training_range import TrainingRange, fit_range
from camlif.statistics import (
    Calibration,
    KaplanMeierCurve,
    SurvivalBound,
    fit_survival_bound,
    kaplan_meier,
)
from camlif.statistics.strata import Strata
from camlif.training.ensemble import Ensemble, heldout_mean

SAME_Z = 1e-5
"""Risks of float32 networks so close are the same, computed in batches of another size."""


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
    sets : tuple of ValidatedSet
        Sets of modalities that the model was validated on; all of them together last.
    bound : SurvivalBound
        What 9 of 10 patients with all modalities outlive.
    training_range : TrainingRange
    subgroups : tuple of SubgroupValidation
        How patients of each subtype and age band are ranked.
    follow_up : FollowUpFacts
        Of the training patients.
    inputs : tuple of InputWorth
        What clinical inputs are worth.
    """

    mean: float
    sd: float
    sorted_z: NDArray[np.float64]
    digests: TrainingDigests
    seen: BoolArray
    spread: MemberSpread
    strata: Strata
    curves: Mapping[str, KaplanMeierCurve]
    sets: tuple[ValidatedSet, ...]
    bound: SurvivalBound
    training_range: TrainingRange
    follow_up: FollowUpFacts
    inputs: tuple[InputWorth, ...] = ()
    subgroups: tuple[SubgroupValidation, ...] = ()

    @property
    def whole(self) -> SubsetValidation:
        """How the model does with all its modalities."""
        return self.sets[-1].validation

    @property
    def subsets(self) -> tuple[SubsetValidation, ...]:
        """How it does with some of them."""
        return tuple(found.validation for found in self.sets[:-1])

    @property
    def calibration(self) -> Calibration:
        """Of risks from all modalities."""
        return self.sets[-1].require_calibration()

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

    def validated(self, names: frozenset[str]) -> ValidatedSet | None:
        """Return a set of modalities and its calibration, if it was validated."""
        return next((s for s in self.sets if frozenset(s.validation.modalities) == names), None)

    def by_set(self, presence: BoolArray) -> Iterator[tuple[ValidatedSet, NDArray[np.int_]]]:
        """Yield each validated set with the rows of the patients who have exactly it.

        Parameters
        ----------
        presence : bool, shape (n, m)
        """
        names = np.array(self.whole.modalities)
        for found in self.sets:
            shown = np.isin(names, found.validation.modalities)
            yield found, np.flatnonzero((presence == shown).all(axis=1))

    def survival(
        self, log_risk: NDArray[np.float64], presence: BoolArray, times: ArrayLike
    ) -> NDArray[np.float64]:
        """Predict survival by the calibration of each patient's modalities, shown or not.

        Parameters
        ----------
        log_risk : float64, shape (n,)
        presence : bool, shape (n, m)
        times : array_like, shape (t,)
            Months.

        Returns
        -------
        float64, shape (n, t)
            NaN where there is no calibration.
        """
        points = np.asarray(times, dtype=np.float64)
        survival = np.full((len(log_risk), len(points)), np.nan)
        for found, rows in self.by_set(presence):
            if found.calibration is not None:
                survival[rows] = found.calibration.survival(log_risk[rows], points)
        return survival

    def survival_at_end(
        self, log_risk: NDArray[np.float64], presence: BoolArray, duration: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Predict survival as `survival` at the end of each patient's own follow-up, shape (n,).

        Parameters
        ----------
        log_risk, presence
            As in `survival`.
        duration : float64, shape (n,)
            Months.
        """
        survival = np.full(len(log_risk), np.nan)
        for found, rows in self.by_set(presence):
            if found.calibration is not None:
                at_end = found.calibration.survival_at_end(log_risk[rows], duration[rows])
                survival[rows] = at_end
        return survival


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

    Raises
    ------
    EstimationError
        If all risks are equal, or have no finite calibration slope.
    """
    member = ensemble.predict(raw).log_risk
    log_risk = heldout_mean(member, test)
    known = np.isfinite(log_risk)
    risk, followed = log_risk[known], cohort.follow_up(known)
    mean, sd = float(risk.mean()), float(risk.std(ddof=1))
    if sd == 0:
        raise EstimationError("All held-out risks are equal: the model learned nothing.")
    z = (risk - mean) / sd
    strata = Strata.from_median(z) if config.strata == "median" else Strata.from_tertiles(z)
    assigned = strata.assign(z)
    parts = validate_parts(cohort, raw, ensemble, test) if config.modality_dropout else ()
    complete = complete_rows(raw.presence, cohort.outcome()[0], known)
    own = cohort.follow_up(complete)
    whole = validate_set(log_risk[complete], own, cohort.schema.names)
    whole.require_calibration()
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
        sets=(*parts, whole),
        bound=fit_survival_bound(log_risk[complete], own.event, own.duration, entry=own.entry),
        training_range=fit_range(cohort),
        inputs=measure_worth(
            raw,
            cohort.schema,
            cohort.follow_up(),
            known,
            lambda part, rows: heldout_mean(ensemble.predict(part).log_risk, test[:, rows]),
        ),
        follow_up=FollowUpFacts.of(cohort.follow_up()),
        subgroups=validate_subgroups(cohort, log_risk),
    )
