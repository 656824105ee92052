"""How many HELLOs in a row have named a head behind the acknowledged one."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("heads", sa.Column("behind", sa.BigInteger(), nullable=False, server_default="0"))
