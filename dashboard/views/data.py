"""Upload & check: files in, report, model match, score."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from camlif.catalogue import ModelMatch, rank_models
from camlif.data.checks import CheckReport
from camlif.data.problems import Problem
from camlif.data.readers import read_cohort
from camlif.data.samples import SAMPLES
from dashboard import messages, resources, state
from dashboard.components.chart import show_chart, theme
from dashboard.components.text import plain
from dashboard.figures.chart import count
from dashboard.figures.overlap import overlap_chart
from dashboard.resources import LoadedCohort

FILE_TYPES = ("csv", "tsv", "txt", "gz", "parquet", "feather", "xlsx", "toml")
MAX_FILE_MB = 250
MAX_SESSION_MB = 600
CHECKED = "checked_upload"
UPLOADER = "uploader_round"  # a new key drops the uploaded bytes
DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "pipe"}
SEVERITIES = {
    "error": ("Errors", st.error),
    "warning": ("Warnings", st.warning),
    "note": ("Notes", st.info),
}


def main() -> None:
    """Draw the page."""
    st.header("Upload & check", anchor=False)
    st.markdown(
        "One table per modality and a clinical table; first column `patient_id`. Files stay on "
        "this computer and are erased when the session ends."
    )
    _add_files()
    checked: tuple[LoadedCohort | None, CheckReport] | None = st.session_state.get(CHECKED)
    if checked is None:
        return
    loaded, report = checked
    _show_files(report)
    _show_check(report, loaded)
    if loaded is not None:
        _show_match(loaded)


def _add_files() -> None:
    st.subheader("1. Add files", anchor=False)
    round_ = st.session_state.setdefault(UPLOADER, 0)
    files = st.file_uploader(
        "Tables (csv, tsv, txt, csv.gz, parquet, feather, xlsx) and optionally cohort.toml",
        type=list(FILE_TYPES),
        accept_multiple_files=True,
        key=f"uploader_{round_}",
        max_upload_size=MAX_FILE_MB,
    )
    with st.container(horizontal=True):
        if st.button("Check files", type="primary", disabled=not files, key="check_files"):
            _check({file.name: file.getvalue() for file in files or []})
        with st.popover("Use a sample"):
            for key, sample in SAMPLES.items():
                if st.button(sample.title, key=f"sample_{key}"):
                    state.choose_cohort(key)
                    st.switch_page("views/cohort.py")
        with st.popover("Download templates"):
            _templates()


def _templates() -> None:
    """Empty tables with the columns that an installed model reads."""
    for entry in resources.catalogue():
        if entry.schema is None or entry.card is None:
            continue
        st.markdown(f"**{plain(entry.name)}**")
        outcome = ["survival_months", "event"]
        tables = {"clinical": [*outcome, *(c.name for c in entry.schema.clinical)]}
        tables |= {m.name: list(m.columns) for m in entry.schema.modalities}
        for name, columns in tables.items():
            st.download_button(
                f"{name}.csv",
                pd.DataFrame(columns=["patient_id", *columns]).to_csv(index=False),
                file_name=f"{name}.csv",
                mime="text/csv",
                key=f"template_{entry.name}_{name}",
                on_click="ignore",
            )


def _check(files: dict[str, bytes]) -> None:
    size = sum(len(content) for content in files.values()) / 1e6
    if size > MAX_SESSION_MB:
        limit = f"{MAX_SESSION_MB}"
        st.error(plain(messages.text("E-02", file="The upload", size=f"{size:.0f}", limit=limit)))
        return
    with st.status("Reading and checking ...") as status:
        cohort, report = read_cohort(files)
        loaded = None
        if cohort is not None:
            loaded = resources.loaded(state.UPLOADED, cohort, report)
        status.update(label="Checked", state="complete")
    st.session_state[CHECKED] = (loaded, report)
    st.session_state[UPLOADER] += 1
    st.rerun()


def _show_files(report: CheckReport) -> None:
    table = pd.DataFrame(
        {
            "file": [f.name for f in report.files],
            "read as": [f.modality or f.role for f in report.files],
            "rows": [f.n_rows for f in report.files],
            "columns": [f.n_columns for f in report.files],
            "format": [f.format for f in report.files],
            "encoding": [f.encoding for f in report.files],
            "delimiter": [DELIMITERS.get(f.delimiter or "", f.delimiter) for f in report.files],
        }
    )
    st.dataframe(table, hide_index=True, key="files", alt="Files and what they were read as")


def _show_check(report: CheckReport, loaded: LoadedCohort | None) -> None:
    st.subheader("2. Check", anchor=False)
    if report.usable:
        st.success(_preview(report))
    else:
        st.error(plain(f"{count(len(report.errors), 'error')} to mend before anything is scored."))
    for severity, (title, show) in SEVERITIES.items():
        found = [p for p in report.problems if p.severity == severity]
        if not found:
            continue
        with st.expander(f"{title} ({len(found)})", expanded=severity != "note"):
            for problem in found:
                show(plain(_line(problem)))
    if report.flow is not None:
        _show_flow(report, loaded)


def _line(problem: Problem) -> str:
    return f"{problem.code}: {problem.line}" if problem.code else problem.line


def _preview(report: CheckReport) -> str:
    patients = report.flow.n_patients if report.flow else 0
    if report.outcome is None:
        return plain(f"{count(patients, 'patient')}, no outcome columns.")
    outcome = report.outcome.to_json()
    text = f"{outcome['events']:,} events of {outcome['patients']:,} patients with follow-up"
    if outcome["median_follow_up_months"] is not None:
        text += f", median follow-up {outcome['median_follow_up_months']:.0f} months"
    return plain(f"{count(patients, 'patient')}; {text}.")


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


def _show_match(loaded: LoadedCohort) -> None:
    st.subheader("3. Model match and score", anchor=False)
    matches = rank_models(resources.catalogue(), loaded.cohort.schema)
    if not matches:
        st.info(
            "No installed model shares columns with these tables. Train one with "
            "`python -m camlif train FOLDER --out models/NAME`; the Cohort page shows curves of "
            "the tables as they are."
        )
        if st.button("Open without a model", key="open_plain"):
            state.choose_cohort(state.UPLOADED, loaded)
            st.switch_page("views/cohort.py")
        return
    st.dataframe(_match_table(matches), hide_index=True, key="match", alt="Columns found by model")
    names = [m.model.name for m in matches]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Model", names, key="match_model", width=280)
        match = matches[names.index(name)]
        parts = [m.modality for m in match.report.modalities if not m.complete and m.n_found]
        missing = st.multiselect(
            "Treat as missing", parts, key="match_missing", disabled=not parts, width=280
        )
        ready = set(parts) <= set(missing)
        if st.button("Score this cohort", type="primary", disabled=not ready, key="score"):
            state.choose_cohort(state.UPLOADED, loaded)
            state.choose_model(name, tuple(missing))
            st.switch_page("views/cohort.py")
    if not ready:
        st.warning(
            "Some columns that the model needs are absent. Add or rename them, or treat the "
            "modality as missing."
        )


def _match_table(matches: Sequence[ModelMatch]) -> pd.DataFrame:
    rows = [
        {
            "model": match.model.name,
            "modality": m.modality,
            "columns found": f"{m.n_found:,} of {m.n_expected:,}",
            "table": m.source or "absent",
            "missing": ", ".join(m.missing[:5]) + (" ..." if len(m.missing) > 5 else "")
            if m.n_found
            else "all",
            "not used": len(m.extra),
        }
        for match in matches
        for m in match.report.modalities
    ]
    return pd.DataFrame(rows)


main()
