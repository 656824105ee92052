"""Terminals that two officers have blocked, and keys of terminals that were changed with a new epoch."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("heads", sa.Column("blocked", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("heads", sa.Column("key_epoch", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("epochs", sa.Column("public_key", sa.LargeBinary(), nullable=True))
    op.create_table(
        "blocks",
        sa.Column("device", sa.String(32), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("blocked", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("proposed_by", sa.BigInteger(), nullable=False),
        sa.Column("proposal", sa.LargeBinary(), nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("approved_by", sa.BigInteger(), nullable=True),
        sa.Column("approval", sa.LargeBinary(), nullable=True),
        sa.Column("approved_at", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device", "number"),
    )
    op.create_table(
        "former_keys",
        sa.Column("device", sa.String(32), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("device", "epoch"),
    )
