"""The highest case number on record, with the head of each device."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("heads", sa.Column("last_case", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE heads SET last_case = coalesce((SELECT max(case_no) FROM cases WHERE cases.device = heads.device), 0)"
    )
