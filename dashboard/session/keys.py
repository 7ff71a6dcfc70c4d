"""Session state by typed keys: the one place that writes to ``st.session_state``.

A key names a value that a browser session holds between reruns. Keys of one page are declared
where that page uses them, shared ones in `dashboard.session.state`; all are read, written and
dropped through `SessionKey`, so that every write can be found by the key's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import streamlit as st

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SessionKey(Generic[T]):
    """A value of the session under a name, which may also be a widget's ``key``."""

    name: str

    @property
    def is_set(self) -> bool:
        """Whether the session holds a value."""
        return self.name in st.session_state

    def get(self) -> T | None:
        """Return the value; None where there is none."""
        value: T | None = st.session_state.get(self.name)
        return value

    def require(self) -> T:
        """Return the value; KeyError where there is none."""
        value: T = st.session_state[self.name]
        return value

    def set(self, value: T) -> None:
        """Hold a value. A widget of this key takes it if it has not been drawn in this run."""
        st.session_state[self.name] = value

    def start_with(self, value: T) -> T:
        """Hold a value unless there is one; return what is held."""
        held: T = st.session_state.setdefault(self.name, value)
        return held

    def pop(self) -> T | None:
        """Drop the value and return it; None where there was none."""
        value: T | None = st.session_state.pop(self.name, None)
        return value


def clear() -> None:
    """Drop every value of the session."""
    st.session_state.clear()
