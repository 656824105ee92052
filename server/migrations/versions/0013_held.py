"""What was held back for good goes on, or can be decided.

A reversal of what is part of a fork was held like a clearing: it goes to the acquirer. A clearing in the place of which its payment was to be
given back, and was not (the acquirer refused), stayed held and was in no list: it has failed, so that a person has it cleared after all or the
payment given back (`tasdid server failed`).
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
_SAME = "{0}.device = outbox.device AND {0}.epoch = outbox.epoch AND {0}.intent = outbox.intent"
_REFUSED = f"EXISTS (SELECT 1 FROM outbox AS back WHERE {_SAME.format('back')} AND back.step = 3 AND back.state = 3)"
_FORKED = f"EXISTS (SELECT 1 FROM payments WHERE {_SAME.format('payments')} AND payments.held <> 0)"


def upgrade() -> None:
    """Go forward."""
    op.execute("UPDATE outbox SET state = 0 WHERE step = 3 AND state = 4")
    op.execute(
        f"UPDATE outbox SET state = 3, answered = created WHERE step = 2 AND state = 4 AND {_REFUSED} AND NOT {_FORKED}"
    )
