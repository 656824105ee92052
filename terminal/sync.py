"""The device's side of the sync protocol: HELLO, batches until the head is acknowledged, results, CLOSE (design §4, `protocol.sync`).

Whatever goes wrong, nothing is lost: records stay until a signed ACK that binds the device, the epoch and this HELLO's nonce names their hash.
A HELLO that was late on its way replaces this session's nonce at the server, which cannot tell it from a new one; what follows is refused with
SRV-014 ("say HELLO again"). So HELLO is said again, once a session, and the message is repeated under the new nonce; what else that WELCOME brings
comes with the next session too.
SRV-072 the server acknowledges another chain; the others are `terminal.session`'s.
"""

from drivers.contracts.small import CLOCK_SERVER
from drivers.contracts.storage import UNREADABLE
from protocol import cbor, cose
from protocol import records as r
from protocol import sync as m
from protocol.errors import CryptoError, FormatError, JournalError, NetworkError, ParameterError, ServerError
from terminal import batches, replies, session

_LEAST_ROOM = 512


class Sync:
    """One session with the server. `progress(done, total)` is an async function."""

    def __init__(self, t, progress, driver_waits: bool = False) -> None:  # noqa: ANN001 - Terminal
        self._t = t
        self.journal = t.journal
        self._progress = progress
        self._driver_waits = driver_waits  # whether the driver of a void that was asked for is still there
        self._nonce = b""
        self.room = t.ports.batch_bytes
        self._resumed = False  # whether HELLO was said again because the server lost this session to another one
        self._held = 0  # up to where the server holds our records
        self.results: "list[dict]" = []
        self.voids: "list[dict]" = []  # voids that have ended
        self.erased: "list[int]" = []  # intents whose sealed card data went
        self.sent = 0

    async def run(self) -> None:
        """HELLO and batches until the server holds the head. Raises NetworkError, ServerError, CryptoError."""
        welcome = await self._hello()
        self._nonce = welcome[m.NONCE]
        try:
            await self._adopt(welcome)
        except ServerError:
            from terminal import renewal, testimony

            # a new epoch knows neither of an open case nor of what nobody was told of a licence (`Journal.hand`)
            untold = self._left() or self._t.officer is None and self.journal.hand is not None
            if untold:  # what lets somebody in who goes on with it may be among them
                await self._take_sets(welcome)
            await testimony.show(self, welcome)
            if untold or not await renewal.accept(self._t, welcome):
                raise
            welcome = await self._hello()
            self._nonce, self._held = welcome[m.NONCE], 0
            await self._adopt(welcome)
        total = self.journal.head_seq - self._held
        rounds = 0
        while self._held < self.journal.head_seq:
            before = self._held
            try:
                if not await self._batch():
                    break
            except ServerError as error:
                if error.detail != "SRV-019":
                    raise
                from terminal import testimony

                # our totals do not go on from its own, and our record at its head is lost: it is another chain
                await testimony.show(self, {m.ACKED_SEQ: self._held})
                raise
            self.sent += max(0, self._held - before)
            await self._progress(self.sent, total)
            rounds = rounds + 1 if self._held <= before else 0
            if rounds > 2:
                raise ServerError("the server does not advance", "SRV-072", "call the centre", self._held)
        self.journal.keep_age()
        self.journal.make_room()
        await self.journal.begin_dated()

    def _left(self) -> bool:
        """Whether a case is open and nobody is in who goes on with it: what would end it, or alter its papers, comes again."""
        return self._t.officer is None and self.journal.view.case is not None

    async def _hello(self) -> dict:
        """WELCOME; a server that does not know our epoch, because it was restored, is shown the approval."""
        try:
            return replies.checked(m.TYPE_WELCOME, await session.hello(self._t))
        except ServerError as error:
            approval = self.journal.approval() if error.detail == "SRV-016" else b""
            if not approval:
                raise
        return replies.checked(m.TYPE_WELCOME, await session.hello(self._t, {m.APPROVAL: approval}))

    async def exchange(self, content_type: str, payload: dict, expected: str) -> dict:
        """`session.exchange` under this session's nonce; once, if the server knows another session by now, under a new one."""
        payload[m.NONCE] = self._nonce
        try:
            return replies.checked(expected, await session.exchange(self._t, content_type, payload, expected))
        except ServerError as error:
            if error.detail != "SRV-014" or self._resumed:
                raise
        self._resumed = True
        self._nonce = payload[m.NONCE] = (await self._hello())[m.NONCE]
        return replies.checked(expected, await session.exchange(self._t, content_type, payload, expected))

    async def close_shift(self, first: int, last: int, totals: dict) -> dict:
        """CLOSE → RECON for a shift's records. Call after `run`."""
        payload = {
            m.EPOCH: self.journal.epoch,
            m.FIRST_SEQ: first,
            m.LAST_SEQ: last,
            m.TOTALS: totals,
        }
        return await self.exchange(m.TYPE_CLOSE, payload, m.TYPE_RECON)

    async def _adopt(self, welcome: dict) -> None:
        """Server's time, acknowledged head, parameter sets, authorisation results."""
        t = self._t
        server_utc = welcome[m.SERVER_UTC]
        t.ports.clock.set_utc(server_utc, CLOCK_SERVER)
        self.journal.hear(server_utc)
        self._acknowledge(welcome)
        if await self._take_sets(welcome):
            await self._take_results(welcome)
            await self._take_voids(welcome)
            await self._erase(welcome)

    async def _take_sets(self, welcome: dict) -> bool:
        """Parameter sets that came, and those that waited, by the server's time; whether anything of it can be written down."""
        t, server_utc = self._t, welcome[m.SERVER_UTC]
        await t.parameters.settle(self.journal, server_utc, True)
        if not self._heeds(welcome):
            return False
        for blob in welcome.get(m.NEW_SETS, ()):
            try:
                applied = t.parameters.offer(blob, server_utc)
            except ParameterError as error:
                t.note_error(error)
                continue
            if applied is not None:
                await t.parameters.settle(self.journal, server_utc, True)
        return True

    def _heeds(self, message: dict) -> bool:
        """Whether what the server says can be written down; a damaged storage that cannot count its free space takes no record: it comes again."""
        said = any(message.get(key) for key in (m.NEW_SETS, m.RESULTS, m.VOIDS, m.CLEARED))
        return said and not self.journal.room.uncounted()

    async def _take_results(self, message: dict) -> None:
        """Authorisation results become records, each once; with an approval a release is due (`terminal.flows.release`). Where it is crowded they
        wait, and come again: they are as many as were deferred, and what remains of the room is for what cannot wait. So they do while nobody is
        in who goes on with an open case: its papers say what was so when they were due.
        """
        journal = self.journal
        if message.get(m.RESULTS) and (self._left() or journal.room.crowded(False)):
            return
        for result in message.get(m.RESULTS, ()):
            intent = result[m.RESULT_INTENT]
            if result.get(m.RESULT_EPOCH, journal.epoch) != journal.epoch or intent not in journal.view.provisional:
                continue
            case, amount, pv = journal.view.provisional[intent]
            body = {r.CASE: case, r.INTENT: intent, r.AMOUNT: amount, r.OUTCOME: result[m.RESULT_OUTCOME]}
            body[r.PV] = pv or self._t.pv_number(case)  # its notice may be lost
            for name, key in (
                (m.RESULT_AUTH_CODE, r.AUTH_CODE),
                (m.RESULT_REASON, r.REASON),
                (m.RESULT_REF, r.ACQUIRER_REF),
            ):
                if result.get(name):
                    body[key] = result[name]
            await journal.append(r.AUTHORISATION_RESULT, body)
            self.results.append(body)

    async def _take_voids(self, message: dict) -> None:
        """The end of the void that was asked for becomes a record, once, when somebody is in who is told; refused, the licence goes back. Not before
        what became of a later case's licence is answered: the record would end that (`View.hand`).
        """
        journal = self.journal
        for end in message.get(m.VOIDS, ()):
            case, state = journal.view.voiding, end[m.RESULT_OUTCOME]
            if case is None or journal.view.case is not None or self._t.officer is None or not journal.view.shift_open:
                return  # it comes again
            if journal.hand and journal.hand[3] != r.VOID:
                return
            if end[m.RESULT_EPOCH] != journal.epoch or end[m.RESULT_INTENT] != case.intent:
                continue
            if state not in (r.VOID_DONE, r.VOID_REFUSED):
                continue
            body = {r.CASE: case.number, r.INTENT: case.intent, r.AMOUNT: case.amount, r.VOID_STATE: state}
            body[r.REASON] = end[m.RESULT_REASON]
            body[r.ACQUIRER_REF] = end[m.RESULT_REF]
            if state == r.VOID_REFUSED:
                body[r.DISPOSITION] = r.DISPOSITION_RETURNED if self._driver_waits else r.DISPOSITION_RELEASE_GRANTED
            await journal.append(r.VOID, body)
            body[r.PV] = case.pv or self._t.pv_number(case.number)  # its notice may be lost
            self.voids.append(body)

    async def _erase(self, message: dict) -> None:
        """Erase the sealed card data that a signed receipt names; its hash is chained first (`terminal.vault`). One receipt a session."""
        receipt = message.get(m.CLEARED)
        if receipt is None or self.erased:
            return
        t, journal = self._t, self.journal
        view = journal.view
        intents = [
            intent for intent in self._named(receipt) if intent in view.sealed and intent not in view.provisional
        ]
        if not intents or not await self._destroyed():  # else the receipt comes again
            return
        self.erased = intents
        outcomes = [view.sealed[intent] for intent in intents]
        await t.vault.begin()
        await journal.append(r.CARD_DATA_ERASED, {r.INTENTS: intents, r.RECEIPT: t_hash(t, receipt)})
        for seq in outcomes:
            journal.erase_blob("sealed", seq)
        if await self._destroyed():
            t.note("erased", count=len(outcomes))
        else:
            await journal.append(r.HEALTH_EVENT, {r.HEALTH: "vault"})

    async def _destroyed(self) -> bool:
        """Whether the key of what was erased is gone; not as long as something that stays cannot be read."""
        try:
            await self._t.vault.finish(self.journal.epoch)
        except JournalError as error:
            if error.code != UNREADABLE:
                raise
            self._t.note_error(error)
            return False
        return True

    def _named(self, receipt: bytes) -> "list[int]":
        """The intents in a receipt that the server signed for this device and epoch; none of any other."""
        t = self._t
        try:
            sign1 = cose.sign1_parse(receipt)
            cose.sign1_verify(t.ports.crypto, sign1, t.identity.key("ack"), expected_content_type=m.TYPE_CLEARED)
            body = cbor.decode(sign1.payload or b"")
            if body[m.DEVICE] == t.identity.device and body[m.EPOCH] == self.journal.epoch:
                return [item if isinstance(item, int) else item[0] for item in body[m.CLEARED]]
        except (FormatError, CryptoError, KeyError, TypeError, IndexError):
            t.note("error", code="SRV-073")  # not a receipt of the server: nothing is erased
        return []

    def _acknowledge(self, message: dict) -> None:
        """Take a cumulative acknowledgement; the server must name our own record's hash.

        One that is behind what was acknowledged before says that the server was restored from a backup: sending goes on from there.
        """
        seq = message[m.ACKED_SEQ]
        journal = self.journal
        if seq > journal.head_seq:
            raise ServerError(
                "the server knows records that this terminal does not have", "SRV-072", "call the centre", seq
            )
        if seq != self._held or seq != journal.acked_seq or (seq and not journal.dated):
            known = journal.head_hash
            if seq < journal.head_seq:
                known = self._hash(seq) if seq else None
            if seq and known is not None and message[m.ACKED_HASH] != known:
                raise ServerError("the server acknowledges another chain", "SRV-072", "call the centre", seq)
            if seq != journal.acked_seq or (seq and not journal.dated):
                journal.acknowledge(seq, message[m.ACKED_HASH])
        self._held = seq

    def _hash(self, seq: int) -> "bytes | None":
        """Hash of our record `seq`, by the next one where it cannot be read; None where that cannot either."""
        item = self.journal.record_at(seq)
        if item is not None:
            return t_hash(self._t, item[1])
        item = self.journal.record_at(seq + 1)
        return item[0][r.PREV] if item is not None else None

    async def tell(self, first: int, branch: int = 0, room: int = 0) -> tuple:
        """Send records from `first` on, as many as a batch holds, or `room` bytes; fewer where memory is short. (The first one's sequence
        number, the last one's, the ACK); without an ACK, as none can be read, the last one is the one before `first`.
        """
        while True:
            try:
                payload, count = batches.fill(self.journal, first, room or self.room)
                if not count:
                    return first, first - 1, None
                if branch:
                    payload[m.BRANCH] = branch
                elif m.GAP in payload:
                    await self._declare(payload)
                begin = payload[m.FIRST_SEQ]
                ack = await self.exchange(m.TYPE_BATCH, payload, m.TYPE_ACK)
                said = (ack.get(m.FIRST_SEQ, begin), ack.get(m.BRANCH, branch))
                if branch and said != (begin, branch):  # of an earlier question
                    raise NetworkError("the server's reply is malformed", "NET-005")
                return begin, begin + count - 1, ack
            except MemoryError:
                if self.room <= _LEAST_ROOM:
                    raise
                payload = None
                self.room //= 2

    async def _batch(self) -> bool:
        """Send the next records after the acknowledged one. If none of them can be read one is written behind them, which tells of the loss;
        False if none is taken either: then nothing is sent.
        """
        ack = (await self.tell(self._held + 1))[2]
        if ack is None:
            await self.journal.follow()
            ack = (await self.tell(self._held + 1))[2]
            if ack is None:
                return False
        self._acknowledge(ack)
        if self._heeds(ack):
            await self._take_results(ack)
            await self._erase(ack)
        for rejected in ack.get(m.REJECTED, ()):  # kept by the server, set aside for a person: the queue goes on
            self._t.note("rejected", seq=rejected[0], code=rejected[1])
        return True

    async def _declare(self, payload: dict) -> None:
        """Records before a batch cannot be read: a gap record says so too, unless there is one since the last boot, or no record is taken."""
        first, last = payload[m.GAP], payload[m.FIRST_SEQ] - 1
        gaps = self.journal.view.gaps
        for begin in gaps:
            if begin <= first and gaps[begin] >= last:
                return
        if not self.journal.room.uncounted():
            body = {r.FIRST: first, r.GAP_LAST: last, r.GAP_HASH: payload[m.PREV_HASH]}
            before = self.journal.record_at(first - 1)
            known = before[0] if before is not None else None
            if first == self.journal.epoch == 1:
                known = {r.CUM_COUNT: 0, r.CUM_TOTAL: 0}
            if known is not None:  # else the running totals there are not known
                body[r.GAP_COUNT] = payload[m.CUM_COUNT] - known[r.CUM_COUNT]
                body[r.GAP_TOTAL] = payload[m.CUM_TOTAL] - known[r.CUM_TOTAL]
            await self.journal.append(r.GAP, body)
        self._t.note("gap", first=first, last=last)


def t_hash(t, data: bytes) -> bytes:  # noqa: ANN001
    """SHA-256 of a record's bytes."""
    return t.ports.crypto.sha256(data)
