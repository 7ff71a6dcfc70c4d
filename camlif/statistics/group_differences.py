"""What distinguishes groups? Every column tested between them, with effect sizes and q-values.

In go numbers, categories and the members of each group; out comes one row a column: rank tests
(Mann and Whitney 1947; Kruskal and Wallis 1952) for numbers, Fisher's or Pearson's for categories,
and the false discovery rate of Benjamini and Hochberg (1995). Whoever is in several groups is left
out and counted. Raises `EstimationError` where fewer than two groups have a patient, and
`DataError` for shapes that differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, ndtr
from scipy.stats import chi2_contingency, false_discovery_control, fisher_exact

from camlif.arrays import BoolArray, Float64Array, IntArray
from camlif.exceptions import DataError, EstimationError
from camlif.wording import count

EXACT_UP_TO = 8
"""With a group of at most so many patients and no ties, the rank test is exact, as in SciPy."""
LEAST_EXPECTED = 5
"""Below so many patients expected in a cell, a table of two by two goes to Fisher's test."""
COLUMNS_AT_ONCE = 32
"""So few that their ranks stay in the processor's cache: twice as fast as 512."""
RANK_SUM, RANKS_OF_ALL = "Mann-Whitney", "Kruskal-Wallis"
EXACT_RANK_SUM = "Mann-Whitney, exact"
FISHER, PEARSON, SMALL_PEARSON = "Fisher", "chi-squared", "chi-squared, small counts"
CONSTANT, ONE_GROUP = "the same for everyone", "known in fewer than two groups"
COLUMNS = (
    *("column", "n", "test", "statistic", "p_value", "q_value"),
    *("log2_ratio", "difference", "first", "second"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDifferences:
    """Columns compared between k groups without a patient in common.

    Attributes
    ----------
    names : tuple of str
        Of the groups with a patient left.
    sizes : tuple of int
        Patients compared, by group.
    n_shared : int
        Patients in several groups, who are left out.
    table : DataFrame, columns `COLUMNS`
        One row a column, in their order. ``n`` patients with a value; ``test`` by name, or why
        there was none; ``log2_ratio`` of means where all values are positive, and ``difference``,
        the standardised difference, of the groups ``first`` and ``second``: those that differ most.
        It is that of means over the root of the mean variance; of a category a distance, without
        sign. NaN where undefined.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    n_shared: int
    table: pd.DataFrame


def disjoint(members: Mapping[str, ArrayLike]) -> tuple[IntArray, int]:
    """Return each patient's only group by position, and how many patients are in several.

    Parameters
    ----------
    members : mapping of group to array_like of bool, shape (n,)

    Returns
    -------
    group : int, shape (n,)
        -1 for patients in no group or in several.
    n_shared : int

    Raises
    ------
    DataError
        If shapes differ.
    """
    masks = [np.asarray(mask, dtype=bool) for mask in members.values()]
    shapes = {mask.shape for mask in masks}
    if len(shapes) > 1:
        raise DataError("Groups are of different cohorts.", found=f"shapes {sorted(shapes)}")
    inside = np.stack(masks) if masks else np.zeros((0, 0), dtype=bool)
    times = inside.sum(axis=0)
    group = np.where(times == 1, inside.argmax(axis=0) if len(inside) else 0, -1)
    return group, int((times > 1).sum())


def group_differences(
    numbers: Iterable[tuple[Sequence[str], ArrayLike]],
    categories: pd.DataFrame,
    members: Mapping[str, ArrayLike],
) -> GroupDifferences:
    """Test every column between groups.

    Parameters
    ----------
    numbers : iterable of (names, values)
        Tables of numbers: names of p columns and float values, shape (n, p); NaN where missing.
    categories : DataFrame, n rows
        One text or missing value per patient and column.
    members : mapping of group to array_like of bool, shape (n,)
        Groups may overlap; whoever is in several is left out.

    Raises
    ------
    EstimationError
        If fewer than two groups have a patient of their own.
    DataError
        If shapes differ.

    Notes
    -----
    Two groups: Mann-Whitney U, two-sided, ties and continuity corrected, exact where a group has at
    most `EXACT_UP_TO` patients and no value is tied; more: Kruskal-Wallis H, ties corrected.
    Categories: Pearson's chi-squared, of two by two with Yates' correction, or Fisher's exact test
    where fewer than `LEAST_EXPECTED` patients are expected in one of its cells. These are the
    defaults of `scipy.stats.mannwhitneyu`, `kruskal` and `chi2_contingency`. The q-values are over
    all columns that were tested.

    References
    ----------
    Benjamini and Hochberg, JRSS B 1995; Austin, Statistics in Medicine 2009 (standardised
    difference); Yang and Dalton, SAS Global Forum 2012 (of a category).
    """
    group, n_shared = disjoint(members)
    sizes = [int((group == i).sum()) for i in range(len(members))]
    kept = [i for i, size in enumerate(sizes) if size]
    if len(kept) < 2:
        raise EstimationError(
            "Nothing to compare: fewer than two of the groups have a patient who is in no other."
        )
    names = tuple(name for i, name in enumerate(members) if i in kept)
    code = np.array([kept.index(g) if g in kept else -1 for g in group])
    parts = [_of_numbers(*table, code, names) for table in numbers]
    found = [_of_category(str(name), categories[name], code, names) for name in categories]
    parts.append(pd.DataFrame(found, columns=list(COLUMNS)))
    filled = [part for part in parts if len(part)]
    table = pd.concat(filled, ignore_index=True) if filled else parts[-1]
    table["q_value"] = _q_values(table["p_value"].to_numpy(float))
    return GroupDifferences(
        names=names,
        sizes=tuple(sizes[i] for i in kept),
        n_shared=n_shared,
        table=table[list(COLUMNS)],
    )


def _q_values(p_value: Float64Array) -> Float64Array:
    tested = np.isfinite(p_value)
    q = np.full(len(p_value), np.nan)
    if tested.any():
        q[tested] = false_discovery_control(p_value[tested], method="bh")
    return q


def _of_numbers(
    columns: Sequence[str], values: ArrayLike, group: IntArray, names: Sequence[str]
) -> pd.DataFrame:
    x = np.asarray(values)
    if x.shape != (len(group), len(columns)):
        raise DataError(
            "A table of numbers does not fit the groups.",
            found=f"shape {x.shape}",
            expected=f"({len(group)}, {len(columns)})",
        )
    if not len(columns):
        return pd.DataFrame()
    rows = np.flatnonzero(group >= 0)
    rows = rows[np.argsort(group[rows], kind="stable")]
    found = [
        _of_block(
            np.ascontiguousarray(x[rows, start : start + COLUMNS_AT_ONCE].T), group[rows], names
        )
        for start in range(0, len(columns), COLUMNS_AT_ONCE)
    ]
    parts = {part: np.concatenate([block[part] for block in found]) for part in found[0]}
    return pd.DataFrame({"column": list(columns), **parts})


def _of_block(
    x: NDArray[np.floating], group: IntArray, names: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """Compare columns, shape (p, n); patients are sorted by group."""
    known = np.isfinite(x)
    by_column = np.where(known, x, np.nan)
    starts = np.searchsorted(group, np.arange(len(names)))
    n = np.add.reduceat(known, starts, axis=1, dtype=np.int64)
    rank_sum, ties = _rank_sums(by_column, n.sum(axis=1), group, len(names))
    test, statistic, p_value = _rank_tests(rank_sum, ties, n)
    effect = _effects(by_column.astype(np.float64, copy=False), known, starts, n)
    first, second = (np.asarray(names, dtype=object)[effect[part]] for part in ("first", "second"))
    return {
        "n": n.sum(axis=1),
        "test": test,
        "statistic": statistic,
        "p_value": p_value,
        "log2_ratio": effect["log2_ratio"],
        "difference": effect["difference"],
        "first": first,
        "second": second,
    }


def _rank_sums(
    values: NDArray[np.floating], n: IntArray, group: IntArray, k: int
) -> tuple[Float64Array, Float64Array]:
    """Sums of mean ranks by group, (p, k), and of t cubed minus t over ties, (p,).

    ``values`` (p, m) holds NaN where missing, which sorts last; ``n`` counts the others.
    """
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    begins = np.ones(ordered.shape, dtype=bool)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    begin = np.flatnonzero(begins)
    length = np.diff(begin, append=begins.size)
    m = values.shape[1]
    rank = np.repeat(begin % m + (length + 1) / 2, length).reshape(ordered.shape)
    rank[np.arange(m) >= n[:, None]] = 0
    p = len(values)
    place = group[order] + k * np.arange(p)[:, None]
    sums = np.bincount(place.ravel(), weights=rank.ravel(), minlength=k * p)
    tied = np.flatnonzero(length > 1)
    cubes = length[tied].astype(np.float64) ** 3 - length[tied]
    tie_terms = np.bincount(begin[tied] // m, weights=cubes, minlength=p)
    return sums.astype(np.float64).reshape(p, k), tie_terms.astype(np.float64)


def _rank_tests(
    rank_sum: Float64Array, ties: Float64Array, n: IntArray
) -> tuple[NDArray[np.object_], Float64Array, Float64Array]:
    """Name, statistic and p-value of each column; of an untested one the reason and NaN."""
    total = n.sum(axis=1).astype(np.float64)
    spread = 1 - ties / np.maximum(total**3 - total, 1)
    test = np.full(len(n), RANK_SUM if n.shape[1] == 2 else RANKS_OF_ALL, dtype=object)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic, p_value = (
            _mann_whitney(rank_sum, ties, n) if n.shape[1] == 2 else _kruskal(rank_sum, spread, n)
        )
    if n.shape[1] == 2:
        for i in np.flatnonzero((ties == 0) & (n.min(axis=1) <= EXACT_UP_TO) & n.all(axis=1)):
            p_value[i] = _exact_p_value(int(statistic[i]), int(n[i].min()), int(n[i].max()))
            test[i] = EXACT_RANK_SUM
    for reason, untested in ((CONSTANT, spread <= 0), (ONE_GROUP, (n > 0).sum(axis=1) < 2)):
        test[untested] = reason
        statistic[untested] = p_value[untested] = np.nan
    return test, statistic, p_value


def _mann_whitney(
    rank_sum: Float64Array, ties: Float64Array, n: IntArray
) -> tuple[Float64Array, Float64Array]:
    """U of the first group, and its p-value by the normal distribution."""
    size = n.astype(np.float64)
    total, pairs = size.sum(axis=1), size.prod(axis=1)
    u = rank_sum[:, 0] - size[:, 0] * (size[:, 0] + 1) / 2
    deviation = np.sqrt(pairs / 12 * (total + 1 - ties / (total * (total - 1))))
    z = (np.maximum(u, pairs - u) - pairs / 2 - 0.5) / deviation
    return u, np.clip(2 * ndtr(-z), 0, 1)


def _kruskal(
    rank_sum: Float64Array, spread: Float64Array, n: IntArray
) -> tuple[Float64Array, Float64Array]:
    """H over the groups with a value, and its p-value by the chi-squared distribution."""
    total = n.sum(axis=1).astype(np.float64)
    between = np.where(n > 0, rank_sum**2 / np.maximum(n, 1), 0).sum(axis=1)
    h = (12 / (total * (total + 1)) * between - 3 * (total + 1)) / spread
    return h, chdtrc((n > 0).sum(axis=1) - 1.0, h)


def _exact_p_value(u: int, few: int, many: int) -> float:
    """Two-sided p-value of Mann and Whitney's U without ties."""
    counts = _arrangements(few, many)
    extreme = sum(counts[max(u, few * many - u) :])
    return min(1.0, 2 * extreme / comb(few + many, few))


@cache
def _arrangements(few: int, many: int) -> tuple[int, ...]:
    """How many of the orders of two samples give each U: coefficients of a Gaussian binomial."""
    counts = np.zeros(few * many + 1, dtype=object)
    counts[0] = 1
    for i in range(1, few + 1):
        longer = many + i
        counts[longer:] -= counts[:-longer].copy() if longer < len(counts) else 0
        for start in range(i):
            counts[start::i] = np.cumsum(counts[start::i])
    return tuple(counts.tolist())


def _effects(
    x: Float64Array, known: BoolArray, starts: IntArray, n: IntArray
) -> dict[str, NDArray[np.generic]]:
    """Effect sizes of the columns (p, m) between the two groups that differ most, by position."""
    missing = ~known
    filled = np.where(missing, 0, x)
    mean = np.add.reduceat(filled, starts, axis=1) / np.where(n, n, np.nan)
    widths = np.diff(starts, append=x.shape[1])
    deviation = filled - np.repeat(mean, widths, axis=1)
    deviation[missing] = 0
    squares = np.add.reduceat(np.square(deviation, out=deviation), starts, axis=1)
    variance = squares / np.where(n > 1, n - 1, np.nan)
    positive = ((filled > 0) | missing).all(axis=1)
    pairs = np.array(list(combinations(range(len(starts)), 2)))
    one, other = pairs.T
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.sqrt((variance[:, one] + variance[:, other]) / 2)
        difference = (mean[:, one] - mean[:, other]) / scale
        difference[~np.isfinite(difference)] = np.nan
        most = np.where(np.isnan(difference), -1, np.abs(difference)).argmax(axis=1)
        at = np.arange(len(x))
        first, second = one[most], other[most]
        ratio = np.where(positive, np.log2(mean[at, first] / mean[at, second]), np.nan)
    return {
        "first": first,
        "second": second,
        "difference": difference[at, most],
        "log2_ratio": ratio,
    }


def _of_category(
    column: str, values: pd.Series, group: IntArray, names: Sequence[str]
) -> dict[str, Any]:
    if len(values) != len(group):
        raise DataError(
            "A category does not fit the groups.",
            column=column,
            found=count(len(values), "value"),
            expected=f"{len(group)}",
        )
    level, levels = pd.factorize(values)
    counted = (group >= 0) & (level >= 0)
    counts = np.zeros((len(names), len(levels)), dtype=np.int64)
    np.add.at(counts, (group[counted], level[counted]), 1)
    counts = counts[:, counts.any(axis=0)]
    test, statistic, p_value = _table_test(counts[counts.any(axis=1)])
    first, second, distance = _most_distant(counts)
    return {
        "column": column,
        "n": int(counts.sum()),
        "test": test,
        "statistic": statistic,
        "p_value": p_value,
        "log2_ratio": np.nan,
        "difference": distance,
        "first": names[first],
        "second": names[second],
    }


def _table_test(counts: IntArray) -> tuple[str, float, float]:
    """Test a table of groups by levels, none of which is empty."""
    if counts.shape[1] < 2:
        return CONSTANT, np.nan, np.nan
    if len(counts) < 2:
        return ONE_GROUP, np.nan, np.nan
    result = chi2_contingency(counts)
    small = bool((result.expected_freq < LEAST_EXPECTED).any())
    if small and counts.shape == (2, 2):
        odds, p_value = fisher_exact(counts)
        return FISHER, float(odds), float(p_value)
    return SMALL_PEARSON if small else PEARSON, float(result.statistic), float(result.pvalue)


def _most_distant(counts: IntArray) -> tuple[int, int, float]:
    """Return the two groups whose levels differ most, and by how much; NaN without bound."""
    found = [
        (i, j, _distance(counts[i] / counts[i].sum(), counts[j] / counts[j].sum()))
        for i, j in combinations(np.flatnonzero(counts.any(axis=1)).tolist(), 2)
    ]
    return max(found, key=lambda pair: np.nan_to_num(pair[2], nan=-1), default=(0, 1, np.nan))


def _distance(one: Float64Array, other: Float64Array) -> float:
    """Standardised difference of the shares of levels, by Yang and Dalton."""
    present = np.flatnonzero(one + other)[1:]
    if not len(present):
        return 0.0
    p, q = one[present], other[present]
    covariance = (np.diag(p + q) - np.outer(p, p) - np.outer(q, q)) / 2
    if np.linalg.matrix_rank(covariance) < len(p):
        return np.nan
    return float(np.sqrt((p - q) @ np.linalg.solve(covariance, p - q)))
