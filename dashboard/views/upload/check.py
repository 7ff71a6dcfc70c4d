"""Upload & check, step 3: problems with their repairs, and where every row went.

A `CheckedUpload` goes in and is drawn; pressing a repair changes the mapping and checks again.
"""

from __future__ import annotations

from collections import Counter

import pandas as pd
import streamlit as st

from camlif.data.reading.checks import CheckReport
from camlif.data.reading.problems import Problem
from camlif.data.reading.repairs import Option, options_for
from camlif.wording import count
from dashboard.components.chart import show_chart, theme
from dashboard.components.text import plain
from dashboard.figures.overlap import overlap_chart
from dashboard.session.resources import LoadedCohort
from dashboard.views.upload import session
from dashboard.views.upload.session import CheckedUpload

SEVERITIES = {
    "error": ("Errors", st.error),
    "warning": ("Warnings", st.warning),
    "note": ("Notes", st.info),
}
MAX_BUTTONS = 4
"""A problem with more ways to mend it gets a list to choose from."""


def show_check(upload: CheckedUpload) -> None:
    """Draw the step."""
    report = upload.report
    st.header("3. Check", anchor=False)
    refused = session.REFUSED.pop()
    if refused:
        st.error(plain(refused))
    if report.usable:
        st.success(_preview(report))
    else:
        st.error(plain(f"{count(len(report.errors), 'error')} to mend before anything is scored."))
    if upload.steps:
        _show_steps(upload)
    seen: Counter[str] = Counter()
    for severity, (title, _) in SEVERITIES.items():
        found = [p for p in report.problems if p.severity == severity]
        if not found:
            continue
        with st.expander(f"{title} ({len(found)})", expanded=severity != "note"):
            for problem in found:
                show_problem(problem, upload, seen)
    if report.flow is not None:
        _show_flow(report, upload.loaded)


def show_problem(
    problem: Problem, upload: CheckedUpload, seen: Counter[str], *, where: str = ""
) -> None:
    """Draw a problem and its repairs.

    Parameters
    ----------
    problem : Problem
    upload : CheckedUpload
        Has the report, and the files to repair.
    seen : Counter of str
        Repairs drawn so far in this step, which makes keys unlike; counted on.
    where : str
        Begins the keys of its widgets.
    """
    line = f"{problem.code}: {problem.line}" if problem.code else problem.line
    with st.container(gap="xsmall"):
        SEVERITIES[problem.severity][1](plain(line))
        if upload.files:
            _show_repairs(options_for(problem, upload.report), seen, where)


def _preview(report: CheckReport) -> str:
    patients = report.flow.n_patients if report.flow else 0
    if report.outcome is None:
        return plain(f"{count(patients, 'patient')}, no outcome columns.")
    outcome = report.outcome.to_json()
    events, followed = (count(outcome[f"{noun}s"], noun) for noun in ("event", "patient"))
    text = f"{events} of {followed} with follow-up"
    if outcome["median_follow_up_months"] is not None:
        text += f", median follow-up {outcome['median_follow_up_months']:.0f} months"
    if outcome["longest_months"] is not None:
        text += f", longest {outcome['longest_months']:.0f} months"
    return plain(f"{count(patients, 'patient')}; {text}.")


def _show_steps(upload: CheckedUpload) -> None:
    """What was changed so far, each with a way back."""
    with st.container(border=True, key="changes_made"):
        st.markdown(f"**Changes made ({len(upload.steps)})**")
        for i, step in enumerate(upload.steps):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(plain(f"{i + 1}. {step.title}"), width="stretch")
                if upload.files and st.button("Undo", key=f"undo_{i}", icon=":material/undo:"):
                    session.undo(i)
                    st.rerun()


def _show_repairs(options: tuple[Option, ...], seen: Counter[str], where: str = "") -> None:
    """Draw the ways to mend a problem.

    Keys count how often the same repair was ``seen`` before, not the problem's place: a click
    while the page is drawn anew must reach its button although problems above it are gone.
    """
    if not options:
        return
    by_repair: dict[str, list[Option]] = {}
    for option in options:
        by_repair.setdefault(option.repair, []).append(option)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for repair, several in by_repair.items():
            if len(several) > MAX_BUTTONS:
                _choose(f"{where}{seen[repair]}_{repair}", several)
                seen[repair] += 1
                continue
            for option in several:
                key = f"repair_{where}{seen[option.flag]}_{option.flag}"
                seen[option.flag] += 1
                if st.button(plain(option.label), key=key):
                    _apply(option)


def _choose(key: str, options: list[Option]) -> None:
    """One of many ways, from a list."""
    labels = [option.label for option in options]
    label = st.selectbox(
        "Mend it",
        labels,
        index=None,
        placeholder="Choose how to mend it",
        label_visibility="collapsed",
        key=f"choose_{key}",
        width=360,
    )
    if st.button("Apply", key=f"apply_{key}", disabled=label is None) and label is not None:
        _apply(options[labels.index(label)])


def _apply(option: Option) -> None:
    session.change(option.label, option.changes)
    st.rerun()


def _show_flow(report: CheckReport, loaded: LoadedCohort | None) -> None:
    left, right = st.columns(2)
    with left:
        st.markdown("**Where the rows went**")
        st.dataframe(_flow_table(report), hide_index=True, key="flow")
    if loaded is not None and len(loaded.cohort.schema.names) > 1:
        with right:
            chart = overlap_chart(loaded.cohort.presence, loaded.cohort.schema.names, theme=theme())
            show_chart(chart, key="overlap")


def _flow_table(report: CheckReport) -> pd.DataFrame:
    flow = report.flow
    if flow is None:
        return pd.DataFrame()
    rows = [(f.name, "rows read", f.n_rows) for f in report.files if f.n_rows]
    rows += [(step.file, step.reason, -step.n) for step in flow.steps]
    rows += [("cohort", f"patients with {name}", n) for name, n in flow.patients.items()]
    rows += [
        ("cohort", "patients with all modalities", flow.n_complete),
        ("cohort", "patients", flow.n_patients),
    ]
    return pd.DataFrame(rows, columns=["where", "what", "number"])
