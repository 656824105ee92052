"""What bounds the work for one device: where its shift stands, what is set aside, indexes for what is looked for record by record.

Almost all are partial: a settled plain fine stands in none of them.
"""

import sqlalchemy as sa
from alembic import op

from protocol import cbor
from protocol import records as r

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
_WRITTEN, _UNWRITTEN = "result_seq IS NOT NULL", "result_seq IS NULL"
_INDEXES = (
    ("audit_by_code", "audit", ("device", "code", "number"), None),
    ("erasures_by_record", "erasures", ("device", "epoch", "seq"), None),
    ("gaps_undeclared", "gaps", ("device", "epoch", "first"), "declared_seq IS NULL"),
    ("nonces_by_time", "nonces", ("device", "at"), None),
    ("outbox_waiting", "outbox", ("next_at", "device", "epoch", "intent", "step"), "state < 2"),
    ("payments_written", "payments", ("device", "epoch", "result_seq"), _WRITTEN),
    ("results_in_gap", "results", ("device", "epoch", "gap"), "gap IS NOT NULL"),
    ("voids_refused", "voids", ("device", "epoch", "intent", "seq"), "state = 3"),
    ("voids_standing", "voids", ("device", "epoch", "intent"), "state <> 3"),
    ("voids_untold", "voids", ("device", "epoch", "told", "seq"), _UNWRITTEN),
    ("voids_unwritten", "voids", ("device", "epoch", "intent", "seq"), _UNWRITTEN),
    ("voids_written", "voids", ("device", "epoch", "result_seq"), _WRITTEN),
)
_LAST = (
    "UPDATE heads SET {} = coalesce((SELECT max(seq) FROM raw WHERE raw.device = heads.device AND raw.epoch = heads.epoch"
    " AND raw.kind = {} AND raw.rejected IS NULL), 0)"
)


def upgrade() -> None:
    """Go forward."""
    device = sa.Column("device", sa.String(32), nullable=False)
    numbers = [sa.Column(name, sa.BigInteger(), nullable=False) for name in ("epoch", "first", "last")]
    sums = sa.Column("sums", sa.LargeBinary(), nullable=False)
    op.create_table("tallies", device, *numbers, sums, sa.PrimaryKeyConstraint("device", "epoch", "first"))
    device = sa.Column("device", sa.String(32), nullable=False)
    intent = sa.Column("intent", sa.BigInteger(), nullable=False)
    op.create_table("aside", device, intent, sa.PrimaryKeyConstraint("device", "intent"))
    for name, table, columns, where in _INDEXES:
        partly = None if where is None else sa.text(where)
        op.create_index(name, table, list(columns), sqlite_where=partly, postgresql_where=partly)
    for name, kind in (("opened", r.SHIFT_OPENED), ("closed", r.SHIFT_CLOSED)):
        op.add_column("heads", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
        op.execute(_LAST.format(name, kind))
    op.execute("UPDATE heads SET opened = 0 WHERE opened < closed")
    _set_aside()


def _set_aside() -> None:
    """Payments of which an outcome is on file that was not posted."""
    connection, known = op.get_bind(), set()
    rejected = sa.text("SELECT device, record FROM raw WHERE kind = :kind AND rejected IS NOT NULL")
    for statement, values in (
        (rejected, {"kind": r.PAYMENT_OUTCOME}),
        (sa.text("SELECT device, record FROM forks"), {}),
    ):
        for row in connection.execute(statement, values, execution_options={"yield_per": 500}):
            record = cbor.decode(bytes(row.record))
            intent = record.get(r.INTENT)
            if record.get(r.KIND) == r.PAYMENT_OUTCOME and type(intent) is int and 0 < intent <= 0xFFFFFFFF:
                known.add((row.device, intent))
    for name, intent in sorted(known):
        connection.execute(
            sa.text("INSERT INTO aside (device, intent) VALUES (:name, :intent)"), {"name": name, "intent": intent}
        )
