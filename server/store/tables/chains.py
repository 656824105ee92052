"""What terminals send: devices, where their chains stand, raw records, and what lies beside the chain."""

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, Text

from server.store.tables.columns import integer, metadata, octets, partly, words

devices = Table(  # as provisioned
    "devices",
    metadata,
    words("device", 32),
    octets("public_key"),  # 65 bytes, uncompressed P-256 point; the one in force
    words("dukpt_key_id", 16),  # hex
    words("unit", 32),
    integer("force"),
    integer("wilaya"),
    integer("registered"),
    PrimaryKeyConstraint("device"),
)

former_keys = Table(  # keys that others took the place of, each with an epoch of its own
    "former_keys",
    metadata,
    words("device", 32),
    integer("epoch"),  # the first one in which it was in force; 0: from the beginning
    octets("public_key"),
    PrimaryKeyConstraint("device", "epoch"),
)

heads = Table(  # where a device's chain stands, and what it last said about itself
    "heads",
    metadata,
    words("device", 32),
    integer("epoch", nullable=True),  # null until the first HELLO
    integer("seq"),
    octets("hash"),
    integer("cum_count"),
    integer("cum_total"),
    integer("counter"),
    integer("utc"),
    octets("nonce", nullable=True),
    integer("last_contact", nullable=True),
    integer("claimed_seq", nullable=True),  # the head that it named in its last HELLO
    words("firmware", 64, nullable=True),
    Column("health", Text, nullable=True),  # JSON
    Column("sets", Text, nullable=True),  # JSON {kind: version}
    integer("forks"),
    Column("behind", BigInteger, nullable=False, server_default="0"),  # HELLOs in a row with a head behind this one
    Column("doubtful_seq", BigInteger, nullable=False, server_default="0"),  # see server.store.restore
    Column("last_case", BigInteger, nullable=False, server_default="0"),  # the highest case number on record
    Column(
        "opened", BigInteger, nullable=False, server_default="0"
    ),  # the SHIFT_OPENED of the shift that is open, or 0
    Column("closed", BigInteger, nullable=False, server_default="0"),  # the last SHIFT_CLOSED on record, or 0
    Column("paid_case", BigInteger, nullable=False, server_default="0"),  # of the last payment that was posted
    Column(
        "told_epoch", BigInteger, nullable=False, server_default="0"
    ),  # the latest it knew of when it was in trouble
    Column("blocked", BigInteger, nullable=False, server_default="0"),  # since when by two officers' word, 0: it is not
    Column(
        "key_epoch", BigInteger, nullable=False, server_default="0"
    ),  # the epoch that brought the key in force, or 0
    PrimaryKeyConstraint("device"),
)

nonces = Table(
    "nonces",
    metadata,
    words("device", 32),
    octets("nonce"),
    integer("at"),
    PrimaryKeyConstraint("device", "nonce"),
    Index("nonces_by_time", "device", "at"),
)

raw = Table(
    "raw",
    metadata,
    words("device", 32),
    integer("epoch"),
    integer("seq"),
    octets("hash"),
    integer("kind"),
    octets("record"),  # deterministic CBOR of the restored record
    octets("signature", nullable=True),  # a payment outcome's own
    words("rejected", 8, nullable=True),  # code: kept, not posted
    integer("received"),
    PrimaryKeyConstraint("device", "epoch", "seq"),
)

forks = Table(
    "forks",
    metadata,
    words("device", 32),
    integer("epoch"),
    integer("seq"),
    octets("hash"),
    octets("record"),
    octets("signature", nullable=True),
    integer("received"),
    PrimaryKeyConstraint("device", "epoch", "seq", "hash"),
)

aside = Table(  # payments of which an outcome is kept that is not posted, rejected or of a second branch
    "aside",
    metadata,
    words("device", 32),
    integer("intent"),
    PrimaryKeyConstraint("device", "intent"),
)

tallies = Table(  # what the first records of a long shift come to, so that no more than a few need be added up at once
    "tallies",
    metadata,
    words("device", 32),
    integer("epoch"),
    integer("first"),
    integer("last"),
    octets("sums"),  # see server.ingest.close
    PrimaryKeyConstraint("device", "epoch", "first"),
)

sealed = Table(  # card data that only the acquirer can open
    "sealed",
    metadata,
    words("device", 32),
    integer("epoch"),
    integer("intent"),
    octets("blob"),
    PrimaryKeyConstraint("device", "epoch", "intent"),
)

private = Table(  # personal data that only the authority can open
    "private",
    metadata,
    words("device", 32),
    integer("epoch"),
    integer("seq"),
    octets("blob"),
    PrimaryKeyConstraint("device", "epoch", "seq"),
)

gaps = Table(  # records that are lost for good: the chain goes on after them
    "gaps",
    metadata,
    words("device", 32),
    integer("epoch"),
    integer("first"),
    integer("last"),
    octets("hash"),  # of the last lost record, as the one after it names it
    integer("count"),  # approved payments among them, by the running totals on both sides
    integer("amount"),  # their centimes: held in suspense
    integer("declared_seq", nullable=True),  # the terminal's gap record
    integer("at"),
    PrimaryKeyConstraint("device", "epoch", "first"),
    partly("gaps_undeclared", "declared_seq IS NULL", "device", "epoch", "first"),
)
