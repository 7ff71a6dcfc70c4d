"""Explanations of sessions: shipped cohorts are kept on disk, uploaded ones in memory alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from camlif.explain.results import ModalityAttribution
from dashboard.session import resources, settings, shared_results


def start_again() -> None:
    """Hold nothing in memory, as a server that starts again."""
    st.cache_resource.clear()
    shared_results._work.cache_clear()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of this test alone, whose shipped cohort has the digest ``shipped``."""
    monkeypatch.setenv("CAMLIF_HOME", str(tmp_path))
    monkeypatch.setattr(resources, "_SHIPPED", {"shipped"})
    settings.settings.cache_clear()
    start_again()
    yield tmp_path
    settings.settings.cache_clear()
    start_again()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Patients that were explained, each time that an explanation was computed."""
    calls: list[int] = []

    def explain(_: object, __: object, rows: Any, **___: object) -> ModalityAttribution:
        calls.append(len(rows))
        n = len(rows)
        return ModalityAttribution(
            players=("ct",),
            baseline="median",
            values=np.full((n, 1), 0.1 + 0.2),
            base_value=np.zeros(n),
            log_risk=np.full(n, 0.3),
            reasons=(None,) * n,
            seconds=0.5,
        )

    monkeypatch.setattr(resources, "explain_modalities", explain)
    return calls


def _page(cohort: str, model: str, row: int) -> None:  # a script of its own
    from types import SimpleNamespace

    import streamlit as st

    from dashboard.session import resources

    bundle = SimpleNamespace(device="cpu")
    asked = (cohort, model, (row,), "median", ())
    for _ in range(2):
        found = resources.modality_attribution(*asked, None, bundle)
    st.text(found.values.tobytes().hex())


def show(cohort: str, model: str = "m", row: int = 0) -> str:
    """What a session of its own is shown."""
    app = AppTest.from_function(_page, args=(cohort, model, row)).run()
    assert not app.exception
    return str(app.text[0].value)


def test_a_shipped_cohort_is_explained_once_for_every_start_of_the_server(
    home: Path, calls: list[int]
) -> None:
    first = show("shipped")
    start_again()
    assert show("shipped") == first
    assert len(calls) == 1
    assert len(list(home.rglob("*.npz"))) == 1


def test_a_case_explained_ahead_is_read_when_it_is_opened(home: Path, calls: list[int]) -> None:
    def prepare(cohort: str) -> None:
        bundle: Any = SimpleNamespace(device="cpu")
        resources.modality_request(cohort, "m", (0,), "median", (), None, bundle).prepare()  # type: ignore[arg-type]

    def wait() -> None:
        shared_results._work(long=True).ask("another", lambda: None).result(20)

    prepare("shipped")
    while not list(home.rglob("*.npz")):
        wait()
    prepare("shipped")
    prepare("uploaded")
    show("shipped")
    show("uploaded")
    assert len(calls) == 2  # one ahead, and the uploaded cohort's when it was opened


def test_another_model_or_patient_is_explained_anew(home: Path, calls: list[int]) -> None:
    for model, row in (("m", 0), ("n", 0), ("m", 1)):
        show("shipped", model, row)
    assert len(calls) == 3


def test_nothing_of_uploaded_tables_is_on_disk(home: Path, calls: list[int]) -> None:
    show("uploaded")
    assert len(calls) == 1
    assert [path for path in home.rglob("*") if path.is_file()] == []
    start_again()
    show("uploaded")
    assert len(calls) == 2


def test_a_broken_file_is_computed_anew_and_never_shown(home: Path, calls: list[int]) -> None:
    first = show("shipped")
    (file,) = home.rglob("*.npz")
    file.write_bytes(file.read_bytes()[:-40])
    start_again()
    assert show("shipped") == first
    assert len(calls) == 2
