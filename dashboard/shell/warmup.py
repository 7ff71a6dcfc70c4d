"""Import the heavy libraries once per process, before any page runs.

Streamlit runs every session in a thread of its own; two threads that import torch for the first
time together can meet half-initialised modules. The lock makes the second one wait.
"""

from __future__ import annotations

import gc
import importlib
import os
import threading
from collections.abc import Callable, Sequence

from dashboard.runs.background import at_work

_NEEDED = ("torch", "pandas", "plotly.graph_objects", "camlif.model.bundle")
_LATER = ("lifelines", "captum.attr", "shap")
_lock = threading.Lock()
_state = {"ready": False, "started_rest": False, "has_all": False, "settled": False}


def is_ready() -> bool:
    """Whether the libraries that every page needs are imported."""
    return _state["ready"]


def ensure() -> None:
    """Import what every page needs; a second thread that arrives meanwhile waits."""
    with _lock:
        if _state["ready"]:
            return
        # Before torch is imported: the networks are small, and a second thread costs time (0.4 s of
        # processor time for one explained case, against 4 s on two threads of a busy machine).
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        # Likewise before pyarrow: its default pool was seen to crash in threads that end.
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
        _import_uncollected(_NEEDED)
        _state["ready"] = True


def _import_uncollected(names: Sequence[str]) -> None:
    """Import without looking for garbage among objects that stay: a quarter of the time."""
    gc.disable()
    try:
        for name in names:
            importlib.import_module(name)
    finally:
        gc.freeze()
        gc.enable()


def import_the_rest(then: Callable[[], None]) -> None:
    """Import what only some pages need, in the background; called when a page has been drawn.

    Started earlier, it would take the processor from the first chart.

    Parameters
    ----------
    then : callable
        Called when everything is imported, by this run of a page or a later one.
    """
    with _lock:
        begun, _state["started_rest"] = _state["started_rest"], True
    if not begun:
        threading.Thread(target=_import_later, args=(then,), name="warmup", daemon=True).start()
    elif _state["has_all"]:
        then()
        if not _state["settled"]:
            _state["settled"] = True
            _leave_out_of_collections()  # models and cohorts, which stay as well


def _import_later(then: Callable[[], None]) -> None:
    with at_work():
        for name in _LATER:
            importlib.import_module(name)
        _leave_out_of_collections()
        _state["has_all"] = True
        then()


def _leave_out_of_collections() -> None:
    """Look no more at what is there now when garbage is collected.

    Streamlit collects after every run of a page; looking each time through all objects of the
    libraries, which never go, took 0.3 s.
    """
    gc.collect()
    gc.freeze()
