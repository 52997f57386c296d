"""Which ABs use which calibrations, and calibrations declared bad."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ab_calibration",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("ab_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.ForeignKeyConstraint(["ab_id"], ["ab.id"], name="fk_ab_calibration_ab_id_ab"),
        sa.PrimaryKeyConstraint("id", name="pk_ab_calibration"),
    )
    for column in ("ab_id", "source", "name"):
        op.create_index(f"ix_ab_calibration_{column}", "ab_calibration", [column])
    # What earlier ABs use stands in their texts, unknown to a migration: the first question reads them.
    op.execute(
        "INSERT INTO ab_calibration (ab_id, source, name, tag, status) "
        "SELECT id, '', '', '', 'UNREAD' FROM ab"
    )
    op.create_table(
        "bad_master",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("release", sa.String(length=32), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("declared_by", sa.Text(), nullable=False),
        sa.Column("declared_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("selection", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bad_master"),
    )
    op.create_index(
        "uq_bad_master_source",
        "bad_master",
        ["source", "release"],
        unique=True,
        postgresql_where=sa.text("undone_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("bad_master")
    op.drop_table("ab_calibration")
