"""Since when a terminal waits for a word, and what it may have written down of results in records that are lost.

Whether a result that is on record was told, nobody has noted: it may have been, at any time.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    for table in ("results", "voids", "payments"):
        op.add_column(table, sa.Column("told", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("results", sa.Column("head", sa.BigInteger(), nullable=True))
    op.add_column("results", sa.Column("gap", sa.BigInteger(), nullable=True))
    op.execute("UPDATE results SET head = 0")
