"""Taking an approved payment back (domain §4): online only, with the same card, under a second officer's badge, within the shift.

Confirm → second badge → same card → network → the VOID record → wait for the acquirer's word. The licence is in the officer's hands from
the record on. Three ends, never blurred: *done* (the case is open again and payable), *refused* (the payment stands), and *in doubt*: no word
yet, the payment stands until it comes; a later synchronisation brings it. Anything else is a refund at the centre, under four eyes.

RSK-010 nothing to void here, RSK-011 a void waits for its answer already, RSK-012 another card, RSK-013 no network.
"""

from drivers.contracts.secure_element import SLOT_TOKEN_HMAC
from protocol import records as r
from protocol import tokens
from protocol.errors import NetworkError, RiskError, ServerError
from terminal import localtime, phases, scrub
from terminal.flows import ask, login

_WAITS_MS = (700, 1500, 3000, 6000)  # between questions for the acquirer's word: the driver stands there
_CARD_MS = 60000
_CENTRE = "the refund is at the centre"


async def void(t) -> None:  # noqa: ANN001 - Terminal
    """One void from the officer's wish to its end. Raises RiskError, OfficerError, CardError before anything is asked."""
    view = t.journal.view
    case = view.paid
    t.journal.room.require(0)  # RSK-015
    if view.waits():
        raise RiskError("a void waits for its answer", "RSK-011", "synchronise")
    if case is None:
        raise RiskError("no payment of this shift can be voided here", "RSK-010", _CENTRE)
    paid = case.outcome_record
    if not await ask.acknowledge(
        t, "void_confirm", amount=case.amount, pv=case.pv, scheme=paid.get(r.SCHEME, ""), last4=paid.get(r.LAST4, "")
    ):
        return
    second = await login.second_badge(t)
    if not second:
        return
    token = await _card(t, case.amount)
    if not tokens.same(token, paid.get(r.CARD_TOKEN)):
        raise RiskError("this is not the card that paid", "RSK-012", "the same card, or " + _CENTRE)
    await _ask(t, case, second, token)
    await _tell(t, case)


async def _card(t, amount: int) -> bytes:  # noqa: ANN001
    """The token of the card presented: its records are read, no cryptogram is asked for. Raises CardError."""
    phases.enter(phases.PAYMENT)
    reader = t.ports.payment_reader
    try:
        await t.face.show("card_present", amount=amount)
        await ask.card(t, reader, _CARD_MS)
        await reader.connect()
        try:
            return await _token(t, reader, amount)
        finally:
            await reader.disconnect()
            await scrub.free_memory()
    finally:
        phases.leave(phases.PAYMENT)


async def _token(t, reader, amount: int) -> bytes:  # noqa: ANN001
    """Run the kernel as far as the card's number; b"" if it does not get there."""
    from protocol.emv import kernel
    from protocol.emv.params import EmvParams
    from terminal.flows.drive import drive

    found = [b""]

    async def identified(facts):  # noqa: ANN001, ANN202
        mac = await t.ports.se.hmac(SLOT_TOKEN_HMAC, b"card" + bytes(facts["pan"]))
        found[0] = tokens.keyed(mac)
        return "VOID"  # the kernel stops here

    async def choose(labels):  # noqa: ANN001, ANN202
        return await ask.choose(t, labels)

    async def progress(name, done, total) -> None:  # noqa: ANN001
        await t.face.show("card_busy")

    txn = {
        "amount": amount, "currency": 12, "country": 12, "date": localtime.yymmdd(t.now()), "time": localtime.hhmmss(t.now()),
        "type": 0, "counter": t.journal.head_seq,
    }  # fmt: skip
    machine = kernel.transact(txn, EmvParams(t.parameter("emv").body), t.ports.crypto, await t.ports.se.random(4))
    handlers = {"choose": choose, "identified": identified, "progress": progress, "random": t.ports.se.random}
    (await drive(reader, machine, handlers)).forget()
    return found[0]


async def _ask(t, case, second: int, token: bytes) -> None:  # noqa: ANN001
    """Everything to the server first, then the record that asks, then its answer for as long as somebody waits for it."""
    phases.enter(phases.NETWORK)
    try:
        from terminal.flows import shift

        try:
            await shift.session(t)
        except (NetworkError, ServerError) as error:
            t.note_error(error)
            raise RiskError("a void needs the server", "RSK-013", _CENTRE) from None
        if t.journal.view.paid is not case:  # a new epoch has begun
            raise RiskError("no payment of this shift can be voided here", "RSK-010", _CENTRE)
        await t.journal.append(
            r.VOID,
            {
                r.CASE: case.number,
                r.INTENT: case.intent,
                r.AMOUNT: case.amount,
                r.VOID_STATE: r.VOID_ASKED,
                r.SECOND_OFFICER: second,
                r.CARD_TOKEN: token,
                r.DISPOSITION: r.DISPOSITION_RETAINED,
            },
        )
        for pause in _WAITS_MS:
            try:
                await shift.session(t, True)
            except (NetworkError, ServerError) as error:
                t.note_error(error)
            if t.journal.view.voiding is None:
                return
            t.face.forget()
            await t.face.show("syncing", back=True)
            if await t.face.key(pause) == "cancel":
                return
        await _last_look(t, shift)
    finally:
        phases.leave(phases.NETWORK)


async def _last_look(t, shift) -> None:  # noqa: ANN001
    try:
        await shift.session(t, True)
    except (NetworkError, ServerError) as error:
        t.note_error(error)


async def _tell(t, case) -> None:  # noqa: ANN001
    """What came of it. A case that is open again is gone on with by the caller, paper included."""
    view = t.journal.view
    if view.case is not None:
        await ask.acknowledge(t, "void_result", state=r.VOID_DONE, amount=case.amount, pv=case.pv)
    elif case.intent in view.releases:
        from terminal.flows import release

        await release.one(t, case.intent, True)
    elif view.voiding is None:  # a new epoch has begun, which knows nothing of it
        raise RiskError("no payment of this shift can be voided here", "RSK-010", _CENTRE)
    else:
        await ask.acknowledge(t, "void_result", state=r.VOID_ASKED, amount=case.amount, pv=case.pv)
        note = "" if await _paper(t, view.voiding) else "hand.unprinted.note"
        if await ask.answer(t, "licence_hand", disposition=r.DISPOSITION_RETAINED, days=10, note=note) is not None:
            t.journal.told = case.void[r.SEQ]


async def _paper(t, case) -> bool:  # noqa: ANN001
    """The 10-day document that says that the void waits for the bank's word; False if the officer went on without it."""
    from terminal.flows.fine import Fine

    fine = Fine(t)
    await fine.recall(case)
    return await fine.print_void(case, False)
