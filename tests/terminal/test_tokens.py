"""Tokens of cards: 8 bytes of a keyed hash, 16 in what release 0.1.0 wrote; an update in between makes no other card of one."""

from protocol import records as r
from protocol import tokens
from protocol.crypto.pure import PureCrypto
from protocol.errors import RiskError
from terminal import risk
from terminal.flows import void
from terminal.journal.case import Case
from terminal.journal.journal import Journal
from terminal.journal.view import View
from tests.support.parts import CountingElement, HandClock, MemoryStorage


async def test_a_card_that_paid_before_an_update_is_the_same_card_after_it():
    storage, element = MemoryStorage(), CountingElement()
    mac = await element.hmac(5, b"card9999990112345674")
    journal = Journal(storage, element, HandClock(), PureCrypto(), "TSD-000001")
    await journal.open()
    body = {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 300000, r.OUTCOME: r.OUTCOME_APPROVED, r.CARD_TOKEN: mac[:16]}
    await journal.append(r.PAYMENT_OUTCOME, body, sealed=b"blob")  # as release 0.1.0 wrote it
    again = Journal(storage, element, HandClock(), PureCrypto(), "TSD-000001")
    await again.open()
    body[r.CARD_TOKEN] = tokens.keyed(mac)
    await again.append(r.PAYMENT_OUTCOME, body, sealed=b"blob")
    assert len(tokens.keyed(mac)) == 8 and tokens.keyed(mac) != mac[8:16]
    for token in (tokens.keyed(mac), mac[:16]):
        assert risk.spent(again.view, token) == 600000
    assert risk.spent(again.view, mac[8:16]) == 0
    assert risk.spent(again.view, tokens.keyed(mac) + mac[:8]) == 300000  # another old token with the same beginning
    limits = {"card_offline_max": 700000}
    assert risk.check_card(again.view, limits, tokens.keyed(mac), 100000) == ""
    assert risk.check_card(again.view, limits, tokens.keyed(mac), 100001) == "RSK-008"
    for one, other in ((b"", b""), (None, None), (b"", mac[:8]), (mac[:8], None)):
        assert not tokens.same(one, other)


async def test_a_payment_from_before_an_update_is_voided_with_its_card_only():
    mac = bytes(range(32))
    for kept in (mac[:16], mac[:8]):
        paid = Case({r.CASE: 1, r.PV: "p", r.OFFENCE: "o", r.TARIFF: 1, r.AMOUNT: 1, r.POINTS: 1, r.SEQ: 1})
        paid.outcome, paid.outcome_record = r.OUTCOME_APPROVED, {r.CARD_TOKEN: kept}
        assert await _voided(paid, tokens.keyed(mac)) == [tokens.keyed(mac)]
        for other in (mac[8:16], b""):
            try:
                await _voided(paid, other)
                raise AssertionError("voided with another card")
            except RiskError as error:
                assert error.code == "RSK-012"


async def _voided(paid, token):
    """What the void of `paid` asks for with the card of this token: its record's token."""
    asked = []

    async def yes(*_, **__):
        return True

    async def badge(t):
        return 1012

    async def card(t, amount):
        return token

    async def ask(t, case, second, presented):
        asked.append(presented)

    class Terminal:
        pass

    t = Terminal()
    t.journal = Terminal()
    t.journal.room = Terminal()
    t.journal.view, t.journal.room.require = View(), lambda _=0: None
    t.journal.view.last = paid
    kept = void.ask.acknowledge, void.login.second_badge, void._card, void._ask, void._tell
    void.ask.acknowledge, void.login.second_badge, void._card, void._ask, void._tell = yes, badge, card, ask, yes
    try:
        await void.void(t)
    finally:
        void.ask.acknowledge, void.login.second_badge, void._card, void._ask, void._tell = kept
    return asked
