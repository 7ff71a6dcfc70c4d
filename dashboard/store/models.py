"""Tables of the store. Times are UTC; texts of SQLite tables are strictly typed.

Classes only; `dashboard.store.database` makes the tables and `dashboard.store.migrations` changes
them. The database refuses (`IntegrityError`) what breaks a constraint.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, MetaData, Text, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from camlif.data.reading.tokens import TOKEN_DIGITS

CONSTRAINT_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
STRICT = {"sqlite_strict": True}


class RiskGroup(StrEnum):
    """A board's own judgement of a case."""

    LOW = "low"
    INTERMEDIATE = "intermediate"
    HIGH = "high"


class SettingName(StrEnum):
    """A switch of this installation."""

    KEEP_RECORDS = "keep records"


class UtcTime(TypeDecorator[datetime]):
    """A time as ISO 8601 text in UTC with microseconds: sorts as text, equal in every database."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Time to text."""
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Text to time."""
        return None if value is None else datetime.fromisoformat(value)


class GroupText(TypeDecorator[RiskGroup]):
    """A risk group as its name."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: RiskGroup | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Group to text."""
        return None if value is None else RiskGroup(value).value

    def process_result_value(self, value: Any, dialect: Dialect) -> RiskGroup | None:  # noqa: ARG002
        """Text to group."""
        return None if value is None else RiskGroup(value)


def is_token() -> CheckConstraint:
    """Hold a column to the length of a case token, which few identifiers have."""
    return CheckConstraint(f"length(case_token) = {TOKEN_DIGITS}", name="case_token")


def is_group() -> CheckConstraint:
    """Hold a column to the names of risk groups."""
    names = ", ".join(f"'{group.value}'" for group in RiskGroup)
    return CheckConstraint(f"risk_group IN ({names})", name="risk_group")


class Base(DeclarativeBase):
    """Root of the tables."""

    metadata = MetaData(naming_convention=CONSTRAINT_NAMES)
    type_annotation_map = {str: Text(), datetime: UtcTime(), RiskGroup: GroupText()}  # noqa: RUF012


def _cohort() -> Mapped[str]:
    return mapped_column(ForeignKey("cohort.digest", ondelete="CASCADE"))


class CohortRow(Base):
    """A cohort about which something is kept; everything about it goes when it goes.

    Cohorts of one title give a patient the same token, whatever their digests.
    """

    __tablename__ = "cohort"
    __table_args__ = STRICT

    digest: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    created: Mapped[datetime]


class WorklistRow(Base):
    """A named list of cases of one cohort."""

    __tablename__ = "worklist"
    __table_args__ = (UniqueConstraint("cohort_digest", "name"), STRICT)

    id: Mapped[int] = mapped_column(primary_key=True)
    cohort_digest: Mapped[str] = _cohort()
    name: Mapped[str]
    author: Mapped[str]
    recorded: Mapped[datetime]


class EntryRow(Base):
    """A case on a worklist; positions rise in the order of adding and may have gaps."""

    __tablename__ = "worklist_entry"
    __table_args__ = (UniqueConstraint("worklist_id", "position"), is_token(), STRICT)

    worklist_id: Mapped[int] = mapped_column(
        ForeignKey("worklist.id", ondelete="CASCADE"), primary_key=True
    )
    case_token: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]


class MeetingRow(Base):
    """A meeting on a worklist; it goes on until ``ended`` is set."""

    __tablename__ = "meeting"
    __table_args__ = STRICT

    id: Mapped[int] = mapped_column(primary_key=True)
    worklist_id: Mapped[int] = mapped_column(ForeignKey("worklist.id", ondelete="CASCADE"))
    author: Mapped[str]
    recorded: Mapped[datetime]
    ended: Mapped[datetime | None]


class GroupRow(Base):
    """A named group of patients of one cohort; ``rule`` says in words how it was made."""

    __tablename__ = "patient_group"
    __table_args__ = (UniqueConstraint("cohort_digest", "name"), STRICT)

    id: Mapped[int] = mapped_column(primary_key=True)
    cohort_digest: Mapped[str] = _cohort()
    name: Mapped[str]
    rule: Mapped[str]
    author: Mapped[str]
    recorded: Mapped[datetime]


class MemberRow(Base):
    """A patient of a group."""

    __tablename__ = "patient_group_member"
    __table_args__ = (is_token(), STRICT)

    group_id: Mapped[int] = mapped_column(
        ForeignKey("patient_group.id", ondelete="CASCADE"), primary_key=True
    )
    case_token: Mapped[str] = mapped_column(primary_key=True)


class Note(Base):
    """What somebody wrote about a case. Never changed; a correction is another note."""

    __tablename__ = "note"
    __table_args__ = (Index(None, "case_token"), is_token(), STRICT)

    id: Mapped[int] = mapped_column(primary_key=True)
    cohort_digest: Mapped[str] = _cohort()
    case_token: Mapped[str]
    author: Mapped[str]
    recorded: Mapped[datetime]
    text: Mapped[str]


class Estimate(Base):
    """A board's own judgement of a case, made once for a result of a model.

    ``model_result`` is the risk group that the model gave. ``result_shown`` is when the Case page
    first showed that result here before the estimate was recorded; None where it had not.
    """

    __tablename__ = "estimate"
    __table_args__ = (
        UniqueConstraint("case_token", "cohort_digest", "model_digest"),
        is_token(),
        is_group(),
        STRICT,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    cohort_digest: Mapped[str] = _cohort()
    case_token: Mapped[str]
    model_digest: Mapped[str]
    author: Mapped[str]
    recorded: Mapped[datetime]
    risk_group: Mapped[RiskGroup]
    model_result: Mapped[str]
    result_shown: Mapped[datetime | None]


class Decision(Base):
    """What a board decided; the latest of a case holds, earlier ones stay.

    ``estimate_id`` is the estimate that it followed.
    """

    __tablename__ = "decision"
    __table_args__ = (Index(None, "case_token"), is_token(), is_group(), STRICT)

    id: Mapped[int] = mapped_column(primary_key=True)
    cohort_digest: Mapped[str] = _cohort()
    case_token: Mapped[str]
    model_digest: Mapped[str | None]
    estimate_id: Mapped[int | None] = mapped_column(ForeignKey("estimate.id", ondelete="CASCADE"))
    author: Mapped[str]
    recorded: Mapped[datetime]
    risk_group: Mapped[RiskGroup | None]
    text: Mapped[str]


class SettingRow(Base):
    """A switch that somebody has set: ``on`` or ``off``."""

    __tablename__ = "setting"
    __table_args__ = (CheckConstraint("value IN ('on', 'off')", name="value"), STRICT)

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    author: Mapped[str]
    recorded: Mapped[datetime]


class AuditEvent(Base):
    """Something that was done. Rows are only ever added, each sealed with the one before it.

    ``seal`` is the SHA-256 of the row and of ``previous``, the seal of the row before.
    """

    __tablename__ = "audit_event"
    __table_args__ = (UniqueConstraint("previous"), Index(None, "case_token"), STRICT)

    id: Mapped[int] = mapped_column(primary_key=True)
    recorded: Mapped[datetime]
    author: Mapped[str]
    action: Mapped[str]
    cohort_digest: Mapped[str | None]
    model_digest: Mapped[str | None]
    case_token: Mapped[str | None]
    export_type: Mapped[str | None]
    previous: Mapped[str]
    seal: Mapped[str]
