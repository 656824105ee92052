"""A terminal's session with a server that is told what to answer: for tests on both runtimes.

No model of the server (that is `server` itself, in tests/server and the simulation): `Line` answers what a test says. Signatures
are not checked here.
"""

from protocol import cbor, cose
from protocol import sync as m
from protocol.crypto.pure import PureCrypto
from terminal.journal.journal import Journal
from terminal.patience import Patience
from tests.support.parts import CountingElement, HandClock, MemoryStorage

DEVICE = "TSD-000001"


class TrustingCrypto(PureCrypto):
    """Every signature holds."""

    def ecdsa_verify(self, curve, public, digest, signature):
        return True


def signed(content_type, payload, role=b"ack"):
    """A message with an empty signature."""
    protected, _ = cose.sign1_prepare({1: -7, 3: content_type, 4: role}, cbor.encode(payload))
    return cose.sign1_assemble(protected, {}, cbor.encode(payload), bytes(64), tagged=False)


class Line:
    """`answer(kind, payload)` gives (content type, fields beside nonce, device and epoch), or raises."""

    def __init__(self, answer):
        self.answer = answer
        self.sent = []

    async def close(self):
        pass

    async def post(self, path, body, timeout_ms):
        question = cose.sign1_parse(body)
        payload = cbor.decode(question.payload)
        kind = question.protected[3]
        self.sent.append((kind, payload))
        said, fields = self.answer(kind, payload)
        reply = {m.NONCE: payload[m.NONCE], m.DEVICE: DEVICE, m.EPOCH: payload[m.EPOCH]}
        reply.update(fields)
        return signed(said, reply)


class Handheld:
    """What `terminal.sync` needs of the terminal."""

    def __init__(self, answer, storage=None, element=None):
        self.ports = self
        self.batch_bytes = 6144
        self.storage = storage or MemoryStorage()
        self.se = element or CountingElement()
        self.crypto = TrustingCrypto()
        self.clock = HandClock()
        self.network = Line(answer)
        self.identity = self
        self.device = DEVICE
        self.parameters = self
        self.notes = []
        self.patience = Patience()
        self.officer: "dict | None" = {"number": 1007, "unit": "BSR-16", "force": 1}
        self.journal = Journal(self.storage, self.se, self.clock, self.crypto, DEVICE)

    def key(self, role):
        return bytes(65)

    def versions(self):
        return {}

    async def settle(self, journal, now, heard):
        pass

    def now(self):
        return self.clock.utc

    def note(self, event, **fields):
        self.notes.append((event, fields))

    def pv_number(self, case):
        return "000001-%05d" % case

    def note_error(self, error):
        self.notes.append(("error", {"code": error.code}))


async def quiet(done, total):
    """Progress that nobody looks at."""


class Willing:
    """The centre's side of `Handheld`: has every record of `t` at the first batch, agrees with every shift, and says that it is `utc`."""

    def __init__(self, utc=1700000100):
        self.seq, self.hash, self.t, self.utc = 0, bytes(32), None, utc

    def __call__(self, kind, payload):
        if kind == m.TYPE_BATCH:
            self.seq, self.hash = self.t.journal.head_seq, self.t.journal.head_hash
        has = {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash}
        if kind == m.TYPE_HELLO:
            has[m.SERVER_UTC], has[m.RETRY_AFTER] = self.utc, 0
            return m.TYPE_WELCOME, has
        return (m.TYPE_ACK, has) if kind == m.TYPE_BATCH else (m.TYPE_RECON, {m.BALANCED: True})
