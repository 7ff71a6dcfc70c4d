"""A button that saves a file and leaves an event in the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

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
    """Offer a file.

    Parameters
    ----------
    label, data, file_name, mime, key, help, shortcut
        As `streamlit.download_button`; a callable makes the file on the click.
    export_type : str
        What kind of file it is, in the audit trail.
    token, model_digest : str, optional
        Case and model that it is about.
    """
    st.download_button(
        label,
        cast(Any, data),
        file_name=file_name,
        mime=mime,
        key=key,
        on_click=trail.exported,
        args=(export_type, token, model_digest),
        help=help,
        shortcut=shortcut,
    )
