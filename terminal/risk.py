"""Whether a sale may start, and whether this card may go on: cumulative offline limits from the signed set "limits" (domain §4).

All amounts in centimes. RSK-001 amount of one payment, RSK-002 stored offline total, RSK-003 stored offline count, RSK-004 age of the oldest
unsynchronised payment, RSK-005 and RSK-015 room, RSK-006 a clock that is behind (`Journal.require`), RSK-007 the case is already paid or
provisional, RSK-008 one card's offline total, RSK-009 one officer's; RSK-010 to 013 are `terminal.flows.void`'s. The limits are names of the
signed set: tx_max, offline_total_max, offline_count_max, offline_age_max (seconds), card_offline_max and, where the set has it,
officer_offline_max.
"""

from protocol import records as r
from protocol.errors import RiskError
from protocol.tokens import same

_SYNC = "synchronise before the next payment"


def spent(view, token: bytes) -> int:  # noqa: ANN001 - View
    """Centimes taken offline with one card (`token`) since the last synchronisation."""
    stored = 0
    for item in view.exposure:
        if same(item[3], token):
            stored += item[1]
    return stored


def check_card(view, limits: dict, token: bytes, amount: int) -> str:  # noqa: ANN001 - View
    """The code of the limit that one card (`token`) would pass with this amount, "" if none."""
    return "RSK-008" if spent(view, token) + amount > limits["card_offline_max"] else ""


def check_sale(journal, limits: dict, amount: int, now: int) -> None:  # noqa: ANN001 - Journal
    """Raise RiskError when a payment of `amount` must not start."""
    view = journal.view
    if view.case is not None and view.case.outcome in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL):
        raise RiskError("this case is paid or waits for its authorisation", "RSK-007", "no second payment")
    if amount > limits["tx_max"]:
        raise RiskError("the amount is above the limit of one payment", "RSK-001", "the driver pays later", "tx_max")
    stored = 0
    for item in view.exposure:
        stored += item[1]
    if stored + amount > limits["offline_total_max"]:
        raise RiskError("too much is stored offline", "RSK-002", _SYNC, "offline_total_max")
    if len(view.exposure) >= limits["offline_count_max"]:
        raise RiskError("too many payments are stored offline", "RSK-003", _SYNC, "offline_count_max")
    if view.exposure and view.exposure[0][2] + limits["offline_age_max"] < now:
        raise RiskError("a stored payment is too old", "RSK-004", _SYNC, "offline_age_max")
    mine = 0
    for item in view.exposure:
        if len(item) > 4 and item[4] == journal.officer:
            mine += item[1]
    if mine + amount > limits.get("officer_offline_max", limits["offline_total_max"]):
        raise RiskError("this officer has stored too much offline", "RSK-009", _SYNC, "officer_offline_max")
    journal.require()
