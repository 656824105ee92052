"""What the kernels share: who the card is, and whether the terminal lets it go on."""

from typing import TYPE_CHECKING

from protocol.emv import state, tags
from protocol.emv.steps.selection import label_of
from protocol.errors import EmvError

if TYPE_CHECKING:
    from protocol.emv.state import Session, Steps


def facts(s: "Session") -> dict:
    """The card as "identified" tells it: aid, label, pan, psn, expiry."""
    psn = s.card.get(tags.PSN)
    if psn is not None and not tags.is_digits(psn):
        raise EmvError("data object is not a number", "EMV-102", detail="5F34")
    return {
        "aid": state.shown(s.card[tags.DF_NAME], s.chosen.aid),
        "label": label_of(s.card, s.chosen),
        "pan": s.pan,
        "psn": None if psn is None else tags.digits_to_int(psn),
        "expiry": s.need(tags.EXPIRY),
    }


def identify(s: "Session") -> "Steps":
    """Ask "identified"; the caller's verdict as a dict, with "stop" set where it gave a reason to stop."""
    verdict = yield ("identified", facts(s))
    if verdict is None:
        return {}
    return verdict if isinstance(verdict, dict) else {"stop": str(verdict)}


def excepted(s: "Session") -> bool:
    """Whether the PAN is on the exception file."""
    return bool(s.params.exceptions) and s.crypto.sha256(s.pan) in s.params.exceptions
