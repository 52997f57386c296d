"""Frame catalogue: what a scan noticed that does not hinder a frame's use."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "frame",
        sa.Column("notes", postgresql.JSONB(astext_type=sa.Text()), nullable=False, server_default="[]"),
    )
    op.alter_column("frame", "notes", server_default=None)


def downgrade() -> None:
    op.drop_column("frame", "notes")
