"""Named groups of patients of a cohort."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "patient_group",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("cohort_digest", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("recorded", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_patient_group"),
        sa.ForeignKeyConstraint(
            ["cohort_digest"],
            ["cohort.digest"],
            name="fk_patient_group_cohort_digest",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("cohort_digest", "name", name="uq_patient_group_cohort_digest"),
        sqlite_strict=True,
    )
    op.create_table(
        "patient_group_member",
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("case_token", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("group_id", "case_token", name="pk_patient_group_member"),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["patient_group.id"],
            name="fk_patient_group_member_group_id",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint(
            "length(case_token) = 16", name=op.f("ck_patient_group_member_case_token")
        ),
        sqlite_strict=True,
    )
