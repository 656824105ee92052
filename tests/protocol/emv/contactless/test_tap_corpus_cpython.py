"""The corpus of simulated contactless cards, as they are, torn and damaged, gives the same on both runtimes: outcome, registers, cryptogram,
explanation, every command.
"""

import random
from typing import Any

import pytest

from sim.cards.emv.contactless import PROFILES, build
from sim.pki import make_pki
from sim.worlds.fleet import emv_body
from tests.protocol.emv.contactless import tap_replay
from tests.support import cross
from tests.support.emv_machine import purchase

TXN = purchase(90_000)
LARGE = {**TXN, "amount": 700_000}
ANSWERS: tuple[Any, ...] = (
    None,
    {"sent": True},
    {"arc": "00", "data": b"", "auth_code": "424242"},
    {"arc": "05", "data": b"\x91\x08" + bytes(8)},
)
MORE: list[dict[str, Any]] = [
    {"scheme": "cib", "number": 71, "kernel": 2, "relay": None},
    {"scheme": "cib", "number": 72, "kernel": 2, "fault": "upgrade"},
    {"scheme": "cib", "number": 73, "kernel": 2, "fault": "other-entropy"},
    {"scheme": "edahabia", "number": 74, "kernel": 2, "aac_signed": True, "tap": "decline", "risk": "decline"},
    {"scheme": "cib", "number": 75, "kernel": 3, "wish": "switch", "fault": "bad-signature"},
    {"scheme": "cib", "number": 76, "kernel": 3, "wish": "online", "expiry": "260131", "effective": "210201"},
]


class Recorder(list[bytes]):
    """Plays the card to `tap_replay.run` and keeps what it answers; `tear_at` takes it away at that command, after it acted."""

    def __init__(self, card: Any, tear_at: int = 0) -> None:
        super().__init__()
        self.card, self.tear_at = card, tear_at

    def play(self, sets: dict[str, Any], txn: dict[str, Any], online: Any) -> "Recorder":
        """Answer by answer: replay what is there, and ask the card what the last command gives."""
        self.card.power_off()
        while True:
            said = tap_replay.run(sets, txn, online, list(self))
            commands = said[-1]
            if len(commands) <= len(self):
                return self
            answer = self.card.respond(commands[len(self)])
            if len(self) + 1 == self.tear_at:
                self.card.power_off()
                answer = b""
            self.append(answer)


def damaged(answers: list[bytes], seed: int) -> list[bytes]:
    """One byte of one answer changed, or the answer cut or refused."""
    rng = random.Random(seed)
    at = rng.randrange(len(answers))
    answer = answers[at]
    if not answer:
        return answers
    where = rng.randrange(len(answer))
    other = rng.choice(
        (
            answer[:where] + bytes([answer[where] ^ 1 << rng.randrange(8)]) + answer[where + 1 :],
            answer[:where],
            b"\x6a\x82",
            answer * 2,
        )
    )
    return [*answers[:at], other, *answers[at + 1 :]]


@pytest.mark.timeout(300)
def test_every_tap_gives_the_same_on_both_runtimes(tmp_path: Any) -> None:
    pki = make_pki(tmp_path)
    sets = emv_body(pki)
    inputs: list[tuple[Any, ...]] = []
    for number, card in enumerate([*PROFILES.values(), *MORE]):
        for txn in (TXN, LARGE):
            online = ANSWERS[(number + (txn is LARGE)) % len(ANSWERS)]
            answers = Recorder(build(card, pki)).play(sets, txn, online)
            inputs.append((sets, txn, online, list(answers)))
            inputs += [(sets, txn, online, damaged(answers, 100 * number + seed)) for seed in range(4)]
        torn = Recorder(build(card, pki), tear_at=3 + number % 9).play(sets, TXN, None)
        inputs.append((sets, TXN, None, list(torn)))
    here = cross.on_host(tap_replay.run, inputs)
    there = cross.run_on_device("tests.protocol.emv.contactless.tap_replay", "run", inputs)
    assert len(inputs) > 240
    assert {row[4] for row in here} >= {"fdda", "cda", "none"} and {row[3] for row in here} >= {2, 3}
    assert {row[0] for row in here} == {1, 2, 3, 4}, "every outcome is in the corpus"
    for one, other in zip(here, there, strict=True):
        assert one == other, one[:6]
