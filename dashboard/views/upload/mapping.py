"""Upload & check, step 2: what every column was taken for, and a way to say otherwise.

A `CheckedUpload` goes in; every choice is a change of ``cohort.toml``, and the tables are read
again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from camlif.data.manifest import MANIFEST
from camlif.data.reading.assignments import FileUse, Kind, assign, confirm_all, file_use, use_file
from camlif.data.reading.checks import CONFIDENCE, Assignment, CheckReport
from camlif.wording import OLDEST_SHOWN, count, shown_age
from dashboard.components.text import plain
from dashboard.views.upload import session
from dashboard.views.upload.groups import show_groups
from dashboard.views.upload.session import CheckedUpload

ROLES = {
    "id": "Patient identifier",
    "time": "Follow-up time",
    "last contact": "Time of last contact",
    "start": "Date it runs from",
    "unit": "Unit of follow-up",
    "event": "Event status",
    "event value": "Cells that mean the event",
    "entry": "Entry time (if late)",
    "subtype": "Subtype",
    "grade": "Grade",
    "age": "Age",
    "sex": "Sex",
    "centre": "Centre",
}
IN_EDITOR = (
    "time",
    "last contact",
    "start",
    "event",
    "entry",
    "subtype",
    "grade",
    "age",
    "sex",
    "centre",
)
USES = ("clinical", "modality", "left out")
KINDS: dict[Kind, str] = {
    "table": "one row a patient",
    "bag": "several samples a patient",
    "columns": "one column a patient",
}
NONE = "(none)"
UNCERTAIN_STYLE = "background-color: #FFF1CC; color: #5C4300; font-weight: 600"
ROW_PIXELS, BORDER_PIXELS = 35, 3


def show_mapping(upload: CheckedUpload) -> None:
    """Draw the step."""
    st.header("2. Map columns", anchor=False)
    report = upload.report
    uncertain = [a for a in report.mapping if a.uncertain]
    label = "Mapping: sure of every column"
    if uncertain:
        label = f"Mapping: {count(len(uncertain), 'entry', 'entries')} to look at"
    with st.expander(label, expanded=bool(uncertain), key=f"mapping_open_{bool(uncertain)}"):
        if not upload.files:
            st.caption("The files were let go when the cohort was opened. Add them to change it.")
        if uncertain:
            names = "; ".join(dict.fromkeys(_named(a) for a in uncertain))
            st.caption(plain(f"Please look at: {names}."))
        _columns(report, disabled=not upload.files)
        _no_inputs(report)
        _values(report, disabled=not upload.files)
        _files(report, disabled=not upload.files)
        show_groups(report, disabled=not upload.files)
    _save(report, uncertain, disabled=not upload.files)


def _named(assignment: Assignment) -> str:
    role = ROLES[assignment.role].lower()
    return f"{role} of {assignment.file}" if assignment.role == "id" else role


def _columns(report: CheckReport, *, disabled: bool) -> None:
    """The clinical table's roles, one line each."""
    rows = [a for a in report.mapping if a.role in IN_EDITOR]
    if not rows:
        return
    st.markdown(plain(f"Columns of {rows[0].file}"))
    table = pd.DataFrame(
        {
            "role": [ROLES[a.role] for a in rows],
            "column": [a.chosen[0] if a.chosen else NONE for a in rows],
            "confidence": [_confidence(a) for a in rows],
            "because": [a.because for a in rows],
            "examples": [_examples(a) for a in rows],
        }
    )
    edited = st.data_editor(
        table.style.apply(_highlight, uncertain=[a.uncertain for a in rows], subset=["confidence"]),
        hide_index=True,
        disabled=True if disabled else ["role", "confidence", "because", "examples"],
        column_config={
            "role": st.column_config.TextColumn("Role"),
            "column": st.column_config.SelectboxColumn(
                "Column", options=[NONE, *rows[0].options], required=True
            ),
            "confidence": st.column_config.TextColumn("How sure"),
            "because": st.column_config.TextColumn("Because of"),
            "examples": st.column_config.TextColumn("Examples"),
        },
        height=ROW_PIXELS * (len(rows) + 1) + BORDER_PIXELS,
        key=f"mapping_columns_{session.round_number()}",
        alt="Columns of the clinical table by role",
    )
    for row, before, after in zip(rows, table["column"], edited["column"], strict=True):
        if before != after:
            chosen = () if after == NONE else (after,)
            session.change(f"{ROLES[row.role]}: {after}", assign(report, row, chosen))
            st.rerun()


def _no_inputs(report: CheckReport) -> None:
    """The columns that no model reads, and why."""
    rows = [(file, role) for file, roles in report.no_inputs.items() for role in roles]
    if not rows:
        return
    st.markdown("Columns that no model reads")
    table = pd.DataFrame(
        {
            "file": [file for file, _ in rows],
            "column": [role.column for _, role in rows],
            "what it is": [role.kind for _, role in rows],
            "because of": [role.because for _, role in rows],
        }
    )
    st.dataframe(table, hide_index=True, key="no_inputs", alt="Columns that no model reads")


def _confidence(assignment: Assignment) -> str:
    if assignment.confidence == "given" and not assignment.chosen:
        return "chosen: none"
    if assignment.confidence == "absent" and assignment.role in ("unit", "event value"):
        return "please choose"
    return CONFIDENCE[assignment.confidence]


def _examples(assignment: Assignment) -> str:
    """Cells of the column; ages over 89 are not told."""
    cells = assignment.examples
    if assignment.role == "age":
        ages = pd.to_numeric(pd.Series(cells, dtype="object"), errors="coerce")
        cells = tuple(
            c if pd.isna(a) or a < OLDEST_SHOWN else shown_age(a)
            for c, a in zip(cells, ages, strict=True)
        )
    return ", ".join(cells)


def _highlight(column: pd.Series, uncertain: Sequence[bool]) -> list[str]:
    """Style of each cell of the column; the words in it say the same."""
    return [UNCERTAIN_STYLE if flag else "" for flag in uncertain[: len(column)]]


def _values(report: CheckReport, *, disabled: bool) -> None:
    """The unit of time, and the cells that mean the event."""
    by_role = {a.role: a for a in report.mapping if a.role in ("unit", "event value")}
    if not by_role:
        return
    left, right = st.columns(2)
    if "unit" in by_role:
        with left:
            _unit(report, by_role["unit"], disabled=disabled)
    if "event value" in by_role:
        with right:
            _event_value(report, by_role["event value"], disabled=disabled)


def _unit(report: CheckReport, unit: Assignment, *, disabled: bool) -> None:
    picked = st.segmented_control(
        plain(f"{ROLES['unit']} ({_confidence(unit)})"),
        unit.options,
        default=unit.chosen[0] if unit.chosen else None,
        disabled=disabled,
        key=f"mapping_unit_{session.round_number()}",
    )
    if picked and (picked,) != unit.chosen:
        session.change(f"Unit of follow-up: {picked}", assign(report, unit, (picked,)))
        st.rerun()


def _event_value(report: CheckReport, value: Assignment, *, disabled: bool) -> None:
    picked = st.multiselect(
        plain(f"{ROLES['event value']} ({_confidence(value)})"),
        value.options,
        default=list(value.chosen),
        disabled=disabled,
        placeholder="Pick the cells",
        key=f"mapping_event_{session.round_number()}",
        select_all=False,
    )
    if value.examples:
        st.caption(plain(f"It holds {', '.join(value.examples)}"))
    if picked and set(picked) != set(value.chosen):
        title = f"Event: {', '.join(picked)}"
        session.change(title, assign(report, value, picked))
        st.rerun()


def _files(report: CheckReport, *, disabled: bool) -> None:
    """Every table: its use, its name as a modality, its identifiers."""
    files = [f for f in report.files if f.n_rows or f.name in report.manifest.ignore]
    files = [f for f in files if f.role not in ("predictions", "course")]
    if not files:
        return
    ids = {a.file: a for a in report.mapping if a.role == "id"}
    uses = {f.name: file_use(report, f.name) for f in files}
    table = pd.DataFrame([_file_row(f.name, uses[f.name], ids.get(f.name)) for f in files])
    st.markdown("Files")
    options = dict.fromkeys(column for a in ids.values() for column in a.options)
    flags = [f.name in ids and ids[f.name].uncertain for f in files]
    edited = st.data_editor(
        table.style.apply(_highlight, uncertain=flags, subset=["confidence"]),
        hide_index=True,
        disabled=True if disabled else ["file", "confidence", "examples"],
        column_config={
            "file": st.column_config.TextColumn("File"),
            "use": st.column_config.SelectboxColumn("Read as", options=USES, required=True),
            "modality": st.column_config.TextColumn("Modality", max_chars=40),
            "rows": st.column_config.SelectboxColumn("Rows", options=list(KINDS.values())),
            "id": st.column_config.SelectboxColumn("Identifier", options=list(options)),
            "confidence": st.column_config.TextColumn("How sure"),
            "examples": st.column_config.TextColumn("Examples"),
            "exclude": st.column_config.ListColumn(
                "Leave out columns", help="Names of columns; * stands for any text."
            ),
        },
        height=ROW_PIXELS * (len(files) + 1) + BORDER_PIXELS,
        key=f"mapping_files_{session.round_number()}",
        alt="Files, what they are read as, and their identifiers",
    )
    for file, before, after in zip(
        files, table.to_dict("records"), edited.to_dict("records"), strict=True
    ):
        _apply_file_row(report, file.name, before, after, ids.get(file.name))


def _file_row(file: str, use: FileUse, identifier: Assignment | None) -> dict[str, object]:
    return {
        "file": file,
        "use": use.role,
        "modality": use.modality,
        "rows": KINDS[use.kind] if use.role == "modality" else None,
        "id": identifier.chosen[0] if identifier and identifier.chosen else None,
        "confidence": _confidence(identifier) if identifier else "",
        "examples": ", ".join(identifier.examples) if identifier else "",
        "exclude": list(use.exclude),
    }


def _apply_file_row(
    report: CheckReport,
    file: str,
    before: dict[Any, Any],
    after: dict[Any, Any],
    identifier: Assignment | None,
) -> None:
    """Make the changes of one line of the table of files."""
    if identifier is not None and after["id"] and after["id"] != before["id"]:
        if after["id"] in identifier.options:
            title = f"Identifier of {file}: {after['id']}"
            session.change(title, assign(report, identifier, (after["id"],)))
        else:
            session.REFUSED.set(f"{file} has no column {after['id']}.")
            session.start_round()
        st.rerun()
    if all(_same(before[key], after[key]) for key in ("use", "modality", "rows", "exclude")):
        return
    kind: Kind = next((k for k, words in KINDS.items() if words == after["rows"]), "table")
    use = FileUse(
        role=after["use"],
        modality=(after["modality"] or "").strip() if after["use"] == "modality" else "",
        kind=kind,
        exclude=tuple(after["exclude"] if after["exclude"] is not None else ()),
    )
    session.change(f"{file}: {_use_words(use)}", use_file(report, file, use))
    st.rerun()


def _same(a: object, b: object) -> bool:
    as_list = [list(x) if isinstance(x, (list, tuple)) else x for x in (a, b)]
    return as_list[0] == as_list[1] or (not as_list[0] and not as_list[1])


def _use_words(use: FileUse) -> str:
    if use.role != "modality":
        return use.role if use.role == "left out" else "clinical table"
    words = [f"modality {use.modality}".strip(), KINDS[use.kind]]
    if use.exclude:
        words.append(f"without {', '.join(use.exclude)}")
    return ", ".join(words)


def _save(report: CheckReport, uncertain: Sequence[Assignment], *, disabled: bool) -> None:
    with st.container(horizontal=True):
        inferred = [a for a in uncertain if a.confidence == "inferred"]
        if inferred and not disabled:
            label = f"Confirm what was inferred ({len(inferred)})"
            if st.button(label, key="confirm_mapping", icon=":material/check:"):
                session.change("Confirmed what was inferred", confirm_all(report))
                st.rerun()
        st.download_button(
            "Save the mapping (cohort.toml)",
            report.manifest.to_toml(),
            file_name=MANIFEST,
            mime="application/toml",
            key="save_mapping",
            icon=":material/save:",
            on_click="ignore",
            help="Add this file to the tables next time, or put it into their folder.",
        )
