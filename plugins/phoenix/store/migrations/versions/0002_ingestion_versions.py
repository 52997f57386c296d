"""Ingestion: one row per version of an IDP, and a remark of the person who hid or replaced it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ingestion", sa.Column("remark", sa.Text(), nullable=False, server_default=""))
    op.alter_column("ingestion", "remark", server_default=None)
    op.drop_constraint("uq_ingestion_idp_source", "ingestion")
    op.create_unique_constraint("uq_ingestion_idp_version", "ingestion", ["idp_id", "version"])
    op.create_index("ix_ingestion_release_state", "ingestion", ["release", "state"])


def downgrade() -> None:
    op.drop_index("ix_ingestion_release_state", table_name="ingestion")
    op.drop_constraint("uq_ingestion_idp_version", "ingestion")
    op.create_unique_constraint("uq_ingestion_idp_source", "ingestion", ["idp_id", "source_sha256"])
    op.drop_column("ingestion", "remark")
