"""Kernel 2 against the simulated card of `sim.cards.emv.contactless.c2`, whose cryptograms pyemv then checks; torn at every command."""

from typing import Any

import pytest

from protocol.crypto.native import NativeCrypto
from protocol.emv import state, tags
from protocol.emv.contactless import c2, ui
from protocol.emv.contactless import outcome as o
from protocol.emv.contactless.params import ContactlessParams
from protocol.emv.contactless.torn import TornLog
from protocol.errors import CardRemovedError
from sim.cards.base import parse
from sim.cards.emv import profile
from sim.cards.emv.contactless import build
from sim.cards.emv.contactless.c2 import Kernel2Application
from sim.cards.tlv import read
from sim.pki import Pki, make_pki
from tests.support.emv_machine import purchase

TRANSMISSION = 18 + 24  # units of 100 microseconds, as the parameters expect
TC, ARQC, AAC = 0x40, 0x80, 0x00
NAMES = {0xA8: "GPO", 0xEA: "RELAY", 0xB2: "READ", 0xAE: "GAC", 0xD0: "RECOVER"}


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


def card(pki: Pki, name: str = "cib-approve", **changes: Any) -> Kernel2Application:
    application = build({**profile(name), "kernel": 2, **changes}, pki).application
    assert isinstance(application, Kernel2Application)
    return application


def _params(pki: Pki, **changes: Any) -> ContactlessParams:
    entry = {
        "aid": bytes.fromhex("F00000544401"), "label": "CIB TEST", "kernel": 2, "limit": 3_000_000, "cvm_limit": 1_000_000, "offline": True,
        "floor": 2_000_000, "version": b"\x00\x01", "tac_denial": bytes.fromhex("0010000004"), "tac_online": bytes.fromhex("FC60ACF80C"),
        "tac_default": bytes.fromhex("FC6024A80C"), **changes,
    }  # fmt: skip
    return ContactlessParams({"aids": [entry], "contactless": [entry], "ca_keys": [pki.schemes.capk()]})


class Field:
    """The reader's field: one payment, as many presentations as it takes. `tear`: (number of the command, before the card has it) pairs."""

    def __init__(self, pki: Pki, tear: "list[tuple[int, bool]] | None" = None, **changes: Any) -> None:
        self.params = _params(pki, **changes)
        self.torn = TornLog()
        self.tear = list(tear or [])
        self.names: list[str] = []
        self.session: Any = None
        self.taps = 0

    def tap(self, application: Kernel2Application, amount: int = 500_000) -> o.Outcome:
        """One presentation."""
        txn = purchase(amount)
        self.taps += 1
        s = self.session = state.Session(txn, self.params, NativeCrypto(), bytes([self.taps]) * 4)
        s.aid = self.params.combinations[0]
        state.fill_terminal(s)
        application.reset()
        fci = dict(read(next(value for _, value in read(application.fci()))))
        s.card = {tags.DF_NAME: fci[0x84], **dict(read(fci[0xA5]))}
        machine = c2.run(s, self.torn)
        answer: Any = None
        error: Exception | None = None
        count = 0
        while True:
            try:
                request = machine.throw(error) if error is not None else machine.send(answer)
            except StopIteration as stop:
                return stop.value
            answer, error = None, None
            if request[0] in ("apdu", "timed_apdu"):
                count += 1
                self.names.append(NAMES[request[1][1]])
                cut = self.tear[0] if self.tear and self.tear[0][0] == count else None
                if cut is None or not cut[1]:
                    apdu = parse(bytes(request[1]))
                    assert apdu is not None
                    answer = application.process(apdu)
                if cut is not None:
                    self.tear.pop(0)
                    error = CardRemovedError("the card left")
                elif request[0] == "timed_apdu":
                    answer = (answer, TRANSMISSION + application.took)
            elif request[0] == "random":
                answer = bytes([0x80 + count + self.taps]) * request[1]

    def pay(self, application: Kernel2Application, amount: int = 500_000) -> o.Outcome:
        """Presentations until something other than "again" comes of it."""
        for _ in range(8):
            outcome = self.tap(application, amount)
            if outcome.kind != o.TRY_AGAIN or outcome.message != ui.PRESENT_AGAIN:
                return outcome
        raise AssertionError("the payment comes to no end")


def _by_pyemv(pki: Pki, application: Kernel2Application, field: Field, outcome: o.Outcome) -> bytes:
    """The cryptogram over what the terminal says it sent, from the issuer's master key."""
    from pyemv import ac, kd

    s, given = field.session, outcome.cryptogram
    assert given is not None
    pan = s.pan.decode()
    master = kd.derive_icc_mk_a(pki.schemes.issuer_of(pan).master_keys.ac, pan, s.card[tags.PSN].hex())
    session = kd.derive_common_sk(master, given.atc.to_bytes(2, "big") + bytes(6))
    sent = b"".join(s.get(tag) for tag in (0x9F02, 0x9F03, 0x9F1A, 0x95, 0x5F2A, 0x9A, 0x9C, 0x9F37, 0x82))
    return ac.generate_ac(session, sent + given.atc.to_bytes(2, "big") + given.iad, ac.PaddingType.EMV, 8)


def test_an_approving_card_gives_a_tc_that_pyemv_confirms(pki: Pki) -> None:
    application, field = card(pki), Field(pki)
    outcome = field.pay(application)
    assert (outcome.kind, outcome.cvm) == (o.APPROVED, o.NO_CVM), (outcome.error, field.session.explain)
    assert outcome.cryptogram is not None and outcome.cryptogram.signed
    assert bytes(field.session.tvr) == bytes.fromhex("0000000002")
    # GPO, the exchange, each record of the locator, one cryptogram: nothing else
    assert field.names == ["GPO", "RELAY"] + ["READ"] * 6 + ["GAC"]


@pytest.mark.parametrize(
    ("name", "amount"), [("cib-approve", 500_000), ("cib-online", 500_000), ("cib-approve", 2_500_000)]
)
def test_cryptograms_hold_for_pyemv_over_the_final_tvr_of_the_command(pki: Pki, name: str, amount: int) -> None:
    application, field = card(pki, name), Field(pki)
    outcome = field.pay(application, amount)
    assert outcome.kind in (o.APPROVED, o.ONLINE_REQUEST) and outcome.cryptogram is not None
    assert _by_pyemv(pki, application, field, outcome) == outcome.cryptogram.value == application.issued[-1][1]


def test_outcomes_of_the_profiles(pki: Pki) -> None:
    assert Field(pki).pay(card(pki, "cib-online")).kind == o.ONLINE_REQUEST
    assert Field(pki).pay(card(pki, "cib-decline")).kind == o.TRY_ANOTHER_INTERFACE
    above = Field(pki).pay(card(pki), 1_000_000)
    assert (above.kind, above.cvm) == (o.ONLINE_REQUEST, o.ONLINE_PIN)
    assert Field(pki).pay(card(pki), 3_000_000).reason == "EMV-143"
    assert Field(pki).pay(card(pki, relay=None)).kind == o.APPROVED
    assert Field(pki).pay(card(pki, "cib-expired")).kind != o.APPROVED


def test_counters_of_the_card_send_it_online(pki: Pki) -> None:
    application = card(pki, "cib-limits")
    kinds = [Field(pki).pay(application, 300_000).kind for _ in range(3)]
    assert kinds == [o.APPROVED, o.APPROVED, o.ONLINE_REQUEST]


def test_a_phone_vouches_for_its_holder(pki: Pki) -> None:
    phone = card(pki, verify="device")
    field = Field(pki)
    outcome = field.pay(phone, 1_500_000)
    assert (outcome.kind, outcome.cvm) == (o.APPROVED, o.CONFIRMED)
    assert bytes(field.session.cvm) == bytes.fromhex("010002")
    assert Field(pki).pay(phone, 500_000).cvm == o.NO_CVM


def test_a_locked_phone_is_looked_at_and_presented_again(pki: Pki) -> None:
    phone, field = card(pki, verify="device", phone=True), Field(pki)
    outcome = field.pay(phone, 1_500_000)
    assert (outcome.kind, outcome.message, outcome.cryptogram) == (o.TRY_AGAIN, ui.SEE_PHONE, None)
    outcome = field.pay(phone, 1_500_000)
    assert (outcome.kind, outcome.cvm) == (o.APPROVED, o.CONFIRMED)
    assert [kind for kind, _, _ in phone.issued] == [AAC, TC]


def test_a_declining_phone_is_not_to_be_inserted(pki: Pki) -> None:
    assert Field(pki).pay(card(pki, "cib-decline", verify="device")).kind == o.DECLINED


def test_an_aac_is_signed_where_the_card_can(pki: Pki) -> None:
    outcome = Field(pki, tac_denial=b"\xff" * 5).pay(card(pki, aac_signed=True))
    assert outcome.cryptogram is not None and outcome.cryptogram.signed and outcome.cryptogram.kind == AAC


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("bad-signature", "EMV-121"), ("fast", ""), ("other-entropy", "EMV-121"), ("upgrade", "EMV-120")],
)
def test_faulty_cards_end_the_application(pki: Pki, fault: str, reason: str) -> None:
    relay = (
        {"low": 100, "high": 120, "estimate": 24, "takes": 110}
        if fault == "fast"
        else {"low": 10, "high": 20, "estimate": 24, "takes": 12}
    )
    outcome = Field(pki, offline=fault != "upgrade").pay(card(pki, fault=fault, relay=relay))
    assert (outcome.kind, outcome.message, outcome.reason) == (
        o.END_APPLICATION,
        ui.TRY_ANOTHER_CARD,
        reason or "EMV-144",
    )


def test_a_relay_is_asked_three_times_and_denied(pki: Pki) -> None:
    slow = card(pki, fault="slow", relay={"low": 10, "high": 20, "estimate": 24, "takes": 30})
    field = Field(pki)
    outcome = field.pay(slow)
    assert field.names.count("RELAY") == 3 and field.session.tvr[4] == 0x06
    assert (outcome.kind, outcome.reason) == (o.TRY_ANOTHER_INTERFACE, "EMV-144")
    assert [kind for kind, _, _ in slow.issued] == [AAC]


def _commands(pki: Pki, name: str, **changes: Any) -> int:
    field = Field(pki)
    field.pay(card(pki, name, **changes))
    return len(field.names)


@pytest.mark.parametrize("recovery", [True, False])
@pytest.mark.parametrize("name", ["cib-approve", "cib-online", "cib-decline"])
def test_torn_at_every_command_before_and_after_the_card_had_it(pki: Pki, name: str, recovery: bool) -> None:
    """Whatever is heard in the end is the card's last word, proven; where it can be recovered there never was another."""
    for at in range(1, _commands(pki, name) + 1):
        for before in (True, False):
            application, field = card(pki, name, recovery=recovery), Field(pki, [(at, before)])
            outcome = field.pay(application)
            assert field.taps == 2 and not field.tear
            assert outcome.kind == {"cib-approve": o.APPROVED, "cib-online": o.ONLINE_REQUEST}.get(
                name, o.TRY_ANOTHER_INTERFACE
            )
            given = outcome.cryptogram
            assert given is not None and (given.kind, given.value, given.atc) == application.issued[-1]
            heard = field.names[-1]
            worked = field.names[:-1].count("GAC") and not before
            assert len(application.issued) == (1 if recovery or not worked else 2), (at, before, field.names)
            assert (heard == "RECOVER") == bool(recovery and worked)
            if name != "cib-decline":
                assert given.signed and _by_pyemv(pki, application, field, outcome) == given.value
            assert field.torn.records == []


def test_torn_twice_and_thrice(pki: Pki) -> None:
    last = _commands(pki, "cib-approve")
    for second in (True, False):
        application, field = card(pki), Field(pki, [(last, False), (last, second), (last, False)])
        outcome = field.pay(application)  # the second and third tear meet RECOVER AC, which takes GENERATE AC's place
        assert outcome.kind == o.APPROVED and field.names.count("RECOVER") == 3 and field.names.count("GAC") == 1
        assert [each[0] for each in application.issued] == [TC]
        assert application.app.state["offline_count"] == 1


def test_recovered_data_of_another_cryptogram_are_refused(pki: Pki) -> None:
    application = card(pki, "cib-online", fault="other-recovery")
    field = Field(pki, [(_commands(pki, "cib-online"), False)])
    outcome = field.pay(application)
    assert (outcome.kind, outcome.reason) == (o.END_APPLICATION, "EMV-145")


def test_one_cards_record_is_not_anothers(pki: Pki) -> None:
    first, second = card(pki, "cib-approve"), card(pki, "cib-online")
    field = Field(pki, [(_commands(pki, "cib-approve"), False)])
    assert field.tap(first).message == ui.PRESENT_AGAIN
    assert field.tap(second).kind == o.ONLINE_REQUEST and "RECOVER" not in field.names
    assert field.tap(first).kind == o.APPROVED and field.names[-1] == "RECOVER"
    assert len(first.issued) == 1
