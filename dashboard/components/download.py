"""A button that saves a file and leaves an event in the audit trail.

A name and a function that makes the file go in; the file is made when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard.components import trail


def offer_download(
    label: str,
    data: str | bytes | Callable[[], str | bytes],
    *,
    file_name: str,
    mime: str,
    key: str,
    export_type: str,
    token: str | None = None,
    model_digest: str | None = None,
    help: str | None = None,  # Streamlit's word
    shortcut: str | None = None,
) -> None:
    """Offer a file, which is handed out on the click, with its event.

    Parameters
    ----------
    label, data, file_name, mime, key, help, shortcut
        As `streamlit.download_button`; a callable makes the file on the click.
    export_type : str
        What kind of file it is, in the audit trail.
    token, model_digest : str, optional
        Case and model that it is about.
    """
    note = trail.exporting(export_type, token, model_digest)

    def handed_out() -> str | bytes:
        content = data() if callable(data) else data
        note()
        return content

    st.download_button(
        label,
        handed_out,
        file_name=file_name,
        mime=mime,
        key=key,
        on_click="ignore",  # a rerun can drop the answer that holds the file's address
        help=help,
        shortcut=shortcut,
    )
