"""How far an ensemble of few members may lie from one of many: moderated variances.

In go the members' risks of the training patients, fitted once when a model is trained; out comes an
interval for any patient, whether one, three or fifteen members score it. A patient's own spread
over few members is no estimate of its variance, so it is drawn towards that of all patients and
judged by Student's t with the degrees of freedom of both. The interval is about the model: what
many members, trained on splits of the same cohort, would say of the patient.

References
----------
Smyth, "Linear models and empirical Bayes methods for assessing differential expression", Stat Appl
Genet Mol Biol 2004, sections 4 and 6.2 (moderated variance, prior by moments of the log variances);
Law, Chen, Shi and Smyth, "voom", Genome Biology 2014 (prior with a trend).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import digamma, polygamma, stdtr, stdtrit

from camlif.arrays import BoolArray, Float64Array
from camlif.exceptions import EstimationError

CONFIDENCE = 0.95
MAX_PRIOR_DF = 1000.0
"""Stands for no difference between patients beyond the trend; Student's t is normal by then."""
MAX_TREND_Z = 3.0
"""The trend goes on to this distance from the mean; few training patients lie beyond."""
MIN_PATIENTS = 30
"""With fewer patients whom two members did not see, the prior rests on members that saw them."""
SHARED = 3.0
"""Degrees of freedom that each further partition brings for what partitions differ by. All patients
tell of it, but their differences go together; measured by leaving members out."""
MIN_VARIANCE = 1e-12
"""Log risk squared; members that agree to the last digit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberInterval:
    """Where many members would place n patients, each shape (n,); NaN where no member counts.

    Student's t around the patient's log risk, with ``scale`` and ``df`` degrees of freedom.
    """

    scale: Float64Array
    df: Float64Array

    @property
    def half_width(self) -> Float64Array:
        """Half the 95 % interval, in log risk."""
        quantile: Float64Array = stdtrit(self.df, 0.5 + CONFIDENCE / 2)
        return quantile * self.scale

    def widened(self, change: Float64Array) -> MemberInterval:
        """Return the interval with another source of spread, independent of the members'.

        Parameters
        ----------
        change : float64, shape (n,)
            Standard deviation in log risk; where it is NaN the interval stays.
        """
        scale = np.sqrt(self.scale**2 + np.nan_to_num(change) ** 2)
        return replace(self, scale=scale)

    def chance(self, below: Float64Array, above: Float64Array) -> Float64Array:
        """Chance that many members lie no further than this below and above, shape (n,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Float64Array = stdtr(self.df, above / self.scale) - stdtr(
                self.df, -below / self.scale
            )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSpread:
    """Variance of one member's log risk around that of many, as far as all patients tell.

    Attributes
    ----------
    log_variance : float
        Logarithm of the prior variance at z = 0.
    trend : float
        Added to it for each unit of ``|z|``, up to `MAX_TREND_Z`.
    prior_df : float
        Degrees of freedom that the prior counts for.
    partition : int
        Members in a row whose test parts make one partition of the cohort; 1 where splits are
        drawn independently.
    partition_share : float
        Variance of the mean over a whole partition, as a share of that of as many independent
        members. Below 1, since what one part's absence adds, another's takes away.
    partition_df : float
        Degrees of freedom of that share.
    """

    log_variance: float
    trend: float
    prior_df: float
    partition: int
    partition_share: float
    partition_df: float

    def interval(
        self, member_log_risk: Float64Array, used: BoolArray, z: Float64Array
    ) -> MemberInterval:
        """Return where many members would place patients scored by some.

        Parameters
        ----------
        member_log_risk : float64, shape (n, e)
        used : bool, shape (n, e)
            Members that score the patient.
        z : float64, shape (n,)
            Of the mean over the members used.
        """
        count = used.sum(axis=1)
        values = np.where(used, member_log_risk, 0.0)
        mean = values.sum(axis=1) / np.maximum(count, 1)
        squares = np.where(used, (member_log_risk - mean[:, None]) ** 2, 0.0).sum(axis=1)
        pairs = self._pairs(used)
        share, own_df = self._share(count, pairs), np.maximum(count - 1, 0)
        own = squares / np.maximum(count * (1 - share), MIN_VARIANCE)
        prior = np.exp(self.log_variance + self.trend * np.minimum(np.abs(z), MAX_TREND_Z))
        df = self.prior_df + own_df
        variance = (self.prior_df * prior + own_df * own) / df
        scored = (count > 0) & np.isfinite(z)
        df = np.where(pairs > 0, np.minimum(df, self.partition_df), df)
        return MemberInterval(
            scale=np.where(scored, np.sqrt(variance * share), np.nan),
            df=np.where(scored, df, np.nan),
        )

    def _pairs(self, used: BoolArray) -> NDArray[np.int_]:
        """Count ordered pairs of members used that are of one partition, shape (n,)."""
        n, e = used.shape
        together = used.reshape(n, e // self.partition, self.partition).sum(axis=2)
        pairs: NDArray[np.int_] = (together * (together - 1)).sum(axis=1)
        return pairs

    def _share(self, count: NDArray[np.int_], pairs: NDArray[np.int_]) -> Float64Array:
        """Variance of the mean over ``count`` members, as a share of one member's, shape (n,)."""
        # Two members of a partition: their correlation follows from the mean over all of it.
        correlation = (self.partition_share - 1) / max(self.partition - 1, 1)
        share: Float64Array = (count + correlation * pairs) / np.maximum(count, 1) ** 2
        return share


def fit_member_spread(
    member_log_risk: Float64Array, test: BoolArray, *, mean: float, sd: float, partition: int
) -> MemberSpread:
    """Fit the prior to the training patients' variances over members that did not see them.

    Parameters
    ----------
    member_log_risk : float64, shape (n, e)
    test : bool, shape (e, n)
        Members that did not see the patient.
    mean, sd : float
        Of the held-out log risks, which make z.
    partition : int
        See `MemberSpread`; divides e.

    Raises
    ------
    EstimationError
        If no patient has two members to compare.

    Notes
    -----
    Few splits test nearly every patient once, so that nobody has two such members. The prior then
    rests on the members that saw a patient, and whole partitions count as independent members,
    both of which are cautious: the spread within a partition is wider than between partitions.
    """
    counted = test.T
    if (counted.sum(axis=1) > 1).sum() < MIN_PATIENTS:
        counted = ~test.T
    rows = np.flatnonzero(counted.sum(axis=1) > 1)
    if not len(rows):
        raise EstimationError("No patient has two members, so their spread is unknown.")
    centre, variance, df = _moments(member_log_risk[rows], counted[rows])
    n_partitions = test.shape[0] // partition if partition > 1 else 1
    log_variance, trend, prior_df = _fit_prior(variance, df, (centre - mean) / sd)
    return MemberSpread(
        log_variance=log_variance,
        trend=trend,
        prior_df=prior_df,
        partition=partition,
        partition_share=_partition_share(member_log_risk, partition),
        partition_df=SHARED * (n_partitions - 1) if n_partitions > 1 else MAX_PRIOR_DF,
    )


def _moments(
    values: Float64Array, counted: BoolArray
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Mean and variance of each row over the values that count, and its degrees of freedom."""
    count = counted.sum(axis=1)
    mean = np.where(counted, values, 0.0).sum(axis=1) / count
    squares = np.where(counted, (values - mean[:, None]) ** 2, 0.0).sum(axis=1)
    df = (count - 1).astype(np.float64)
    return mean, np.maximum(squares / df, MIN_VARIANCE), df


def _fit_prior(
    variance: Float64Array, df: Float64Array, z: Float64Array
) -> tuple[float, float, float]:
    """Logarithm of the prior variance at z = 0, its trend and the prior's degrees of freedom.

    A log variance has mean log prior + digamma(df/2) - log(df/2) - (the same of the prior's df) and
    variance trigamma(df/2) + trigamma(prior df/2).
    """
    known = np.log(variance) - digamma(df / 2) + np.log(df / 2)
    basis = np.stack([np.ones(len(z)), np.minimum(np.abs(z), MAX_TREND_Z)], axis=1)
    coefficients, *_ = np.linalg.lstsq(basis, known)
    left = known - basis @ coefficients
    excess = float((left**2).sum() / max(len(z) - 2, 1) - polygamma(1, df / 2).mean())
    prior_df = _prior_df(excess)
    shift = float(digamma(prior_df / 2) - np.log(prior_df / 2))
    return float(coefficients[0]) + shift, float(coefficients[1]), prior_df


def _prior_df(excess: float) -> float:
    """Degrees of freedom whose trigamma at the half is the excess variance of log variances."""

    def difference(df: float) -> float:
        return float(polygamma(1, df / 2)) - excess

    if difference(MAX_PRIOR_DF) >= 0:
        return MAX_PRIOR_DF
    return float(brentq(difference, 1e-3, MAX_PRIOR_DF))


def _partition_share(member_log_risk: Float64Array, partition: int) -> float:
    """Variance of a partition's mean as a share of that of independent members; at most 1.

    Of all training patients together: every partition has one member that did not see the patient,
    so their means are comparable. 1 where there is no second partition to compare with.
    """
    n, e = member_log_risk.shape
    if partition == 1 or e < 2 * partition:
        return 1.0
    parts = member_log_risk.reshape(n, e // partition, partition)
    of_means = float(parts.mean(axis=2).var(axis=1, ddof=1).mean())
    within = float(parts.var(axis=2, ddof=1).mean())
    # One member's variance: what parts differ by, and what members of one part do, on average.
    single = of_means + within * (partition - 1) / partition
    return float(np.clip(partition * of_means / max(single, MIN_VARIANCE), 0.0, 1.0))
