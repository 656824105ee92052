"""Cases and payments, their entries in the ledger, and what the acquirer is asked and has said."""

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table

from server.store.tables.columns import integer, metadata, octets, partly, told_column, words

cases = Table(  # one row per notice (PV)
    "cases",
    metadata,
    words("device", 32),
    integer("epoch"),
    integer("case_no"),
    words("pv", 48),
    words("offence", 32),
    integer("amount"),
    integer("utc"),
    integer("closure", nullable=True),  # protocol.records.CLOSURE_*, null: open
    PrimaryKeyConstraint("device", "epoch", "case_no"),
)

payments = Table(  # one row per intent = one payment identity
    "payments",
    metadata,
    words("device", 32),
    integer("epoch"),
    integer("intent"),
    integer("case_no"),
    integer("amount"),
    integer("utc"),
    words("unit", 32),
    integer("force"),
    integer("wilaya"),
    integer("outcome", nullable=True),  # null: only the intent is known
    integer("outcome_seq", nullable=True),
    words("scheme", 32, nullable=True),
    words("last4", 4, nullable=True),
    integer("result_seq", nullable=True),  # the AUTHORISATION_RESULT record, once the terminal has written it
    integer("held"),  # HELD_*: part of a fork, not posted
    octets("script_results", nullable=True),  # for the acquirer: what became of the issuer's scripts
    Column(
        "sealed", BigInteger, nullable=False, server_default="0"
    ),  # 1: the terminal keeps card data, until a receipt
    told_column(),  # when the terminal was told last that they have served
    PrimaryKeyConstraint("device", "epoch", "intent"),
    partly("payments_written", "result_seq IS NOT NULL", "device", "epoch", "result_seq"),
)

results = Table(  # the acquirer's final word on a provisional payment
    "results",
    metadata,
    words("device", 32),
    integer("epoch"),
    integer("intent"),
    integer("outcome"),
    words("auth_code", 8),
    words("reason", 8),
    words("reference", 12),
    integer("at"),
    told_column(),
    integer(
        "head", nullable=True
    ),  # the terminal's last record when it was told first; null: never; 0: nobody knows, at any time
    integer("gap", nullable=True),  # first record of the gap that holds what the terminal wrote down of it
    PrimaryKeyConstraint("device", "epoch", "intent"),
    partly("results_in_gap", "gap IS NOT NULL", "device", "epoch", "gap"),
)

postings = Table(
    "postings",
    metadata,
    words("device", 32),
    integer("epoch"),
    integer("intent"),
    integer("part"),  # PART_*
    integer("amount"),
    integer("at"),
    PrimaryKeyConstraint("device", "epoch", "intent", "part"),
)

legs = Table(
    "legs",
    metadata,
    words("device", 32),
    integer("epoch"),
    integer("intent"),
    integer("part"),
    Column("leg", Integer, nullable=False),
    words("account", 96),
    integer("amount"),  # debit positive, credit negative
    PrimaryKeyConstraint("device", "epoch", "intent", "part", "leg"),
)

outbox = Table(
    "outbox",
    metadata,
    words("device", 32),
    integer("epoch"),
    integer("intent"),
    integer("step"),  # STEP_*
    integer("state"),  # STATE_*
    integer("amount"),
    integer("utc"),  # when the card was used
    words("auth_code", 8, nullable=True),
    integer("tries"),
    integer("next_at"),  # not before; also the lease of the process that is sending
    integer("created"),
    integer("answered", nullable=True),
    words("response", 2, nullable=True),
    PrimaryKeyConstraint("device", "epoch", "intent", "step"),
    partly("outbox_waiting", "state < 2", "next_at", "device", "epoch", "intent", "step"),  # STATE_NEW, STATE_DOUBTFUL
)

authorisations = Table(  # payments put to their issuer while the card waited; no card data
    "authorisations",
    metadata,
    words("device", 32),
    integer("epoch"),
    integer("intent"),
    integer("amount"),
    integer("utc"),
    octets("digest"),  # SHA-256 of the sealed card data
    integer("state"),  # protocol.sync.ASKED_*
    words("response", 2, nullable=True),
    words("auth_code", 8, nullable=True),
    octets("issuer_data", nullable=True),  # for the card: 91, 71, 72
    integer("asked"),
    integer("answered", nullable=True),
    PrimaryKeyConstraint("device", "epoch", "intent"),
)

erasures = Table(  # sealed card data that the terminal has erased, and on which receipt
    "erasures",
    metadata,
    words("device", 32),
    integer("epoch"),
    integer("intent"),
    integer("seq"),
    octets("receipt"),  # SHA-256 of the signed receipt
    PrimaryKeyConstraint("device", "epoch", "intent"),
    Index("erasures_by_record", "device", "epoch", "seq"),
)

voids = Table(  # approved payments that two officers want back, and what became of it
    "voids",
    metadata,
    words("device", 32),
    integer("epoch"),
    integer("seq"),  # the VOID record that asks
    integer("intent"),
    integer("amount"),
    integer("state"),  # protocol.records.VOID_*
    words("reason", 8),
    integer("asked"),
    integer("answered", nullable=True),
    integer("result_seq", nullable=True),  # the VOID record that tells the end, once the terminal has written it
    told_column(),
    PrimaryKeyConstraint("device", "epoch", "seq"),
    partly("voids_written", "result_seq IS NOT NULL", "device", "epoch", "result_seq"),
    partly("voids_unwritten", "result_seq IS NULL", "device", "epoch", "intent", "seq"),
    partly("voids_untold", "result_seq IS NULL", "device", "epoch", "told", "seq"),
    partly("voids_refused", "state = 3", "device", "epoch", "intent", "seq"),
    partly("voids_standing", "state <> 3", "device", "epoch", "intent"),  # protocol.records.VOID_REFUSED
)
