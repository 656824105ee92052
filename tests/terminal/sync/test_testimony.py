"""A server of another chain is shown all that it may lack since the chains parted, in few batches a session, and nothing twice."""

from protocol import records as r
from protocol import sync as m
from protocol.errors import NetworkError, ServerError
from terminal import testimony
from terminal.journal.journal import Journal
from terminal.sync import Sync
from tests.support import told
from tests.support.centre import Handheld, quiet
from tests.support.dual import araises

DEVICE_HEAP = "384k"
HEAD = 60


class _Server:
    """Has our records up to `common`, and others up to `seq`; what it is shown beyond is kept beside."""

    def __init__(self, common, seq):
        self.common, self.seq, self.hash = common, seq, b"?" * 32
        self.asked = []  # [first, last] of each batch that is shown
        self.questions = 0
        self.beside = set()
        self.most = 10**6  # beside; of what is over it the server says the same as of what it has
        self.fails = 0  # in how many batches the line is cut
        self.commands = None

    def __call__(self, kind, payload):
        if kind == m.TYPE_HELLO:
            said = {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash, m.SERVER_UTC: 1_790_000_000}
            if self.commands is not None:
                said[m.COMMANDS] = self.commands
            return m.TYPE_WELCOME, said
        if self.fails:
            self.fails -= 1
            raise NetworkError("cut", "NET-001")
        first = payload[m.FIRST_SEQ]
        last = first + told.count(payload) - 1
        shown = set(range(max(first, self.common + 1), last + 1))
        said = {
            m.ACKED_SEQ: self.seq,
            m.ACKED_HASH: self.hash,
            m.DUPLICATES: max(0, min(last, self.common) - first + 1),
        }
        said[m.FIRST_SEQ], said[m.BRANCH] = first, payload[m.BRANCH]
        if payload[m.BRANCH] == m.ASKED:
            self.questions += 1
            had = shown if len(self.beside) >= self.most else shown & self.beside
            if had:
                said[m.BESIDE] = len(had)
        else:
            self.asked.append([first, last])
            fresh = sorted(shown - self.beside)[: self.most - len(self.beside)]
            self.beside |= set(fresh)
            said[m.REJECTED] = [[seq, "SRV-030" if seq in self.beside else "SRV-049"] for seq in sorted(shown)]
        return m.TYPE_ACK, said


async def _boot(t):
    t.journal = Journal(t.storage, t.se, t.clock, t.crypto, t.device)
    t.journal._shelf.segment_bytes = 2048
    await t.journal.open()


async def _write(t, count):
    for _ in range(count):
        await t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "n"})


async def _opened(common, seq, acked):
    """`HEAD` records, of which a server that was lost since had `acked`."""
    server = _Server(common, seq)
    t = Handheld(server)
    t.batch_bytes = 24  # some five records
    await _boot(t)
    await _write(t, HEAD)
    if acked:
        t.journal.acknowledge(acked, t.crypto.sha256(t.journal.record_at(acked)[1]))
    return server, t


async def _session(t):
    step, testimony.STEP = testimony.STEP, 5
    try:
        await Sync(t, quiet).run()
        raise AssertionError("another chain is taken")
    except ServerError as error:
        assert error.code == "SRV-072"
    finally:
        testimony.STEP = step


async def _shown(server, t):
    """Sessions until nothing is shown any more."""
    for _ in range(40):
        before = len(server.asked), server.questions
        await _session(t)
        assert len(server.asked) - before[0] <= testimony.BATCHES and server.questions - before[1] <= 16
        if len(server.asked) == before[0]:
            return
    raise AssertionError("no end")


async def test_a_copy_that_spoke_first_after_a_restore_hides_nothing_that_was_acknowledged_before():
    """At the parting, one record beside it, far from it, and from the very first record."""
    for common, seq, acked in (
        (20, 31, 50),
        (49, 50, 50),
        (50, 51, 50),
        (0, 44, HEAD),
        (20, HEAD, HEAD),
        (1, 2, 2),
        (20, 90, HEAD),
    ):
        server, t = await _opened(common, seq, acked)
        await _shown(server, t)
        assert server.beside == set(range(common + 1, HEAD + 1)), (common, seq, acked)
        assert sum([last - first + 1 for first, last in server.asked]) <= HEAD - common + 30, (common, seq, acked)


async def test_nothing_is_shown_twice_and_what_is_new_is_shown():
    server, t = await _opened(20, 31, 50)
    await _shown(server, t)
    for boots in (False, True):
        await _write(t, 3)
        if boots:
            await _boot(t)
        server.seq, server.asked, server.questions, head = server.seq + 3, [], 0, t.journal.head_seq
        await _session(t)
        told = [seq for first, last in server.asked for seq in range(first, last + 1)]
        assert told[-3:] == [head - 2, head - 1, head] and len(told) == 3
        assert boots or server.questions == 2
        server.asked = []
        await _session(t)
        assert server.asked == []


async def test_a_server_that_keeps_no_more_is_shown_nothing_twice_and_nothing_is_lost():
    for most in (0, 1, 17):
        for boots in (False, True):
            server, t = await _opened(20, 31, 50)
            server.most = most
            if boots:
                await _session(t)
                await _boot(t)
            await _shown(server, t)
            told = [seq for first, last in server.asked for seq in range(first, last + 1)]
            assert len(told) == len(set(told)) and set(told) <= set(range(21, HEAD + 1))
            assert len(server.beside) == most
            assert t.journal.first_retained == 1 and t.journal.acked_seq == 50
            await _write(t, 1)
            server.asked = []
            await _session(t)
            assert server.asked == [[HEAD + 1, HEAD + 1]], "what is new is told once"


async def test_who_boots_before_each_session_gets_there_too():
    server, t = await _opened(0, 44, HEAD)
    before = -1
    while len(server.beside) > before:
        before = len(server.beside)
        await _boot(t)
        await _session(t)
    assert server.beside == set(range(1, HEAD + 1))


async def test_totals_that_do_not_go_on_where_the_record_at_the_servers_head_is_lost_are_another_chain():
    """Nothing else tells the terminal so."""
    server, t = await _opened(20, 31, 50)
    t.journal.record_at = lambda seq, plain=t.journal.record_at: None if seq in (31, 32) else plain(seq)

    def answer(kind, payload):
        if kind == m.TYPE_BATCH and m.BRANCH not in payload:
            return m.TYPE_REFUSED, {m.CODE: "SRV-019", m.MESSAGE: "running totals"}
        return server(kind, payload)

    t.network.answer = answer
    for _ in range(20):
        error = await araises(ServerError, Sync(t, quiet).run())
        assert (error.code, error.detail) == ("SRV-071", "SRV-019")
    assert server.beside == set(range(21, HEAD + 1))


async def test_an_answer_to_an_earlier_question_counts_for_nothing():
    """It is of this session, signed and bound: its own number tells."""
    server, t = await _opened(20, 31, 50)
    said = []

    def answer(kind, payload):
        reply = server(kind, payload)
        if kind == m.TYPE_BATCH:
            said.append(reply)
            if len(said) in (3, 7):
                return said[-2]
        return reply

    t.network.answer = answer
    for _ in range(3):
        try:
            await _session(t)
        except NetworkError as error:
            assert error.code == "NET-005"
    await _shown(server, t)
    assert server.beside == set(range(21, HEAD + 1)) and len(said) > 7


async def test_an_answer_to_a_question_is_none_to_the_batch_from_there_on():
    """The question whether the server has a record, and the batch that begins with it, have one number: what they are tells them apart."""
    server, t = await _opened(20, 31, 50)
    heard, lost = {}, []

    def answer(kind, payload):
        if kind == m.TYPE_BATCH and payload[m.BRANCH] == m.SHOWN and payload[m.FIRST_SEQ] in heard and not lost:
            lost.append(payload[m.FIRST_SEQ])
            return heard[lost[0]]  # the batch is lost, the answer to the question comes once more
        reply = server(kind, payload)
        if kind == m.TYPE_BATCH and payload[m.BRANCH] == m.ASKED:
            heard[payload[m.FIRST_SEQ]] = reply
        return reply

    t.network.answer = answer
    error = await araises(NetworkError, _session(t))
    assert error.code == "NET-005" and lost
    await _shown(server, t)
    assert server.beside == set(range(21, HEAD + 1))


async def test_where_memory_is_short_less_is_shown_at_a_time():
    server, t = await _opened(20, 31, 50)
    t.batch_bytes = 6144
    post = t.network.post

    async def poor(path, body, timeout_ms):
        if len(body) > 500:
            raise MemoryError
        return await post(path, body, timeout_ms)

    t.network.post = poor
    await _shown(server, t)
    assert server.beside == set(range(21, HEAD + 1))


async def test_a_session_that_breaks_off_loses_its_place_nowhere():
    server, t = await _opened(13, 31, 50)
    for _ in range(12):
        server.fails = 1
        try:
            await _session(t)
        except NetworkError:
            pass
    await _shown(server, t)
    assert server.beside == set(range(14, HEAD + 1))


async def test_a_server_that_was_restored_once_more_is_shown_all_anew():
    """Its head may be what it was: the copy has spoken again."""
    for common, seq in ((10, 12), (20, 31), (20, 44)):
        server, t = await _opened(20, 31, 50)
        await _shown(server, t)
        server.common, server.seq, server.beside = common, seq, set()
        await _write(t, 1)
        await _session(t)
        await _session(t)
        await _shown(server, t)
        assert server.beside == set(range(common + 1, HEAD + 2)), (common, seq)


async def test_before_an_epoch_that_may_end_here_all_is_shown_at_once():
    server, t = await _opened(5, 31, 50)
    server.commands = []
    await _session(t)
    assert server.beside == set(range(6, HEAD + 1))


async def test_lost_records_are_passed_over():
    server, t = await _opened(20, 48, 50)
    first, behind = t.journal._shelf.segments[1][1], t.journal._shelf.segments[2][1]
    del t.storage.files[sorted([name for name in t.storage.files if name.startswith("journal/")])[1]]
    await _boot(t)
    assert first > 21 and behind < 50
    await _shown(server, t)
    assert server.beside == set(range(21, first)) | set(range(behind, HEAD + 1))
