"""What Ablation and Comparison show: a study, a measure, some of its rows, some of its splits.

The workspace goes in; the widgets are drawn and a `StudyChoice` comes out for the views.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd
import streamlit as st

from camlif.study.printed import COHORTS, PRINTED
from camlif.study.summary import KEY_COLUMNS
from dashboard.components.text import plain
from dashboard.figures.study.rows import (
    MEASURES,
    SECTIONS,
    Key,
    Measure,
    StudyRow,
    paired_rows,
    study_rows,
)
from dashboard.figures.study.verdict import FIRST_ROWS, arrange, fold, foldable, verdict
from dashboard.session import resources
from dashboard.session.keys import SessionKey
from dashboard.session.state import Workspace
from dashboard.views.study.data import REFERENCE, OpenStudy, open_study, studies_of, with_splits

Page = Literal["ablation", "comparison"]
PRINTED_PROFILES = {"gbmlgg": "glioma", "kirc": "kidney", "luad": "lung"}
"""Disease of the paper's cohorts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyChoice:
    """What a page shows of a study.

    Attributes
    ----------
    page : {"ablation", "comparison"}
    opened : OpenStudy
        With the splits in use.
    measure : Measure
    keys : tuple of key
        Rows shown, from top to bottom.
    folded : tuple of key
        Further rows, of sections that are not opened.
    printed_of : str
        Key of the paper's cohort whose values are shown beside the run's.
    """

    page: Page
    opened: OpenStudy
    measure: Measure
    keys: tuple[Key, ...]
    folded: tuple[Key, ...]
    printed_of: str

    @property
    def results(self) -> pd.DataFrame:
        """Results of the rows shown, of all splits."""
        results = self.opened.study.results
        keys = set(self.keys)
        wanted = [tuple(key) in keys for key in results[KEY_COLUMNS].values]
        return results[wanted]

    @property
    def n_splits(self) -> tuple[int, int]:
        """Least and most splits in use that a row shown has."""
        used = self.results
        if self.opened.splits:
            used = used[used["split"].isin(self.opened.splits)]
        counts = used.groupby(KEY_COLUMNS)["split"].nunique()
        return (int(counts.min()), int(counts.max())) if len(counts) else (0, 0)

    @property
    def rows(self) -> tuple[StudyRow, ...]:
        """Rows with the measure, in the splits in use."""
        found = study_rows(
            self.results,
            self.measure,
            splits=self.opened.splits,
            printed=printed_values(self.printed_of),
        )
        return arrange(found, self.measure)


def printed_values(cohort: str) -> dict[Key, float]:
    """C-indices that the paper prints for one of its cohorts, beside rows with matched heads."""
    return {
        (method, variant, "matched"): values[cohort].mean
        for (method, variant), values in PRINTED.items()
        if cohort in values
    }


def pick_study(workspace: Workspace, page: Page) -> OpenStudy | None:
    """Let the user pick a study; None, with a way to start one, where there is none."""
    for entry in resources.studies():
        if entry.error is not None:
            st.caption(plain(f"Study {entry.name} cannot be read and is left out: {entry.error}"))
    shows_others: SessionKey[bool] = SessionKey(f"{page}_others")
    others = bool(shows_others.get())
    entries = studies_of(workspace, others=others)
    if not entries:
        title = plain(workspace.cohort.info.title)
        st.info(f"No study of {title} has been run on this machine yet.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if entries:
            names = {e.path: e.name for e in entries}
            titles = {e.path: e.cohort.title for e in entries if e.cohort is not None}
            picked = st.selectbox(
                "Study",
                [entry.path for entry in entries],
                format_func=lambda path: f"{names[path]} ({titles[path]})",
                key=f"{page}_study",
            )
        st.toggle("Studies of other cohorts", key=f"{page}_others")
    if not entries:
        return None
    return open_study(next(entry for entry in entries if entry.path == picked), workspace)


def choose(opened: OpenStudy, page: Page, families: Collection[str]) -> StudyChoice:
    """Let the user choose measure, variants and splits.

    Parameters
    ----------
    opened : OpenStudy
    page : {"comparison", "ablation"}
    families : collection of str
        Families of methods to choose among.
    """
    rows = [row for row in opened.study.summary.rows if row.family in families]
    titles = opened.titles
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = st.selectbox("Measure", list(MEASURES), key=f"{page}_measure", width=210)
        picked = st.multiselect(
            "Variants",
            [row.key for row in rows],
            format_func=lambda key: titles.get(key, ", ".join(key)),
            key=f"{page}_variants",
            placeholder="All",
            width=380,
            select_all=False,
        )
        splits = st.multiselect(
            "Splits",
            sorted(opened.study.results["split"].unique().tolist()),
            format_func=lambda split: str(split + 1),
            key=f"{page}_splits",
            placeholder="All",
            width=240,
            select_all=False,
        )
        printed = _pick_printed(opened, page, [row.key for row in rows])
    chosen = [row.key for row in rows if not picked or row.key in (*picked, REFERENCE)]
    choice = StudyChoice(
        page=page,
        opened=with_splits(opened, splits),
        measure=MEASURES[label],
        keys=tuple(chosen),
        folded=(),
        printed_of=printed,
    )
    found = choice.rows
    _say_verdict(choice, found)
    return choice if picked else _fold(choice, found)


def _say_verdict(choice: StudyChoice, found: Sequence[StudyRow]) -> None:
    """Say first what the rows come to: of an ablation, those that have all modalities."""
    single = SECTIONS["single modality"]
    rows = [row for row in found if choice.page == "comparison" or row.section != single]
    pairs = paired_rows(rows, REFERENCE, choice.measure)
    said = verdict(pairs, choice.measure, reference="CA-MLIF")
    if said:
        st.markdown(f"**{plain(said)}**")


def _fold(choice: StudyChoice, rows: Sequence[StudyRow]) -> StudyChoice:
    """Show the first rows of large sections until they are opened."""
    large = foldable(rows)
    if not large:
        return choice
    opened = st.pills(
        f"Sections shown whole; of the others the first {FIRST_ROWS} rows",
        list(large),
        format_func=lambda section: f"{section} ({large[section]})",
        selection_mode="multi",
        key=f"{choice.page}_sections",
    )
    shown = tuple(row.key for row in fold(rows, opened=opened, keep=(REFERENCE,)))
    # A row without the measure is in no section, and stays for the other views.
    hidden = {row.key for row in rows} - set(shown)
    return replace(
        choice,
        keys=tuple(key for key in choice.keys if key not in hidden),
        folded=tuple(key for key in choice.keys if key in hidden),
    )


def _pick_printed(opened: OpenStudy, page: Page, keys: Sequence[Key]) -> str:
    """Pick the paper's cohort with printed values for these rows: that of the disease first."""
    profile = opened.study.cohort.profile
    others = set(keys) - {REFERENCE}
    found = [c for c in COHORTS if others & set(printed_values(c))] or ["luad"]
    own = [cohort for cohort in found if PRINTED_PROFILES[cohort] == profile]
    if len(found) == 1:
        return found[0]
    return st.selectbox(
        "Printed values of",
        found,
        index=found.index(own[0]) if own else len(found) - 1,
        format_func=str.upper,
        key=f"{page}_printed",
        width=170,
    )
