"""Who may do what: roles, actions, and the one table that joins them.

A user and an action go in; whether that is allowed comes out, or `AccessError` with who may.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from camlif.exceptions import CamlifError


class Role(IntEnum):
    """What somebody is here for; each role may do what those before it may."""

    VIEWER = 1
    REVIEWER = 2
    ADMINISTRATOR = 3


class Action(StrEnum):
    """What people do, in the words of the audit trail."""

    SESSION_BEGUN = "session begun"
    SIGNED_OUT = "signed out"
    GATE_ACCEPTED = "research use accepted"
    COHORT_LOADED = "cohort loaded"
    CASE_OPENED = "case opened"
    RESULT_SHOWN = "result shown"
    EXPORTED = "exported"
    WORKLIST_CHANGED = "worklist changed"
    GROUP_CHANGED = "group changed"
    MEETING_BEGUN = "meeting begun"
    MEETING_ENDED = "meeting ended"
    NOTE_ADDED = "note added"
    ESTIMATE_RECORDED = "estimate recorded"
    DECISION_RECORDED = "decision recorded"
    COMMIT_FIRST_ON = "commit first switched on"
    COMMIT_FIRST_OFF = "commit first switched off"
    TRAINING_STARTED = "training started"
    STUDY_STARTED = "study started"
    RUN_CANCELLED = "run cancelled"
    RUN_RETRIED = "run tried again"
    RUN_DELETED = "run deleted"
    RECORDS_VIEWED = "records viewed"
    RECORDS_EXPORTED = "records exported"
    RECORDS_ERASED = "records erased"
    STORAGE_ON = "storage switched on"
    STORAGE_OFF = "storage switched off"


_LEAST = {
    Action.SESSION_BEGUN: Role.VIEWER,
    Action.SIGNED_OUT: Role.VIEWER,
    Action.GATE_ACCEPTED: Role.VIEWER,
    Action.COHORT_LOADED: Role.VIEWER,
    Action.CASE_OPENED: Role.VIEWER,
    Action.RESULT_SHOWN: Role.VIEWER,
    Action.EXPORTED: Role.VIEWER,
    Action.WORKLIST_CHANGED: Role.REVIEWER,
    Action.GROUP_CHANGED: Role.REVIEWER,
    Action.MEETING_BEGUN: Role.REVIEWER,
    Action.MEETING_ENDED: Role.REVIEWER,
    Action.NOTE_ADDED: Role.REVIEWER,
    Action.ESTIMATE_RECORDED: Role.REVIEWER,
    Action.DECISION_RECORDED: Role.REVIEWER,
    Action.COMMIT_FIRST_ON: Role.REVIEWER,
    Action.COMMIT_FIRST_OFF: Role.REVIEWER,
    Action.TRAINING_STARTED: Role.REVIEWER,
    Action.STUDY_STARTED: Role.REVIEWER,
    Action.RUN_CANCELLED: Role.REVIEWER,
    Action.RUN_RETRIED: Role.REVIEWER,
    Action.RUN_DELETED: Role.REVIEWER,
    Action.RECORDS_VIEWED: Role.ADMINISTRATOR,
    Action.RECORDS_EXPORTED: Role.ADMINISTRATOR,
    Action.RECORDS_ERASED: Role.ADMINISTRATOR,
    Action.STORAGE_ON: Role.ADMINISTRATOR,
    Action.STORAGE_OFF: Role.ADMINISTRATOR,
}


class AccessError(CamlifError, PermissionError):
    """An action that the user's role does not include."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Whoever acts: a pseudonym, never a name or an address, and a role."""

    name: str
    role: Role


def allowed(action: Action, role: Role) -> bool:
    """Whether a role includes an action."""
    return role >= _LEAST[action]


def require(action: Action, user: User) -> None:
    """Refuse what the user's role does not include.

    Raises
    ------
    AccessError
        Naming the action and the role that it needs.
    """
    if not allowed(action, user.role):
        raise AccessError(
            f"Not allowed: {action.value}. It needs the role {_LEAST[action].name.lower()}; "
            f"yours is {user.role.name.lower()}."
        )


def may_see_run(owner: str | None, user: User, *, private: bool, has_tables: bool) -> bool:
    """Whether a run is shown to a user: one of an upload, to who started it or has its tables.

    Parameters
    ----------
    owner : str or None
        Who started the run; None where that is not known.
    user : User
        Who looks.
    private : bool
        Whether the run is of an upload.
    has_tables : bool
        Whether the user has the run's tables open.
    """
    return not private or has_tables or user.role is Role.ADMINISTRATOR or owner == user.name


def require_run(action: Action, user: User, owner: str | None) -> None:
    """Refuse to change a run that somebody else started; administrators may.

    Parameters
    ----------
    action : Action
        What is to be done to the run.
    user : User
        Who asks for it.
    owner : str or None
        Who started the run.

    Raises
    ------
    AccessError
        As `require`, or naming who may.
    """
    require(action, user)
    if user.role is not Role.ADMINISTRATOR and owner != user.name:
        raise AccessError(
            f"Not allowed: {action.value}. Who started the run or an administrator may do that."
        )
