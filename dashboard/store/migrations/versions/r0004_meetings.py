"""Meetings on a worklist."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "meeting",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("worklist_id", sa.Integer, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("recorded", sa.Text, nullable=False),
        sa.Column("ended", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_meeting"),
        sa.ForeignKeyConstraint(
            ["worklist_id"], ["worklist.id"], name="fk_meeting_worklist_id", ondelete="CASCADE"
        ),
        sqlite_strict=True,
    )
