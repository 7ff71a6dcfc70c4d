"""Roles and what they include."""

from __future__ import annotations

import pytest

from dashboard.access.access import AccessError, Action, Role, User, allowed, require


def test_every_action_has_a_role() -> None:
    assert all(allowed(action, Role.ADMINISTRATOR) for action in Action)


@pytest.mark.parametrize(
    ("role", "least"),
    [
        (Role.VIEWER, Action.CASE_OPENED),
        (Role.REVIEWER, Action.NOTE_ADDED),
        (Role.ADMINISTRATOR, Action.RECORDS_ERASED),
    ],
)
def test_a_role_includes_those_before_it(role: Role, least: Action) -> None:
    assert [r for r in Role if allowed(least, r)] == [r for r in Role if r >= role]


def test_a_refusal_names_the_role_that_is_needed() -> None:
    with pytest.raises(AccessError, match=r"records erased.*administrator; yours is viewer"):
        require(Action.RECORDS_ERASED, User(name="session 0", role=Role.VIEWER))
