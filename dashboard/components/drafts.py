"""What is typed and not saved: kept in the browser tab, by ``drafts.js``, until it is saved.

A page says what it has saved; the frame mounts the script. Drafts never reach the server before
they are sent, and end with the tab, with what is saved, or with Forget my data.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

from dashboard.session.keys import SessionKey
from dashboard.session.user import current_user, needs_sign_in


@dataclass(frozen=True, slots=True)
class Saved:
    """A text that needs no draft any more; ``id`` tells one saving from another."""

    id: str
    key: str
    text: str


SAVED: SessionKey[list[Saved]] = SessionKey("saved_drafts")
FORGOTTEN: SessionKey[str] = SessionKey("forgotten_drafts")

_script = st.components.v2.component(
    "drafts", js=(Path(__file__).parent / "drafts.js").read_text(encoding="utf-8")
)


def mount() -> None:
    """Keep what is typed on this page, and restore what was typed before."""
    _script(
        key="drafts",
        data={
            "owner": current_user().name if needs_sign_in() else "",
            "saved": [asdict(saved) for saved in SAVED.pop() or []],
            "forgotten": FORGOTTEN.get(),
        },
    )


def saved(field: SessionKey[str], text: str) -> None:
    """Empty a field whose text was saved; called before the field is drawn.

    Parameters
    ----------
    field : SessionKey
        Holds what the field shows.
    text : str
        As it was typed.
    """
    field.set("")
    SAVED.set([*(SAVED.get() or []), Saved(_nonce(), field.name, text)])


def forget() -> None:
    """Erase all drafts of the tab."""
    FORGOTTEN.set(_nonce())


def _nonce() -> str:
    return secrets.token_hex(8)
