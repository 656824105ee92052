"""The case that a device's last posted payment is of."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("heads", sa.Column("paid_case", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE heads SET paid_case = COALESCE((SELECT p.case_no FROM payments p WHERE p.device = heads.device"
        " AND p.epoch = heads.epoch AND p.outcome IN (1, 2) ORDER BY p.intent DESC LIMIT 1), 0)"
    )
