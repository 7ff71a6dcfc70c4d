"""Which role somebody's claims give, and by what name they are recorded."""

from __future__ import annotations

from typing import Any

import pytest

from camlif.exceptions import ConfigError
from dashboard.access.access import AccessError, Action, Role, User, may_see_run, require_run
from dashboard.access.roles import pseudonym, read_role_settings, role_of

KEY = b"k" * 32
SECTION = {
    "emails": {"Ada@Example.org": "administrator", "rev@example.org": "reviewer"},
    "claim": "groups",
    "claims": {"board": "reviewer"},
}


def role(claims: dict[str, Any], **changes: object) -> Role | None:
    return role_of(claims, read_role_settings(SECTION | changes))


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({}, Role.VIEWER),
        ({"email": "ada@example.org"}, Role.ADMINISTRATOR),
        ({"email": " ADA@example.ORG"}, Role.ADMINISTRATOR),
        ({"email": "ada@example.org", "email_verified": True}, Role.ADMINISTRATOR),
        ({"email": "ada@example.org", "email_verified": False}, Role.VIEWER),
        ({"email": "ada@example.org.evil.test"}, Role.VIEWER),
        ({"email": None, "groups": None}, Role.VIEWER),
        ({"groups": "board"}, Role.REVIEWER),
        ({"groups": ["others", "board"]}, Role.REVIEWER),
        ({"groups": ["boards"]}, Role.VIEWER),
        ({"email": "ada@example.org", "groups": ["board"]}, Role.ADMINISTRATOR),
        ({"email": "rev@example.org", "email_verified": False, "groups": ["board"]}, Role.REVIEWER),
    ],
)
def test_the_highest_role_that_claims_give_holds(claims: dict[str, Any], expected: Role) -> None:
    assert role(claims) is expected


def test_without_a_default_role_only_the_named_get_in() -> None:
    assert role({"email": "new@example.org"}, default="none") is None
    assert role({"email": "rev@example.org"}, default="none") is Role.REVIEWER


def test_nothing_configured_makes_everybody_a_viewer() -> None:
    assert role_of({"email": "ada@example.org"}, read_role_settings({})) is Role.VIEWER


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"emails": {"a@b.org": "admin"}}, r"access\.emails\.a@b\.org.*'administrator'"),
        ({"emails": {"ada": "viewer"}}, r"access\.emails.*ada is no e-mail address"),
        ({"emails": {"a@b.org": "viewer", "A@b.org": "reviewer"}}, "there twice"),
        ({"default": "boss"}, r"access\.default"),
        ({"roles": {}}, r"access\.roles.*not permitted"),
        ({"claim": "groups"}, "claim names the claim"),
        ({"claims": {"board": "reviewer"}}, "claim names the claim"),
        ({"without_sign_in": "none"}, r"access\.without_sign_in"),
        ("viewer", "access in secrets.toml is wrong"),
    ],
)
def test_a_wrong_setting_is_named(section: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_role_settings(section)


def test_a_pseudonym_stays_and_differs_by_person_issuer_and_installation() -> None:
    person = {"iss": "https://id.example.org", "sub": "17", "email": "ada@example.org"}
    name = pseudonym(KEY, person)
    assert name == pseudonym(KEY, person | {"email": "married@example.org", "iat": 5})
    assert name != pseudonym(KEY, person | {"sub": "18"})
    assert name != pseudonym(KEY, person | {"iss": "https://other.example.org"})
    assert name != pseudonym(b"l" * 32, person)
    assert "ada" not in name
    assert "17" not in name.split()[0]


@pytest.mark.parametrize("missing", ["iss", "sub"])
def test_a_token_without_a_person_is_refused(missing: str) -> None:
    claims = {"iss": "https://id.example.org", "sub": "17"}
    del claims[missing]
    with pytest.raises(ConfigError, match="does not say who signed in"):
        pseudonym(KEY, claims)


MINE = User(name="user 1", role=Role.REVIEWER)


@pytest.mark.parametrize(
    ("owner", "private", "has_tables", "role", "seen"),
    [
        ("user 2", False, False, Role.VIEWER, True),
        ("user 2", True, False, Role.REVIEWER, False),
        ("user 1", True, False, Role.REVIEWER, True),
        ("user 2", True, True, Role.VIEWER, True),
        ("user 2", True, False, Role.ADMINISTRATOR, True),
        (None, True, False, Role.REVIEWER, False),
    ],
)
def test_a_run_of_an_upload_is_seen_by_its_owner_and_administrators(
    owner: str | None, private: bool, has_tables: bool, role: Role, seen: bool
) -> None:
    user = User(name="user 1", role=role)
    assert may_see_run(owner, user, private=private, has_tables=has_tables) is seen


def test_a_run_is_changed_by_its_owner_or_an_administrator() -> None:
    require_run(Action.RUN_DELETED, MINE, "user 1")
    require_run(Action.RUN_DELETED, User(name="user 3", role=Role.ADMINISTRATOR), "user 1")
    with pytest.raises(AccessError, match="started the run or an administrator"):
        require_run(Action.RUN_DELETED, MINE, "user 2")
    with pytest.raises(AccessError, match="needs the role reviewer"):
        require_run(Action.RUN_DELETED, User(name="user 1", role=Role.VIEWER), "user 1")
