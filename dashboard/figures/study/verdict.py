"""A study in one sentence, and the rows that are worth seeing first.

Rows and pairs of a study go in; a sentence, or the rows in another order, come out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from camlif.arrays import BoolArray, Float64Array
from camlif.statistics.splits import corrected_t_test, holm
from camlif.wording import count, listed
from dashboard.figures.chart import signed
from dashboard.figures.study.rows import SECTIONS, Key, Measure, PairedRow, StudyRow

FIRST_ROWS = 3
"""Rows of a section that is not opened."""
ALPHA = 0.05
DIGITS = 3


def arrange(rows: Sequence[StudyRow], measure: Measure) -> tuple[StudyRow, ...]:
    """Sort rows within their sections: the part that costs most without it, elsewhere the best.

    Parameters
    ----------
    rows : sequence of StudyRow
        Rows of one section are neighbours.
    measure : Measure
        What their values are, and which direction is better.
    """
    sections = list(dict.fromkeys(row.section for row in rows))

    def place(row: StudyRow) -> tuple[int, float]:
        gain = measure.better * row.mean
        return sections.index(row.section), gain if row.section == SECTIONS["ablation"] else -gain

    return tuple(sorted(rows, key=place))


def fold(
    rows: Sequence[StudyRow], *, opened: Collection[str], keep: Collection[Key] = ()
) -> tuple[StudyRow, ...]:
    """Return the first rows of each section, and all of one that is opened.

    Parameters
    ----------
    rows : sequence of StudyRow
        As `arrange` sorts them.
    opened : collection of str
        Sections shown whole.
    keep : collection of key
        Rows that are shown in any case.
    """
    seen: dict[str, int] = {}
    shown = []
    for row in rows:
        seen[row.section] = seen.get(row.section, 0) + 1
        if row.section in opened or seen[row.section] <= FIRST_ROWS or row.key in keep:
            shown.append(row)
    return tuple(shown)


def foldable(rows: Sequence[StudyRow]) -> dict[str, int]:
    """Sections with more rows than are shown first, with how many they have."""
    sections = [row.section for row in rows]
    sizes = {section: sections.count(section) for section in dict.fromkeys(sections)}
    return {section: n for section, n in sizes.items() if n > FIRST_ROWS}


def verdict(pairs: Sequence[PairedRow], measure: Measure, *, reference: str) -> str:
    """Say how many variants differ from the reference, and by how much the extremes do.

    Parameters
    ----------
    pairs : sequence of PairedRow
        Each with the reference on common splits.
    measure : Measure
    reference : str
        Title of the reference.

    Notes
    -----
    A difference is shown where the p-value of Nadeau and Bengio's test, adjusted by Holm's rule
    over the pairs given, is at most 0.05.
    """
    if not pairs:
        return ""
    gains = np.array([measure.better * pair.difference.mean() for pair in pairs])
    shown = _differs(pairs)
    counts = {
        "better": int((shown & (gains > 0)).sum()),
        "worse": int((shown & (gains < 0)).sum()),
    }
    said = [f"{n} {word}" for word, n in counts.items() if n]
    rest = int((~shown).sum())
    if rest:
        said.append(f"no difference shown for {rest}")
    return (
        f"{count(len(pairs), 'variant')} against {reference} on the same splits, by "
        f"{measure.label}: {listed(said)}. {_extremes(pairs, gains)}"
    )


def _differs(pairs: Sequence[PairedRow]) -> BoolArray:
    """Whether each pair's difference is shown once all are tested together."""
    adjusted = np.ones(len(pairs))
    tested = [k for k, p in enumerate(pairs) if len(p.split) > 1 and np.ptp(p.difference) > 0]
    adjusted[tested] = holm(
        [
            corrected_t_test(p.difference, n_train=p.row.n_train, n_test=p.row.n_test).p_value
            for p in (pairs[k] for k in tested)
        ]
    )
    differs: BoolArray = adjusted <= ALPHA
    return differs


def _extremes(pairs: Sequence[PairedRow], gains: Float64Array) -> str:
    worst, best = int(gains.argmin()), int(gains.argmax())

    def amount(k: int) -> str:
        return f"{pairs[k].row.title} ({signed(float(pairs[k].difference.mean()), DIGITS)})"

    if len(pairs) == 1:
        return f"The mean difference is {signed(float(pairs[0].difference.mean()), DIGITS)}."
    ends = []
    if gains[worst] < 0:
        ends.append(f"the furthest behind is {amount(worst)}")
    if gains[best] > 0:
        ends.append(f"the furthest ahead is {amount(best)}")
    text = listed(ends) if ends else "all have the same mean"
    return f"{text[0].upper()}{text[1:]}."
