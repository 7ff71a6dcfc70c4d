"""Columns in another unit or scale than in training: stretched, shrunk or shifted.

In go the values of a cohort and the training quantiles of the same columns; out come the columns
whose median or spread differs `FACTOR` times, and by more than chance allows. A single patient is
judged by how far its values lie beyond the training range. Nothing fails.

Notes
-----
The median's robust z is its distance from the training median in training spreads (quartile range
over 1.349), the spread's is the ratio of the two quartile ranges. Both must differ by `FACTOR`, and
so must the shares of patients below the training median, or between its quartiles, from what they
are in training: these shares are binomial whatever the distribution, so that tails, ties and small
cohorts give no false alarm. `ALARM_RATE` is shared out among the columns (Bonferroni). Columns
whose quartiles are equal, as flags and rare counts, have no spread: they differ where most patients
have another value than nearly all training patients, as when 0 and 1 change places. Of a whole
table the sign tells: standardised logarithms have negative values, what they are logarithms of has
none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from camlif.arrays import Float64Array
from camlif.data.preprocessing import quantiles

FACTOR = 3.0
"""Times the training spread by which a median lies off, or a spread is wider or narrower. The
smallest usual change of unit is tenfold, which random halves of cohorts stay far away from."""
ALARM_RATE = 0.001
"""Chance that a table of the training population has a column that differs."""
MAX_COMPARED = 2_000
"""Patients compared, evenly spread over the cohort: more would not change a finding."""
MIN_VARIANCE = 0.02
"""Of a share; quantiles are stored in steps of 5 %, so that shares near 0 and 1 are no surer."""
MIN_NEGATIVE = 0.1
"""Share of negative values that is none by another scale only."""
MIN_SHARE_OFF = 0.3
"""By which the share of a flag differs from training; sites differ by less."""
MIN_LEVELS_OF_FLAG = 3
"""Training quantiles at each value of a flag: one patient of ten has it, by no rare count."""
MIN_OTHER_VALUES = 0.1
"""Share of patients with neither value of a flag: it is coded otherwise."""
MIN_SIDED = 25
"""Columns of a group, before its signs are compared beside those of its table."""
MIN_SIGNED = 10
"""Patients of whom a table must be, before its flags and signs are compared."""
REACH_SPREAD = 1.5
"""Times what held-out training patients reach, before a value is called another measurement."""
REACH_PERCENT = 99.8
"""Training patients of 100 whose every value is within reach."""
REACH_FOLDS = 5
SPARSE_REACH = 100.0
"""Where the quartiles are equal, as of rare counts, only a broken cell is far."""
ROUNDING = 1e-6
"""Relative error of a quantile between equal float32 numbers, which is off by a few units in the
last place (1.2e-7)."""
QUARTILE_SD = 1.349
"""Quartile range of a normal distribution, in SDs."""

AnyFloat = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class ColumnShift:
    """A column that differs from training.

    Attributes
    ----------
    column : int
        Position in the table.
    median, known_median : float
        In the cohort and in training.
    ratio : float
        Spread in the cohort over that in training; NaN where there was none.
    """

    column: int
    median: float
    known_median: float
    ratio: float

    @property
    def words(self) -> str:
        """Say how: ``median 16,800 against 46 in training, spread 365 times as wide``."""
        text = f"median {_short(self.median)} against {_short(self.known_median)} in training"
        if np.isnan(self.ratio):
            return text
        if self.ratio >= FACTOR:
            return f"{text}, spread {_short(self.ratio)} times as wide"
        if self.ratio == 0:
            return f"{text}, all the same"
        return text + (
            f", spread {_short(1 / self.ratio)} times narrower" if self.ratio <= 1 / FACTOR else ""
        )


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def sample_step(n: int) -> int:
    """Return every how-manieth of n patients is compared: at most `MAX_COMPARED`, evenly spread."""
    return max(1, -(-n // MAX_COMPARED))


def group_slices(groups: Sequence[tuple[str, int]]) -> Iterator[tuple[str, slice]]:
    """Yield the name of each group of columns with its columns.

    Parameters
    ----------
    groups : sequence of (str, int)
        Names and sizes, in order.
    """
    start = 0
    for name, size in groups:
        yield name, slice(start, start + size)
        start += size


def find_shifted(
    values: AnyFloat,
    levels: AnyFloat,
    at: Sequence[float],
    *,
    n_patients: int | None = None,
    beyond: NDArray[np.bool_] | None = None,
    flags: bool = False,
) -> tuple[ColumnShift, ...]:
    """Return the columns whose median or spread is not that of training.

    Parameters
    ----------
    values : float, shape (n, f)
        NaN where missing.
    levels : float, shape (k, f)
        Training quantiles of each column at ``at``.
    at : sequence of float, length k
        Ascending; the quartiles are among them.
    n_patients : int, optional
        Whom the rows are of, where several are one patient's.
    beyond : bool, shape (f,), optional
        Columns known to differ, however few the patients.
    flags : bool
        Whether columns without spread are compared: not where they are the levels of a category.
    """
    step = sample_step(len(values))
    x, known = values[::step], levels.astype(np.float64)
    first, middle, last = (list(at).index(q) for q in (0.25, 0.5, 0.75))
    low, median, high = known[first], known[middle], known[last]
    spread = (high - low) / QUARTILE_SD
    count = np.isfinite(x).sum(axis=0)
    effective = count if n_patients is None else np.minimum(count, n_patients)
    compared = (spread > 0) | (flags & (effective >= MIN_SIGNED))
    usable = np.flatnonzero(compared & (effective > 0))
    if not len(usable):
        return ()
    q_low, own, q_high = quantiles(x[:, usable].astype(np.float32), (0.25, 0.5, 0.75)).astype(float)
    dense = spread[usable] > 0
    unit = np.where(dense, spread[usable], np.nan)
    ratio = (q_high - q_low) / QUARTILE_SD / unit
    shift = (own - median[usable]) / unit
    off = _surprise(x, known, np.asarray(at), effective)
    sure = -ndtri(ALARM_RATE / 2 / len(usable))
    with np.errstate(divide="ignore"):
        stretched = np.abs(np.log(ratio)) >= np.log(FACTOR)
    differs = (stretched & (off.spread[usable] >= sure)) | (
        ((np.abs(shift) >= FACTOR) | (~dense & (own != median[usable])))
        & (off.median[usable] >= sure)
    )
    if beyond is not None:
        differs |= beyond[usable]
    if flags:
        differs |= _other_flags(x, known, np.asarray(at), effective, sure)[usable]
    return tuple(
        ColumnShift(int(usable[j]), float(own[j]), float(median[usable[j]]), float(ratio[j]))
        for j in np.flatnonzero(differs)
    )


def find_other_sign(
    values: AnyFloat,
    levels: AnyFloat,
    at: Sequence[float],
    *,
    groups: Sequence[tuple[str, int]] = (),
) -> str:
    """Say that a table, or a group of it, has other signs than in training; else "".

    It has no negative value where training had many, or the reverse.

    Parameters
    ----------
    values : float, shape (n, f)
        NaN where missing.
    levels : float, shape (k, f)
        Training quantiles of each column at ``at``.
    at : sequence of float, length k
        Ascending.
    groups : sequence of (str, int)
        Names and sizes of the groups of columns, in order.
    """
    if said := _other_sign(values, levels, at):
        return said
    for name, part in group_slices(groups):
        if part.stop - part.start >= MIN_SIDED and (
            said := _other_sign(values[:, part], levels[:, part], at)
        ):
            return f"of {name} {said}"
    return ""


def _other_sign(values: AnyFloat, levels: AnyFloat, at: Sequence[float]) -> str:
    x = values[:: sample_step(len(values))]
    known = np.isfinite(x)
    if known.any(axis=1).sum() < MIN_SIGNED:
        return ""
    quantile = levels.astype(np.float64)
    below = share_below(quantile, np.asarray(at), np.zeros(levels.shape[1]))[0]
    trained = float(below.mean())
    share = float((x[known] < 0).mean())
    if trained >= MIN_NEGATIVE and share == 0:
        return f"no value is negative, in training {100 * trained:.0f}% were"
    if share >= MIN_NEGATIVE and levels.min(initial=0) >= 0:
        return f"{100 * share:.0f}% of the values are negative, in training none was"
    return ""


def _other_flags(
    x: AnyFloat, levels: Float64Array, at: Float64Array, n: NDArray[np.int_], sure: float
) -> NDArray[np.bool_]:
    """Whether columns of two values have others, or quite another share of them, shape (f,)."""
    low, high = levels.min(axis=0), levels.max(axis=0)
    n_low, n_high = (levels == low).sum(axis=0), (levels == high).sum(axis=0)
    of_two = (n_low + n_high == len(levels)) & (np.minimum(n_low, n_high) >= MIN_LEVELS_OF_FLAG)
    of_two &= (low < high) & (n >= MIN_SIGNED)
    observed = np.maximum(np.isfinite(x).sum(axis=0), 1)
    with np.errstate(invalid="ignore"):
        known = (np.abs(x - low) <= slack(low)) | (np.abs(x - high) <= slack(high))
        others = (np.isfinite(x) & ~known).sum(axis=0) / observed
        share = (x <= low + slack(low)).sum(axis=0) / observed
    least, most = share_up_to(levels, at, low)
    off = np.abs(share - np.clip(share, least, most)) >= MIN_SHARE_OFF
    differs = off & (np.abs(_z(share, least, most, n)) >= sure)
    return np.asarray(of_two & (differs | (others >= MIN_OTHER_VALUES)))


@dataclass(frozen=True, slots=True)
class _Surprise:
    """Robust z of shares of patients, each shape (f,)."""

    median: Float64Array
    spread: Float64Array


def _surprise(
    x: AnyFloat, levels: Float64Array, at: Float64Array, n: NDArray[np.int_]
) -> _Surprise:
    """How sure the shares on the training median's sides and between its quartiles are others."""
    low, median, high = (levels[list(at).index(q)] for q in (0.25, 0.5, 0.75))
    observed = np.maximum(np.isfinite(x).sum(axis=0), 1)
    with np.errstate(invalid="ignore"):
        up_to = (x <= median + slack(median)).sum(axis=0) / observed
        below = (x < median - slack(median)).sum(axis=0) / observed
        inside = ((x >= low - slack(low)) & (x <= high + slack(high))).sum(axis=0) / observed
    least, most = share_up_to(levels, at, median)
    least_below, most_below = share_below(levels, at, median)
    higher = -_z(up_to, least, most, n)
    lower = _z(below, least_below, most_below, n)
    least_high, most_high = share_up_to(levels, at, high)
    least_low, most_low = share_below(levels, at, low)
    spread = np.abs(_z(inside, least_high - most_low, most_high - least_low, n))
    return _Surprise(median=np.maximum(higher, lower), spread=spread)


def share_up_to(
    levels: Float64Array, at: Float64Array, value: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Return the least and most share of training patients with at most a value, each shape (f,).

    Parameters
    ----------
    levels : float64, shape (k, f)
        Training quantiles of each column at ``at``.
    at : float64, shape (k,)
    value : float64, shape (f,)
    """
    return _bounds(levels <= value + slack(value), at)


def share_below(
    levels: Float64Array, at: Float64Array, value: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Return the least and most share of training patients below a value, each shape (f,).

    Parameters
    ----------
    levels, at, value
        As in `share_up_to`.
    """
    return _bounds(levels < value - slack(value), at)


def slack(value: Float64Array) -> Float64Array:
    """Distance within which a number is a quantile: many patients have it, as zero reads."""
    return ROUNDING * np.abs(value)


def _bounds(reached: NDArray[np.bool_], at: Float64Array) -> tuple[Float64Array, Float64Array]:
    least = np.where(reached, at[:, None], 0.0).max(axis=0)
    most = np.where(reached, 1.0, at[:, None]).min(axis=0)
    return least, most


def _z(
    share: Float64Array, least: Float64Array, most: Float64Array, n: NDArray[np.int_]
) -> Float64Array:
    """Standard deviations by which a share lies outside its bounds; 0 inside."""
    nearest = np.clip(share, least, most)
    variance = np.maximum(nearest * (1 - nearest), MIN_VARIANCE)
    found: Float64Array = (share - nearest) * np.sqrt(n / variance)
    return found


def stretch(values: AnyFloat, low: AnyFloat, high: AnyFloat) -> Float64Array:
    """How many times a column's range would have to grow to hold each value, shape (2, n, f).

    To its lower end and to its upper end: 1 where it need not, and where a value is missing. A
    range of positive numbers grows by factors for a positive value, so that ``low / 10`` and
    ``10 * high`` are equally far; another by its width to each side, or its size where it has no
    width.

    Parameters
    ----------
    values : float, shape (n, f)
    low, high : float, shape (f,)
        Ends of the training range.
    """
    x, low, high = (np.asarray(part, dtype=np.float64) for part in (values, low, high))
    size = np.where(high != 0, np.abs(high), 1.0)
    width = np.where(high > low, high - low, size)
    with np.errstate(divide="ignore", invalid="ignore"):
        by_width = 1 + np.stack([low - x, x - high]) / width
        by_factor = np.stack([low / x, x / high])
    found = np.maximum(np.where((low > 0) & (x > 0), by_factor, by_width), 1.0)
    result: Float64Array = np.where(np.isfinite(x), found, 1.0)
    return result


def fit_reach(values: AnyFloat, low: AnyFloat, high: AnyFloat, *, seed: int = 0) -> Float64Array:
    """How many times a range may grow before a value is another measurement, shape (2, f).

    To its lower and to its upper end, at least `FACTOR`. More where the column's own tail is
    longer, or where patients of the same table often have a value somewhere far out of what the
    others have. The ends apart: positive numbers that come near 0 are many times below the others,
    and never many times above them.

    Parameters
    ----------
    values : float, shape (n, f)
        Of the training patients.
    low, high : float, shape (f,)
        Ends of the training range, at the quantiles 0.005 and 0.995.
    seed : int
        Draws the folds in which patients are held against the others' ranges.
    """
    x = values.astype(np.float32)
    first, last = quantiles(x, (0.25, 0.75))
    dense = last > first
    outermost = np.ones((2, max(len(x), 1)))
    fold = np.random.default_rng(seed).permutation(len(x)) % REACH_FOLDS
    for k in range(REACH_FOLDS if dense.any() else 0):
        rest, own = x[fold != k][:, dense], x[fold == k][:, dense]
        ends = quantiles(rest, (0.005, 0.995))
        beyond = stretch(own, *ends) / _tail(rest, *ends)[:, None]
        outermost[:, fold == k] = beyond.max(axis=2)
    together = np.percentile(outermost, REACH_PERCENT, axis=1, method="higher", keepdims=True)
    reach = np.maximum(FACTOR, REACH_SPREAD * together * _tail(x, low, high))
    return np.where(dense, reach, np.maximum(reach, SPARSE_REACH))


def _tail(values: AnyFloat, low: AnyFloat, high: AnyFloat) -> Float64Array:
    """Largest stretch of each end, rounded up to a power of two, no patient's own; (2, f)."""
    largest = stretch(values, low, high).max(axis=1, initial=1.0)
    return np.asarray(2.0 ** np.ceil(np.log2(largest)))
