"""What the centre says to a terminal: results of its own payments, each what the host said of that one, and the time of day."""

import base64
import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import cbor2

from protocol import records as r
from protocol import sync as s
from sim.acquirer.book import APPROVED, auth_code
from sim.worlds.simulation.draws.faults import REFUSALS
from sim.worlds.simulation.factory import factory

if TYPE_CHECKING:
    from sim.worlds.simulation.centre import Centre

_TELLING = (s.TYPE_WELCOME, s.TYPE_ACK)
_DEFERRED = "SELECT amount FROM payments WHERE device = ? AND epoch = ? AND intent = ? AND outcome = 2"
_GIVEN_BACK = "SELECT 1 FROM outbox WHERE device = ? AND epoch = ? AND intent = ? AND step = 3"

_OFFICERS_WORD = "SELECT 1 FROM verdicts WHERE device = ? AND epoch = ? AND intent = ? AND state = 1 AND stands = 0"  # no host's code is in it
_GIVEN_UP = "SELECT 1 FROM outbox WHERE device = ? AND epoch = ? AND intent = ? AND step = 1 AND response = ?"  # what was refused to be judged


def results(centre: "Centre", name: str, reply: bytes) -> Iterator[str]:
    """What is wrong with the results in a reply that goes to the terminal `name`."""
    protected, _, payload, _ = cbor2.loads(reply)
    if cbor2.loads(protected)[3] not in _TELLING:
        return
    said = cbor2.loads(payload)
    for result in said.get(s.RESULTS, ()):
        identity = (name, said[s.EPOCH], result[s.RESULT_INTENT])
        amount = factory().look(_DEFERRED, *identity)
        if amount is None:
            yield f"{name} is told a result of payment {identity[2]}, which is no deferred payment of its own"
            continue
        known = next((entry for entry in centre.book.entries.values() if entry.identity == identity), None)
        judged = None if known is None else known.authorised
        if judged is not None and (judged in APPROVED) == (result[s.RESULT_OUTCOME] == r.OUTCOME_APPROVED):
            reason = result[s.RESULT_REASON]
            given_up = reason in REFUSALS.values() and factory().look(_GIVEN_UP, *identity, reason) is not None
            if reason != judged and not given_up and factory().look(_OFFICERS_WORD, *identity) is None:
                yield f"{name} is told {result[s.RESULT_REASON] or 'no reason'} of payment {identity[2]}; the host said {judged}"
        stands = known is not None and known.authorised in APPROVED and known.granted == amount
        if result[s.RESULT_OUTCOME] == r.OUTCOME_APPROVED:
            if not stands or result.get(s.RESULT_AUTH_CODE) != auth_code(_reference(identity)):
                yield f"{name} is told that payment {identity[2]} is approved, which the host did not say of it"
        elif known is not None and stands and not known.reversed and factory().look(_GIVEN_BACK, *identity) is None:
            yield f"{name} is told that payment {identity[2]} is declined; the host approved it, and nobody has it reversed"


def _reference(identity: tuple[str, int, int]) -> str:
    """Field 37, as the host's contract says it: base32 of the first 60 bits of SHA-256."""
    digest = hashlib.sha256(f"tsd-ref/{identity[0]}/{identity[1]}/{identity[2]}".encode()).digest()
    return base64.b32encode(digest[:10])[:12].decode()
