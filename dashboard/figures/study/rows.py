"""Rows of a study's charts: one variant with a measure on every split, and paired differences.

The tables of a `Study` go in; records of rows and pairs come out, for the charts of this package.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from camlif.arrays import Float64Array, IntArray
from camlif.statistics.splits import SplitInterval, corrected_interval
from camlif.study.summary import KEY_COLUMNS
from camlif.wording import count, with_interval

SECTIONS: Mapping[str, str] = MappingProxyType(
    {
        "camlif": "CA-MLIF",
        "ablation": "CA-MLIF with parts removed or replaced",
        "rival": "Published rivals",
        "generic": "Generic fusion",
        "single modality": "Single modalities",
        "classical": "Classical references",
    }
)
"""Heading of each family of rows."""
WITH_HEADS = ("rival", "generic")
# Every measure of a study is a share of pairs, patients or a squared probability.
SHARE = (0.0, 1.0)
DIFFERENCE_OF_SHARES = (-1.0, 1.0)
"""Families whose rows come with matched and with native heads, which stand apart."""
Key = tuple[str, str, str]
"""Method, variant and head, which together name a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A column of the results that charts can show.

    Attributes
    ----------
    column, label : str
    better : {1, -1}
        1 where higher is better.
    anchor : float
        Value named on the axis whatever its zoom: chance, or perfection.
    anchor_word : str
    """

    column: str
    label: str
    better: int
    anchor: float
    anchor_word: str


def _auc(horizon: int) -> Measure:
    label = f"AUC at {count(horizon, 'month')}"
    return Measure(column=f"auc_{horizon}", label=label, better=1, anchor=0.5, anchor_word="chance")


C_INDEX = Measure(column="c_index", label="C-index", better=1, anchor=0.5, anchor_word="chance")
MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        measure.label: measure
        for measure in (
            C_INDEX,
            Measure(
                column="ipcw_c", label="IPCW C-index", better=1, anchor=0.5, anchor_word="chance"
            ),
            Measure(
                column="ibs",
                label="Integrated Brier score",
                better=-1,
                anchor=0.0,
                anchor_word="perfect",
            ),
            *(_auc(horizon) for horizon in (12, 36, 60)),
        )
    }
)
"""By label; the C-index first."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyRow:
    """One variant with one measure.

    Attributes
    ----------
    key : (method, variant, head)
    title, section : str
        ``section`` groups rows: rivals with matched heads stand apart from native ones.
    split : ndarray of int, shape (k,)
        Splits in which the measure is defined, ascending.
    values : ndarray of float64, shape (k,)
    interval : SplitInterval or None
        95 %, Nadeau-Bengio corrected; None with fewer than two splits.
    n_train, n_test : float
        Mean sizes of the parts of a split.
    printed : float or None
        C-index printed in the paper for this row, of the paper's own cohort.
    """

    key: Key
    title: str
    section: str
    split: IntArray
    values: Float64Array
    interval: SplitInterval | None
    n_train: float
    n_test: float
    printed: float | None = None

    @property
    def mean(self) -> float:
        """Mean over the splits."""
        return float(self.values.mean())

    @property
    def text(self) -> str:
        """Numbers in words: ``0.719 (0.698 to 0.740)``."""
        if self.interval is None:
            return f"{self.mean:.3f} (one split)"
        return with_interval(self.mean, self.interval.low, self.interval.high, digits=3)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairedRow:
    """A row against the reference on their common splits; arrays have shape (k,).

    Attributes
    ----------
    row : StudyRow
    split : ndarray of int
    own, reference : ndarray of float64
        The measure of the row and of the reference.
    better : {1, -1}
        1 where higher is better.
    interval : SplitInterval or None
        Of ``own - reference``, Nadeau-Bengio corrected.
    """

    row: StudyRow
    split: IntArray
    own: Float64Array
    reference: Float64Array
    better: int
    interval: SplitInterval | None

    @property
    def difference(self) -> Float64Array:
        """Row minus reference."""
        return self.own - self.reference

    @property
    def reference_wins(self) -> int:
        """Splits in which the reference is better."""
        return int((self.better * self.difference < 0).sum())

    @property
    def ties(self) -> int:
        """Splits in which both are equal."""
        return int((self.difference == 0).sum())


def row_title(title: str, family: str, head: str) -> str:
    """Title of a row; a native head is named, since it has the title of the matched one.

    Parameters
    ----------
    title, family : str
        Of the method.
    head : {"matched", "native"}
    """
    return f"{title}, native" if family in WITH_HEADS and head == "native" else title


def section_of(family: str, head: str) -> str:
    """Heading under which a row stands."""
    section = SECTIONS.get(family, family)
    return f"{section}, {head} heads" if family in WITH_HEADS else section


def study_rows(
    results: pd.DataFrame,
    measure: Measure,
    *,
    splits: Collection[int] = (),
    printed: Mapping[Key, float] | None = None,
) -> tuple[StudyRow, ...]:
    """Collect the rows that have the measure in at least one split, section by section.

    Sections and the rows within them keep the order of the results.

    Parameters
    ----------
    results : DataFrame
        ``method, variant, head, family, title, split, n_train, n_test`` and the measure.
    measure : Measure
    splits : collection of int
        Splits used; empty: all.
    printed : mapping of key to C-index, optional
        Used where the measure is the C-index: the paper prints nothing else.
    """
    chosen = results[results["split"].isin(list(splits))] if splits else results
    chosen = chosen[chosen[measure.column].notna()]
    values = printed if printed is not None and measure is C_INDEX else {}
    rows = []
    for key, group in chosen.groupby(KEY_COLUMNS, sort=False):
        name: Key = tuple(map(str, key))  # type: ignore[assignment]  # three columns
        rows.append(_row(name, group.sort_values("split"), measure, values))
    sections = list(dict.fromkeys(row.section for row in rows))
    return tuple(sorted(rows, key=lambda row: sections.index(row.section)))


def _row(
    key: Key,
    group: pd.DataFrame,
    measure: Measure,
    printed: Mapping[Key, float],
) -> StudyRow:
    family = str(group["family"].iloc[0])
    n_train, n_test = float(group["n_train"].mean()), float(group["n_test"].mean())
    values = group[measure.column].to_numpy(np.float64)
    return StudyRow(
        key=key,
        title=row_title(str(group["title"].iloc[0]), family, key[2]),
        section=section_of(family, key[2]),
        split=group["split"].to_numpy(np.int_),
        values=values,
        interval=_interval(values, n_train, n_test, within=SHARE),
        n_train=n_train,
        n_test=n_test,
        printed=printed.get(key),
    )


def _interval(
    values: Float64Array, n_train: float, n_test: float, *, within: tuple[float, float]
) -> SplitInterval | None:
    if len(values) < 2:
        return None
    return corrected_interval(values, n_train=n_train, n_test=n_test, within=within)


def paired_rows(
    rows: Sequence[StudyRow], reference: Key, measure: Measure
) -> tuple[PairedRow, ...]:
    """Pair every row with the reference on their common splits; rows without any are left out.

    Parameters
    ----------
    rows : sequence of StudyRow
    reference : tuple of str
        Method, variant and head of the row to compare with.
    measure : Measure
        What their values are, and which direction is better.
    """
    base = next((row for row in rows if row.key == reference), None)
    if base is None:
        return ()
    pairs = []
    for row in rows:
        common, own, other = np.intersect1d(row.split, base.split, return_indices=True)
        if row is base or not len(common):
            continue
        values, against = row.values[own], base.values[other]
        pairs.append(
            PairedRow(
                row=row,
                split=common,
                own=values,
                reference=against,
                better=measure.better,
                interval=_interval(
                    values - against, row.n_train, row.n_test, within=DIFFERENCE_OF_SHARES
                ),
            )
        )
    return tuple(pairs)
