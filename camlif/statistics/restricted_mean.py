"""Where hazards cross: restricted mean survival time, and weighted log-rank tests combined.

In go outcomes of two groups; out come mean times free of the event up to a horizon, their
difference with an interval, and a p-value that does not rest on proportional hazards. Raises
`EstimationError` where a group has no patient or no event, or patients enter late.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from camlif.exceptions import EstimationError
from camlif.statistics.kaplan_meier import KaplanMeierCurve, kaplan_meier
from camlif.statistics.outcome import FollowUp

WEIGHTS = ((0, 0), (1, 0), (0, 1), (1, 1))
"""Rho and gamma of Fleming and Harrington: all events alike, early, late, and middle ones most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictedMeans:
    """Mean time free of the event within a horizon, of two groups, in the unit of the durations.

    Attributes
    ----------
    until : float
        The horizon.
    first, second : float
    difference, low, high : float
        First less second, with a 95 % interval.
    combined_p : float
        Of the smallest of the log-rank tests with `WEIGHTS`, by Bonferroni.
    """

    until: float
    first: float
    second: float
    difference: float
    low: float
    high: float
    combined_p: float


def restricted_means(
    first: FollowUp, second: FollowUp, *, until: float | None = None
) -> RestrictedMeans:
    """Compare two groups without taking their hazards for proportional.

    Parameters
    ----------
    first, second : FollowUp
    until : float, optional
        Horizon; by default, and at most, the end of the shorter of the two follow-ups.

    Raises
    ------
    EstimationError
        If a group has no patient, nobody has the event, or patients enter late.

    Notes
    -----
    Area below the Kaplan-Meier curve; variance by Greenwood's terms, as in R's survRM2. The tests
    are those of Fleming and Harrington by lifelines; Bonferroni ignores that they are correlated,
    and is a little too careful.

    References
    ----------
    Royston and Parmar, BMC Medical Research Methodology 2013; Fleming and Harrington, 1991.
    """
    for group in (first, second):
        if not len(group.duration):
            raise EstimationError("A group has no patient with an outcome.")
        if group.entry is not None and (group.entry > 0).any():
            raise EstimationError("Restricted means need everybody followed from time zero.")
    if not (first.event.any() or second.event.any()):
        raise EstimationError("No event was observed, so groups cannot be compared.")
    end = min(float(first.duration.max()), float(second.duration.max()))
    horizon = end if until is None else min(until, end)
    (one, var_one), (other, var_other) = (
        _mean_and_variance(kaplan_meier(g.event, g.duration), horizon) for g in (first, second)
    )
    half = -float(ndtri(0.025)) * np.sqrt(var_one + var_other)
    return RestrictedMeans(
        until=horizon,
        first=one,
        second=other,
        difference=one - other,
        low=one - other - half,
        high=one - other + half,
        combined_p=_combined_p(first, second),
    )


def _mean_and_variance(curve: KaplanMeierCurve, until: float) -> tuple[float, float]:
    """Area below a curve up to a time, and the variance of its estimate."""
    inside = curve.time < until
    time = np.concatenate([[0.0], curve.time[inside], [until]])
    survival = np.concatenate([[1.0], curve.survival[inside]])
    areas = survival * np.diff(time)
    after = areas[::-1].cumsum()[::-1][1:]
    events, at_risk = curve.events[inside], curve.at_risk[inside]
    left = np.maximum(at_risk * (at_risk - events), 1)  # where nobody is left, no area is either
    return float(areas.sum()), float((after**2 * events / left).sum())


def _combined_p(first: FollowUp, second: FollowUp) -> float:
    from lifelines.statistics import logrank_test

    tests = [
        logrank_test(
            first.duration,
            second.duration,
            first.event,
            second.event,
            weightings="fleming-harrington",
            p=rho,
            q=gamma,
        )
        for rho, gamma in WEIGHTS
    ]
    return float(min(1.0, len(tests) * min(test.p_value for test in tests)))
