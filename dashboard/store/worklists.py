"""Worklists inside a transaction: named lists of cases that a board walks in order.

A session and tokens go in, a frozen `Worklist` comes out. Raises `StoreError` for names and
lengths, and for a list that is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from dashboard.access.access import User
from dashboard.store import rules
from dashboard.store.database import StoreError
from dashboard.store.keys import CohortKey, check_token
from dashboard.store.models import CohortRow, EntryRow, WorklistRow

NAME_LIMIT = 60  # characters
CASE_LIMIT = 500
GONE = "This worklist was deleted in the meantime. Choose another one."


@dataclass(frozen=True, slots=True, kw_only=True)
class Worklist:
    """A named list of case tokens, in order."""

    id: int
    name: str
    tokens: tuple[str, ...]


def worklists_of(session: Session, cohort: CohortKey) -> tuple[Worklist, ...]:
    """Return the worklists of a cohort and of its other versions, the newest first."""
    query = (
        select(WorklistRow)
        .join(CohortRow)
        .where(CohortRow.title == cohort.title)
        .order_by(WorklistRow.id.desc())
    )
    return tuple(as_worklist(session, row) for row in session.scalars(query).all())


def as_worklist(session: Session, row: WorklistRow) -> Worklist:
    """Return a worklist with its cases."""
    query = select(EntryRow.case_token).where(EntryRow.worklist_id == row.id)
    tokens = session.scalars(query.order_by(EntryRow.position)).all()
    return Worklist(id=row.id, name=row.name, tokens=tuple(tokens))


def create(session: Session, author: User, cohort: CohortKey, name: str) -> WorklistRow:
    """Add an empty worklist.

    Parameters
    ----------
    session : Session
        Of a transaction that is writing.
    author : User
    cohort : CohortKey
    name : str
        Repeated spaces count as one.

    Raises
    ------
    StoreError
        If the name is empty, too long or taken.
    """
    clean = " ".join(name.split())
    if not 0 < len(clean) <= NAME_LIMIT:
        raise StoreError(f"Give the worklist a name of up to {NAME_LIMIT} characters.")
    if clean in {worklist.name for worklist in worklists_of(session, cohort)}:
        raise StoreError("There is a worklist of this name already. Choose another name.")
    row = WorklistRow(
        cohort_digest=cohort.digest, name=clean, author=author.name, recorded=rules.now()
    )
    session.add(row)
    session.flush()
    return row


def known(session: Session, worklist_id: int) -> WorklistRow:
    """Return a worklist.

    Raises
    ------
    StoreError
        If there is none of this number.
    """
    return rules.known(session, WorklistRow, worklist_id, GONE)


def extend(session: Session, row: WorklistRow, tokens: Sequence[str]) -> None:
    """Put cases at the end; those that are on the list stay where they are.

    Parameters
    ----------
    session : Session
        Of a transaction that is writing.
    row : WorklistRow
    tokens : sequence of str
        Of the cases, in order.

    Raises
    ------
    StoreError
        If the list would grow too long.
    """
    present = as_worklist(session, row).tokens
    new = [token for token in dict.fromkeys(tokens) if token not in present]
    if len(present) + len(new) > CASE_LIMIT:
        raise StoreError(
            f"A worklist holds up to {CASE_LIMIT} cases; this one would have "
            f"{len(present) + len(new):,}. Send fewer."
        )
    of_list = EntryRow.worklist_id == row.id
    last = session.scalar(select(func.max(EntryRow.position)).where(of_list)) or 0
    for position, token in enumerate(new, start=last + 1):
        check_token(token)
        session.add(EntryRow(worklist_id=row.id, case_token=token, position=position))
    session.flush()


def remove(session: Session, row: WorklistRow, token: str) -> None:
    """Take a case off the list.

    Parameters
    ----------
    session : Session
        Of a transaction that is writing.
    row : WorklistRow
    token : str
        Of the case; one that is not on the list changes nothing.
    """
    on_list = (EntryRow.worklist_id == row.id) & (EntryRow.case_token == token)
    session.execute(delete(EntryRow).where(on_list))
