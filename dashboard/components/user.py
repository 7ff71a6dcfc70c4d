"""Who is at the browser."""

from __future__ import annotations

import secrets

import streamlit as st

from dashboard.access import Role, User

USER = "user"
WITHOUT_SIGN_IN = Role.ADMINISTRATOR


def current_user() -> User:
    """Return whoever uses this session, by a pseudonym that lives as long as the session.

    Without sign-in everybody at this computer is its administrator.
    """
    name: str = st.session_state.setdefault(USER, f"session {secrets.token_hex(4)}")
    return User(name=name, role=WITHOUT_SIGN_IN)
