"""A small model per disease, made once, and the app pointed at a folder of models."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.session import settings
from dashboard.shell.gate import ACCEPTED
from tests.builders.models import tiny_models
from tests.builders.pages import page_file

with warnings.catch_warnings():
    # shap 0.51 calls matplotlib functions that will be deprecated; later imports are silent.
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    import shap  # noqa: F401

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"
PointAt = Callable[[Path], None]
OpenApp = Callable[..., AppTest]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with one tiny model per sample."""
    return tiny_models(tmp_path_factory, ("glioma", "luad", "transbig"))


@pytest.fixture(scope="session")
def point_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PointAt]:
    """Point the dashboard at a folder of models, with a home of its own."""
    home = tmp_path_factory.mktemp("home")
    current: list[Path] = []

    def clear() -> None:
        for cached in (settings.settings, settings.install_key):
            cached.cache_clear()
        st.cache_data.clear()
        st.cache_resource.clear()

    with pytest.MonkeyPatch.context() as patch:

        def point(folder: Path) -> None:
            if current == [folder]:
                return
            current[:] = [folder]
            patch.setenv("CAMLIF_MODELS", str(folder))
            patch.setenv("CAMLIF_HOME", str(home))
            clear()

        yield point
    clear()


@pytest.fixture(autouse=True, scope="session")
def _few_patients_check_explanations_on_the_page() -> Iterator[None]:
    """Let Explain check as few patients, too, and none before it is opened."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dashboard.views.explain.beforehand._of_explain", lambda *_: [])
        patch.setattr("dashboard.views.explain.beforehand._of_cases", lambda *_: [])
        patch.setattr("dashboard.views.explain.trust.N_PATIENTS", 12)
        yield


@pytest.fixture(autouse=True)
def _the_main_module_comes_back() -> Iterator[None]:
    """Undo what Streamlit's tests do: a process that a later test spawns would run a page."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture
def open_app(models: Path, point_at: PointAt) -> OpenApp:
    """Open the app on a page of a cohort, None for its address's, by default with the tiny models.

    ``secrets`` are those of the server, ``user`` the claims of whoever is signed in. Other keyword
    arguments than those named are put into session state. The session has passed the gate unless
    ``research_use_accepted`` is false.
    """
    point_at(models)  # a test may ask for tokens before it opens a page

    def start(
        page: str = "case",
        cohort: str | None = "glioma",
        *,
        folder: Path = models,
        query: dict[str, str] | None = None,
        secrets: dict[str, Any] | None = None,
        user: dict[str, Any] | None = None,
        **session: object,
    ) -> AppTest:
        point_at(folder)
        app = AppTest.from_file(str(APP), default_timeout=300)
        if cohort is not None:
            app.session_state["cohort"] = cohort
        app.session_state[ACCEPTED.name] = True
        app.secrets, app.user = secrets or {}, user or {}
        for name, value in session.items():
            app.session_state[name] = value
        for name, text in (query or {}).items():
            app.query_params[name] = text
        app.run()
        if page != "case":
            app.switch_page(page_file(page)).run()
        return app

    return start
