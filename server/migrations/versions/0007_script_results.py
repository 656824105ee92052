"""What became of the issuer's scripts, beside the payment: told to the acquirer with the next message."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("payments", sa.Column("script_results", sa.LargeBinary(), nullable=True))
