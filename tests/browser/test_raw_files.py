"""From raw files of real cohorts to a scored or a trained one, in the browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from camlif.exceptions import CamlifError
from camlif.model.storage import read_schema
from tests.browser.conftest import ROOT, NewPage, Server
from tests.browser.steps import (
    SECONDS,
    SLOW,
    add_files,
    bottoms,
    go,
    healthy,
    press,
    settled,
    shot,
    shown,
)

DATA = ROOT.parent / "shared" / "data"
TABLES = (".csv", ".gz")
LEFT_OUT = "pathology_ihc.csv.gz"
TRAINING = 240 * SECONDS


def tables(folder: str) -> list[Path]:
    """The raw files of a real cohort, or a skip that says what is absent."""
    found = DATA / folder
    if not found.is_dir():
        pytest.skip(f"the real cohort {folder} is not here")
    return [f for f in sorted(found.iterdir()) if f.suffix in TABLES and f.name != LEFT_OUT]


def test_hancock_in_two_uploads_is_scored_by_its_model(
    server: Server, new_page: NewPage, models: Path
) -> None:
    files = tables("hancock")
    try:
        read_schema(models / "hancock")
    except CamlifError:
        pytest.skip("the model hancock is not here")
    page, record = new_page()
    page.goto(f"{server.url}/data")
    settled(page)
    add_files(page, [f for f in files if f.name == "clinical.csv"])
    assert "E-03: No feature table found." in shown(page)
    add_files(page, [f for f in files if f.name != "clinical.csv"])

    page.get_by_text("763 patients; 213 events of 763 patients").wait_for(timeout=SLOW)
    assert "E-13" not in shown(page)
    assert "E-16" not in shown(page)
    shot(page, "raw_hancock_checked")
    healthy(page, record, server)
    press(page, "Score this cohort")
    page.get_by_text("Patients shown", exact=True).wait_for(timeout=SLOW)
    assert "762 patients shown were in the training cohort" in shown(page)
    shot(page, "raw_hancock_scored")
    healthy(page, record, server)
    go(page, "Case")
    assert "E-33: This case is unlike the training data" in shown(page)
    assert max(bottoms(page).values()) <= 900  # the longest of panels, still on one screen


def test_tables_without_outcome_are_opened_and_told_why_nothing_is_trained(
    server: Server, new_page: NewPage
) -> None:
    page, record = new_page()
    page.goto(f"{server.url}/data")
    settled(page)
    add_files(page, tables("hgsoc_ct_path/raw_upload"))

    page.get_by_text("444 patients, no outcome columns.").wait_for(timeout=SLOW)
    said = shown(page)
    assert "E-08: No clinical table found." in said
    assert "E-13: ct_features_omentum and ct_features_ovary both have the columns of ct." in said
    assert "this cohort has 0 and 0" in said
    press(page, "Treat -9 as missing")
    page.get_by_text("Changes made (1)").wait_for(timeout=SLOW)
    shot(page, "raw_hgsoc_checked")
    healthy(page, record, server)
    press(page, "Open without a model")
    page.get_by_text("Patients shown", exact=True).wait_for(timeout=SLOW)
    assert "444 patients · no outcome" in re.sub(r"\s+", " ", shown(page))
    for name in ("Case", "Explain", "Validation", "Runs"):
        go(page, name)
        healthy(page, record, server)


def test_a_cohort_that_no_model_fits_is_confirmed_trained_on_and_shown(
    server: Server, new_page: NewPage
) -> None:
    page, record = new_page()
    page.goto(f"{server.url}/data")
    settled(page)
    add_files(page, tables("tcga_kirc"))

    page.get_by_text("345 patients; 92 events of 345 patients").wait_for(timeout=SLOW)
    press(page, "Confirm what was inferred")
    page.get_by_text("Mapping: sure of every column").wait_for(timeout=SLOW)
    shot(page, "raw_tcga_confirmed")
    healthy(page, record, server)
    press(page, "Train on this cohort")
    page.get_by_role("heading", name="Runs").wait_for(timeout=SLOW)
    page.get_by_role("spinbutton", name="Splits (models of the ensemble)").fill("5")
    page.get_by_label("Epochs (empty: the preset's)").fill("1")
    press(page, "Start training")
    page.get_by_text(re.compile("^Finished after")).wait_for(timeout=TRAINING)
    settled(page)
    shot(page, "raw_tcga_trained")
    healthy(page, record, server)
    press(page, "Use this model")
    page.get_by_role("heading", name="Who and what data").wait_for(timeout=SLOW)
    shot(page, "raw_tcga_case")
    healthy(page, record, server)
    go(page, "Cohort")
    known = re.compile(r"^345 patients shown were in the training cohort; their risks come only")
    page.get_by_text(known).wait_for(timeout=SLOW)
    shot(page, "raw_tcga_cohort")
    healthy(page, record, server)
