"""All that is kept about a cohort: how much, and as JSON and as one table.

A cohort's digest goes in; counts, records, JSON and rows come out. Raises `StoreError` for a cohort
that has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import pandas as pd
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from camlif.wording import to_csv
from dashboard.store.database import StoreError
from dashboard.store.keys import CohortKey
from dashboard.store.models import (
    CohortRow,
    Decision,
    EntryRow,
    Estimate,
    GroupRow,
    MeetingRow,
    MemberRow,
    Note,
    WorklistRow,
)

COLUMNS = (
    *("kind", "recorded", "ended", "author", "case_token", "model_digest", "risk_group"),
    *("model_result", "result_shown_before", "worklist", "position", "group", "text"),
)
_Record = TypeVar("_Record", Note, Estimate, Decision)


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortSummary:
    """How much is kept about a cohort."""

    cohort: CohortKey
    created: datetime
    worklists: int
    groups: int
    notes: int
    estimates: int
    decisions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortRecords:
    """What is kept about a cohort: one mapping per record, with the names of `COLUMNS`."""

    cohort: CohortKey
    rows: Sequence[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for `json.dumps`."""
        cohort = {"title": self.cohort.title, "digest": self.cohort.digest}
        return {"cohort": cohort, "records": list(self.rows)}

    def to_csv(self) -> str:
        """One row per record, safe to open in a spreadsheet."""
        table = pd.DataFrame(list(self.rows), columns=list(COLUMNS))
        return to_csv(table.astype({"position": "Int64"}))


def summaries(session: Session) -> tuple[CohortSummary, ...]:
    """Return the cohorts about which something is kept, the newest first."""
    rows = session.scalars(select(CohortRow).order_by(CohortRow.created.desc())).all()
    return tuple(
        CohortSummary(
            cohort=CohortKey(digest=row.digest, title=row.title),
            created=row.created,
            worklists=_count(session, WorklistRow, row.digest),
            groups=_count(session, GroupRow, row.digest),
            notes=_count(session, Note, row.digest),
            estimates=_count(session, Estimate, row.digest),
            decisions=_count(session, Decision, row.digest),
        )
        for row in rows
    )


def known_cohort(session: Session, digest: str) -> CohortRow:
    """Return a cohort about which something is kept.

    Raises
    ------
    StoreError
        If nothing is.
    """
    row = session.get(CohortRow, digest)
    if row is None:
        raise StoreError("Nothing is kept about this cohort. Load the page again.")
    return row


def records_of(session: Session, digest: str) -> CohortRecords:
    """Return all that is kept about a cohort.

    Raises
    ------
    StoreError
        If nothing is.
    """
    cohort = known_cohort(session, digest)
    rows = _entries(session, digest) + _meetings(session, digest) + _members(session, digest)
    rows += [note_row(note) for note in _all(session, Note, digest)]
    rows += [estimate_row(estimate) for estimate in _all(session, Estimate, digest)]
    rows += [decision_row(decision) for decision in _all(session, Decision, digest)]
    return CohortRecords(cohort=CohortKey(digest=cohort.digest, title=cohort.title), rows=rows)


def as_row(record: Note | Estimate | Decision) -> dict[str, Any]:
    """Return what a board recorded about a case as plain values."""
    if isinstance(record, Note):
        return note_row(record)
    return decision_row(record) if isinstance(record, Decision) else estimate_row(record)


def note_row(note: Note) -> dict[str, Any]:
    """Return a note as plain values."""
    return _common("note", note) | {"text": note.text}


def estimate_row(estimate: Estimate) -> dict[str, Any]:
    """Return an estimate as plain values, beside what the model said."""
    return _common("estimate", estimate) | {
        "model_digest": estimate.model_digest,
        "risk_group": estimate.risk_group.value,
        "model_result": estimate.model_result,
        "result_shown_before": estimate.result_shown is not None,
    }


def decision_row(decision: Decision) -> dict[str, Any]:
    """Return a decision as plain values."""
    group = decision.risk_group
    return _common("decision", decision) | {
        "model_digest": decision.model_digest,
        "risk_group": None if group is None else group.value,
        "text": decision.text,
    }


def _common(kind: str, record: Note | Estimate | Decision) -> dict[str, Any]:
    return {
        "kind": kind,
        "recorded": record.recorded.isoformat(timespec="seconds"),
        "author": record.author,
        "case_token": record.case_token,
    }


def _entries(session: Session, digest: str) -> list[dict[str, Any]]:
    query = (
        select(WorklistRow, EntryRow)
        .join(EntryRow)
        .where(WorklistRow.cohort_digest == digest)
        .order_by(WorklistRow.id, EntryRow.position)
    )
    return [
        {
            "kind": "worklist entry",
            "recorded": worklist.recorded.isoformat(timespec="seconds"),
            "author": worklist.author,
            "case_token": entry.case_token,
            "worklist": worklist.name,
            "position": entry.position,
        }
        for worklist, entry in session.execute(query)
    ]


def _meetings(session: Session, digest: str) -> list[dict[str, Any]]:
    query = (
        select(WorklistRow.name, MeetingRow)
        .join(MeetingRow)
        .where(WorklistRow.cohort_digest == digest)
        .order_by(MeetingRow.id)
    )
    return [
        {
            "kind": "meeting",
            "recorded": meeting.recorded.isoformat(timespec="seconds"),
            "ended": None if meeting.ended is None else meeting.ended.isoformat(timespec="seconds"),
            "author": meeting.author,
            "worklist": name,
        }
        for name, meeting in session.execute(query)
    ]


def _members(session: Session, digest: str) -> list[dict[str, Any]]:
    query = (
        select(GroupRow, MemberRow.case_token)
        .join(MemberRow)
        .where(GroupRow.cohort_digest == digest)
        .order_by(GroupRow.id, MemberRow.case_token)
    )
    return [
        {
            "kind": "group member",
            "recorded": group.recorded.isoformat(timespec="seconds"),
            "author": group.author,
            "case_token": token,
            "group": group.name,
            "text": group.rule,
        }
        for group, token in session.execute(query)
    ]


def _all(session: Session, kind: type[_Record], digest: str) -> Sequence[_Record]:
    return session.scalars(select(kind).where(kind.cohort_digest == digest).order_by(kind.id)).all()


def _count(
    session: Session, kind: type[WorklistRow | GroupRow | Note | Estimate | Decision], digest: str
) -> int:
    query = select(func.count()).select_from(kind).where(kind.cohort_digest == digest)
    return session.scalar(query) or 0
