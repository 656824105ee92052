"""The whole contactless payment with cards of Kernel 2's family: directory to result, presented again after every tear, checked by pyemv."""

from typing import Any

import pytest
from pyemv import ac, kd

from protocol import records, tlv
from protocol.crypto.native import NativeCrypto
from protocol.emv.contactless import entry, ui
from protocol.emv.contactless.params import ContactlessParams
from protocol.emv.contactless.torn import TornLog
from protocol.emv.kernel import Result
from protocol.errors import CardRemovedError
from sim.cards.emv.contactless import ContactlessCard, Kernel2Application, build, profile
from sim.pki import Pki, make_pki
from sim.worlds.fleet import emv_body
from tests.support.emv_machine import purchase

SMALL, LARGE = 90_000, 700_000
APPROVED, PROVISIONAL, DECLINED = records.OUTCOME_APPROVED, records.OUTCOME_PROVISIONAL, records.OUTCOME_DECLINED


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


class Payment:
    """One payment: `tear` are numbers of commands, counted over all presentations, at which the card leaves, and whether it had them."""

    def __init__(self, pki: Pki, name: str, **changes: Any) -> None:
        self.pki = pki
        self.card: ContactlessCard = build({**profile(name), **changes}, pki)
        self.swap: ContactlessCard | None = None  # what is presented instead once the first card was torn away
        self.commands: list[bytes] = []
        self.asked: list[tuple[Any, ...]] = []

    @property
    def application(self) -> Kernel2Application:
        only = self.card.application
        assert isinstance(only, Kernel2Application)
        return only

    def run(self, amount: int = SMALL, tear: tuple[int, ...] = (), heard: bool = True, **answers: Any) -> Result:
        params = ContactlessParams(emv_body(self.pki))
        txn = purchase(amount)
        machine = entry.transact(txn, params, NativeCrypto(), bytes.fromhex("A1B2C3D4"), TornLog())
        self.card.power_off()
        drawn = 0
        try:
            request = next(machine)
            while True:
                if request[0] in ("apdu", "timed_apdu"):
                    self.commands.append(bytes(request[1]))
                    gone = len(self.commands) in tear
                    answer: Any = self.card.respond(self.commands[-1]) if heard or not gone else b""
                    if gone:
                        self.card.power_off()
                        self.card, self.swap = self.swap or self.card, None
                        request = machine.throw(CardRemovedError("the card left"))
                        continue
                    if request[0] == "timed_apdu":
                        answer = (answer, 18 + 24 + self.application.took)
                else:
                    self.asked.append(request)
                    answer = True if request[0] == "again" else answers.get(request[0])
                    if request[0] == "random":
                        drawn += 1
                        answer = bytes([drawn]) * request[1]
                request = machine.send(answer)
        except StopIteration as stop:
            return stop.value

    def genuine(self, result: Result) -> None:
        """What is presented is the last cryptogram that the card made, and pyemv makes the same from the issuer's master key."""
        chip = {tag: bytes(value) for tag, value in tlv.parse(result.de55)}
        pan = result.pan.decode()
        master = kd.derive_icc_mk_a(self.pki.schemes.issuer_of(pan).master_keys.ac, pan, f"{result.psn:02d}")
        session = kd.derive_common_sk(master, chip[0x9F36] + bytes(6))
        tags = (0x9F02, 0x9F03, 0x9F1A, 0x95, 0x5F2A, 0x9A, 0x9C, 0x9F37, 0x82, 0x9F36, 0x9F10)
        data = b"".join(chip[tag] for tag in tags)
        assert ac.generate_ac(session, data, ac.PaddingType.EMV, 8) == chip[0x9F26] == result.cryptogram
        assert (result.cid & 0xC0, result.cryptogram, result.atc) == self.application.issued[-1]
        assert chip[0x9F37] == result.un and chip[0x95] == result.tvr


def test_approved_offline_with_no_command_too_many(pki: Pki) -> None:
    payment = Payment(pki, "cda-approve")
    result = payment.run()
    assert (result.outcome, result.reason, result.oda, result.cda_ok) == (APPROVED, "Y1", "cda", True), result.explain
    assert (result.interface, result.kernel) == ("contactless", 2)
    assert [c[1] for c in payment.commands] == [0xA4, 0xA4, 0xA8, 0xEA] + [0xB2] * 6 + [0xAE]
    payment.genuine(result)


def test_online_deferred_and_doubtful(pki: Pki) -> None:
    payment = Payment(pki, "cda-online")
    result = payment.run(online={"arc": "00", "auth_code": "123456"})
    assert (result.outcome, result.reason, result.auth_code) == (APPROVED, "00", "123456")
    payment.genuine(result)
    payment = Payment(pki, "cda-online")
    result = payment.run()
    assert (result.outcome, result.reason) == (PROVISIONAL, "DEFERRED"), result.explain
    payment.genuine(result)
    result = Payment(pki, "cda-online").run(online={"sent": True})
    assert (result.outcome, result.reversal) == (DECLINED, True)


def test_online_pin_above_the_limit_excludes_deferral(pki: Pki) -> None:
    payment = Payment(pki, "cda-approve")
    result = payment.run(LARGE, online={"arc": "00"}, online_pin=True)
    assert (result.outcome, result.reason) == (APPROVED, "00")
    assert [a for a in payment.asked if a[0] == "online_pin"] and result.tvr[2] == 0x04
    assert Payment(pki, "cda-approve").run(LARGE, online_pin=True).outcome == DECLINED


def test_a_phone_is_looked_at_and_pays(pki: Pki) -> None:
    payment = Payment(pki, "cda-phone")
    result = payment.run(LARGE, online={"arc": "00"})  # over the sample's floor limit
    assert (result.outcome, result.cvm_results) == (APPROVED, bytes.fromhex("010002")), result.explain
    assert [a[1] for a in payment.asked if a[0] == "again"] == [ui.SEE_PHONE]
    payment.genuine(result)


@pytest.mark.parametrize(
    ("name", "reason"), [("cda-decline", "EMV-140"), ("cda-copied", "EMV-121"), ("cda-relayed", "EMV-144")]
)
def test_cards_that_are_not_paid_with(pki: Pki, name: str, reason: str) -> None:
    slow = {"relay": {"low": 10, "high": 20, "estimate": 24, "takes": 30}} if name == "cda-relayed" else {}
    result = Payment(pki, name, **slow).run()
    assert (result.outcome, result.reason, result.de55) == (DECLINED, reason, b""), result.explain


@pytest.mark.parametrize("heard", [True, False])
@pytest.mark.parametrize("name", ["cda-approve", "cda-online"])
def test_torn_at_every_command_and_presented_again(pki: Pki, name: str, heard: bool) -> None:
    """One cryptogram a payment, whatever was torn; without a tear at GENERATE AC the card never makes a second."""
    whole = Payment(pki, name)
    whole.run()
    for at in range(1, len(whole.commands) + 1):
        payment = Payment(pki, name)
        result = payment.run(tear=(at,), heard=heard)
        assert result.outcome == (APPROVED if name == "cda-approve" else PROVISIONAL), (at, result.explain)
        payment.genuine(result)
        assert len(payment.application.issued) == 1
        assert [a[1] for a in payment.asked if a[0] == "again"] == [ui.PRESENT_AGAIN]
        assert len([a for a in payment.asked if a[0] == "online"]) == (name == "cda-online")


def test_torn_at_recovery_too(pki: Pki) -> None:
    whole = Payment(pki, "cda-approve")
    whole.run()
    last = len(whole.commands)
    for heard in (True, False):
        payment = Payment(pki, "cda-approve")
        result = payment.run(tear=(last, 2 * last), heard=True)
        assert result.outcome == APPROVED and len(payment.application.issued) == 1, heard
        payment.genuine(result)
    forgetful = Payment(pki, "cda-approve", recovery=False)
    result = forgetful.run(tear=(last,))
    assert result.outcome == APPROVED and len(forgetful.application.issued) == 2
    forgetful.genuine(result)


def test_another_card_does_not_finish_the_first_ones_payment(pki: Pki) -> None:
    """What the log holds of one card is of no use to another: it is asked for its own cryptogram."""
    whole = Payment(pki, "cda-approve")
    whole.run()
    payment = Payment(pki, "cda-approve")
    first, payment.swap = payment.application, build(profile("cda-phone"), pki)
    result = payment.run(tear=(len(whole.commands),))
    assert result.outcome == APPROVED, result.explain
    assert payment.application is not first and not [c for c in payment.commands if c[1] == 0xD0]
    payment.genuine(result)
