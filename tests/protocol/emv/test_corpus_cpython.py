"""The whole corpus of simulated contact cards gives the same on both runtimes: outcome, registers, cryptogram, explanation, every command."""

from typing import Any

import pytest

from protocol.emv.params import EmvParams
from sim.cards.emv import EmvCard, build
from sim.cards.emv.profiles import PROFILES
from sim.pki import Pki, ecc, make_pki
from tests.protocol.emv import exchange_replay
from tests.support import cross
from tests.support.emv_machine import purchase

TXN = purchase(500_000)
ANSWERS: tuple[Any, ...] = (
    None,
    {"sent": True},
    {"arc": "00", "data": b"", "auth_code": "424242"},
    {"arc": "05", "data": b"\x91\x08" + bytes(8), "auth_code": ""},
)
MORE: list[dict[str, Any]] = [
    {"scheme": "cib", "number": 41, "oda": "xda", "suite": ecc.P521},
    {"scheme": "cib", "number": 42, "oda": "xda", "fault": "bad-signature"},
    {"scheme": "edahabia", "number": 43, "oda": "xda", "fault": "bad-certificate"},
    {"scheme": "edahabia", "number": 44, "oda": "xda", "risk": "online", "after_unable": "approve"},
    {"scheme": "edahabia", "number": 45, "oda": "sda", "fault": "altered-record"},
    {"scheme": "cib", "number": 46, "oda": "dda", "fault": "bad-signature"},
    {"scheme": "cib", "number": 47, "cvm": "1E035F031F00"},
    {"scheme": "cib", "number": 48, "velocity": (1, 2)},
]


class Recorder:
    """A card that keeps what it answers."""

    def __init__(self, card: EmvCard) -> None:
        self.card = card
        self.answers: list[bytes] = []

    def ask(self, command: bytes) -> bytes:
        self.answers.append(self.card.respond(command))
        return self.answers[-1]


def body(pki: Pki) -> dict[str, Any]:
    """The set "emv" of the corpus: XDA, CDA, DDA and SDA announced."""
    aids = [
        {
            "aid": bytes.fromhex("F000005444") + bytes([at]), "label": "TEST", "floor": 1_000_000 if at == 1 else 200_000, "version": b"\0\1",
            "tac_denial": bytes.fromhex("0010000000"), "tac_online": bytes.fromhex("FC50A8F800"),
            "tac_default": bytes.fromhex("FC50A8A000"), "capabilities": bytes.fromhex("20F8CC"),
        }
        for at in (1, 2)
    ]  # fmt: skip
    keys = [pki.schemes.ecc_capk(suite) for suite in (ecc.P256, ecc.P521)]
    more = {"deferral": True, "deferral_oda": ["cda", "xda"], "ecc_ca_keys": keys}
    return {"aids": aids, "ca_keys": [pki.schemes.capk()], **more}


def recorded(card: EmvCard, sets: dict[str, Any], pins: list[bytes], online: Any) -> list[bytes]:
    """The card's answers to one transaction driven with the native primitives."""
    from protocol.crypto.native import NativeCrypto
    from protocol.emv.kernel import transact

    recorder = Recorder(card)
    card.power_off()
    machine = transact(TXN, EmvParams(sets), NativeCrypto(), b"\x01\x02\x03\x04")
    left = list(pins)
    answer: Any = None
    while True:
        try:
            request = machine.send(answer)
        except StopIteration:
            return recorder.answers
        if request[0] == "apdu":
            answer = recorder.ask(bytes(request[1]))
        elif request[0] == "pin":
            answer = bytearray(left.pop(0)) if left else None
        elif request[0] == "random":
            answer = bytes([0x63]) * request[1]
        else:
            answer = {"choose": 0, "online": online}.get(request[0])


@pytest.mark.timeout(300)
def test_every_card_gives_the_same_on_both_runtimes(tmp_path: Any) -> None:
    pki = make_pki(tmp_path)
    sets = body(pki)
    inputs = []
    for card in [*PROFILES.values(), *MORE]:
        pin = card.get("pin", "1234").encode()
        for online in ANSWERS:
            inputs.append((sets, TXN, [pin], online, recorded(build(card, pki), sets, [pin], online)))
        inputs.append((sets, TXN, [], None, recorded(build(card, pki), sets, [], None)))
    here = cross.on_host(exchange_replay.run, inputs)
    there = cross.run_on_device("tests.protocol.emv.exchange_replay", "run", inputs)
    assert len(inputs) > 120
    assert {row[3] for row in here} == {"xda", "cda", "dda", "sda", "none"}, "every method is in the corpus"
    assert {row[0] for row in here} == {1, 2, 3}, "every outcome that a card can cause is in the corpus"
    for card, one, other in zip(inputs, here, there, strict=True):
        assert one == other, (card[3], one[:4])
