"""QC runs: of which products the QC of an AB is, and what did not work."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "qc_run",
        sa.Column("ab_id", sa.BigInteger(), nullable=False),
        sa.Column("products_sha256", sa.String(length=64), nullable=False),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wall_s", sa.Float(), nullable=False),
        sa.Column("problems", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["ab_id"], ["ab.id"], name="fk_qc_run_ab_id_ab"),
        sa.PrimaryKeyConstraint("ab_id", name="pk_qc_run"),
    )


def downgrade() -> None:
    op.drop_table("qc_run")
