"""Cohorts, worklists, notes, and an audit trail that only grows."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

SIXTEEN_DIGITS = "length(case_token) = 16"
REFUSAL = "audit events are never changed"


def upgrade() -> None:
    """Apply."""
    _cohort()
    _worklists()
    _notes()
    _audit()
    _append_only(op.get_bind().dialect.name)


def _cohort() -> None:
    op.create_table(
        "cohort",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("created", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_cohort"),
        sqlite_strict=True,
    )


def _worklists() -> None:
    op.create_table(
        "worklist",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("cohort_digest", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("recorded", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_worklist"),
        sa.ForeignKeyConstraint(
            ["cohort_digest"],
            ["cohort.digest"],
            name="fk_worklist_cohort_digest",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("cohort_digest", "name", name="uq_worklist_cohort_digest"),
        sqlite_strict=True,
    )
    op.create_table(
        "worklist_entry",
        sa.Column("worklist_id", sa.Integer, nullable=False),
        sa.Column("case_token", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("worklist_id", "case_token", name="pk_worklist_entry"),
        sa.ForeignKeyConstraint(
            ["worklist_id"],
            ["worklist.id"],
            name="fk_worklist_entry_worklist_id",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("worklist_id", "position", name="uq_worklist_entry_worklist_id"),
        sa.CheckConstraint(SIXTEEN_DIGITS, name=op.f("ck_worklist_entry_case_token")),
        sqlite_strict=True,
    )


def _notes() -> None:
    op.create_table(
        "note",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("cohort_digest", sa.Text, nullable=False),
        sa.Column("case_token", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("recorded", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_note"),
        sa.ForeignKeyConstraint(
            ["cohort_digest"], ["cohort.digest"], name="fk_note_cohort_digest", ondelete="CASCADE"
        ),
        sa.CheckConstraint(SIXTEEN_DIGITS, name=op.f("ck_note_case_token")),
        sqlite_strict=True,
    )
    op.create_index("ix_note_case_token", "note", ["case_token"])


def _audit() -> None:
    op.create_table(
        "audit_event",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("recorded", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("cohort_digest", sa.Text),
        sa.Column("model_digest", sa.Text),
        sa.Column("case_token", sa.Text),
        sa.Column("export_type", sa.Text),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("seal", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_event"),
        sa.UniqueConstraint("previous", name="uq_audit_event_previous"),
        sqlite_strict=True,
    )
    op.create_index("ix_audit_event_case_token", "audit_event", ["case_token"])


def _append_only(dialect: str) -> None:
    if dialect == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_event_no_{verb.lower()} BEFORE {verb} ON audit_event "
                f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_event_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE "
        "ON audit_event FOR EACH STATEMENT EXECUTE FUNCTION audit_event_refuse()"
    )
