"""Numbers that rows bear: parts of a payment's entries, what holds it, steps and states of requests, of proposals, levels of the audit log."""

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
