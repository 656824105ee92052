"""Tables of the central server (design §5): SQLAlchemy Core, the same on SQLite and PostgreSQL.

Every table is keyed by device first, and nothing needs a global sequence or a global unique index, so that the same
schema can be partitioned by device. Amounts are centimes of DZD, times are seconds since 1970 UTC. Raw records are
never changed; sealed card data and personal data lie in tables of their own, so that they can be erased, and left out
of a backup, without touching a record.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()


def _int(name: str, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _text(name: str, length: int, nullable: bool = False) -> Column[str]:
    return Column(name, String(length), nullable=nullable)


def _bytes(name: str, nullable: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=nullable)


def _partly(name: str, where: str, *columns: str) -> Index:
    """An index over the rows of which `where` holds: those of the common run cost nothing."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


def _told() -> Column[int]:
    """When a terminal was told last: whoever waits longest is told next, so that nobody waits behind what a terminal cannot take."""
    return Column("told", BigInteger, nullable=False, server_default="0")


def _four_eyes() -> list[Column[Any]]:
    """What one officer of the back office has proposed and another approved."""
    return [
        _text("reason", 64),
        _int("expires"),
        _int("proposed_by"),
        _bytes("proposal"),  # COSE_Sign1 by the first officer
        _int("proposed_at"),
        _int("approved_by", nullable=True),
        _bytes("approval", nullable=True),  # COSE_Sign1 by the second officer
        _int("approved_at", nullable=True),
    ]


devices = Table(  # as provisioned
    "devices",
    metadata,
    _text("device", 32),
    _bytes("public_key"),  # 65 bytes, uncompressed P-256 point
    _text("dukpt_key_id", 16),  # hex
    _text("unit", 32),
    _int("force"),
    _int("wilaya"),
    _int("registered"),
    PrimaryKeyConstraint("device"),
)

heads = Table(  # where a device's chain stands, and what it last said about itself
    "heads",
    metadata,
    _text("device", 32),
    _int("epoch", nullable=True),  # null until the first HELLO
    _int("seq"),
    _bytes("hash"),
    _int("cum_count"),
    _int("cum_total"),
    _int("counter"),
    _int("utc"),
    _bytes("nonce", nullable=True),
    _int("last_contact", nullable=True),
    _int("claimed_seq", nullable=True),  # the head that it named in its last HELLO
    _text("firmware", 64, nullable=True),
    Column("health", Text, nullable=True),  # JSON
    Column("sets", Text, nullable=True),  # JSON {kind: version}
    _int("forks"),
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
    PrimaryKeyConstraint("device"),
)

nonces = Table(
    "nonces",
    metadata,
    _text("device", 32),
    _bytes("nonce"),
    _int("at"),
    PrimaryKeyConstraint("device", "nonce"),
    Index("nonces_by_time", "device", "at"),
)

raw = Table(
    "raw",
    metadata,
    _text("device", 32),
    _int("epoch"),
    _int("seq"),
    _bytes("hash"),
    _int("kind"),
    _bytes("record"),  # deterministic CBOR of the restored record
    _bytes("signature", nullable=True),  # a payment outcome's own
    _text("rejected", 8, nullable=True),  # code: kept, not posted
    _int("received"),
    PrimaryKeyConstraint("device", "epoch", "seq"),
)

forks = Table(
    "forks",
    metadata,
    _text("device", 32),
    _int("epoch"),
    _int("seq"),
    _bytes("hash"),
    _bytes("record"),
    _bytes("signature", nullable=True),
    _int("received"),
    PrimaryKeyConstraint("device", "epoch", "seq", "hash"),
)

aside = Table(  # payments of which an outcome is kept that is not posted, rejected or of a second branch
    "aside",
    metadata,
    _text("device", 32),
    _int("intent"),
    PrimaryKeyConstraint("device", "intent"),
)

tallies = Table(  # what the first records of a long shift come to, so that no more than a few need be added up at once
    "tallies",
    metadata,
    _text("device", 32),
    _int("epoch"),
    _int("first"),
    _int("last"),
    _bytes("sums"),  # see server.ingest.close
    PrimaryKeyConstraint("device", "epoch", "first"),
)

sealed = Table(  # card data that only the acquirer can open
    "sealed",
    metadata,
    _text("device", 32),
    _int("epoch"),
    _int("intent"),
    _bytes("blob"),
    PrimaryKeyConstraint("device", "epoch", "intent"),
)

private = Table(  # personal data that only the authority can open
    "private",
    metadata,
    _text("device", 32),
    _int("epoch"),
    _int("seq"),
    _bytes("blob"),
    PrimaryKeyConstraint("device", "epoch", "seq"),
)

cases = Table(  # one row per notice (PV)
    "cases",
    metadata,
    _text("device", 32),
    _int("epoch"),
    _int("case_no"),
    _text("pv", 48),
    _text("offence", 32),
    _int("amount"),
    _int("utc"),
    _int("closure", nullable=True),  # protocol.records.CLOSURE_*, null: open
    PrimaryKeyConstraint("device", "epoch", "case_no"),
)

payments = Table(  # one row per intent = one payment identity
    "payments",
    metadata,
    _text("device", 32),
    _int("epoch"),
    _int("intent"),
    _int("case_no"),
    _int("amount"),
    _int("utc"),
    _text("unit", 32),
    _int("force"),
    _int("wilaya"),
    _int("outcome", nullable=True),  # null: only the intent is known
    _int("outcome_seq", nullable=True),
    _text("scheme", 32, nullable=True),
    _text("last4", 4, nullable=True),
    _int("result_seq", nullable=True),  # the AUTHORISATION_RESULT record, once the terminal has written it
    _int("held"),  # HELD_*: part of a fork, not posted
    _bytes("script_results", nullable=True),  # for the acquirer: what became of the issuer's scripts
    Column(
        "sealed", BigInteger, nullable=False, server_default="0"
    ),  # 1: the terminal keeps card data, until a receipt
    _told(),  # when the terminal was told last that they have served
    PrimaryKeyConstraint("device", "epoch", "intent"),
    _partly("payments_written", "result_seq IS NOT NULL", "device", "epoch", "result_seq"),
)

results = Table(  # the acquirer's final word on a provisional payment
    "results",
    metadata,
    _text("device", 32),
    _int("epoch"),
    _int("intent"),
    _int("outcome"),
    _text("auth_code", 8),
    _text("reason", 8),
    _text("reference", 12),
    _int("at"),
    _told(),
    _int(
        "head", nullable=True
    ),  # the terminal's last record when it was told first; null: never; 0: nobody knows, at any time
    _int("gap", nullable=True),  # first record of the gap that holds what the terminal wrote down of it
    PrimaryKeyConstraint("device", "epoch", "intent"),
    _partly("results_in_gap", "gap IS NOT NULL", "device", "epoch", "gap"),
)

postings = Table(
    "postings",
    metadata,
    _text("device", 32),
    _int("epoch"),
    _int("intent"),
    _int("part"),  # PART_*
    _int("amount"),
    _int("at"),
    PrimaryKeyConstraint("device", "epoch", "intent", "part"),
)

legs = Table(
    "legs",
    metadata,
    _text("device", 32),
    _int("epoch"),
    _int("intent"),
    _int("part"),
    Column("leg", Integer, nullable=False),
    _text("account", 96),
    _int("amount"),  # debit positive, credit negative
    PrimaryKeyConstraint("device", "epoch", "intent", "part", "leg"),
)

outbox = Table(
    "outbox",
    metadata,
    _text("device", 32),
    _int("epoch"),
    _int("intent"),
    _int("step"),  # STEP_*
    _int("state"),  # STATE_*
    _int("amount"),
    _int("utc"),  # when the card was used
    _text("auth_code", 8, nullable=True),
    _int("tries"),
    _int("next_at"),  # not before; also the lease of the process that is sending
    _int("created"),
    _int("answered", nullable=True),
    _text("response", 2, nullable=True),
    PrimaryKeyConstraint("device", "epoch", "intent", "step"),
    _partly("outbox_waiting", "state < 2", "next_at", "device", "epoch", "intent", "step"),  # STATE_NEW, STATE_DOUBTFUL
)

audit = Table(  # append only
    "audit",
    metadata,
    _text("device", 32),  # "" = the server itself
    _int("number"),
    _int("at"),
    _int("level"),  # LEVEL_*
    _text("code", 16),
    _text("what", 200),
    PrimaryKeyConstraint("device", "number"),
    Index("audit_by_code", "device", "code", "number"),
)

authorisations = Table(  # payments put to their issuer while the card waited; no card data
    "authorisations",
    metadata,
    _text("device", 32),
    _int("epoch"),
    _int("intent"),
    _int("amount"),
    _int("utc"),
    _bytes("digest"),  # SHA-256 of the sealed card data
    _int("state"),  # protocol.sync.ASKED_*
    _text("response", 2, nullable=True),
    _text("auth_code", 8, nullable=True),
    _bytes("issuer_data", nullable=True),  # for the card: 91, 71, 72
    _int("asked"),
    _int("answered", nullable=True),
    PrimaryKeyConstraint("device", "epoch", "intent"),
)

erasures = Table(  # sealed card data that the terminal has erased, and on which receipt
    "erasures",
    metadata,
    _text("device", 32),
    _int("epoch"),
    _int("intent"),
    _int("seq"),
    _bytes("receipt"),  # SHA-256 of the signed receipt
    PrimaryKeyConstraint("device", "epoch", "intent"),
    Index("erasures_by_record", "device", "epoch", "seq"),
)

voids = Table(  # approved payments that two officers want back, and what became of it
    "voids",
    metadata,
    _text("device", 32),
    _int("epoch"),
    _int("seq"),  # the VOID record that asks
    _int("intent"),
    _int("amount"),
    _int("state"),  # protocol.records.VOID_*
    _text("reason", 8),
    _int("asked"),
    _int("answered", nullable=True),
    _int("result_seq", nullable=True),  # the VOID record that tells the end, once the terminal has written it
    _told(),
    PrimaryKeyConstraint("device", "epoch", "seq"),
    _partly("voids_written", "result_seq IS NOT NULL", "device", "epoch", "result_seq"),
    _partly("voids_unwritten", "result_seq IS NULL", "device", "epoch", "intent", "seq"),
    _partly("voids_untold", "result_seq IS NULL", "device", "epoch", "told", "seq"),
    _partly("voids_refused", "state = 3", "device", "epoch", "intent", "seq"),
    _partly("voids_standing", "state <> 3", "device", "epoch", "intent"),  # protocol.records.VOID_REFUSED
)

gaps = Table(  # records that are lost for good: the chain goes on after them
    "gaps",
    metadata,
    _text("device", 32),
    _int("epoch"),
    _int("first"),
    _int("last"),
    _bytes("hash"),  # of the last lost record, as the one after it names it
    _int("count"),  # approved payments among them, by the running totals on both sides
    _int("amount"),  # their centimes: held in suspense
    _int("declared_seq", nullable=True),  # the terminal's gap record
    _int("at"),
    PrimaryKeyConstraint("device", "epoch", "first"),
    _partly("gaps_undeclared", "declared_seq IS NULL", "device", "epoch", "first"),
)

epochs = Table(  # new epochs: proposed by one officer of the back office, approved by another
    "epochs",
    metadata,
    _text("device", 32),
    _int("epoch"),
    _int("number"),  # of the proposal: 1, 2, 3 … for each device; also the command's id
    _int("seq"),  # the last record of the old epoch that counts
    _bytes("hash"),
    _int("cum_count"),
    _int("cum_total"),
    _int("cases"),  # the last case number that was used
    *_four_eyes(),
    _int("state"),  # EPOCH_*
    _int("begun_at", nullable=True),
    PrimaryKeyConstraint("device", "number"),
)

refunds = Table(  # payments that the centre gives back: proposed by one officer of the back office, approved by another
    "refunds",
    metadata,
    _text("device", 32),
    _int("epoch"),
    _int("intent"),
    _int("number"),  # of the proposal: 1, 2, 3 … for each payment
    _int("amount"),
    _text("pv", 48),
    *_four_eyes(),
    _int("state"),  # REFUND_*
    PrimaryKeyConstraint("device", "epoch", "intent", "number"),
)

decisions = Table(  # what two officers of the back office have found out about money in suspense
    "decisions",
    metadata,
    _text("device", 32),
    _int("epoch"),
    _int("kind"),  # ITEM_*
    _int("seq"),  # a gap's first record, or the intent of a payment
    _int("number"),  # of the proposal: 1, 2, 3 … for each item
    _int("collected"),  # centimes
    _text("scheme", 32),
    _int("untaken"),  # centimes that nobody paid, or that were counted twice
    _int("payments"),  # that these are
    _int("undoes"),  # the number of the decision that this one takes back, 0: none
    *_four_eyes(),
    _int("state"),  # DECISION_*
    PrimaryKeyConstraint("device", "epoch", "kind", "seq", "number"),
)

verdicts = Table(  # what two officers of the back office have decided about payments that are held for a fork
    "verdicts",
    metadata,
    _text("device", 32),
    _int("epoch"),
    _int("intent"),
    _int("number"),  # of the proposal: 1, 2, 3 … for each payment
    _int("amount"),
    _int("seq"),  # of the outcome on file
    _int("branches"),  # other records of that sequence that were known
    _int("stands"),  # 1: it counts; 0: it is given back
    *_four_eyes(),
    _int("state"),  # DECISION_*
    PrimaryKeyConstraint("device", "epoch", "intent", "number"),
)

meta = Table(  # facts about this database itself
    "meta",
    metadata,
    _text("name", 32),
    _int("value"),
    PrimaryKeyConstraint("name"),
)

PART_OUTCOME = 1
PART_FINAL = 2
PART_REVERSAL = 3
PART_FORK = 4
PART_GAP = 5
PART_KNOWN = 6  # out of a gap's suspense: the result is among the lost records
PART_AGAIN = 7  # and back into it: the result has come as a record after all
PART_UNSEEN = 8  # an approved result whose outcome is among lost records: in suspense
PART_VERDICT = 64  # from here on: what follows from verdicts about a fork, see `verdict_part`
PART_DECIDED = 1 << 20  # from here on: decisions about suspense, each with a part of its own, see `decided_part`

HELD_NOT = 0
HELD_FORK = 1  # until two officers decide
HELD_BACK = 2  # they have it given back: for good, unless the acquirer's refusal to reverse it is taken for final

STEP_AUTHORISE = 1
STEP_CLEAR = 2
STEP_REVERSE = 3

STATE_NEW = 0  # never sent
STATE_DOUBTFUL = 1  # sent at least once, no answer on record: goes out as a repeat
STATE_DONE = 2  # answered, finally
STATE_FAILED = 3  # answered with something that needs a person
STATE_HELD = 4  # not to be sent: part of a fork, or its payment is given back instead; never a reversal

EPOCH_PROPOSED = 0
EPOCH_APPROVED = 1
EPOCH_BEGUN = 2
EPOCH_WITHDRAWN = 3  # withdrawn, or overtaken: the chain went on, or a later proposal was made

REFUND_PROPOSED = 0
REFUND_APPROVED = 1  # asked of the acquirer: the outbox has the reversal, the ledger its answer
REFUND_WITHDRAWN = 2

ITEM_GAP = 1  # what lost records took
ITEM_RESULT = 2  # an approved result whose outcome is lost

DECISION_PROPOSED = 0
DECISION_APPROVED = 1  # carried out
DECISION_WITHDRAWN = 2

LEVEL_NOTE = 1
LEVEL_WARNING = 2
LEVEL_ALARM = 3


def decided_part(kind: int, number: int) -> int:
    """The part of a posting under an item's key: neither that of another decision, nor of an item of the other kind under the same number."""
    return PART_DECIDED + 2 * number + (kind == ITEM_RESULT)


AFTER_HELD, AFTER_STANDS, AFTER_KNOWN = range(3)
"""What is posted of a payment after a verdict that it stands: held for a fork once more, the verdict itself, taken out of a gap's suspense anew."""


def verdict_part(number: int, what: int) -> int:
    """The part of a posting that follows from the verdict `number` about a payment; `what`: AFTER_*."""
    return PART_VERDICT + 4 * number + what
