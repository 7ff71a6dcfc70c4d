"""Messages that no uploaded file alone brings about, each brought about in its page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from camlif.data.reading.readers import load_cohort, read_cohort
from camlif.data.samples import SAMPLE_FOLDER
from camlif.model.bundle import Bundle
from camlif.training.ensemble import CHUNK, Ensemble
from dashboard.session import address, resources, settings, state
from dashboard.views.upload import session as data_session
from tests.dashboard.conftest import OpenApp
from tests.dashboard.views.test_pages import problems_of, text_of, unescaped


@pytest.fixture
def import_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder named in CAMLIF_IMPORT, with the glioma sample as a cohort folder."""
    (tmp_path / "glioma").symlink_to(SAMPLE_FOLDER / "glioma")
    monkeypatch.setenv("CAMLIF_IMPORT", str(tmp_path))
    settings.settings.cache_clear()
    yield tmp_path
    settings.settings.cache_clear()


def test_without_an_import_folder_its_menu_says_how_to_name_one(open_app: OpenApp) -> None:
    app = open_app("data")

    assert any("E-18: The import folder" in unescaped(i.value) for i in app.info)
    assert not [s for s in app.selectbox if s.key == "import_folder"]


def test_a_folder_of_the_server_is_read_where_it_is(open_app: OpenApp, import_folder: Path) -> None:
    app = open_app("data")
    app.selectbox(key="import_folder").select("glioma").run()
    app.button(key="check_import").click().run()

    assert problems_of(app) == []
    upload = app.session_state[data_session.CHECKED.name]
    assert set(upload.files.values()) >= {import_folder / "glioma" / "clinical.csv"}
    assert upload.loaded.cohort.digest == load_cohort(SAMPLE_FOLDER / "glioma").digest


def test_groups_too_small_for_a_p_value_are_named(open_app: OpenApp) -> None:
    app = open_app("cohort", age_range=(60, 62), group_by="sex")

    shown = text_of(app)
    assert "E-20: At least 10 patients and 5 events per group" in shown
    pairs = next(t.value for t in app.dataframe if "p (Holm)" in t.value)
    assert set(pairs["p (Holm)"]) == {"hidden: too few"}
    assert set(pairs["chi-squared"]) == {""}
    assert not re.search(r"hazard ratio \(95 % CI\) [\d.]+ \([^)]*\), p", shown)


def test_a_group_without_events_leaves_the_hazard_ratios_out(open_app: OpenApp) -> None:
    rows = [f"p{i},{5 + i},{int(i < 30)},{'x' if i < 30 else 'y'}" for i in range(60)]
    clinical = "\n".join(["patient_id,survival_months,event,subtype", *rows])
    ct = "\n".join(["patient_id,v,w", *(f"p{i},{i},{i % 7}" for i in range(60))])
    cohort, report = read_cohort({"clinical.csv": clinical.encode(), "ct.csv": ct.encode()})
    assert cohort is not None, report.errors
    upload = resources.loaded(state.UPLOADED, cohort, report)

    app = open_app("cohort", state.UPLOADED, upload=upload)

    assert problems_of(app) == []
    assert "E-21: The Cox model did not converge" in text_of(app)


def test_a_closed_gate_hides_absolute_risk_and_says_why(open_app: OpenApp) -> None:
    app = open_app("case", "transbig")
    gates = resources.model("transbig").bundle.reference.whole.gates
    closed = [gate for gate in gates if not gate.open]
    assert closed
    shown = text_of(app)

    assert "E-22: Absolute risk at " in shown
    assert any(gate.reason in shown for gate in closed)


@pytest.fixture
def full_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A device on which every chunk is too large; yields the sizes that were tried."""
    tried: list[int] = []
    predict = Ensemble.predict

    def without_memory(self: Ensemble, raw: Any, *, chunk: int | None = None, **rest: Any) -> Any:
        if chunk is None:
            return predict(self, raw, **rest)
        tried.append(chunk)
        raise torch.OutOfMemoryError

    monkeypatch.setattr(Ensemble, "predict", without_memory)
    monkeypatch.setattr(Bundle, "device", property(lambda _: torch.device("cuda")))
    resources.sample_scores.clear()
    yield tried
    resources.sample_scores.clear()


def test_a_gpu_without_memory_is_replaced_by_the_cpu(
    open_app: OpenApp, full_gpu: list[int]
) -> None:
    app = open_app("cohort")

    assert full_gpu[:3] == [CHUNK, CHUNK // 2, CHUNK // 4]
    assert any("E-40: The GPU ran out of memory" in unescaped(w.value) for w in app.warning)
    assert "device CPU" in text_of(app)


def test_a_new_session_in_the_tab_of_an_upload_says_that_it_is_gone(open_app: OpenApp) -> None:
    app = open_app("cohort", None, query={address.COHORT: "0123456789abcdef"})
    for _ in range(2):
        assert any("E-42: This address belongs" in unescaped(w.value) for w in app.warning)
        assert "480" not in text_of(app)
        app.run()
    app.selectbox(key="pick_cohort").select("luad").run()
    assert not any("E-42" in w.value for w in app.warning)
    assert app.query_params[address.COHORT] == "luad"


def test_the_address_names_an_upload_until_it_is_forgotten(open_app: OpenApp) -> None:
    tables = replace(resources.sample_cohort("luad"), key=state.UPLOADED)
    app = open_app("cohort", state.UPLOADED, upload=tables)
    assert app.query_params[address.COHORT] == tables.digest[: address.DIGEST_DIGITS]
    app.button(key="forget").click().run()
    assert not any("E-42" in w.value for w in app.warning)
