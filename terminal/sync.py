"""The device's side of the sync protocol: HELLO, batches until the head is acknowledged, results, CLOSE (design §4, `protocol.sync`).

Whatever goes wrong, nothing is lost: records stay until a signed ACK that binds the device, the epoch and this HELLO's nonce names their hash.
SRV-070 reply not bound to this session, SRV-071 refused by the server, SRV-072 the server acknowledges another chain, NET-005 reply malformed.
"""

from drivers.contracts.secure_element import SLOT_DEVICE_KEY
from drivers.contracts.small import CLOCK_SERVER
from protocol import cbor, cose, wire
from protocol import records as r
from protocol import sync as m
from protocol.errors import CryptoError, FormatError, NetworkError, ParameterError, ServerError

TIMEOUT_MS = 8000
BATCH_BYTES = 2048
BATCH_RECORDS = 24
FIRMWARE = "0.1.0"


class Sync:
    """One session with the server. `progress(done, total)` is an async function."""

    def __init__(self, t, progress) -> None:  # noqa: ANN001 - Terminal
        self._t = t
        self._journal = t.journal
        self._progress = progress
        self._nonce = b""
        self.results: "list[dict]" = []
        self.sent = 0

    async def run(self) -> None:
        """HELLO and batches until the server holds the head. Raises NetworkError, ServerError, CryptoError."""
        welcome = await self._hello()
        await self._adopt(welcome)
        total = self._journal.head_seq - self._journal.acked_seq
        rounds = 0
        while self._journal.acked_seq < self._journal.head_seq:
            before = self._journal.acked_seq
            await self._batch()
            self.sent += self._journal.acked_seq - before
            await self._progress(self.sent, total)
            rounds = rounds + 1 if self._journal.acked_seq == before else 0
            if rounds > 2:
                raise ServerError("the server does not advance", "SRV-072", "call the centre", self._journal.acked_seq)

    async def close_shift(self, first: int, last: int, totals: dict) -> dict:
        """CLOSE → RECON for a shift's records. Call after `run`."""
        payload = {m.NONCE: self._nonce, m.EPOCH: self._journal.epoch, m.FIRST_SEQ: first, m.LAST_SEQ: last, m.TOTALS: totals}
        return await self._exchange(m.TYPE_CLOSE, payload, m.TYPE_RECON)

    async def _hello(self) -> dict:
        t, journal = self._t, self._journal
        self._nonce = await t.ports.se.random(8)
        utc, quality = t.ports.clock.now()
        return await self._exchange(
            m.TYPE_HELLO,
            {
                m.NONCE: self._nonce,
                m.EPOCH: journal.epoch,
                m.HEAD_SEQ: journal.head_seq,
                m.HEAD_HASH: journal.head_hash,
                m.FIRST_RETAINED: 1,
                m.FIRMWARE: FIRMWARE,
                m.SETS: t.parameters.versions(),
                m.UTC: utc,
                m.CLOCK: quality,
                m.HEALTH: {},
            },
            m.TYPE_WELCOME,
        )

    async def _adopt(self, welcome: dict) -> None:
        """Server's time, acknowledged head, parameter sets, authorisation results."""
        t = self._t
        server_utc = welcome[m.SERVER_UTC]
        if server_utc >= self._journal.last_utc:
            t.ports.clock.set_utc(server_utc, CLOCK_SERVER)
        self._acknowledge(welcome)
        for blob in welcome.get(m.NEW_SETS, ()):
            try:
                applied = t.parameters.offer(blob, t.now())
            except ParameterError as error:
                t.note_error(error)
                continue
            if applied is not None:
                await self._journal.append(r.PARAMETERS_APPLIED, {r.SET_KIND: applied.kind, r.SET_VERSION: applied.version})
        await self._take_results(welcome)

    async def _take_results(self, message: dict) -> None:
        """Authorisation results become records, each once; a release is granted with an approval."""
        journal = self._journal
        for result in message.get(m.RESULTS, ()):
            intent = result[m.RESULT_INTENT]
            if result[m.RESULT_EPOCH] != journal.epoch or intent not in journal.view.provisional:
                continue
            case, amount, pv = journal.view.provisional[intent]
            body = {r.CASE: case, r.PV: pv, r.INTENT: intent, r.AMOUNT: amount, r.OUTCOME: result[m.RESULT_OUTCOME]}
            for name, key in ((m.RESULT_AUTH_CODE, r.AUTH_CODE), (m.RESULT_REASON, r.REASON), (m.RESULT_REF, r.ACQUIRER_REF)):
                if result.get(name):
                    body[key] = result[name]
            await journal.append(r.AUTHORISATION_RESULT, body)
            if body[r.OUTCOME] == r.OUTCOME_APPROVED:
                await journal.append(r.LICENCE_DISPOSITION, {r.CASE: case, r.DISPOSITION: r.DISPOSITION_RELEASE_GRANTED})
            self.results.append(body)

    def _acknowledge(self, message: dict) -> None:
        """Take a cumulative acknowledgement; the server must name our own record's hash."""
        seq = message[m.ACKED_SEQ]
        journal = self._journal
        if seq <= journal.acked_seq:
            return
        if seq > journal.head_seq:
            raise ServerError("the server knows records that this terminal does not have", "SRV-072", "call the centre", seq)
        known = journal.head_hash
        for _, data, _ in journal.entries(seq):
            known = t_hash(self._t, data)
            break
        if message[m.ACKED_HASH] != known:
            raise ServerError("the server acknowledges another chain", "SRV-072", "call the centre", seq)
        journal.acknowledge(seq, known)

    async def _batch(self) -> None:
        """Send the next records after the acknowledged one; at most BATCH_BYTES or BATCH_RECORDS."""
        journal = self._journal
        payload = self._fill(journal.acked_seq + 1)
        ack = await self._exchange(m.TYPE_BATCH, payload, m.TYPE_ACK)
        self._acknowledge(ack)
        await self._take_results(ack)
        for rejected in ack.get(m.REJECTED, ()):  # kept by the server, set aside for a person: the queue goes on
            self._t.note("rejected", seq=rejected[0], code=rejected[1])

    def _fill(self, first: int) -> dict:
        journal = self._journal
        payload = {m.NONCE: self._nonce, m.EPOCH: journal.epoch, m.FIRST_SEQ: first}
        wires: list = []
        signatures: dict = {}
        blobs: dict = {m.SEALED: {}, m.PRIVATE: {}}
        size = 0
        previous = None
        for record, data, signature in journal.entries(first):
            if previous is None:
                count, total = r.approved_step(record)
                payload[m.PREV_HASH] = record[r.PREV]
                payload[m.CUM_COUNT] = record[r.CUM_COUNT] - count
                payload[m.CUM_TOTAL] = record[r.CUM_TOTAL] - total
            index = len(wires)
            size += len(data)
            for key, folder, digest in ((m.SEALED, "sealed", r.SEALED), (m.PRIVATE, "private", r.PRIVATE)):
                blob = journal.blob(folder, record[r.SEQ]) if digest in record else None
                if blob is not None:
                    blobs[key][index] = blob
                    size += len(blob)
            if wires and (size > BATCH_BYTES or index >= BATCH_RECORDS):
                blobs[m.SEALED].pop(index, None)
                blobs[m.PRIVATE].pop(index, None)
                break
            wires.append(wire.shrink(record, previous))
            if signature is not None:
                signatures[index] = signature
            previous = record
        payload[m.RECORDS] = wires
        for key, value in ((m.SIGNATURES, signatures), (m.SEALED, blobs[m.SEALED]), (m.PRIVATE, blobs[m.PRIVATE])):
            if value:
                payload[key] = value
        return payload

    async def _exchange(self, content_type: str, payload: dict, expected: str) -> dict:
        """Sign, send, verify the reply's signature, role, nonce, device and epoch."""
        t = self._t
        body = cbor.encode(payload)
        protected, digest = cose.sign1_prepare({1: -7, 3: content_type, 4: t.identity.device.encode()}, body)
        signature = await t.ports.se.sign(SLOT_DEVICE_KEY, digest)
        reply = await t.ports.network.post(m.PATH, cose.sign1_assemble(protected, {}, body, signature, tagged=False), TIMEOUT_MS)
        try:
            sign1 = cose.sign1_parse(reply)
            kind = sign1.protected.get(3)
            message = cbor.decode(sign1.payload)
            cose.sign1_verify(t.ports.crypto, sign1, t.identity.key("ack"), expected_content_type=kind)
            bound = message[m.NONCE] == self._nonce and message[m.DEVICE] == t.identity.device
        except (FormatError, KeyError, TypeError):
            raise NetworkError("the server's reply is malformed", "NET-005") from None
        except CryptoError:
            raise NetworkError("the server's reply is not signed by the server", "NET-006") from None
        if not bound:
            raise ServerError("the server's reply belongs to another session", "SRV-070")
        if kind == m.TYPE_REFUSED:
            raise ServerError("the server refuses: " + str(message.get(m.CODE)), "SRV-071", "call the centre", message.get(m.CODE))
        if kind != expected or message.get(m.EPOCH) != self._journal.epoch:
            raise ServerError("the server's reply answers another question", "SRV-070")
        return message


def t_hash(t, data: bytes) -> bytes:  # noqa: ANN001
    """SHA-256 of a record's bytes."""
    return t.ports.crypto.sha256(data)
