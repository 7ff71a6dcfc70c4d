"""Meetings at which a board walks a worklist: when they began and ended.

A user and a worklist's number go in, frozen `Meeting` records come out. Raises `StoreError` for a
list or a meeting that is gone, `AccessError` where the user may not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from dashboard.access.access import Action, User
from dashboard.store import audit, rules, worklists
from dashboard.store.database import reading, writing
from dashboard.store.models import MeetingRow, WorklistRow

GONE = "This meeting was deleted in the meantime. Choose another list."


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """A meeting of a board on a worklist; ``ended`` is None while it goes on."""

    id: int
    worklist_id: int
    author: str
    began: datetime
    ended: datetime | None

    def holds(self, time: datetime) -> bool:
        """Whether something was recorded in the meeting."""
        return self.began <= time and (self.ended is None or time <= self.ended)


class Meetings:
    """The meetings of a database; one goes on at a time for a worklist."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, worklist_id: int) -> tuple[Meeting, ...]:
        """Return the meetings on a worklist, the newest first."""
        query = select(MeetingRow).where(MeetingRow.worklist_id == worklist_id)
        with reading(self._engine) as session:
            rows = session.scalars(query.order_by(MeetingRow.id.desc())).all()
            return tuple(_as_meeting(row) for row in rows)

    def begin(self, author: User, worklist_id: int) -> Meeting:
        """Begin a meeting; one that goes on is returned instead.

        Raises
        ------
        StoreError
            If the worklist is gone, or storage is switched off.
        """
        going_on = (MeetingRow.worklist_id == worklist_id) & MeetingRow.ended.is_(None)
        with writing(self._engine) as session:
            rules.require_storage(session)
            worklist = worklists.known(session, worklist_id)
            row = session.scalar(select(MeetingRow).where(going_on))
            if row is None:
                _append(session, Action.MEETING_BEGUN, author, worklist)
                row = MeetingRow(worklist_id=worklist_id, author=author.name, recorded=rules.now())
                session.add(row)
                session.flush()
            return _as_meeting(row)

    def end(self, author: User, meeting_id: int) -> Meeting:
        """End a meeting; one that has ended stays as it is.

        Raises
        ------
        StoreError
            If it is gone.
        """
        with writing(self._engine) as session:
            row = rules.known(session, MeetingRow, meeting_id, GONE)
            if row.ended is None:
                worklist = worklists.known(session, row.worklist_id)
                _append(session, Action.MEETING_ENDED, author, worklist)
                row.ended = rules.now()
            return _as_meeting(row)


def _append(session: Session, action: Action, author: User, worklist: WorklistRow) -> None:
    audit.append(session, action, author, cohort_digest=worklist.cohort_digest)


def _as_meeting(row: MeetingRow) -> Meeting:
    return Meeting(
        id=row.id,
        worklist_id=row.worklist_id,
        author=row.author,
        began=row.recorded,
        ended=row.ended,
    )
