"""Objects of the records added on the air to what nothing signs, under both kernels. The oracle: the honest approval or none, and an approval rests
on what the records sign (`witness.rests`). `SIZE` scales the number of cases (TASDID_FUZZ, 1 by default).
"""

import os
import random
from typing import Any

import pytest

from tests.protocol.emv import witness
from tests.protocol.emv.contactless import scripted_c2, scripted_tap
from tests.protocol.emv.contactless.scripted_tap import TC, Tap
from tests.protocol.emv.contactless.test_entry_fuzz_cpython import drive, oracle
from tests.protocol.emv.contactless.test_unsigned_tap import Tap2
from tests.protocol.emv.lies_cpython import BASES, OTHERS
from tests.protocol.emv.scripted import APPROVED, tlv, txn
from tests.protocol.emv.wedge import added

SIZE = int(os.environ.get("TASDID_FUZZ", "1"))
TODAY, COUNTRY = str(txn()["date"]), "0012"


class Recorded:
    """A card behind a wedge that adds `objects` to its answer number `at`; what crossed the link is remembered."""

    def __init__(self, card: Any, at: int = 0, objects: bytes = b"") -> None:
        self.card, self.at, self.objects = card, at, objects
        self.exchange: witness.Exchange = []

    def transmit(self, command: bytes) -> bytes:
        answer = self.card.transmit(command)
        if len(self.exchange) + 1 == self.at:
            answer = added(answer, self.objects)
        self.exchange.append((command, answer))
        return answer


def _grounds(result: Any) -> tuple[Any, ...]:
    return result.outcome, result.pan, result.psn, result.expiry, bytes(result.tvr), bytes(result.cvm_results)


def _run(card: Recorded, parameters: dict[str, Any]) -> Any:
    result, asked = drive(card, parameters)
    oracle(result, asked)
    if result.outcome == APPROVED:
        witness.rests(result, card.exchange, TODAY, COUNTRY)
    return result


@pytest.mark.parametrize("kernel", [2, 3])
@pytest.mark.parametrize("fields", BASES, ids=str)
def test_no_object_beside_the_signed_ones_makes_another_approval(fields: dict[str, bytes], kernel: int) -> None:
    def made() -> Any:
        return Tap(TC, fields=fields) if kernel == 3 else Tap2(TC, fields=fields)

    parameters = scripted_tap.body(scripted_tap.combination() if kernel == 3 else scripted_c2.combination())
    honest = Recorded(made())
    told = _grounds(_run(honest, parameters))
    places = [at for at, (command, _) in enumerate(honest.exchange, 1) if command[1] in (0xA4, 0xA8, 0xAE)]
    cases = [(at, other, inside) for at in places for other in OTHERS for inside in (False, True)[: 4 - kernel]]
    for at, (tag, value), inside in random.Random(9).sample(cases, min(len(cases), 70 * SIZE)):
        objects = tlv("BF0C", tlv(tag, value)) if inside else tlv(tag, value)
        result = _run(Recorded(made(), at, objects), parameters)
        assert result.outcome != APPROVED or _grounds(result) == told, (at, tag, inside, result.reason)
