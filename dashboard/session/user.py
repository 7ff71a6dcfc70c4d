"""Who is at the browser, and what that lets them do.

The sign-in of Streamlit or the one user of this computer goes in, a `User` comes out. Raises
`AccessError` where nobody has signed in, `ConfigError` for settings that are damaged.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from camlif.exceptions import ConfigError
from dashboard.access.access import AccessError, Action, Role, User, allowed
from dashboard.access.roles import pseudonym, read_role_settings, role_of
from dashboard.session.keys import SessionKey
from dashboard.session.settings import install_key

USER: SessionKey[str] = SessionKey("user")
WITHOUT_SIGN_IN = Role.ADMINISTRATOR
"""Role of whoever uses the dashboard on the computer that it runs on."""


def current_user() -> User:
    """Return whoever uses this session, by a pseudonym.

    Raises
    ------
    AccessError
        If nobody has signed in, or nobody may be here.
    ConfigError
        As `visitor`.
    """
    user = visitor()
    if user is None:
        raise AccessError("Sign in first.")
    return user


def visitor() -> User | None:
    """Return whoever uses this session; None where a page must not be shown to them.

    Whoever signed in goes by a keyed pseudonym that stays the same. Without sign-in everybody at
    this computer is its administrator, by a pseudonym that lives as long as the session.

    Raises
    ------
    ConfigError
        If the secrets cannot be read or say something wrong about sign-in or roles.
    """
    secret = _secrets()
    roles = read_role_settings(secret.get("access", {}))
    if "auth" in secret:
        claims = st.user.to_dict()
        role = role_of(claims, roles) if claims.get("is_logged_in") else None
        return None if role is None else User(name=pseudonym(install_key(), claims), role=role)
    if roles.needs_sign_in:
        raise ConfigError(
            "secrets.toml gives roles in [access] but configures no sign-in in [auth]. Add it, or "
            "take the roles out."
        )
    if _is_local():
        return User(name=_session_name(), role=WITHOUT_SIGN_IN)
    if roles.without_sign_in is None:
        return None
    return User(name=_session_name(), role=Role[roles.without_sign_in.upper()])


def needs_sign_in() -> bool:
    """Whether sign-in is configured."""
    return "auth" in _secrets()


def sign_in_settings() -> Mapping[str, Any]:
    """Return the section ``[auth]`` of the secrets."""
    section = _secrets()["auth"]
    if not isinstance(section, Mapping):
        raise ConfigError("auth in secrets.toml is no section. README, Sign-in, shows an example.")
    return section


def shown_to(action: Action) -> Literal["visible", "hidden"]:
    """Whether a page that is there for an action is on the menu; its link says who may open it."""
    try:
        user = visitor()
    except ConfigError:
        return "hidden"
    return "visible" if user is not None and allowed(action, user.role) else "hidden"


def _secrets() -> Mapping[str, Any]:
    """Streamlit's secrets; empty where there is no file.

    Streamlit takes a file that it cannot read for none. Here that would open the dashboard.
    """
    try:
        return st.secrets.to_dict()
    except (StreamlitSecretNotFoundError, OSError, UnicodeDecodeError) as error:
        if any(Path(path).exists() for path in st.get_option("secrets.files")):
            raise ConfigError(
                "The secrets file of this dashboard cannot be read. Mend its TOML or its "
                "permissions; until then nothing is shown."
            ) from error
        return {}


def _is_local() -> bool:
    """Whether only this computer can reach the server."""
    address = st.get_option("server.address") or ""
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _session_name() -> str:
    return USER.start_with(f"session {secrets.token_hex(4)}")
