"""Three people at one dashboard: sign-in by a provider, what each may do, what each can see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from dashboard.store import Store, default_url
from tests.browser import accessibility
from tests.browser.conftest import ROOT, NewPage, Record, Server, StartServer
from tests.browser.identity import CLIENT, CLIENT_SECRET, Provider, provider
from tests.browser.steps import FAILED, SLOW, add_files, go, press, settled, shot, shown

if TYPE_CHECKING:
    from playwright.sync_api import Page

PEOPLE = {
    "subject-1": {"email": "administrator@example.org", "email_verified": True},
    "subject-2": {"email": "reviewer@example.org", "groups": ["board"]},
    "subject-3": {"email": "viewer@example.org"},
}
ADMINISTRATOR, REVIEWER, VIEWER = PEOPLE
SECRETS = """
[auth]
redirect_uri = "http://127.0.0.1:{{port}}/oauth2callback"
cookie_secret = "long and of this test alone, so not random"
client_id = {client}
client_secret = {secret}
server_metadata_url = "{url}/.well-known/openid-configuration"

[access]
emails = {{ "administrator@example.org" = "administrator" }}
claim = "groups"
claims = {{ board = "reviewer" }}
"""


@pytest.fixture(scope="module")
def identity() -> Iterator[Provider]:
    with provider(PEOPLE) as served:
        yield served


@pytest.fixture(scope="module")
def guarded(
    identity: Provider, start_server: StartServer, tmp_path_factory: pytest.TempPathFactory
) -> Server:
    """A dashboard that asks for sign-in."""
    secrets = tmp_path_factory.mktemp("secrets") / "secrets.toml"
    client, secret = json.dumps(CLIENT), json.dumps(CLIENT_SECRET)
    secrets.write_text(SECRETS.format(client=client, secret=secret, url=identity.url))
    return start_server("--secrets.files", str(secrets))


def tables(folder: Path, n: int) -> list[Path]:
    """Tables of the first patients of a sample, which the models know how to score."""
    folder.mkdir(exist_ok=True)
    sample = ROOT / "sample_data" / "glioma"
    first = pd.read_csv(sample / "clinical.csv")["patient_id"].head(n)
    paths = []
    for path in sorted(sample.glob("*.csv")):
        table = pd.read_csv(path)
        table[table["patient_id"].isin(first)].to_csv(folder / path.name, index=False)
        paths.append(folder / path.name)
    return paths


def enter(page: Page, server: Server, person: str, path: str = "") -> None:
    """Open a page, find nothing of it, sign in."""
    page.goto(f"{server.url}/{path}")
    button = page.get_by_role("button", name="Sign in")
    button.wait_for(timeout=SLOW)
    nothing_is_drawn(page)
    assert accessibility.findings(page) == []
    button.click()
    page.get_by_role("link", name=person).click(timeout=SLOW)
    settled(page)


def nothing_is_drawn(page: Page) -> None:
    assert page.get_by_role("heading").all_inner_texts() == ["Sign in"]
    assert page.get_by_test_id("stSidebar").count() == 0
    assert "480 patients" not in shown(page)


def upload(page: Page, files: list[Path]) -> None:
    go(page, "Upload & check")
    add_files(page, files)
    press(page, "Score this cohort")
    page.get_by_text("Patients shown", exact=True).wait_for(timeout=SLOW)
    settled(page)


def menu(page: Page) -> list[str]:
    return page.get_by_test_id("stSidebarNavLink").all_inner_texts()


def cohorts(page: Page) -> list[str]:
    """What the cohort picker offers."""
    page.get_by_role("combobox", name="Cohort").click()
    offered = page.get_by_role("option").all_inner_texts()
    page.keyboard.press("Escape")
    return offered


def is_well(page: Page, record: Record, server: Server, identity: Provider) -> None:
    assert not FAILED.search(shown(page))
    assert [r for r in record.foreign(server.url) if not r.startswith(identity.url)] == []
    assert [error for error in record.errors() if identity.url not in error] == []


def note(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Note", exact=True).fill(text)
    page.get_by_role("button", name="Add note").click()
    page.get_by_role("paragraph").filter(has_text=text).first.wait_for(timeout=SLOW)
    settled(page)


def test_users_see_their_own_uploads_alone_and_do_what_their_roles_say(
    guarded: Server, identity: Provider, new_page: NewPage, tmp_path: Path
) -> None:
    reviewer, first = new_page()
    enter(reviewer, guarded, REVIEWER)
    note(reviewer, "Written by a reviewer")
    upload(reviewer, tables(tmp_path / "first", 121))
    shot(reviewer, "sign_in_reviewer")
    assert "121 patients" in shown(reviewer)

    viewer, second = new_page()
    enter(viewer, guarded, VIEWER)
    assert "Signed in as viewer@example.org, viewer" in shown(viewer)
    assert "Written by a reviewer" in shown(viewer)
    assert viewer.get_by_role("textbox", name="Note", exact=True).count() == 0
    assert not {"Runs", "Records"} & set(menu(viewer))
    assert "Uploaded tables" not in cohorts(viewer)
    upload(viewer, tables(tmp_path / "second", 133))
    assert "133 patients" in shown(viewer)
    assert "Uploaded tables" in cohorts(viewer)
    viewer.goto(f"{guarded.url}/records")
    viewer.get_by_text("This page is for the administrator.").wait_for(timeout=SLOW)
    assert "Audit trail" not in shown(viewer)

    go(reviewer, "Cohort")
    assert "121 patients" in shown(reviewer)
    assert "133 patients" not in shown(reviewer)
    assert "Records" not in menu(reviewer)
    for page, record in ((reviewer, first), (viewer, second)):
        is_well(page, record, guarded, identity)


def test_the_administrator_sees_who_did_what_by_pseudonym(
    guarded: Server, identity: Provider, new_page: NewPage
) -> None:
    page, record = new_page()
    enter(page, guarded, ADMINISTRATOR, "records")
    go(page, "Records")
    page.get_by_role("heading", name="Audit trail").wait_for(timeout=SLOW)
    shot(page, "sign_in_records")
    is_well(page, record, guarded, identity)
    store = Store(default_url(guarded.home))
    events = store.audit_events()
    assert store.verify_audit().intact
    store.close()
    assert {event.author.split()[0] for event in events} == {"user"}
    kept = b"".join(path.read_bytes() for path in (guarded.home / "records").iterdir())
    assert b"example.org" not in kept
    assert b"subject-" not in kept


def test_signing_out_ends_the_session(
    guarded: Server, identity: Provider, new_page: NewPage, tmp_path: Path
) -> None:
    page, record = new_page()
    enter(page, guarded, REVIEWER)
    upload(page, tables(tmp_path, 121))
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in").wait_for(timeout=SLOW)
    nothing_is_drawn(page)
    for _ in range(2):
        page.go_back()
        page.wait_for_timeout(1000)
        assert "121 patients" not in shown(page)
    enter(page, guarded, REVIEWER)
    assert "Uploaded tables" not in cohorts(page)
    is_well(page, record, guarded, identity)
