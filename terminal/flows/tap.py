"""The contactless half of a payment: both readers watched, the entry point's requests answered, lights and tones (domain §4).

The card may go once the reader says "read"; what it gave is worth nothing before the outcome is durable, so neither screen nor lights say more.
A card that is taken away too early is asked for again within the same payment: no cryptogram of it was presented to anybody.
"""

from drivers.contracts.card_reader import CardReader
from protocol import records as r
from protocol.emv.contactless import entry, preprocess, ui
from protocol.emv.contactless.params import ContactlessParams
from protocol.emv.contactless.torn import TornLog
from protocol.errors import CardCollisionError, CardError, NoCardError
from terminal.face import lights
from terminal.flows import ask

WAIT_MS = 60000
AGAIN_MS = 30000  # how long the same payment waits for the card to come back
_SLICE_MS = 150
OTHER_INTERFACE = ("EMV-140", "EMV-142", "EMV-143")
"""Reasons after which the contact slot gets its chance: the card or the amount wants it, or there is no contactless application in common."""


async def pay(t, case, body: dict, take, show) -> "int | None":  # noqa: ANN001 - Terminal, Case, set "emv", payment's _take and _show
    """Offer both readers and take a contactless payment; None: a card is in the contact slot, the caller goes on with that one.

    Raises CardError when no card came.
    """
    params = ContactlessParams(body)
    params.choice = False  # the cardholder has no keys in the air
    air = t.ports.contactless_reader
    if not preprocess.ready(params, case.amount):
        await t.face.show("card_present", amount=case.amount)
        await ask.card(t, t.ports.payment_reader, WAIT_MS)
        return None
    if await _present(t, case.amount) is not air:
        return None
    tapped = Tap(t, air, max([each.torn_records for each in params.combinations]))
    record, why = await take(t, case, air, params, tapped)
    params = None
    outcome = record[r.OUTCOME]
    if outcome == r.OUTCOME_DECLINED and record.get(r.REASON) in OTHER_INTERFACE:
        await _signal(t, ui.INSERT_CARD, ui.NOT_READY)
        await t.face.show("card_message", ui=ui.INSERT_CARD, amount=case.amount)
        await ask.card(t, t.ports.payment_reader, WAIT_MS)
        return None
    await _signal(t, ui.DECLINED if outcome == r.OUTCOME_DECLINED else ui.CLEAR, ui.NOT_READY)
    await show(t, record, why)
    return outcome


async def _signal(t, message: int, status: int) -> None:  # noqa: ANN001
    await lights.show(t.ports.indicator, message, status)


async def _offer(t, message: int, amount: int) -> None:  # noqa: ANN001
    """What the person and the reader's lights are told while both readers wait."""
    if message == ui.PRESENT_CARD:
        await t.face.show("card_present", amount=amount, tap=True)
        await _signal(t, message, ui.READY_TO_READ)
    else:
        await t.face.show("card_message", ui=message)
        await _signal(t, message, ui.ERROR)


async def _present(t, amount: int) -> CardReader:  # noqa: ANN001
    """Wait at both readers; returns the one with a card, the contactless one with it connected. Raises NoCardError (as `ask.card`)."""
    message, shown = ui.PRESENT_CARD, ui.CLEAR
    waited = 0
    broken = None
    try:
        while waited < WAIT_MS:
            if message != shown:
                shown = message
                await _offer(t, message, amount)
            try:
                await t.ports.payment_reader.wait_for_card(_SLICE_MS)
                return t.ports.payment_reader
            except NoCardError:
                broken = None
            except CardError as error:  # out of order: the antenna still works
                if broken is None:
                    t.note_error(error)
                broken = error
                await t.ports.clock.sleep_ms(_SLICE_MS)
            waited += _SLICE_MS
            message = await _look(t, message)
            if message == ui.CARD_READ_OK:
                return t.ports.contactless_reader
            waited += _SLICE_MS
            if await t.face.key(1) == "cancel":
                raise NoCardError("waiting for the card was cancelled", ask.CANCELLED, "choose again")
        raise broken or NoCardError("no card was presented in time")
    finally:
        await _signal(t, ui.CLEAR, ui.NOT_READY)


async def _look(t, message: int) -> int:  # noqa: ANN001
    """Look into the field for a moment: CARD_READ_OK when one card is connected, else what is to be shown from now on."""
    reader = t.ports.contactless_reader
    try:
        await reader.wait_for_card(_SLICE_MS)
        await reader.connect()
        return ui.CARD_READ_OK
    except NoCardError:
        return ui.PRESENT_CARD
    except CardCollisionError:
        return ui.ONE_CARD_ONLY
    except CardError as error:  # a card of another kind, or a reader that is out of order: the slot still works
        if message != ui.PRESENT_AGAIN:
            t.note_error(error)
        await t.ports.clock.sleep_ms(_SLICE_MS)
        return ui.PRESENT_AGAIN


class Tap:
    """One contactless payment's requests besides those that a contact payment has too."""

    def __init__(self, t, reader, torn_records: int) -> None:  # noqa: ANN001
        self._t = t
        self._reader = reader
        self._torn = TornLog(torn_records)

    def transact(self, txn: dict, params, crypto, un: bytes):  # noqa: ANN001, ANN201 - the machine
        """The entry point in the place of the contact kernel."""
        return entry.transact(txn, params, crypto, un, self._torn)

    def forget(self) -> None:
        """The payment is over: no card data stay."""
        self._torn.clear()

    def handlers(self) -> dict:
        """By request."""
        return {"ui": self._ui, "again": self._again, "timed_apdu": self._timed, "progress": self._progress}

    async def _progress(self, name, done, total) -> None:  # noqa: ANN001
        """Nothing is drawn while the card is in the field: it counts in milliseconds."""

    async def _ui(self, message: int, status: int) -> None:
        await _signal(self._t, message, status)
        if message in (ui.CARD_READ_OK, ui.AUTHORISING):
            await self._t.face.show("card_message", ui=message)

    async def _timed(self, command: bytes):  # noqa: ANN202 - (response, units of 100 µs)
        """As near to the antenna as this board measures: the reader's own figure if it has one, else the host's clock."""
        timed = getattr(self._reader, "transceive_timed", None)
        if timed is not None:
            return await timed(command)
        clock = self._t.ports.clock
        began = clock.ticks_ms()
        answer = await self._reader.transceive(command)
        return answer, 10 * clock.ticks_diff(clock.ticks_ms(), began)

    async def _again(self, message: int) -> "bool | None":
        """The card once more: True when it is connected, None when nobody presents it or the officer cancels."""
        t, reader = self._t, self._reader
        await reader.disconnect()
        await t.face.show("card_message", ui=message)
        waited = 0
        gone = message != ui.SEE_PHONE  # a phone is looked at first, so it has to leave the field
        while waited < AGAIN_MS:
            waited += 2 * _SLICE_MS
            try:
                if not gone:
                    gone = await reader.wait_for_removal(2 * _SLICE_MS)
                else:
                    await reader.wait_for_card(2 * _SLICE_MS)
                    await reader.connect()
                    return True
            except NoCardError:
                gone = True
            except CardError as error:
                t.note_error(error)
            if await t.face.key(1) == "cancel":
                return None
        return None
