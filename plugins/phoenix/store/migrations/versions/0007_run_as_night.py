"""A run such as 099.A-0023(B) stands in place of the night of ABs made across nights."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("ab", "night", type_=sa.String(length=32), existing_type=sa.String(length=10))


def downgrade() -> None:
    op.execute("UPDATE ab SET night = left(night, 10)")
    op.alter_column("ab", "night", type_=sa.String(length=10), existing_type=sa.String(length=32))
