"""Sign-in on the pages: what is drawn before it, what roles open, who is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard import messages
from dashboard.access.access import Action
from dashboard.session import resources
from dashboard.shell import sign_in
from tests.dashboard.conftest import OpenApp
from tests.dashboard.views.test_pages import problems_of, text_of

AUTH = {
    "redirect_uri": "http://localhost:8501/oauth2callback",
    "cookie_secret": "a secret of this test, long enough",
    "client_id": "dashboard",
    "client_secret": "secret",
    "server_metadata_url": "http://localhost:1/.well-known/openid-configuration",
}
ACCESS = {"emails": {"ada@example.org": "administrator", "rev@example.org": "reviewer"}}
SECRETS = {"auth": AUTH, "access": ACCESS}
PAGES = ("case", "cohort", "explain", "data", "runs", "records", "help", "model_card")


def claims(name: str) -> dict[str, Any]:
    return {
        "is_logged_in": True,
        "iss": "https://id.example.org",
        "sub": f"subject-{name}",
        "email": f"{name}@example.org",
        "email_verified": True,
    }


def enter(open_app: OpenApp, name: str, page: str = "case", **more: Any) -> AppTest:
    return open_app(page, secrets=more.pop("secrets", SECRETS), user=claims(name), **more)


def set_option(patch: pytest.MonkeyPatch, name: str, value: object) -> None:
    others = st.get_option
    patch.setattr(st, "get_option", lambda asked: value if asked == name else others(asked))


@pytest.mark.parametrize("page", PAGES)
def test_nothing_of_a_page_is_drawn_before_sign_in(open_app: OpenApp, page: str) -> None:
    before = len(resources.store().audit_events())
    app = open_app(page, secrets=SECRETS, user={"is_logged_in": False})
    assert problems_of(app) == []
    assert [t.value for t in app.title] == ["Sign in"]
    assert [b.label for b in app.button] == ["Sign in"]
    assert app.sidebar.children == {}
    assert [e.type for e in app.main.children.values()] == ["html", "title", "button"]
    assert messages.BANNER in text_of(app)
    assert len(resources.store().audit_events()) == before


def test_a_viewer_sees_results_and_writes_nothing(open_app: OpenApp) -> None:
    app = enter(open_app, "eve")
    assert problems_of(app) == []
    assert not list(app.text_area)
    assert app.toggle(key="commit_first").disabled
    shown = text_of(app, sidebar=True)
    assert "Signed in as eve@example.org, viewer" in shown
    app.switch_page("views/about/records.py").run()
    assert "for the administrator" in text_of(app)
    assert not list(app.dataframe)
    app.switch_page("views/runs/page.py").run()
    assert "started by reviewers" in text_of(app)


def test_a_reviewer_writes_under_a_pseudonym_that_stays(open_app: OpenApp) -> None:
    names = set()
    for text in ("first of a reviewer", "second of a reviewer"):
        app = enter(open_app, "rev")
        next(a for a in app.text_area if a.label == "Note").input(text)
        app.button(key="note_add").click().run()
        assert problems_of(app) == []
        shown = text_of(app, sidebar=True)
        event = next(
            e for e in resources.store().audit_events() if e.action == Action.NOTE_ADDED.value
        )
        assert f"Recorded as {event.author}" in shown
        names.add(event.author)
    assert len(names) == 1
    assert names.pop().startswith("user ")
    events = resources.store().audit_events()
    assert not any("example.org" in e.author or "subject" in e.author for e in events)


def test_the_administrator_sees_the_trail_of_all(open_app: OpenApp) -> None:
    enter(open_app, "rev")
    app = enter(open_app, "ada", "records")
    assert problems_of(app) == []
    trail = next(d.value for d in app.dataframe if "Action" in d.value)
    assert trail["By"].nunique() > 1
    assert Action.SESSION_BEGUN.value in set(trail["Action"])


def test_roles_decide_the_menu(open_app: OpenApp) -> None:
    open_app()
    seen = {}
    for name in ("eve", "rev", "ada"):
        app = AppTest.from_string(
            "from dashboard.access.access import Action\n"
            "from dashboard.session.user import shown_to\n"
            "import streamlit as st\n"
            "for a in (Action.TRAINING_STARTED, Action.RECORDS_VIEWED):\n"
            "    st.text(shown_to(a))\n"
        )
        app.secrets, app.user = SECRETS, claims(name)
        seen[name] = [t.value for t in app.run().text]
    assert seen == {
        "eve": ["hidden", "hidden"],
        "rev": ["visible", "hidden"],
        "ada": ["visible", "visible"],
    }


def test_signing_out_erases_the_session_and_shows_sign_in(open_app: OpenApp) -> None:
    app = enter(open_app, "rev", secret_of_the_session="tables")
    app.button(key="sign_out").click().run()
    assert problems_of(app) == []
    assert [t.value for t in app.title] == ["Sign in"]
    assert "secret_of_the_session" not in app.session_state
    assert resources.store().audit_events(limit=1)[0].action == Action.SIGNED_OUT.value


def test_somebody_without_a_role_gets_no_further(open_app: OpenApp) -> None:
    secrets = {"auth": AUTH, "access": ACCESS | {"default": "none"}}
    app = enter(open_app, "eve", secrets=secrets)
    assert any("eve@example.org has no role" in w.value.replace("\\", "") for w in app.warning)
    assert [b.label for b in app.button] == ["Sign out"]
    assert app.sidebar.children == {}


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        ({"auth": AUTH, "access": {"default": "boss"}}, "access.default"),
        ({"access": ACCESS}, "configures no sign-in"),
        ({"auth": "yes"}, "auth in secrets.toml is no section"),
    ],
)
def test_a_wrong_setting_is_said_and_opens_nothing(
    open_app: OpenApp, secrets: dict[str, Any], said: str
) -> None:
    app = open_app(secrets=secrets, user={"is_logged_in": False})
    assert [said in problem for problem in problems_of(app)] == [True]
    assert app.sidebar.children == {}
    assert not list(app.header)


def test_a_broken_secrets_file_opens_nothing(
    open_app: OpenApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "secrets.toml"
    broken.write_text("[auth\n")
    monkeypatch.setattr(st, "secrets", type(st.secrets)())
    set_option(monkeypatch, "secrets.files", [str(broken)])
    monkeypatch.setattr("streamlit.config.get_option", st.get_option)
    app = open_app()
    assert any("secrets file of this dashboard cannot be read" in p for p in problems_of(app))
    assert app.sidebar.children == {}


@pytest.mark.parametrize(
    ("address", "settings", "open_"),
    [
        ("127.0.0.1", {}, True),
        ("localhost", {}, True),
        ("::1", {}, True),
        ("0.0.0.0", {}, False),
        (None, {}, False),
        ("10.0.0.5", {}, False),
        ("0.0.0.0", {"without_sign_in": "viewer"}, True),
    ],
)
def test_without_sign_in_only_this_computer_is_served(
    open_app: OpenApp,
    monkeypatch: pytest.MonkeyPatch,
    address: str | None,
    settings: dict[str, str],
    open_: bool,
) -> None:
    set_option(monkeypatch, "server.address", address)
    app = open_app("help", secrets={"access": settings})
    if open_:
        assert "Walk-throughs" in [h.value for h in app.header]
        assert [b.key for b in app.button if b.key == "sign_out"] == []
    else:
        assert [t.value for t in app.title] == ["Not open to other computers"]
        assert not list(app.header)
        assert app.sidebar.children == {}
    role = "viewer" if settings else "administrator"
    assert open_ is False or _role(app) == role


def _role(app: AppTest) -> str:
    app.switch_page("views/about/records.py").run()
    return "viewer" if "for the administrator" in text_of(app) else "administrator"


def test_every_named_provider_has_a_button() -> None:
    shared = {"redirect_uri": "x", "cookie_secret": "y", "client_kwargs": {"prompt": "login"}}
    named = shared | {"okta": {"client_id": "a"}, "microsoft": {"client_id": "b"}}
    assert sign_in._providers(named) == {
        "okta": "Sign in with Okta",
        "microsoft": "Sign in with Microsoft",
    }
    assert sign_in._providers(AUTH) == {"default": "Sign in"}


def test_a_provider_that_is_not_configured_is_said(open_app: OpenApp) -> None:
    secrets = {"auth": {"cookie_secret": "only this, and nothing else"}}
    app = open_app(secrets=secrets, user={"is_logged_in": False})
    app.button(key="sign_in_default").click().run()
    assert any("Sign-in is not configured rightly" in p for p in problems_of(app))
