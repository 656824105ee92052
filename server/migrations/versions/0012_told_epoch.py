"""The latest epoch of which a terminal in trouble said that it knows."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("heads", sa.Column("told_epoch", sa.BigInteger(), nullable=False, server_default="0"))
