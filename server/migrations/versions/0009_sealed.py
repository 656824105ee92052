"""Whether the terminal has sealed card data of a payment: its outcome record says so."""

import sqlalchemy as sa
from alembic import op

from protocol import cbor
from protocol import records as r

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
_ASKED = sa.text(
    "SELECT p.device, p.epoch, p.intent, w.record FROM payments p"
    " JOIN authorisations a ON a.device = p.device AND a.epoch = p.epoch AND a.intent = p.intent"
    " JOIN raw w ON w.device = p.device AND w.seq = p.outcome_seq WHERE p.outcome = 1 AND w.kind = :kind AND w.rejected IS NULL"
)
_NONE = sa.text("UPDATE payments SET sealed = 0 WHERE device = :device AND epoch = :epoch AND intent = :intent")


def upgrade() -> None:
    """Go forward. Only of what its issuer has approved while the card waited nothing is kept, and then somebody was asked."""
    op.add_column("payments", sa.Column("sealed", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE payments SET sealed = 1 WHERE outcome IN (1, 2)")
    connection = op.get_bind()
    for row in connection.execute(_ASKED, {"kind": r.PAYMENT_OUTCOME}).all():
        record = cbor.decode(bytes(row.record))
        if record[r.INTENT] == row.intent and r.SEALED not in record:
            connection.execute(_NONE, {"device": row.device, "epoch": row.epoch, "intent": row.intent})
