"""Whether predicted probabilities are spread evenly at the time of the event: D-calibration.

In go each patient's predicted survival at the end of its follow-up and whether it had the event;
out comes a count per tenth with a chi-squared test. Follows Haider and others, JMLR 2020.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from camlif.arrays import Float64Array
from camlif.exceptions import DataError, NoEventsError
from camlif.statistics.outcome import check_numbers
from camlif.wording import count

N_BINS = 10
MIN_EVENTS = 30
"""Fewer events say nothing about ten counts."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DCalibration:
    """Patients by their predicted survival at the event, in ten equal bins.

    Attributes
    ----------
    counts : float64, shape (10,)
        From survival 0 to 1; a censored patient is shared out over the bins where its event may
        still fall. All are equal to n / 10 where probabilities hold.
    statistic : float
        Chi-squared with 9 degrees of freedom.
    p_value : float
        Small where probabilities do not hold. Somewhat too large with much censoring, since
        patients shared out are even by themselves.
    n_patients, n_events : int
    """

    counts: Float64Array
    statistic: float
    p_value: float
    n_patients: int
    n_events: int


def d_calibration(survival_at_end: ArrayLike, event: ArrayLike) -> DCalibration:
    """Count patients by their predicted survival at the end of follow-up, and test evenness.

    Parameters
    ----------
    survival_at_end : array_like, shape (n,)
        Predicted probability of being free of the event at the end of the patient's own
        follow-up, from a model that did not see the patient's outcome; 0 to 1.
    event : array_like of bool (or 0 and 1), shape (n,)

    Raises
    ------
    NoEventsError
        With fewer than `MIN_EVENTS` events.
    DataError
        If shapes differ, or a value is missing or outside 0 to 1.

    References
    ----------
    Haider, Hoehn, Davis and Greiner, "Effective ways to build and evaluate individual survival
    distributions", JMLR 2020, section 3.5.
    """
    survival = check_numbers("survival_at_end", survival_at_end)
    if ((survival < 0) | (survival > 1)).any():
        raise DataError("Survival probabilities lie outside 0 to 1.", column="survival_at_end")
    events = check_numbers("event", event, length=len(survival)).astype(bool)
    if events.sum() < MIN_EVENTS:
        raise NoEventsError(
            f"Only {count(int(events.sum()), 'event')}; D-calibration needs {MIN_EVENTS} at least."
        )
    place = np.minimum((survival * N_BINS).astype(int), N_BINS - 1)
    with_event = np.bincount(place[events], minlength=N_BINS)
    counts = with_event + _shared_out(survival[~events], place[~events])
    expected = len(survival) / N_BINS
    statistic = float(((counts - expected) ** 2).sum() / expected)
    return DCalibration(
        counts=counts,
        statistic=statistic,
        p_value=float(chdtrc(N_BINS - 1, statistic)),
        n_patients=len(survival),
        n_events=int(events.sum()),
    )


def _shared_out(survival: Float64Array, place: NDArray[np.int_]) -> Float64Array:
    """Counts of censored patients: even over what is left of their survival, 0 to ``survival``."""
    whole = np.where(survival > 0, 1 / (N_BINS * np.where(survival > 0, survival, 1.0)), 1.0)
    by_place = np.bincount(place, weights=whole, minlength=N_BINS)
    below = by_place[::-1].cumsum()[::-1] - by_place
    own = np.bincount(place, weights=1 - place * whole, minlength=N_BINS)
    return np.asarray(own + below, dtype=np.float64)
