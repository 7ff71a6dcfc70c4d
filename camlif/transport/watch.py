"""Watch a model in use: what its inputs and its outcomes say each month, and when that is an alarm.

A bundle, a cohort of patients with the days from which they are followed, and a false-alarm rate go
in; months and alarms come out. Patients of the training cohort are left out and counted. Raises
`DataError` where there is nobody else, `AlignmentError` and `SchemaError` as scoring does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp

from camlif.arrays import Float64Array, IntArray
from camlif.data.cohort import Cohort
from camlif.data.reading.durations import DAYS_PER_MONTH
from camlif.exceptions import ConfigError, DataError
from camlif.model.bundle import Bundle
from camlif.model.scoring import ScoreResult
from camlif.transport.watch_evidence import RATE, evidence_limit, rate_limits
from camlif.transport.watch_inputs import (
    Measure,
    WatchedInputs,
    comparable_risk,
    watch_inputs,
)
from camlif.transport.watch_outcomes import (
    Followed,
    WatchedOutcomes,
    watch_outcomes,
)
from camlif.wording import count

INPUTS_SHARE = 0.5
"""Of the rate; the rate of events and the spread of risks have the other half."""
OUTCOME_SHARE = (1 - INPUTS_SHARE) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A calendar month of use.

    Attributes
    ----------
    month : str
        ``2026-03``.
    n_patients : int
        Whose follow-up begins in it.
    n_flagged : int
        Of them unlike the training data.
    stability : mapping of str to float or None
        Mean population stability index of a modality's columns, of a clinical input, of ``risk``.
    by_chance : mapping of str to float or None
        What that is on average without a change.
    worst : mapping of str to str
        Columns of a modality that have moved most, with their indices.
    missing : mapping of str to float or None
        Share without a modality or clinical input.
    observed, expected : float
        Events until the month's end, and as predicted.
    low, high : int or None
        Fewest and most events without an alarm for a change since the first month.
    c_index, c_index_low, c_index_high : float or None
        Of the patients known by the month's end.
    """

    month: str
    n_patients: int
    n_flagged: int
    stability: Mapping[str, float | None]
    by_chance: Mapping[str, float | None]
    worst: Mapping[str, str]
    missing: Mapping[str, float | None]
    observed: float
    expected: float
    low: int | None
    high: int | None
    c_index: float | None
    c_index_low: float | None
    c_index_high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A change that is more than chance.

    Attributes
    ----------
    kind : str
        Kind of a `Measure`, ``events`` or ``slope``.
    of : str
        Modality or clinical input; empty where it is of all.
    month, since : str
        When the alarm came, and since when the change is likeliest.
    how : str
        What has changed and by how much.
    years : float
        Years without a change until this measure gives a false alarm, on average at least.
    """

    kind: str
    of: str
    month: str
    since: str
    how: str
    years: float

    @property
    def sentence(self) -> str:
        """Say it in one sentence."""
        return (
            f"Alarm in {self.month}, since about {self.since}: {self.how}. Without a change, once "
            f"in {self.years:,.0f} years at most."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What was watched.

    Attributes
    ----------
    model, cohort : str
    rate : float
        Chance of a false alarm, of whatever measure, within the first year.
    months : tuple of Month
        Without gaps, from the first patient to the last patient or end of follow-up.
    alarms : tuple of Alarm
        In the order in which they came.
    n_patients, n_training, n_unclear, n_unscored, n_followed : int
        Patients watched; left out as training patients; of those watched, of whom that cannot be
        told, who have no score, and who have an outcome.
    withheld : mapping of reason to int
        Patients with an outcome whose absolute risk is not shown, so that they are in no sum of
        observed less expected events.
    """

    model: str
    cohort: str
    rate: float
    months: tuple[Month, ...]
    alarms: tuple[Alarm, ...]
    n_patients: int
    n_training: int
    n_unclear: int
    n_unscored: int
    n_followed: int
    withheld: Mapping[str, int]

    @property
    def years(self) -> float:
        """Years without a change until any measure gives a false alarm, on average at least."""
        return 1 / self.rate

    def to_json(self) -> dict[str, Any]:
        """Return a plain structure for programs."""
        alarms = [asdict(alarm) | {"sentence": alarm.sentence} for alarm in self.alarms]
        return asdict(self) | {"alarms": alarms}


def watch_model(bundle: Bundle, cohort: Cohort, days: Float64Array, *, rate: float = RATE) -> Watch:
    """Watch a model month by month.

    Parameters
    ----------
    bundle : Bundle
    cohort : Cohort
        With or without outcomes.
    days : float64, shape (n,)
        Day of each patient, since 1970-01-01, from which the follow-up counts.
    rate : float
        Chance of a false alarm within the first year, of all measures together; in (0, 1).

    Raises
    ------
    ConfigError
        If the rate is no chance.
    DataError
        If every patient is one of the training cohort, or a day is missing.
    SchemaError, AlignmentError
        As `Bundle.score`.
    """
    if not 0 < rate < 1:
        raise ConfigError(f"The false-alarm rate must lie between 0 and 1, not {rate:g}.")
    if not np.isfinite(days).all():
        lacking = cohort.patient_ids[~np.isfinite(days)]
        raise DataError(f"{count(len(lacking), 'patient')} without a day, such as {lacking[0]}.")
    result = bundle.score(cohort, embed=False)
    rows = np.flatnonzero(~result.is_training)
    if not len(rows):
        raise DataError(
            "Every patient is one of the training cohort.",
            fix="Give patients whom the model has been used for.",
        )
    followed = rows[result.scored[rows] & cohort.with_outcome[rows]]
    first, n_months = _months(cohort, days, rows, followed)
    month = _month_of(days) - first
    ends = _first_days(first + 1 + np.arange(n_months))
    raw = bundle.prepare(cohort.take(rows))
    measures = tuple(
        watch_inputs(
            bundle,
            WatchedInputs(
                raw=raw,
                log_risk=comparable_risk(result.member_log_risk[rows], bundle.reference.seen),
                flagged=(result.checks.unlike | result.inputs.unlike)[rows],
                month=month[rows],
                n_months=n_months,
            ),
        )
    )
    outcomes = None
    if len(followed):
        outcomes = watch_outcomes(
            Followed(
                log_risk=result.log_risk[followed],
                presence=result.presence[followed],
                unlike=result.unlike[followed],
                outcome=cohort.follow_up(followed),
                start=days[followed],
            ),
            bundle.reference,
            ends,
        )
    names = tuple(str(np.datetime64(int(first + t), "M")) for t in range(n_months))
    return Watch(
        model=bundle.name,
        cohort=cohort.info.title,
        rate=rate,
        months=tuple(_month_records(names, result, rows, month, measures, outcomes, rate)),
        alarms=tuple(sorted(find_alarms(names, measures, outcomes, rate), key=lambda a: a.month)),
        n_patients=len(rows),
        n_training=int(result.is_training.sum()),
        n_unclear=int(result.unclear.sum()),
        n_unscored=int((~result.scored[rows]).sum()),
        n_followed=len(followed),
        withheld={} if outcomes is None else outcomes.withheld,
    )


def _month_of(days: Float64Array) -> IntArray:
    """Month of each day, counted from January 1970."""
    whole = np.floor(days).astype("datetime64[D]")
    return whole.astype("datetime64[M]").astype(np.int64)


def _first_days(months: IntArray) -> Float64Array:
    """First day of each month, since 1970-01-01."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.float64)


def _months(
    cohort: Cohort, days: Float64Array, rows: IntArray, followed: IntArray
) -> tuple[int, int]:
    """First month, and how many there are until the last patient and the last end of follow-up."""
    last = days[rows].max()
    if len(followed) and cohort.duration is not None:
        last = max(last, (days[followed] + DAYS_PER_MONTH * cohort.duration[followed]).max())
    first, final = _month_of(np.array([days[rows].min(), last])).tolist()
    return first, final - first + 1


def _month_records(
    names: Sequence[str],
    result: ScoreResult,
    rows: IntArray,
    month: IntArray,
    measures: Sequence[Measure],
    outcomes: WatchedOutcomes | None,
    rate: float,
) -> Iterator[Month]:
    flagged = (result.checks.unlike | result.inputs.unlike)[rows]
    watched = [m for m in measures if m.kind in ("values", "risk")]
    missing = [m for m in measures if m.kind == "missing"]
    limit = evidence_limit(rate, OUTCOME_SHARE)
    observed = np.zeros(len(names)) if outcomes is None else outcomes.observed.cumsum()
    expected = np.zeros(len(names)) if outcomes is None else outcomes.expected.cumsum()
    for t, name in enumerate(names):
        own = month[rows] == t
        ranking = None if outcomes is None else outcomes.ranking[t]
        low = high = None
        if outcomes is not None and outcomes.counted:
            low, high = rate_limits(expected[t], outcomes.n_events, limit)
        yield Month(
            month=name,
            n_patients=int(own.sum()),
            n_flagged=int(flagged[own].sum()),
            stability={m.of or m.kind: _known(m.value[t]) for m in watched},
            by_chance={m.of or m.kind: _known(m.usual[t]) for m in watched},
            worst={m.of or m.kind: m.worst(t, t) for m in watched if np.isfinite(m.value[t])},
            missing={m.of: _known(m.value[t]) for m in missing},
            observed=float(observed[t]),
            expected=float(expected[t]),
            low=low,
            high=high,
            c_index=None if ranking is None else ranking.value,
            c_index_low=None if ranking is None else ranking.low,
            c_index_high=None if ranking is None else ranking.high,
        )


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def find_alarms(
    names: Sequence[str],
    measures: Sequence[Measure],
    outcomes: WatchedOutcomes | None,
    rate: float,
) -> Iterator[Alarm]:
    """Yield the first alarm of each measure that raises one.

    Parameters
    ----------
    names : sequence of str
        Of the months.
    measures : sequence of Measure
    outcomes : WatchedOutcomes or None
    rate : float
        As of `watch_model`.
    """
    share = INPUTS_SHARE / len(measures)
    for measure in measures:
        came = first_alarm(measure.evidence, evidence_limit(rate, share))
        if came is not None:
            yield _alarm(names, came, measure.kind, measure.of, _how(measure, *came), rate * share)
    if outcomes is None or not outcomes.counted:
        return
    limit = evidence_limit(rate, OUTCOME_SHARE)
    came = first_alarm(outcomes.rate_evidence(), limit)
    if came is not None:
        yield _alarm(names, came, "events", "", _events(outcomes, *came), rate * OUTCOME_SHARE)
    came = first_alarm(outcomes.slope_evidence(), limit)
    if came is not None:
        yield _alarm(names, came, "slope", "", _slope(outcomes, *came), rate * OUTCOME_SHARE)


def first_alarm(evidence: Sequence[Float64Array], limit: float) -> tuple[int, int] | None:
    """Return the month since when a change is likeliest and that of the alarm; None without one.

    Parameters
    ----------
    evidence : sequence of float64, each shape (month + 1,)
        Log evidence of a change that began in each month until then.
    limit : float
        See `camlif.transport.watch_evidence.evidence_limit`.
    """
    for t, by_start in enumerate(evidence):
        if logsumexp(by_start) >= limit:
            return int(by_start.argmax()), t
    return None


def _alarm(
    names: Sequence[str], came: tuple[int, int], kind: str, of: str, how: str, rate: float
) -> Alarm:
    since, month = came
    return Alarm(kind=kind, of=of, month=names[month], since=names[since], how=how, years=1 / rate)


def _how(measure: Measure, since: int, month: int) -> str:
    """Say what of the inputs has changed."""
    what = {
        "values": f"{measure.of} has other values than in training",
        "distance": f"patients lie nearer to, or farther from, the middle of {measure.of} than in "
        "training",
        "risk": "risks are others than in training",
        "flagged": "more patients are unlike the training data",
        "missing": f"{measure.of} is missing more or less often than in training",
    }[measure.kind]
    return f"{what} ({measure.worst(since, month)})"


def _events(outcomes: WatchedOutcomes, since: int, month: int) -> str:
    part = slice(since, month + 1)
    observed, expected = outcomes.observed[part].sum(), outcomes.expected[part].sum()
    ratio = f", {observed / expected:.2f} times as many" if expected > 0 else ""
    return f"{observed:.0f} events where {expected:.1f} were expected{ratio}"


def _slope(outcomes: WatchedOutcomes, since: int, month: int) -> str:
    slope = outcomes.slope(since, month)
    less = "less" if slope < 1 else "more"
    return (
        f"outcomes of patients with high and low risk differ {less} than predicted (calibration "
        f"slope about {slope:.1f} instead of 1)"
    )
