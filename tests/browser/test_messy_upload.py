"""A messy upload in the browser: mended by buttons, its markup shown as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import NewPage, Server
from tests.browser.steps import SLOW, add_files, healthy, press, settled, shot, shown, unfold

SCRIPT = "<img src=x onerror=document.title=1>"
N = 40


@pytest.fixture
def messy(tmp_path: Path) -> list[Path]:
    """A clinical export and features with seven defects and markup in headers, ids and cells."""
    ids = [SCRIPT, *(f"=P{i}" for i in range(1, N))]
    clinical = [
        f"{patient};{-3 if i == 2 else 30 * i + 1};{1 + i % 2};{50 + i};Ms X;{SCRIPT}"
        for i, patient in enumerate(ids)
    ]
    header = f"Patient ID;follow_up;status;Age at diagnosis;first_name;{SCRIPT}"
    features = [
        f"{patient};{i},5;{i % 5};{'high' if i == 5 else i}" for i, patient in enumerate(ids)
    ]
    features.append(f"{ids[1]};9;9;9")
    files = {
        "clinical.csv": "\n".join([header, *clinical]).encode("cp1252"),
        "ct_größe.csv": "\n".join([f"Patient ID;{SCRIPT};größe;[x](y)", *features]).encode(
            "cp1252"
        ),
        "rna.csv": ("gene;" + ";".join(ids) + "\nTP53" + ";1,5" * N + "\nEGFR" + ";2" * N).encode(),
        "slide.pt": b"\x80\x02}q\x00.",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return [tmp_path / name for name in files]


def test_a_messy_upload_is_mended_by_buttons_and_its_markup_stays_text(
    server: Server, new_page: NewPage, messy: list[Path]
) -> None:
    page, record = new_page()
    page.goto(f"{server.url}/data")
    settled(page)
    add_files(page, messy)

    page.get_by_text("to mend before anything is scored").wait_for(timeout=SLOW)
    said = shown(page)
    for code in ("E-01", "E-06", "E-09", "E-11", "E-15", "E-17"):
        assert f"{code}: " in said, code
    shot(page, "messy_read")
    page.get_by_role("heading", name="3. Check").scroll_into_view_if_needed()
    shot(page, "messy_problems")
    for label in (
        "Follow-up in days",
        "2 means the event",
        "Drop column first_name",
        "Average per patient",
        "Leave these patients without outcome",
    ):
        press(page, label)
    page.get_by_text("Changes made (5)").wait_for(timeout=SLOW)
    page.get_by_role("heading", name="3. Check").scroll_into_view_if_needed()
    shot(page, "messy_mended")
    healthy(page, record, server)
    press(page, "Open without a model")
    page.get_by_text("Patients shown", exact=True).wait_for(timeout=SLOW)
    shot(page, "messy_opened")
    healthy(page, record, server)
    assert page.locator("img[src=x]").count() == 0
    assert page.title() != "1"


def test_feature_groups_are_written_anew(server: Server, new_page: NewPage, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    rows = [f"p{i},{i % 7},{i % 5},{i % 3},{i * 17 % 11}" for i in range(N)]
    ct = tmp_path / "ct.csv"
    ct.write_text("\n".join(["patient_id,shape_a,shape_b,glcm_a,glcm_b", *rows]), "utf-8")
    clinical = tmp_path / "clinical.csv"
    follow_up = [f"p{i},{i + 1},{i % 2},{50 + i}" for i in range(N)]
    clinical.write_text("\n".join(["patient_id,survival_months,event,age", *follow_up]), "utf-8")
    page, record = new_page()
    page.goto(f"{server.url}/data")
    settled(page)
    add_files(page, [ct, clinical])
    page.get_by_text("Mapping: ").first.click()
    box = page.get_by_label("Feature groups of ct")
    unfold(page, "Group ct otherwise", box)
    expect(box).to_have_value("shape = shape_*\nglcm = glcm_*", timeout=SLOW)
    box.fill("first = *_a")
    shot(page, "groups_open")
    press(page, "Regroup")

    page.get_by_text("Feature groups of ct: first").wait_for(timeout=SLOW)
    assert "ct: first (2), other (2)" in (page.locator("body").text_content() or "")
    shot(page, "groups_changed")
    healthy(page, record, server)
