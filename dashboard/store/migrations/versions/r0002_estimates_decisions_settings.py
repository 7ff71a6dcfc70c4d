"""A board's estimates and decisions, and the switches of the installation."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

SIXTEEN_DIGITS = "length(case_token) = 16"
GROUPS = "risk_group IN ('low', 'intermediate', 'high')"


def upgrade() -> None:
    """Apply."""
    _estimates()
    _decisions()
    op.create_table(
        "setting",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("recorded", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_setting"),
        sa.CheckConstraint("value IN ('on', 'off')", name=op.f("ck_setting_value")),
        sqlite_strict=True,
    )


def _estimates() -> None:
    op.create_table(
        "estimate",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("cohort_digest", sa.Text, nullable=False),
        sa.Column("case_token", sa.Text, nullable=False),
        sa.Column("model_digest", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("recorded", sa.Text, nullable=False),
        sa.Column("risk_group", sa.Text, nullable=False),
        sa.Column("model_result", sa.Text, nullable=False),
        sa.Column("result_shown", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_estimate"),
        sa.ForeignKeyConstraint(
            ["cohort_digest"],
            ["cohort.digest"],
            name="fk_estimate_cohort_digest",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint(
            "case_token", "cohort_digest", "model_digest", name="uq_estimate_case_token"
        ),
        sa.CheckConstraint(SIXTEEN_DIGITS, name=op.f("ck_estimate_case_token")),
        sa.CheckConstraint(GROUPS, name=op.f("ck_estimate_risk_group")),
        sqlite_strict=True,
    )


def _decisions() -> None:
    op.create_table(
        "decision",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("cohort_digest", sa.Text, nullable=False),
        sa.Column("case_token", sa.Text, nullable=False),
        sa.Column("model_digest", sa.Text),
        sa.Column("estimate_id", sa.Integer),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("recorded", sa.Text, nullable=False),
        sa.Column("risk_group", sa.Text),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_decision"),
        sa.ForeignKeyConstraint(
            ["cohort_digest"],
            ["cohort.digest"],
            name="fk_decision_cohort_digest",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["estimate_id"], ["estimate.id"], name="fk_decision_estimate_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint(SIXTEEN_DIGITS, name=op.f("ck_decision_case_token")),
        sa.CheckConstraint(GROUPS, name=op.f("ck_decision_risk_group")),
        sqlite_strict=True,
    )
    op.create_index("ix_decision_case_token", "decision", ["case_token"])
