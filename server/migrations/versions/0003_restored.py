"""Up to which record a terminal's requests may have been sent before the database was restored."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("heads", sa.Column("doubtful_seq", sa.BigInteger(), nullable=False, server_default="0"))
