"""What a reply of the server may be: anything but a map that is bound to the question is malformed, and named."""

from protocol import cbor, cose
from protocol import records as r
from protocol import sync as m
from protocol.errors import NetworkError, ServerError
from terminal import session
from terminal.sync import Sync
from tests.support import told
from tests.support.centre import DEVICE, Handheld, quiet
from tests.support.dual import araises


async def test_a_signed_payload_of_another_shape_is_malformed():
    def sent(payload):
        async def post(path, body, timeout_ms):
            nonce = cbor.decode(cose.sign1_parse(body).payload)[m.NONCE]
            said = cbor.encode(payload(nonce))
            protected, _ = cose.sign1_prepare({1: -7, 3: m.TYPE_WELCOME, 4: b"ack"}, said)
            return cose.sign1_assemble(protected, {}, said, bytes(64), tagged=False)

        return post

    for payload in (
        lambda nonce: [None, nonce, None, DEVICE],  # where a map would have nonce and device
        lambda nonce: [None] * 64,
        lambda nonce: [],
        lambda nonce: {},
        lambda nonce: None,
        lambda nonce: 7,
        lambda nonce: "text",
        lambda nonce: bytes(64),
    ):
        t = Handheld(None)
        await t.journal.open()
        t.network.post = sent(payload)
        assert (await araises(NetworkError, session.hello(t))).code == "NET-005", payload(b"n")


class _Server:
    """Acknowledges what it is sent; `spoil(kind, fields)` changes its answers."""

    def __init__(self, spoil):
        self.spoil = spoil
        self.seq, self.hash = 0, bytes(32)
        self.t = None

    def __call__(self, kind, payload):
        if kind == m.TYPE_HELLO:
            said = m.TYPE_WELCOME
            fields = {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash, m.SERVER_UTC: 1700000100, m.RETRY_AFTER: 0}
        else:
            said = m.TYPE_ACK
            self.seq = payload[m.FIRST_SEQ] + told.count(payload) - 1
            self.hash = self.t.crypto.sha256(self.t.journal.record_at(self.seq)[1])
            fields = {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash}
        return self.spoil(said, fields) or said, fields


async def _handheld(spoil):
    server = _Server(spoil)
    t = server.t = Handheld(server)
    await t.journal.open()
    for number in range(3):
        await t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "n%d" % number})
    return t


async def test_a_reply_to_another_question_is_none():
    """Each is signed by the server: an old one, another device's, another epoch's, another kind."""
    for key, value in ((m.NONCE, bytes(8)), (m.DEVICE, "TSD-000002"), (m.EPOCH, 2)):
        for at in (m.TYPE_WELCOME, m.TYPE_ACK):

            def spoil(said, fields, key=key, value=value, at=at):
                if said == at:
                    fields[key] = value

            t = await _handheld(spoil)
            assert (await araises(ServerError, Sync(t, quiet).run())).code == "SRV-070", (key, at)
            assert t.journal.acked_seq == 0
    for other in (m.TYPE_WELCOME, m.TYPE_RECON):
        t = await _handheld(lambda said, fields, other=other: other if said == m.TYPE_ACK else None)
        assert (await araises(ServerError, Sync(t, quiet).run())).code == "SRV-070"
        assert t.journal.acked_seq == 0


async def test_an_acknowledgement_of_what_the_terminal_did_not_write_is_refused():
    """Another record's hash, at the head and before it; more records than there are."""
    for seq, digest in ((3, bytes(32)), (2, bytes(32)), (3, None), (9, None)):

        def spoil(said, fields, seq=seq, digest=digest):
            if said == m.TYPE_ACK:
                fields[m.ACKED_SEQ] = seq
                fields[m.ACKED_HASH] = digest or b"x" * 32

        t = await _handheld(spoil)
        assert (await araises(ServerError, Sync(t, quiet).run())).code == "SRV-072", (seq, digest)
        assert t.journal.acked_seq == 0


async def test_a_signed_reply_whose_fields_are_of_another_kind_is_malformed():
    result = {m.RESULT_EPOCH: 1, m.RESULT_INTENT: 1, m.RESULT_OUTCOME: 1, m.RESULT_REASON: "00", m.RESULT_REF: "1"}
    for at, key, value in (
        (m.TYPE_WELCOME, m.ACKED_SEQ, None), (m.TYPE_WELCOME, m.ACKED_SEQ, "0"), (m.TYPE_WELCOME, m.ACKED_HASH, 0),
        (m.TYPE_WELCOME, m.SERVER_UTC, None), (m.TYPE_WELCOME, m.SERVER_UTC, b""), (m.TYPE_WELCOME, m.NEW_SETS, 1),
        (m.TYPE_WELCOME, m.NEW_SETS, [1]), (m.TYPE_WELCOME, m.RESULTS, 7), (m.TYPE_WELCOME, m.RESULTS, [7]), (m.TYPE_WELCOME, m.RESULTS, [{}]),
        (m.TYPE_WELCOME, m.RESULTS, [result | {m.RESULT_INTENT: "1"}]), (m.TYPE_WELCOME, m.VOIDS, [{}]),
        (m.TYPE_WELCOME, m.VOIDS, [result | {m.RESULT_REF: None}]), (m.TYPE_WELCOME, m.COMMANDS, [[]]), (m.TYPE_WELCOME, m.CLEARED, []),
        (m.TYPE_ACK, m.ACKED_SEQ, True), (m.TYPE_ACK, m.ACKED_HASH, None), (m.TYPE_ACK, m.REJECTED, [1]), (m.TYPE_ACK, m.REJECTED, [[]]),
    ):  # fmt: skip

        def spoil(said, fields, at=at, key=key, value=value):
            if said == at and value is None:
                del fields[key]
            elif said == at:
                fields[key] = value

        t = await _handheld(spoil)
        assert (await araises(NetworkError, Sync(t, quiet).run())).code == "NET-005", (at, key, value)
        assert t.journal.acked_seq == 0
