"""Sign-in: nothing of a page is drawn before it where it is configured, and the way out.

The identity that Streamlit holds goes in; whether the page may be drawn comes out. Who has signed
in without a role is told so.
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st
from streamlit.errors import StreamlitAuthError, StreamlitMissingAuthlibError

from dashboard.access.access import Action
from dashboard.components import trail
from dashboard.components.text import plain
from dashboard.session import state
from dashboard.session.user import current_user, needs_sign_in, sign_in_settings, visitor
from dashboard.shell.guard import page_guard

SIGN_IN, SIGN_OUT = "Sign in", "Sign out"


def is_done() -> bool:
    """Whether whoever is here may see pages; where not, say what they can do about it."""
    with page_guard():
        user = visitor()
        if user is not None:
            if needs_sign_in():
                trail.record_once(Action.SESSION_BEGUN)
            return True
        _screen()
    return False


def account() -> None:
    """Say who is signed in and offer the way out; nothing without sign-in."""
    if not needs_sign_in():
        return
    user = current_user()
    st.divider()
    st.markdown(plain(f"Signed in as {_name()}, {user.role.name.lower()}"))
    st.caption(plain(f"Recorded as {user.name}"))
    st.button(SIGN_OUT, key="sign_out", icon=":material/logout:", on_click=_leave)


def _screen() -> None:
    if not needs_sign_in():
        st.title("Not open to other computers", anchor=False)
        st.error(
            "This dashboard can be reached from other computers and asks nobody to sign in, so it "
            "shows nothing. Start it with --server.address 127.0.0.1, or configure sign-in: see "
            "Sign-in in README."
        )
        return
    st.title(SIGN_IN, anchor=False)
    if st.user.is_logged_in:
        st.warning(
            plain(f"{_name()} has no role in this dashboard. Ask its administrator for one.")
        )
        st.button(SIGN_OUT, key="sign_out", on_click=st.logout)
        return
    for provider, label in _providers(sign_in_settings()).items():
        if st.button(label, key=f"sign_in_{provider}", type="primary"):
            _start(provider)


def _providers(settings: Mapping[str, object]) -> dict[str, str]:
    """Name and label of each provider; Streamlit calls the unnamed one default."""
    named = {
        name: f"{SIGN_IN} with {name.capitalize()}"
        for name, section in settings.items()
        if isinstance(section, Mapping) and "client_id" in section
    }
    return named or {"default": SIGN_IN}


def _start(provider: str) -> None:
    try:
        st.login(provider)
    except (StreamlitAuthError, StreamlitMissingAuthlibError) as error:
        text = " ".join(str(error).split())
        st.error(plain(f"Sign-in is not configured rightly. {text}"))


def _name() -> str:
    """What people call themselves: shown to themselves alone, never recorded."""
    claims = st.user.to_dict()
    return str(claims.get("email") or claims.get("name") or "somebody without a name")


def _leave() -> None:
    """Erase what the session holds before its user is gone."""
    trail.record(Action.SIGNED_OUT)
    state.forget()
    st.logout()
