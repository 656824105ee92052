"""Every simulated contactless card, torn at every command and presented again, prompt and slow: each bit has its line, each line its bit."""

from typing import Any

import pytest

from protocol.crypto.native import NativeCrypto
from protocol.emv import explain as codes
from protocol.emv.contactless import entry
from protocol.emv.contactless.params import ContactlessParams
from protocol.emv.contactless.torn import TornLog
from protocol.emv.kernel import Result
from protocol.errors import CardRemovedError
from sim.cards.emv.contactless import ContactlessCard, build
from sim.cards.emv.contactless.profiles import PROFILES
from sim.pki import Pki, make_pki
from sim.worlds.fleet import emv_body
from tools.emv import explain

TXN = {"amount": 90_000, "currency": 12, "country": 12, "date": "261128", "time": "093000", "type": 0, "counter": 1}
TRANSMITTED = 18 + 24  # units of 100 microseconds


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


class Field:
    """A card that leaves at its command `tear`, heard or not, is slower by `slow` until then, and comes back."""

    def __init__(self, card: ContactlessCard, tear: int, heard: bool, slow: int) -> None:
        self.card, self.tear, self.heard, self.slow = card, tear, heard, slow
        self.commands = 0
        self.drawn = 0
        card.power_off()

    def answer(self, request: tuple[Any, ...]) -> Any:
        if request[0] in ("apdu", "timed_apdu"):
            self.commands += 1
            answer = self.card.respond(bytes(request[1])) if self.heard or self.commands != self.tear else b""
            if self.commands == self.tear:
                self.card.power_off()
                raise CardRemovedError("the card left")
            late = self.slow if self.commands < self.tear or not self.tear else 0
            took = TRANSMITTED + getattr(self.card.application, "took", 15) + late
            return answer if request[0] == "apdu" else (answer, took)
        if request[0] == "random":
            self.drawn += 1
            return bytes([self.drawn]) * request[1]
        if request[0] == "again":
            self.card.power_off()
            return True
        return None

    def run(self, params: ContactlessParams) -> Result:
        machine = entry.transact(TXN, params, NativeCrypto(), bytes.fromhex("A1B2C3D4"), TornLog())
        request = next(machine)
        while True:
            try:
                try:
                    given = self.answer(request)
                except CardRemovedError as gone:
                    request = machine.throw(gone)
                    continue
                request = machine.send(given)
            except StopIteration as stop:
                return stop.value


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_bit_is_explained_however_often_the_card_came(pki: Pki, name: str) -> None:
    params = ContactlessParams(emv_body(pki))
    card, tear, longest = build(PROFILES[name], pki), 0, 1
    while tear <= longest:
        for heard, slow in ((True, 0), (False, 500), (True, 500)):
            field = Field(card, tear, heard, slow)
            result = field.run(params)
            longest = field.commands if not tear else longest
            where = (name, tear, heard, slow, result.explain)
            assert explain.untraced(result.explain, result.tvr, result.tsi) == [], where
            told = [what for what, _ in result.explain]
            assert all("TVR " + what.split(" ")[1] in told for what in told if what[:4] in ("TAC-", "IAC-")), where
            bit = codes.decided(result.explain)
            assert not bit.startswith("B") or f"TVR {bit}" in told, where
        tear += 1
