"""One card payment: identity durable first, the EMV kernel, outcome durable, then shown (domain §4).

The payment's identity is (device, epoch, sequence of its intent record). A cut or a pulled card after the intent and before the outcome is
*interrupted*: nothing was taken, the session is never resumed, a retry is a new identity with a new unpredictable number; what the issuer may
have approved by then is reversed by the server. With a network the issuer is asked while the card waits (`terminal.online`).
"""

from drivers.contracts.secure_element import SLOT_TOKEN_HMAC
from protocol import records as r
from protocol import tokens
from protocol.emv import explain, holder, kernel
from protocol.emv.params import EmvParams
from protocol.errors import CardError, EmvError, JournalError, SecureElementError, TasdidError
from protocol.pack import hexed
from terminal import localtime, phases, risk, scrub, sealing
from terminal.flows import ask
from terminal.flows.drive import drive

_WAIT_MS = 60000
CURRENCY = 12  # DZD, ISO 4217
COUNTRY = 12  # Algeria, ISO 3166


async def pay(t, case) -> int:  # noqa: ANN001 - Terminal, Case → records.OUTCOME_*
    """Take one payment for `case`, contact or contactless; returns its outcome after the officer has seen it.

    A contactless card that is to be inserted ends its own identity as declined; the contact slot then gets a new one. Raises RiskError before
    anything is done, CardError when no card came. From the intent on it never raises for the card's doing.
    """
    _check(t, case)
    body = t.parameter("emv").body
    if t.ports.contactless_reader is not None and body.get("contactless"):
        phases.enter(phases.TAP)
        from terminal.flows import tap

        outcome = await tap.pay(t, case, body, _take, _show)
        if outcome is not None:
            return outcome
        _check(t, case)
    else:
        await t.face.show("card_present", amount=case.amount)
        await ask.card(t, t.ports.payment_reader, _WAIT_MS)
    reader = t.ports.payment_reader
    await reader.connect()
    record, why = await _take(t, case, reader, EmvParams(body))
    await _show(t, record, why)
    return record[r.OUTCOME]


def _check(t, case) -> None:  # noqa: ANN001
    risk.check_sale(t.journal, t.limits(), case.amount, t.now())


async def _take(t, case, reader, params, tapped=None) -> "tuple[dict, str]":  # noqa: ANN001 - `tapped`: terminal.flows.tap.Tap
    """From the durable intent to the durable outcome with a connected card: (outcome record, what decided)."""
    intent = await t.journal.append(r.PAYMENT_INTENT, {r.CASE: case.number, r.AMOUNT: case.amount})
    session = _Session(t, case, intent, tapped)
    try:
        body, sealed = await session.run(reader, params)
    finally:
        await reader.disconnect()
        if tapped is not None:
            tapped.forget()
    why, signs = session.why, session.signs
    session = None
    if signs:
        await scrub.free_memory()  # the driver takes his time
        body, sealed = await _signed(t, case, body, sealed)
        if body[r.OUTCOME] == r.OUTCOME_DECLINED:
            why = ""
    record = await t.journal.append(r.PAYMENT_OUTCOME, body, sealed=sealed)
    await scrub.free_memory()
    return record, why


async def _signed(t, case, body: dict, sealed: "bytes | None") -> "tuple[dict, bytes | None]":  # noqa: ANN001
    """Have the slip signed and compared before there is an outcome: what the record says then."""
    phases.enter(phases.SLIP)
    from terminal.flows import signature

    try:
        return await signature.confirm(t, case, body, sealed)
    finally:
        signature = None
        phases.leave(phases.SLIP)


async def _show(t, record: dict, why: str) -> None:  # noqa: ANN001
    outcome = record[r.OUTCOME]
    if outcome == r.OUTCOME_INTERRUPTED:
        await ask.acknowledge(t, "interrupted", amount=record[r.AMOUNT])
        return
    await ask.outcome(t, record, why)
    if record.get(r.INTERFACE) == r.INTERFACE_CONTACTLESS:
        return
    try:
        if await t.ports.payment_reader.card_present():
            await t.face.show("card_remove")
            await t.ports.payment_reader.wait_for_removal(ask.IDLE_MS)
    except CardError as error:  # the outcome stands, whatever becomes of the reader
        t.note_error(error)


class _Session:
    """The kernel's requests answered for one payment, and its result turned into a record."""

    def __init__(self, t, case, intent: dict, tapped=None) -> None:  # noqa: ANN001
        self._t = t
        self._tapped = tapped
        self._case = case
        self._intent = intent
        self._facts: dict = {}  # pan, psn, expiry: until the record is built
        self._pin_block = (0, b"")  # transaction counter and enciphered block of an online PIN
        self._frozen = (b"", b"")  # DE55 and its sealed blob, if the issuer was to be asked
        self._asked = None
        self._entered = False  # whether the card was given a PIN
        self.why = ""  # what decided, for the officer
        self.signs = False  # whether the payment stands only with the cardholder's signature

    async def run(self, reader, params) -> "tuple[dict, bytes | None]":  # noqa: ANN001
        """(body of the outcome record, sealed card data or None). What a card's answers leave no memory for is *interrupted* too, and
        whatever else breaks off; only an unreliable journal or secure element ends more than the payment.
        """
        try:
            return await self._run(reader, params)
        except MemoryError:
            self._pin_block, self._frozen = (0, b""), (b"", b"")
            await scrub.free_memory()
            error: TasdidError = CardError(
                "no memory is left for what the card answers", "CRD-019", "pay with another card"
            )
        except (JournalError, SecureElementError):
            raise  # nothing can be recorded any more
        except TasdidError as caught:  # a set that expired, a key that is used up: the identity ends here all the same
            error = caught
        self.why, self.signs = "", False
        self._t.note_error(error)
        return self._interrupted(error.code), None

    def _body(self) -> dict:
        body = {r.CASE: self._case.number, r.INTENT: self._intent[r.SEQ], r.AMOUNT: self._case.amount}
        if self._tapped is not None:
            body[r.INTERFACE] = r.INTERFACE_CONTACTLESS
        return body

    def _interrupted(self, code: str) -> dict:
        """The record of a payment that was cut short; what the issuer may know of is in doubt."""
        self._facts = {}
        body = self._body()
        body[r.OUTCOME] = r.OUTCOME_INTERRUPTED
        body[r.REASON] = code
        if self._asked is not None and self._asked.sent:
            body[r.ONLINE] = r.ONLINE_DOUBTFUL
        return body

    async def _run(self, reader, params) -> "tuple[dict, bytes | None]":  # noqa: ANN001
        """The kernel against the card, and its result as a record."""
        t = self._t
        if self._tapped is None:
            await t.face.show("card_busy")
        txn = {
            "amount": self._case.amount,
            "currency": CURRENCY,
            "country": COUNTRY,
            "date": localtime.yymmdd(t.now()),
            "time": localtime.hhmmss(t.now()),
            "type": 0,
            "counter": self._intent[r.SEQ],
        }
        transact = kernel.transact if self._tapped is None else self._tapped.transact
        machine = transact(txn, params, t.ports.crypto, await t.ports.se.random(4))
        handlers = {
            "choose": self._choose,
            "pin": self._pin,
            "random": t.ports.se.random,
            "online": self._online,
            "online_pin": self._online_pin,
            "identified": self._identified,
            "first_gac": self._first_gac,
            "progress": self._progress,
        }
        body = self._body()
        if self._tapped is not None:
            handlers.update(self._tapped.handlers())
        try:
            result = await drive(reader, machine, handlers)
        except CardError as error:
            return self._interrupted(error.code), None
        except EmvError as error:
            body[r.OUTCOME] = r.OUTCOME_DECLINED
            body[r.REASON] = error.code
            return body, None
        return await self._record(body, result)

    async def _record(self, body: dict, result) -> "tuple[dict, bytes | None]":  # noqa: ANN001
        self.why = explain.decided(result.explain)
        self._t.note(
            "emv",
            tvr=hexed(result.tvr),
            tsi=hexed(result.tsi),
            cvm=hexed(result.cvm_results),
            outcome=result.outcome,
            reason=result.reason,
            detail=result.detail,
            explain=result.explain,
        )
        body[r.OUTCOME] = result.outcome
        if result.reason == "STOP":
            result.reason = result.detail
        for key, value in (
            (r.REASON, result.reason),
            (r.SCHEME, result.label),
            (r.AID, result.aid),
            (r.TVR, result.tvr),
            (r.CID, None if result.terminated else result.cid),
            (r.CRYPTOGRAM, result.cryptogram),
            (r.ATC, None if result.terminated else result.atc),
            (r.AUTH_CODE, result.auth_code),
            (r.ONLINE, self._online_word(result)),
            (r.SCRIPT_RESULTS, result.script_results[: r.MOST_SCRIPT_RESULTS]),
            (r.ACQUIRER_REF, self._asked.reference if self._asked is not None else None),
        ):
            if value is not None and (isinstance(value, int) or len(value)):
                body[key] = bytes(value) if isinstance(value, (bytearray, memoryview)) else value
        self.signs = holder.signs(result)
        if result.outcome in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL):
            body[r.HOLDER] = holder.verified(result)
        sealed = None
        if result.pan:
            pan = bytes(result.pan).decode()
            body[r.LAST4] = pan[-4:]
            body[r.CARD_TOKEN] = await self._token(pan)
            if result.outcome in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL) and r.ONLINE not in body:
                sealed = await self._seal(bytes(result.de55), body)
        self._facts = {}
        self._frozen = (b"", b"")
        result.forget()
        return body, sealed

    def _online_word(self, result) -> "int | None":  # noqa: ANN001
        """Whether the issuer answered, or may know; None if the payment never left the terminal."""
        if self._asked is None or not self._asked.sent:
            return None
        return r.ONLINE_ANSWERED if result.arc and not result.reversal else r.ONLINE_DOUBTFUL

    async def _seal(self, de55: bytes, record: "dict | None" = None) -> bytes:
        """Card data and DE55 for the acquirer: never tag 57. What was sealed while the card waited is not sealed again."""
        if self._frozen[0] != de55:
            pin, self._pin_block = self._pin_block, (0, b"")
            blob = await sealing.seal_card(
                self._t, self._intent[r.SEQ], self._case.amount, self._facts, de55, pin, record
            )
            self._frozen = (de55, blob)
        return self._frozen[1]

    async def _token(self, pan: str) -> bytes:
        mac = await self._t.ports.se.hmac(SLOT_TOKEN_HMAC, b"card" + pan.encode())
        return tokens.keyed(mac)

    async def _choose(self, labels):  # noqa: ANN001, ANN202 - index or None
        return await ask.choose(self._t, labels)

    async def _pin(self, tries_left, last_try):  # noqa: ANN001, ANN202 - digits or None (bypass)
        wrong, self._entered = self._entered, True  # it is asked for again only if the card has refused one
        pin = await ask.secret_digits(
            self._t, "card_pin", 4, 12, tries_left=tries_left, last_try=last_try, amount=self._case.amount, wrong=wrong
        )
        await self._t.face.show("card_busy")
        return pin

    async def _online(self, de55):  # noqa: ANN001, ANN202 - None: unable to go online; else the kernel's reply
        """Ask the issuer while the card waits (EMV Book 3 section 10.9)."""
        from terminal import online

        frozen = bytes(de55)

        async def seal() -> bytes:
            return await self._seal(frozen)

        self._asked = online.Asked({"sent": True})  # until it is known: memory may end on the way
        self._asked = await online.authorise(self._t, self._intent[r.SEQ], self._case.amount, seal)
        return self._asked.reply

    async def _online_pin(self, facts):  # noqa: ANN001, ANN202 - True, or None (bypass)
        """A PIN for the issuer: enciphered at once, in clear nowhere but in the buffer that is wiped."""
        digits = await ask.secret_digits(
            self._t, "card_pin", 4, 12, tries_left=None, last_try=False, amount=self._case.amount
        )
        await self._t.face.show("card_busy")
        if digits is None:
            return None
        try:
            self._pin_block = await sealing.pin_block(self._t, bytes(facts["pan"]), digits)
        finally:
            ask.wipe(digits)
        return True

    async def _identified(self, facts):  # noqa: ANN001, ANN202 - a reason, or what counts towards the floor limit
        """Limits of one card since the last synchronisation."""
        self._facts = facts
        view = self._t.journal.view
        token = await self._token(bytes(facts["pan"]).decode())
        reason = risk.check_card(view, self._t.limits(), token, self._case.amount)
        return reason or {"logged": risk.spent(view, token)}

    async def _first_gac(self, facts) -> None:  # noqa: ANN001
        """The intent is durable already: nothing more to fix before the card changes."""

    async def _progress(self, name, done, total) -> None:  # noqa: ANN001
        await self._t.face.show("card_busy")
