"""Asking the issuer: "unable to go online" and "in doubt" are told apart by where the silence begins."""

from protocol import cbor, cose
from protocol import sync as m
from protocol.crypto.pure import PureCrypto
from protocol.errors import NetworkError
from terminal import online
from terminal.patience import Patience
from tests.support.parts import CountingElement, HandClock

INTENT, AMOUNT = 7, 500000


class _Crypto(PureCrypto):
    """Signatures are the element's keyed hashes; every one holds (they are tested with the real ones elsewhere)."""

    def ecdsa_verify(self, curve, public, digest, signature):
        return True


class _Network:
    """Answers what `replies` say, in order: a dict to be signed, or an error to be raised. Keeps what it was sent."""

    def __init__(self, replies):
        self.replies = replies
        self.sent = []
        self.closed = 0

    async def close(self):
        self.closed += 1

    async def post(self, path, body, timeout_ms):
        question = cose.sign1_parse(body)
        payload = cbor.decode(question.payload)
        self.sent.append((question.protected[3], payload))
        said = self.replies.pop(0)
        if isinstance(said, Exception):
            raise said
        kind, extra = said
        reply = {m.NONCE: payload[m.NONCE], m.DEVICE: "TSD-000001", m.EPOCH: 1}
        reply.update(extra)
        protected, _ = cose.sign1_prepare({1: -7, 3: kind, 4: b"ack"}, cbor.encode(reply))
        return cose.sign1_assemble(protected, {}, cbor.encode(reply), bytes(64), tagged=False)


class _Terminal:
    def __init__(self, replies):
        self.ports = self
        self.se = CountingElement()
        self.crypto = _Crypto()
        self.clock = HandClock()
        self.network = _Network(replies)
        self.identity = self
        self.device = "TSD-000001"
        self.journal = self
        self.epoch, self.head_seq, self.head_hash, self.first_retained = 1, 9, bytes(32), 1
        self.parameters = self
        self.patience = Patience()
        self.codes = []

    def key(self, role):
        return bytes(65)

    def versions(self):
        return {}

    def now(self):
        return 1700000000

    def note_error(self, error):
        self.codes.append(error.code)

    def record_at(self, seq):
        return ({}, b"record", None) if seq == 5 else None


WELCOME = (m.TYPE_WELCOME, {m.ACKED_SEQ: 0, m.ACKED_HASH: bytes(32), m.SERVER_UTC: 1700000100})


def _answered(**changes):
    said = {
        m.INTENT: INTENT,
        m.AMOUNT: AMOUNT,
        m.STATE: m.ASKED_ANSWERED,
        m.RESPONSE: "00",
        m.AUTH_CODE: "123456",
        m.REFERENCE: "REF",
        m.ISSUER_DATA: b"\x91\x01a",
    }
    for name in changes:
        said[getattr(m, name.upper())] = changes[name]
    return (m.TYPE_AUTHORISED, said)


def _welcome(seq, digest):
    return (m.TYPE_WELCOME, {m.ACKED_SEQ: seq, m.ACKED_HASH: digest, m.SERVER_UTC: 1700000100})


async def test_a_centre_that_holds_another_chain_is_not_asked():
    for seq, digest in ((5, bytes(32)), (10, bytes(32))):
        asked, t, sealed = await _ask(_welcome(seq, digest), _answered())
        assert not asked.sent and sealed == 0 and [kind for kind, _ in t.network.sent] == [m.TYPE_HELLO]


async def test_a_centre_that_holds_ours_is_asked_wherever_it_stands():
    for seq, digest in (
        (5, PureCrypto().sha256(b"record")),
        (7, bytes(32)),
        (9, bytes(32)),
        (0, bytes(32)),
    ):  # 7: ours cannot be read
        asked, _, _ = await _ask(_welcome(seq, digest), _answered())
        assert asked.sent


async def test_a_welcome_that_is_none_is_no_way_online():
    asked, t, _ = await _ask((m.TYPE_WELCOME, {m.ACKED_SEQ: "9", m.ACKED_HASH: bytes(32)}), _answered())
    assert not asked.sent and t.codes == ["NET-005"]


async def _ask(*replies):
    t = _Terminal(list(replies))
    sealed = []

    async def seal():
        sealed.append(1)
        return b"sealed"

    asked = await online.authorise(t, INTENT, AMOUNT, seal)
    return asked, t, len(sealed)


async def test_an_answer_reaches_the_kernel_with_its_data():
    asked, t, _ = await _ask(WELCOME, _answered())
    assert asked.reply == {"arc": "00", "data": b"\x91\x01a", "auth_code": "123456"} and asked.sent
    assert asked.reference == "REF" and t.network.closed == 1
    kinds = [kind for kind, _ in t.network.sent]
    assert kinds == [m.TYPE_HELLO, m.TYPE_AUTHORISE]
    first, second = t.network.sent
    assert second[1][m.NONCE] == first[1][m.NONCE]
    assert (second[1][m.INTENT], second[1][m.AMOUNT], second[1][m.CARD_DATA]) == (INTENT, AMOUNT, b"sealed")


async def test_silence_before_the_payment_is_unable_to_go_online_and_seals_nothing():
    asked, t, sealed = await _ask(NetworkError("no", "NET-001"))
    assert asked.reply is None and not asked.sent and sealed == 0
    assert t.codes == ["NET-001"] and len(t.network.sent) == 1


async def test_silence_after_the_payment_left_is_doubt():
    for error in (NetworkError("no", "NET-001"), NetworkError("late", "NET-002")):
        asked, _, _ = await _ask(WELCOME, error)
        assert asked.reply == {"sent": True} and asked.sent


async def test_a_refusal_or_an_unreached_issuer_is_unable_to_go_online():
    refused = (m.TYPE_REFUSED, {m.CODE: "SRV-035", m.MESSAGE: ""})
    full = (m.TYPE_REFUSED, {m.CODE: "SRV-066", m.MESSAGE: ""})
    for said in (refused, full, _answered(state=m.ASKED_NOT), _answered(response="91")):
        asked, _, _ = await _ask(WELCOME, said)
        assert asked.reply is None


async def test_a_response_that_leaves_open_what_was_done_is_doubt():
    for response in ("68", "09", "96", "94"):
        asked, _, _ = await _ask(WELCOME, _answered(response=response))
        assert asked.reply == {"sent": True} and asked.sent, response


async def test_a_reply_about_another_payment_is_no_answer():
    for said in (
        _answered(intent=8),
        _answered(amount=1),
        _answered(state=m.ASKED_DOUBTFUL),
        _answered(response="0"),
        (m.TYPE_ACK, {}),
    ):
        asked, _, _ = await _ask(WELCOME, said)
        assert asked.reply == {"sent": True}
    asked, _, _ = await _ask(WELCOME, (m.TYPE_AUTHORISED, {m.NONCE: b"another!"}))
    assert asked.reply == {"sent": True}


async def test_an_answer_with_fields_of_another_kind_or_size_is_doubt():
    for name, values in (
        ("issuer_data", (1, "91", bytes(256), [])),
        ("auth_code", (424242, b"424242", "1234567890", True, "12345\0", "\x1b[2J", "\u00e9\u00b2", "\u0661")),
        ("reference", (7, b"REF", "R" * 17, "R\n")),
        ("response", (0, b"00", "0", "000", [], "\0\0", "\u0660\u0660")),
        ("state", ("1", 9, b"")),
    ):
        for value in values:
            asked, _, _ = await _ask(WELCOME, _answered(**{name: value}))
            assert asked.reply == {"sent": True}, (name, value)


async def test_a_server_that_says_later_is_not_asked_again_unasked():
    for code, waits in (("NET-011", True), ("NET-001", False)):
        t = _Terminal([NetworkError("no", code, detail=90)])
        await online.authorise(t, INTENT, AMOUNT, None)  # nothing is sealed before the server is there
        assert t.codes == [code] and t.patience.idle() != waits
