"""Follow-up in another unit than in training: days read as months, months as days or years.

In go the outcome of a cohort and what that of the training cohort was; out comes a sentence, or
None. Both the median follow-up and the events per month under observation must be `FACTOR` times
off, the one up and the other down, as a change of unit makes them. A cohort followed for longer has
no fewer events a month, and one of another cancer no such follow-up: none of 90 pairs of ten public
cohorts of seven cancers differ so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from camlif.statistics.outcome import FollowUp
from camlif.wording import MONTHS_PER_YEAR, count

FACTOR = 3.0
MIN_EVENTS = 5
"""With fewer the rate of events is not known to a factor of 3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpFacts:
    """Follow-up of a cohort, as aggregates.

    Attributes
    ----------
    n_patients, n_events : int
    median : float
        Months of follow-up, of all patients whatever their end.
    months : float
        Under observation, of all patients together.
    """

    n_patients: int
    n_events: int
    median: float
    months: float

    @classmethod
    def of(cls, followed: FollowUp) -> FollowUpFacts:
        """Sum up the follow-up of some patients."""
        entry = 0.0 if followed.entry is None else followed.entry
        return cls(
            n_patients=len(followed.duration),
            n_events=int(followed.event.sum()),
            median=float(np.median(followed.duration)),
            months=float((followed.duration - entry).sum()),
        )

    @property
    def rate(self) -> float:
        """Events per patient and month."""
        return self.n_events / self.months if self.months > 0 else np.nan

    @property
    def words(self) -> str:
        """Say the follow-up with its unit."""
        return (
            f"median follow-up {_short(self.median)} months, {count(self.n_events, 'event')} in "
            f"{count(self.n_patients, 'patient')}, "
            f"{_short(100 * MONTHS_PER_YEAR * self.rate)} a year per 100"
        )


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def unit_warning(found: FollowUpFacts, known: FollowUpFacts) -> str | None:
    """Say that follow-up seems to be in another unit than in training; None where it does not.

    Parameters
    ----------
    found : FollowUpFacts
        Of the cohort in hand, read as months.
    known : FollowUpFacts
        Of the training cohort.
    """
    if found.n_events < MIN_EVENTS or not (found.median > 0 and known.median > 0):
        return None
    longer, rarer = found.median / known.median, known.rate / found.rate
    if not (min(longer, rarer) >= FACTOR or max(longer, rarer) <= 1 / FACTOR):
        return None
    return (
        f"Follow-up seems to be in another unit than in training: {found.words}; in training "
        f"{known.words}."
    )
