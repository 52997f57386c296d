"""Ancillary files that several science products name."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idp_share",
        sa.Column("idp_id", sa.BigInteger(), nullable=False),
        sa.Column("head_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["idp_id"], ["idp.id"], name="fk_idp_share_idp_id_idp", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["head_id"], ["idp.id"], name="fk_idp_share_head_id_idp", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("idp_id", "head_id", name="pk_idp_share"),
    )
    op.create_index("ix_idp_share_head_id", "idp_share", ["head_id"])


def downgrade() -> None:
    op.drop_table("idp_share")
