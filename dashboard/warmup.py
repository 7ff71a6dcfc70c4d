"""Import the heavy libraries once per process, before any page runs.

Streamlit runs every session in a thread of its own; two threads that import torch for the first
time together can meet half-initialised modules. The lock makes the second one wait.
"""

from __future__ import annotations

import importlib
import threading

_NEEDED = ("torch", "pandas", "plotly.graph_objects", "camlif.bundle")
_LATER = ("lifelines", "captum.attr", "shap")
_lock = threading.Lock()
_state = {"ready": False}


def is_ready() -> bool:
    """Whether the libraries that every page needs are imported."""
    return _state["ready"]


def ensure() -> None:
    """Import what every page needs, then start importing what only some need in the background."""
    with _lock:
        if _state["ready"]:
            return
        for name in _NEEDED:
            importlib.import_module(name)
        _state["ready"] = True
    threading.Thread(target=_import_later, name="warmup", daemon=True).start()


def _import_later() -> None:
    for name in _LATER:
        importlib.import_module(name)
