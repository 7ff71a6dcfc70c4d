"""Which heavy libraries a page loads: only what it shows needs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OPEN = """
import sys
from streamlit.testing.v1 import AppTest
from dashboard.shell import warmup
from dashboard.shell.gate import ACCEPTED
from tests.builders.pages import page_file

warmup.import_the_rest = lambda then: None  # what a page imports, not what is fetched behind it
app = AppTest.from_file("dashboard/app.py", default_timeout=120)
app.session_state[ACCEPTED.name] = True
app.session_state["cohort"] = "glioma"
for page in sys.argv[1:]:
    app.switch_page(page_file(page)).run()
    assert not app.exception, app.exception
    print(page, *sorted({"captum", "shap"} & set(sys.modules)))
"""
WITHOUT = ("cohort", "validation", "data", "runs", "model_card", "records", "help")


@pytest.fixture(scope="module")
def loaded(models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What is loaded after each page of one fresh server, by page, in order."""
    folders = {"CAMLIF_MODELS": str(models), "CAMLIF_HOME": str(tmp_path_factory.mktemp("home"))}
    done = subprocess.run(
        [sys.executable, "-c", OPEN, *WITHOUT, "explain"],
        cwd=ROOT,
        env=os.environ | folders,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {page: names for page, *names in map(str.split, done.stdout.splitlines())}


@pytest.mark.parametrize("page", WITHOUT)
def test_a_page_without_attributions_imports_neither_captum_nor_shap(
    page: str, loaded: dict[str, list[str]]
) -> None:
    assert loaded[page] == []


def test_explain_imports_what_it_needs(loaded: dict[str, list[str]]) -> None:
    assert "captum" in loaded["explain"]
