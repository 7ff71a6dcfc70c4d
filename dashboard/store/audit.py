"""The audit trail: events are added, sealed with the one before, and checked; never changed.

An action goes in, a sealed event comes out; a check says where the chain of seals is broken. Raises
`AccessError` where the author may not, `StoreError` where an event would be changed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import event, inspect, select
from sqlalchemy.orm import Session

from dashboard.access.access import Action, User, require
from dashboard.store.database import StoreError
from dashboard.store.models import AuditEvent

FIRST = "0" * 64
"""What the first event is sealed with."""
_SEALED = (
    *("author", "action", "cohort_digest", "model_digest", "case_token", "export_type"),
    "previous",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What a check of the trail found.

    Attributes
    ----------
    n_events : int
    broken_at : int or None
        Number of the first event that is not as it was sealed; None where all are.
    """

    n_events: int
    broken_at: int | None

    @property
    def intact(self) -> bool:
        """Whether no event was changed, added between others or taken out between others."""
        return self.broken_at is None


def append(
    session: Session,
    action: Action,
    author: User,
    *,
    cohort_digest: str | None = None,
    model_digest: str | None = None,
    case_token: str | None = None,
    export_type: str | None = None,
) -> AuditEvent:
    """Add an event to a transaction that is writing.

    Parameters
    ----------
    session : Session
        Of a transaction that holds the writer's lock.
    action : Action
    author : User
    cohort_digest, model_digest, case_token, export_type : str, optional
        What the action was about, as far as that applies.

    Raises
    ------
    AccessError
        If the author's role does not include the action.
    """
    require(action, author)
    last = session.scalar(select(AuditEvent.seal).order_by(AuditEvent.id.desc()).limit(1))
    added = AuditEvent(
        recorded=datetime.now(UTC),
        author=author.name,
        action=action.value,
        cohort_digest=cohort_digest,
        model_digest=model_digest,
        case_token=case_token,
        export_type=export_type,
        previous=last or FIRST,
    )
    added.seal = seal_of(added)
    session.add(added)
    session.flush()
    return added


def seal_of(row: AuditEvent) -> str:
    """Return the SHA-256 of an event and the seal of the one before it."""
    content = [row.recorded.astimezone(UTC).isoformat(timespec="microseconds")]
    content += [getattr(row, name) for name in _SEALED]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def verify(session: Session) -> AuditReport:
    """Check every seal. Events taken off the end cannot be noticed; keep exports for that."""
    previous, n = FIRST, 0
    for row in session.scalars(select(AuditEvent).order_by(AuditEvent.id)).yield_per(1000):
        n += 1
        if row.previous != previous or row.seal != seal_of(row):
            return AuditReport(n_events=n, broken_at=n)
        previous = row.seal
    return AuditReport(n_events=n, broken_at=None)


@event.listens_for(Session, "before_flush")
def _refuse_changes(session: Session, _context: object, _instances: object) -> None:
    """Stop a change of the trail before the database's trigger has to."""
    touched = [*session.dirty, *session.deleted]
    if any(isinstance(row, AuditEvent) and inspect(row).persistent for row in touched):
        raise StoreError("Audit events cannot be changed or deleted.")
