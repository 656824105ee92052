"""What people decide, two by two, what they are told, and facts about the database itself."""

from sqlalchemy import Index, PrimaryKeyConstraint, Table

from server.store.tables.columns import four_eyes, integer, metadata, octets, words

audit = Table(  # append only
    "audit",
    metadata,
    words("device", 32),  # "" = the server itself
    integer("number"),
    integer("at"),
    integer("level"),  # LEVEL_*
    words("code", 16),
    words("what", 200),
    PrimaryKeyConstraint("device", "number"),
    Index("audit_by_code", "device", "code", "number"),
)

epochs = Table(  # new epochs: proposed by one officer of the back office, approved by another
    "epochs",
    metadata,
    words("device", 32),
    integer("epoch"),
    integer("number"),  # of the proposal: 1, 2, 3 … for each device; also the command's id
    integer("seq"),  # the last record of the old epoch that counts
    octets("hash"),
    integer("cum_count"),
    integer("cum_total"),
    integer("cases"),  # the last case number that was used
    *four_eyes(),
    integer("state"),  # EPOCH_*
    integer("begun_at", nullable=True),
    octets("public_key", nullable=True),  # of the terminal from this epoch on; null: as before
    PrimaryKeyConstraint("device", "number"),
)

blocks = Table(  # terminals that two officers of the back office have blocked, and unblocked
    "blocks",
    metadata,
    words("device", 32),
    integer("number"),  # of the proposal: 1, 2, 3 … for each device
    integer("blocked"),  # 1: it is to be blocked; 0: it is not any more
    *four_eyes(),
    integer("state"),  # DECISION_*
    PrimaryKeyConstraint("device", "number"),
)

refunds = Table(  # payments that the centre gives back: proposed by one officer of the back office, approved by another
    "refunds",
    metadata,
    words("device", 32),
    integer("epoch"),
    integer("intent"),
    integer("number"),  # of the proposal: 1, 2, 3 … for each payment
    integer("amount"),
    words("pv", 48),
    *four_eyes(),
    integer("state"),  # REFUND_*
    PrimaryKeyConstraint("device", "epoch", "intent", "number"),
)

decisions = Table(  # what two officers of the back office have found out about money in suspense
    "decisions",
    metadata,
    words("device", 32),
    integer("epoch"),
    integer("kind"),  # ITEM_*
    integer("seq"),  # a gap's first record, or the intent of a payment
    integer("number"),  # of the proposal: 1, 2, 3 … for each item
    integer("collected"),  # centimes
    words("scheme", 32),
    integer("untaken"),  # centimes that nobody paid, or that were counted twice
    integer("payments"),  # that these are
    integer("undoes"),  # the number of the decision that this one takes back, 0: none
    *four_eyes(),
    integer("state"),  # DECISION_*
    PrimaryKeyConstraint("device", "epoch", "kind", "seq", "number"),
)

verdicts = Table(  # what two officers of the back office have decided about payments that are held for a fork
    "verdicts",
    metadata,
    words("device", 32),
    integer("epoch"),
    integer("intent"),
    integer("number"),  # of the proposal: 1, 2, 3 … for each payment
    integer("amount"),
    integer("seq"),  # of the outcome on file
    integer("branches"),  # other records of that sequence that were known
    integer("stands"),  # 1: it counts; 0: it is given back
    *four_eyes(),
    integer("state"),  # DECISION_*
    PrimaryKeyConstraint("device", "epoch", "intent", "number"),
)

rulings = Table(  # what officers of the back office have ruled on requests that failed (`server.office.rulings`)
    "rulings",
    metadata,
    words("device", 32),
    integer("epoch"),
    integer("intent"),
    integer("number"),  # 1, 2, 3 … for each payment
    words("ruling", 16),
    words("step", 32),  # what became of which request
    words("reason", 64),
    integer("at"),  # when it was carried out
    integer("ruled_by"),
    octets("signature"),  # COSE_Sign1 of the whole statement, with the state it was made on
    integer("second_by", nullable=True),
    octets("second_signature", nullable=True),  # COSE_Sign1 of the same statement by a second officer
    PrimaryKeyConstraint("device", "epoch", "intent", "number"),
)

meta = Table(  # facts about this database itself
    "meta",
    metadata,
    words("name", 32),
    integer("value"),
    PrimaryKeyConstraint("name"),
)
