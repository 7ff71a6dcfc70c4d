"""Upload & check: files in, report, model match, score.

Files go in, a cohort that the other pages show comes out. Problems are drawn, not raised.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from camlif.data.formats.registry import offered_types, offered_words
from camlif.data.reading.checks import CheckReport
from camlif.data.reading.readers import folder_files
from camlif.data.samples import SAMPLES
from dashboard import messages
from dashboard.components.text import plain
from dashboard.session import resources, state
from dashboard.session.keys import SessionKey
from dashboard.session.settings import settings
from dashboard.views.upload import session
from dashboard.views.upload.check import show_check
from dashboard.views.upload.mapping import show_mapping
from dashboard.views.upload.match import show_match

MAX_FILE_MB = 250
MAX_SESSION_MB = 600
UPLOADER: SessionKey[int] = SessionKey("uploader_round")  # a new key drops the uploaded bytes
DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "pipe"}


def main() -> None:
    """Draw the page."""
    st.markdown(
        "One table per modality and a clinical table; first column `patient_id`. Files stay on "
        "this computer and are erased when the session ends."
    )
    _add_files()
    told = session.take_message()
    if told:
        st.info(plain(told))
    upload = session.upload_in_hand()
    if upload is None:
        return
    _show_files(upload.report)
    _remove_files()
    show_mapping(upload)
    show_check(upload)
    if upload.loaded is not None:
        show_match(upload, upload.loaded)


def _add_files() -> None:
    st.header("1. Add files", anchor=False)
    round_ = UPLOADER.start_with(0)
    files = st.file_uploader(
        f"{offered_words()} and optionally cohort.toml. Files that can run code (pt, pkl, rds ...) "
        "are not read: you are told how to convert them.",
        type=[*offered_types(), "toml"],
        accept_multiple_files=True,
        key=f"uploader_{round_}",
        max_upload_size=MAX_FILE_MB,
    )
    if session.files_in_hand():
        st.caption("Files added now join those below; one of the same name replaces the earlier.")
    with st.container(horizontal=True):
        if st.button("Check files", type="primary", disabled=not files, key="check_files"):
            _check([(file.name, file.getvalue()) for file in files or []])
        with st.popover("Use a sample"):
            for key, sample in SAMPLES.items():
                if st.button(sample.title, key=f"sample_{key}"):
                    state.choose_cohort(key)
                    st.switch_page("views/cohort/page.py")
        with st.popover("Import folder"):
            _import_folder()
        with st.popover("Download templates"):
            _templates()


def _import_folder() -> None:
    """Read a cohort folder of the server where it is: for tables too large to upload."""
    home = settings().imports
    if home is None or not home.is_dir():
        st.info(plain(messages.text("E-18")))
        return
    folders = [home, *(f for f in sorted(home.iterdir()) if f.is_dir() and f.name[0] != ".")]
    names = {str(f.relative_to(home)): f for f in folders}
    name = st.selectbox("Folder", list(names), key="import_folder")
    if st.button("Check this folder", key="check_import"):
        _read(dict(folder_files(names[name])))
        session.tell(f"Read from the import folder: {name}.")
        st.rerun()


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
                partial(_template, columns),  # written when it is asked for
                file_name=f"{name}.csv",
                mime="text/csv",
                key=f"template_{entry.name}_{name}",
                on_click="ignore",
            )


def _template(columns: list[str]) -> str:
    return pd.DataFrame(columns=["patient_id", *columns]).to_csv(index=False)


def _check(added: Iterable[tuple[str, bytes]]) -> None:
    files, replaced = session.add_to_hand(added)
    size = sum(len(content) for content in files.values() if isinstance(content, bytes)) / 1e6
    if size > MAX_SESSION_MB:
        limit = f"{MAX_SESSION_MB}"
        st.error(plain(messages.text("E-02", file="The upload", size=f"{size:.0f}", limit=limit)))
        return
    _read(files)
    if replaced:
        session.tell(f"Replaced by the file added later: {', '.join(replaced)}.")
    UPLOADER.set(UPLOADER.require() + 1)
    st.rerun()


def _read(files: dict[str, Path | bytes]) -> None:
    with st.status("Reading and checking ...") as status:
        session.use_files(files)
        status.update(label="Checked", state="complete")


def _remove_files() -> None:
    """Take files out of the upload."""
    files = session.files_in_hand()
    if not files:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        unwanted = st.multiselect(
            "Remove files",
            list(files),
            placeholder="Choose files",
            key=f"remove_{session.round_number()}",
            width=480,
            select_all=False,
        )
        if st.button("Remove", disabled=not unwanted, key="remove_files"):
            session.use_files({n: c for n, c in files.items() if n not in unwanted})
            session.tell(f"Removed: {', '.join(unwanted)}.")
            st.rerun()


def _show_files(report: CheckReport) -> None:
    table = pd.DataFrame(
        {
            "file": [f.name for f in report.files],
            "read as": [f.modality or f.role for f in report.files],
            "rows": [f.n_rows for f in report.files],
            "columns": [f.n_columns for f in report.files],
            "format": [f.format or "" for f in report.files],
            "encoding": [f.encoding or "" for f in report.files],
            "delimiter": [DELIMITERS.get(f.delimiter or "", "") for f in report.files],
        }
    )
    st.dataframe(table, hide_index=True, key="files", alt="Files and what they were read as")


main()
