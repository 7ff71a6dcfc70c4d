"""The table of a study: means, paired differences, verdicts, and what could not be run.

A `StudySummary` goes in; a table is drawn and offered as CSV.
"""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd
import streamlit as st

from camlif.config import HORIZONS
from camlif.study import Study, StudySummary
from camlif.wording import count, format_p, to_csv
from dashboard.components.download import offer_download
from dashboard.components.text import plain
from dashboard.figures.study.rows import Key, row_title, section_of

FORMATS = {
    **dict.fromkeys(("mean", "SD", "strict", "IPCW C", "IBS"), "%.3f"),
    **dict.fromkeys((f"AUC {h} mo" for h in HORIZONS), "%.3f"),
    "difference": "%+.3f",
    "seconds": "%.0f",
    "parameters": "localized",
}
FIRST = (
    "section",
    "variant",
    "mean",
    "95 % interval",
    "difference",
    "its 95 % interval",
    "p (Holm)",
    "wins",
    "verdict",
)
"""Columns that people see without scrolling."""


def summary_table(summary: StudySummary, keys: Collection[Key] | None = None) -> pd.DataFrame:
    """Return the table of a study: one row per variant, C-index unless the column says otherwise.

    Parameters
    ----------
    summary : StudySummary
    keys : collection of key, optional
        Rows wanted; by default all.

    Returns
    -------
    DataFrame
        Numbers as numbers; a missing one is empty.
    """
    rows: list[dict[str, str | int | float | None]] = []
    for row in summary.rows:
        if keys is not None and row.key not in keys:
            continue
        versus, tests = row.comparison, row.p_values
        rows.append(
            {
                "section": section_of(row.family, row.head),
                "variant": row_title(row.title, row.family, row.head),
                "head": row.head,
                "splits": row.n_splits,
                "mean": row.mean,
                "SD": row.sd,
                "lower": row.low,
                "upper": row.high,
                "difference": versus.difference if versus else None,
                "diff. lower": versus.low if versus else None,
                "diff. upper": versus.high if versus else None,
                "p (corrected t)": versus.p_value if versus else None,
                "p (Holm)": versus.adjusted if versus else None,
                "wins": f"{versus.wins} of {versus.n_splits}" if versus else "",
                "verdict": row.verdict,
                "parameters": row.parameters,
                "seconds": row.seconds,
                "strict": row.strict_mean,
                "IPCW C": row.ipcw_mean,
                "IBS": row.ibs_mean,
                **{f"AUC {h} mo": row.auc_means.get(str(h)) for h in HORIZONS},
                "log-rank p, over splits": tests.over_splits if tests else None,
                "log-rank p, one row per patient": tests.unique if tests else None,
                "log-rank p, pooled": tests.pooled if tests else None,
            }
        )
    sections = list(dict.fromkeys(row["section"] for row in rows))
    ordered = [row for section in sections for row in rows if row["section"] == section]
    return pd.DataFrame(ordered)


def as_displayed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table as people read it: an interval is one cell, a p-value has its floor."""
    shown = table.drop(columns=["head", "lower", "upper", "diff. lower", "diff. upper"])
    for at, low, high, form in (
        ("SD", "lower", "upper", "{:.3f} to {:.3f}"),
        ("difference", "diff. lower", "diff. upper", "{:+.3f} to {:+.3f}"),
    ):
        words = [
            "" if pd.isna(a) or pd.isna(b) else form.format(a, b)
            for a, b in zip(table[low], table[high], strict=True)
        ]
        name = "95 % interval" if at == "SD" else "its 95 % interval"
        shown.insert(shown.columns.tolist().index(at) + 1, name, words)
    for column in shown.columns[shown.columns.str.contains(r"p \(|log-rank")]:
        shown[column] = [_p_words(value) for value in shown[column]]
    return shown[[*FIRST, *(name for name in shown if name not in FIRST)]]


def show_study_table(study: Study, keys: Collection[Key], *, key: str) -> None:
    """Show the table with its notes and a CSV; then what failed or does not apply, with reasons.

    Parameters
    ----------
    study : Study
    keys : collection of (str, str, str)
        Method, variant and head of the rows to show.
    key : str
        Begins the keys of its widgets.
    """
    table = summary_table(study.summary, keys)
    st.dataframe(
        as_displayed(table),
        hide_index=True,
        key=f"{key}_table",
        column_config={
            name: st.column_config.NumberColumn(format=form) for name, form in FORMATS.items()
        },
        alt="C-index of every variant with interval, difference to CA-MLIF and verdict",
    )
    offer_download(
        "Table (CSV)",
        to_csv(table),
        file_name=f"{study.name}_{key}.csv",
        mime="text/csv",
        key=f"{key}_table_csv",
        export_type="study table",
    )
    st.caption(plain(" ".join(study.summary.notes)))
    show_missing(study)


def _p_words(value: float | None) -> str:
    return "" if value is None or pd.isna(value) else format_p(value).removeprefix("p = ")


def show_missing(study: Study) -> None:
    """List cells that failed and variants that cannot take the cohort, each with its reason."""
    if len(study.failed):
        st.markdown(
            f"**{plain(count(len(study.failed), 'unit of work', 'units of work'))} failed**"
        )
        for cell in study.failed.itertuples(index=False):
            splits = f"splits {int(cell.first_split) + 1} to {int(cell.last_split) + 1}"  # type: ignore[arg-type]  # counts
            st.markdown(
                plain(f"{cell.method}, {cell.variant}, {cell.head} head, {splits}: {cell.reason}")
            )
    if study.summary.not_applicable:
        st.markdown("**Not applicable to this cohort**")
        for entry in study.summary.not_applicable:
            name = row_title(entry.title, entry.family, entry.head)
            st.markdown(plain(f"{name}: {entry.reason}"))
