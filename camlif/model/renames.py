"""Columns that a model reads under other names: what a cohort may call them.

In go the names that a model misses and the columns that nothing reads, for clinical inputs with
their values; out come pairs, each name and each column in one pair at most. They are proposals:
nothing is read under another name before somebody says so. Nothing fails.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from camlif.data.levels import match_levels, word_key
from camlif.data.preprocessing import clinical_names
from camlif.data.reading.words import plain
from camlif.data.schema import ClinicalColumn, FeatureSchema
from camlif.model.column_shift import QUARTILE_SD
from camlif.model.training_range import LEVELS

LIKENESS = 0.8
"""Share of letters that alike names have in common, see `difflib.SequenceMatcher.ratio`."""
MAX_PAIRS = 40_000
"""Pairs of names that are compared letter by letter; of more, only those with a common affix."""
AFFIX_SHARE = 0.5
"""Of the missing names that a common prefix or suffix must explain."""
MAX_SHIFT, MAX_RATIO = 1.0, 2.0
"""Training spreads by which the median of a column may lie off, and times its spread may differ, to
be taken for a clinical input by its values."""
FEWEST_NUMBERS = 10
"""Different numbers of a measurement; fewer are codes, which are alike everywhere."""
GENERIC = frozenset(
    (
        *("yes", "no", "y", "n", "true", "false", "t", "f"),
        *("positive", "negative", "pos", "neg", "none", "unknown", "other"),
    )
)
"""Words that are levels of many columns, and tell nothing of which."""


@dataclass(frozen=True, slots=True)
class Rename:
    """A column of a cohort that may be what a model calls ``name``."""

    column: str
    name: str


def propose_features(missing: Sequence[str], unused: Sequence[str]) -> tuple[Rename, ...]:
    """Propose for each missing feature an unused column whose name is alike.

    Names that differ in case and punctuation only come first, then those with a prefix or suffix
    that most of them have, then those of alike letters and the same numbers.

    Parameters
    ----------
    missing : sequence of str
        Columns that the model reads and the table lacks.
    unused : sequence of str
        Columns of the table that the model does not read.
    """
    pairs = _equal_but_for_case(missing, unused)
    left = [name for name in missing if name not in pairs]
    pairs |= _common_affix(left, [c for c in unused if c not in pairs.values()])
    left = [name for name in missing if name not in pairs]
    free = [c for c in unused if c not in pairs.values()]
    if len(left) * len(free) <= MAX_PAIRS:
        likeness = np.array([[_likeness(a, b) for b in free] for a in left], dtype=np.float64)
        pairs |= {left[i]: free[j] for i, j in _assign(likeness)}
    return tuple(Rename(pairs[name], name) for name in missing if name in pairs)


def _equal_but_for_case(missing: Sequence[str], unused: Sequence[str]) -> dict[str, str]:
    keys = Counter(map(plain, unused))
    wanted = Counter(map(plain, missing))
    column = {plain(c): c for c in unused}
    return {
        name: column[key]
        for name in missing
        if (key := plain(name)) and keys[key] == wanted[key] == 1
    }


def _common_affix(missing: Sequence[str], unused: Sequence[str]) -> dict[str, str]:
    """Pairs that one prefix and suffix, added or taken away, explains for most missing names."""
    wanted, there = {plain(m): m for m in missing}, {plain(c): c for c in unused}
    affixes: Counter[tuple[str, str, bool]] = Counter()
    for key in list(wanted)[:3]:
        for other in there:
            long, short = (other, key) if len(other) > len(key) else (key, other)
            if len(short) > 1 and short != long and short in long:
                before, _, after = long.partition(short)
                affixes[before, after, long is other] += 1
    for (before, after, added), _ in affixes.most_common(5):
        pairs = {}
        for key, name in wanted.items():
            renamed = f"{before}{key}{after}" if added else _without(key, before, after)
            if renamed in there:
                pairs[name] = there[renamed]
        if len(set(pairs.values())) == len(pairs) >= max(2, AFFIX_SHARE * len(missing)):
            return pairs
    return {}


def _without(key: str, before: str, after: str) -> str | None:
    fits = key.startswith(before) and key.endswith(after) and len(key) > len(before) + len(after)
    return key[len(before) : len(key) - len(after)] if fits else None


def _likeness(name: str, column: str) -> float:
    """Return how alike two names are, 0 to 1; 0 below `LIKENESS`, or where numbers differ."""
    a, b = plain(name), plain(column)
    if re.findall(r"\d+", a) != re.findall(r"\d+", b):
        return 0.0
    matcher = SequenceMatcher(None, a, b)
    if matcher.real_quick_ratio() < LIKENESS or matcher.quick_ratio() < LIKENESS:
        return 0.0
    ratio = matcher.ratio()
    return ratio if ratio >= LIKENESS else 0.0


def _assign(value: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pair rows with columns, each once, so that the values are largest together; none of 0."""
    if not value.size:
        return []
    rows, columns = linear_sum_assignment(value, maximize=True)
    return [(i, j) for i, j in zip(rows.tolist(), columns.tolist(), strict=True) if value[i, j] > 0]


def propose_inputs(
    missing: Sequence[str],
    clinical: pd.DataFrame,
    schema: FeatureSchema,
    levels: NDArray[np.float32] | None,
) -> tuple[Rename, ...]:
    """Propose for each missing clinical input a column that is alike by its name or its values.

    Parameters
    ----------
    missing : sequence of str
        Clinical inputs of the model that the cohort lacks.
    clinical : DataFrame
        Of the cohort.
    schema : FeatureSchema
        Of the model.
    levels : float32, shape (n_levels, q), or None
        Training quantiles of the encoded inputs; None where the model stored none.
    """
    inputs = [column for column in schema.clinical if column.name in missing]
    read = {column.name for column in schema.clinical}
    unused = [str(c) for c in clinical.columns if c not in read]
    names = clinical_names(schema)
    value = np.zeros((len(inputs), len(unused)))
    for i, column in enumerate(inputs):
        known = None if levels is None else levels[:, names.index(_first_name(column))]
        for j, other in enumerate(unused):
            fit = _fit(column, clinical[other], known)
            if fit is not None:
                value[i, j] = 2 * _likeness(column.name, other) + fit
    return tuple(Rename(unused[j], inputs[i].name) for i, j in _assign(value))


def _first_name(column: ClinicalColumn) -> str:
    """Name of an input's first encoded column."""
    return column.name if column.kind == "numeric" else f"{column.name}={column.levels[0]}"


def _fit(
    column: ClinicalColumn, values: pd.Series, known: NDArray[np.float32] | None
) -> float | None:
    """Return how well a column's values are those of an input, 0 to 1; None if they can't be."""
    cells = values.dropna()
    is_number = values.dtype == np.float64
    if not len(cells):
        return None
    if column.kind == "category":
        words = {f"{c:g}" if is_number else str(c) for c in cells.unique()}
        found = [level for level in match_levels(words, column.levels).values() if level]
        telling = [w for w in words if word_key(w) not in GENERIC and not word_key(w).isdigit()]
        return float(len(found) == len(words) and len(set(found)) > 1 and bool(telling))
    if not is_number:
        return None
    if known is None or cells.nunique() < FEWEST_NUMBERS:
        return 0.0
    low, median, high = (float(known[LEVELS.index(q)]) for q in (0.25, 0.5, 0.75))
    if high <= low:
        return 0.0
    own = np.quantile(cells.to_numpy("float64"), (0.25, 0.5, 0.75))
    shift = abs(own[1] - median) / ((high - low) / QUARTILE_SD)
    ratio = (own[2] - own[0]) / (high - low)
    fits = shift <= MAX_SHIFT and 1 / MAX_RATIO <= ratio <= MAX_RATIO
    return 1 - shift / 2 if fits else 0.0
