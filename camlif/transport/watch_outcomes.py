"""Outcomes as they come in: observed less expected events, spread of risks, and ranking by month.

Scores, follow-up and the day from which it counts go in; sums by calendar month come out. The
expected events are the predicted cumulative hazards of the time under observation, so that observed
less expected is a martingale while the model's absolute risk is right. Absolute risk that the model
withholds is not used; whose it is, is counted. Nothing fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from camlif.arrays import BoolArray, Float64Array
from camlif.data.reading.durations import DAYS_PER_MONTH
from camlif.exceptions import EstimationError
from camlif.model.modality_sets import ValidatedSet
from camlif.model.reference import Reference
from camlif.model.sentences import closed_words
from camlif.statistics import CIndexInterval, bootstrap_c_index
from camlif.statistics.outcome import FollowUp
from camlif.transport.watch_evidence import rate_evidence, slope_evidence, windows

RESAMPLES = 200
LEAST_SURVIVAL = 1e-300
"""Below it a cumulative hazard is not finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """Scored patients with an outcome.

    Attributes
    ----------
    log_risk : float64, shape (n,)
    presence : bool, shape (n, m)
    unlike : bool, shape (n,)
        Whose absolute risk is withheld, because they are unlike the training data.
    outcome : FollowUp
        Months.
    start : float64, shape (n,)
        Day from which follow-up counts, since 1970-01-01.
    """

    log_risk: Float64Array
    presence: BoolArray
    unlike: BoolArray
    outcome: FollowUp
    start: Float64Array


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedOutcomes:
    """Outcomes by calendar month, each array of shape (t,), not yet summed over months.

    Attributes
    ----------
    observed, expected : float64
        Events, and predicted ones.
    score, weight, information : float64
        Sums over patients of x (event - hazard), x hazard and x^2 hazard, x being the calibrated
        log risk.
    n_events : int
        Fewest training events behind a baseline that was used.
    spread : float
        SD of the calibrated log risks of training patients.
    counted : int
        Patients whose absolute risk is shown.
    withheld : mapping of reason to patients
    ranking : tuple of CIndexInterval or None
        Of the patients known by each month's end; None where none can be compared.
    """

    observed: Float64Array
    expected: Float64Array
    score: Float64Array
    weight: Float64Array
    information: Float64Array
    n_events: int
    spread: float
    counted: int
    withheld: Mapping[str, int]
    ranking: tuple[CIndexInterval | None, ...]

    def rate_evidence(self) -> tuple[Float64Array, ...]:
        """Log evidence of another rate of events that began in each month until each."""
        both = np.stack([self.observed, self.expected], axis=1)
        return tuple(rate_evidence(w[:, 0], w[:, 1], self.n_events) for w in windows(both))

    def slope(self, first: int, last: int) -> float:
        """Estimate the calibration slope over some months, one step from 1; NaN without any."""
        part = slice(first, last + 1)
        score, information = self._centred(
            np.array([[x[part].sum() for x in self._sums]], dtype=np.float64)
        )
        return float(1 + score[0] / information[0]) if information[0] > 0 else np.nan

    def slope_evidence(self) -> tuple[Float64Array, ...]:
        """Log evidence of another calibration slope that began in each month until each."""
        training = self.n_events * self.spread**2
        sums = np.stack(self._sums, axis=1)
        return tuple(slope_evidence(*self._centred(w), training) for w in windows(sums))

    @property
    def _sums(self) -> tuple[Float64Array, ...]:
        return (self.observed, self.expected, self.score, self.weight, self.information)

    @staticmethod
    def _centred(sums: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Score and information about the mean log risk, free of the rate of events."""
        observed, expected, score, weight, information = sums.T
        mean = weight / np.where(expected > 0, expected, 1.0)
        return score - mean * (observed - expected), np.maximum(information - mean * weight, 0.0)


def watch_outcomes(
    followed: Followed,
    reference: Reference,
    month_ends: Float64Array,
    *,
    resamples: int = RESAMPLES,
) -> WatchedOutcomes:
    """Sum outcomes by calendar month.

    Parameters
    ----------
    followed : Followed
    reference : Reference
        Of the model.
    month_ends : float64, shape (t,)
        First day after each month, since 1970-01-01.
    resamples : int
        Of the interval of the C-index.
    """
    until, x, withheld = np.zeros(len(followed.start)), np.zeros(len(followed.start)), {}
    n_events, slopes = [], []
    for found, rows in reference.by_set(followed.presence):
        own, validation = rows[~followed.unlike[rows]], found.validation
        if not len(own):
            continue
        if found.calibration is None or not validation.open_until:
            withheld[f"{' + '.join(validation.modalities)}: {_hidden(found)}"] = len(own)
            continue
        until[own] = min(validation.open_until, found.calibration.time[-1])
        x[own] = found.calibration.slope * (followed.log_risk[own] - reference.mean)
        n_events.append(validation.n_events)
        slopes.append(found.calibration.slope)
    if followed.unlike.any():
        withheld["unlike the training data"] = int(followed.unlike.sum())
    shown = until > 0
    observed, hazard = _by_month(followed, reference, month_ends, until)
    residual = observed - hazard
    return WatchedOutcomes(
        observed=observed.sum(axis=1),
        expected=hazard.sum(axis=1),
        score=residual @ x,
        weight=hazard @ x,
        information=hazard @ x**2,
        n_events=min(n_events, default=0),
        spread=max(slopes, default=0.0) * reference.sd,
        counted=int(shown.sum()),
        withheld=withheld,
        ranking=_ranking(followed, month_ends, resamples),
    )


def _hidden(found: ValidatedSet) -> str:
    """Say why no absolute risk is shown of a set of modalities."""
    return (
        "no calibration slope"
        if found.calibration is None
        else closed_words(found.validation.gates[0])
    )


def _by_month(
    followed: Followed, reference: Reference, month_ends: Float64Array, until: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Events and predicted hazard of each month, shape (t, n), of follow-up to ``until`` months."""
    outcome = followed.outcome
    entry = np.zeros(len(until)) if outcome.entry is None else outcome.entry
    end = np.minimum(outcome.duration, until)
    counted = outcome.event & (outcome.duration <= until) & (outcome.duration > entry)
    elapsed = (month_ends[:, None] - followed.start) / DAYS_PER_MONTH
    reached = np.clip(elapsed, np.minimum(entry, end), end)
    survival = np.array(
        [reference.survival_at_end(followed.log_risk, followed.presence, t) for t in reached]
    )
    before = reference.survival_at_end(followed.log_risk, followed.presence, np.minimum(entry, end))
    both = np.concatenate([before[None], survival])
    hazard = -np.diff(np.log(np.maximum(both, LEAST_SURVIVAL)), axis=0)
    done = counted & (elapsed >= outcome.duration)
    events = np.diff(np.concatenate([np.zeros((1, len(until))), done]), axis=0)
    return events, np.where(until > 0, hazard, 0.0)


def _ranking(
    followed: Followed, month_ends: Float64Array, resamples: int
) -> tuple[CIndexInterval | None, ...]:
    """C-index of the patients known by each month's end, with what was known of them then."""
    found: list[CIndexInterval | None] = []
    for end in month_ends:
        elapsed = (end - followed.start) / DAYS_PER_MONTH
        there = elapsed > (0.0 if followed.outcome.entry is None else followed.outcome.entry)
        part = followed.outcome.take(there)
        duration = np.minimum(part.duration, elapsed[there])
        event = part.event & (part.duration <= elapsed[there])
        try:
            found.append(
                bootstrap_c_index(
                    followed.log_risk[there],
                    event,
                    duration,
                    entry=part.entry,
                    n_resamples=resamples,
                )
            )
        except EstimationError:
            found.append(None)
    return tuple(found)
