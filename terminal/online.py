"""Putting a payment to its issuer while the card waits: AUTHORISE → AUTHORISED, and what the kernel is told (domain §4).

Two steps, so that "unable to go online" and "in doubt" are never mixed up. HELLO first: if that fails, or the centre holds another chain,
nothing about the payment has left the terminal, and the kernel goes on as unable to go online. Only then the payment is sent: from there on no
answer means doubt, and the kernel takes no second cryptogram; the server reverses what the issuer may have approved. A reply of another amount
or payment is no answer, nor is a response code that leaves open what was done (`protocol.sync.NO_WORD`); "issuer inoperative" (91) is unable to
go online.
"""

from protocol import sync as m
from protocol.errors import NetworkError, ServerError
from terminal import replies, session

PROBE_MS = 4000
ANSWER_MS = 8000
_MOST_DATA = 255  # bytes of field 55


class Asked:
    """What came of it. `reply` goes to the kernel; `reference` is the acquirer's."""

    def __init__(self, reply: "dict | None", reference: str = "") -> None:
        self.reply = reply
        self.reference = reference

    @property
    def sent(self) -> bool:
        """Whether the issuer may know of the payment."""
        return self.reply is not None


async def authorise(t, intent: int, amount: int, seal) -> Asked:  # noqa: ANN001 - Terminal; async function without arguments → sealed card data
    """Ask the issuer about one payment; never raises for the network's or the server's doing."""
    try:
        return await _authorise(t, intent, amount, seal)
    finally:
        await t.ports.network.close()


async def _authorise(t, intent: int, amount: int, seal) -> Asked:  # noqa: ANN001
    try:
        welcome = replies.checked(m.TYPE_WELCOME, await session.hello(t, timeout_ms=PROBE_MS))
    except (NetworkError, ServerError) as error:
        t.note_error(error)
        if error.code == "NET-011":
            t.patience.failed(await t.ports.se.random(1), error)
        return Asked(None)
    journal = t.journal
    seq = welcome[m.ACKED_SEQ]
    item = journal.record_at(seq)
    if seq > journal.head_seq or item is not None and t.ports.crypto.sha256(item[1]) != welcome[m.ACKED_HASH]:
        return Asked(None)  # the centre has another chain: there this payment's number may be another's
    question = {
        m.NONCE: welcome[m.NONCE],
        m.EPOCH: journal.epoch,
        m.INTENT: intent,
        m.AMOUNT: amount,
        m.UTC: t.now(),
        m.CARD_DATA: await seal(),
    }
    try:
        said = await session.exchange(t, m.TYPE_AUTHORISE, question, m.TYPE_AUTHORISED, ANSWER_MS)
    except ServerError as error:
        t.note_error(error)
        return Asked(
            {"sent": True} if error.code == "SRV-070" else None
        )  # a refusal is signed: nothing was put to the issuer
    except NetworkError as error:
        t.note_error(error)
        return Asked({"sent": True})
    return _judge(said, intent, amount)


def _judge(said: dict, intent: int, amount: int) -> Asked:
    """The server's word as the kernel's answer."""
    state = said.get(m.STATE)
    response = said.get(m.RESPONSE, "")
    if said.get(m.INTENT) != intent or said.get(m.AMOUNT) != amount:
        return Asked({"sent": True})
    if state == m.ASKED_NOT or (state == m.ASKED_ANSWERED and response in m.NOT_REACHED):
        return Asked(None)
    if state != m.ASKED_ANSWERED or not _plain(response, 2) or len(response) != 2 or response in m.NO_WORD:
        return Asked({"sent": True})
    data, code, reference = said.get(m.ISSUER_DATA, b""), said.get(m.AUTH_CODE, ""), said.get(m.REFERENCE, "")
    if not isinstance(data, bytes) or len(data) > _MOST_DATA or not _plain(code, 8) or not _plain(reference, 16):
        return Asked({"sent": True})  # an answer that cannot be one: in doubt
    return Asked({"arc": response, "data": data, "auth_code": code}, reference)


def _plain(value: object, most: int) -> bool:
    """Whether it is so much printable ASCII: it gets onto paper and into a record, where the server takes nothing else."""
    return isinstance(value, str) and len(value) <= most and all([" " <= c <= "~" for c in value])
