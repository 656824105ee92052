"""Records that are lost for good are told to the server; a terminal that cannot go on begins the epoch that the centre approved."""

from protocol import records as r
from protocol import sync as m
from protocol.errors import JournalError, ServerError
from terminal import renewal
from terminal.sync import Sync
from tests.support import told
from tests.support.centre import DEVICE, Handheld, quiet, signed

SEGMENT = "journal/000001.seg"
WELCOME = {m.ACKED_SEQ: 0, m.ACKED_HASH: bytes(32), m.SERVER_UTC: 1700000100, m.RETRY_AFTER: 0}


class _Server:
    """Acknowledges whatever follows what it holds, or what follows a gap that begins there."""

    def __init__(self):
        self.seq = 0
        self.hash = bytes(32)
        self.batches = []
        self.commands = []

    def __call__(self, kind, payload):
        if kind == m.TYPE_HELLO:
            said = dict(WELCOME)
            said[m.ACKED_SEQ], said[m.ACKED_HASH] = self.seq, self.hash
            if self.commands:
                said[m.COMMANDS] = self.commands
            return m.TYPE_WELCOME, said
        first = payload[m.FIRST_SEQ]
        self.batches.append((payload.get(m.GAP), first, told.count(payload)))
        assert self.seq + 1 in (first, payload.get(m.GAP))
        self.seq = first + told.count(payload) - 1
        self.hash = self.head(self.seq)
        return m.TYPE_ACK, {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash}


def _attach(t, server):
    def head(seq):
        return t.crypto.sha256(t.journal.record_at(seq)[1])

    server.head = head


async def _filled(server, count):
    t = Handheld(server)
    _attach(t, server)
    await t.journal.open()
    ends = []
    for number in range(count):
        await t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "n%d" % number})
        ends.append(t.storage.size(SEGMENT))
    return t, ends


def _spoil(storage, position):
    data = bytearray(storage.files[SEGMENT])
    data[position] ^= 4
    storage.files[SEGMENT] = bytes(data)


def _lose(t, seqs):
    for seq in seqs:
        data = t.journal.record_at(seq)[1]
        for name in sorted(t.storage.files):
            t.storage.files[name] = t.storage.files[name].replace(data, bytes(len(data)))


async def test_a_lost_record_ends_one_batch_and_is_named_by_the_next():
    server = _Server()
    t, ends = await _filled(server, 8)
    _spoil(t.storage, ends[3] + 30)  # record 5
    again = Handheld(server, t.storage, t.se)
    _attach(again, server)
    await again.journal.open()
    session = Sync(again, quiet)
    await session.run()
    assert server.batches == [(None, 1, 4), (5, 6, 4)]  # 6, 7, 8 and the gap record
    last = again.journal.record_at(9)[0]
    assert (last[r.KIND], last[r.FIRST], last[r.GAP_LAST]) == (r.GAP, 5, 5)
    assert again.journal.acked_seq == 9


async def test_a_record_lost_after_the_boot_is_declared_when_it_is_missed():
    server = _Server()
    t, ends = await _filled(server, 8)
    _spoil(t.storage, ends[3] + 30)
    await Sync(t, quiet).run()
    assert server.batches[:2] == [(None, 1, 4), (5, 6, 3)]
    last = t.journal.record_at(9)[0]
    assert (last[r.KIND], last[r.FIRST], last[r.GAP_LAST]) == (r.GAP, 5, 5)
    assert t.journal.acked_seq == 9 and ("gap", {"first": 5, "last": 5}) in t.notes
    await t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "later"})
    server.seq, server.hash = 4, server.head(4)  # restored from a backup: told again, declared once
    await Sync(t, quiet).run()
    assert [record[0][r.KIND] for record in t.journal.entries(9)] == [r.GAP, r.HEALTH_EVENT]


async def test_what_is_missed_while_sending_tells_its_money_and_who_logs_in_next():
    for lost, told_of in (((3,), (1, 500)), ((1,), (0, 0)), ((1, 2, 3), (1, 500))):
        server = _Server()
        t, ends = await _filled(server, 2)
        await t.journal.append(
            r.PAYMENT_OUTCOME, {r.CASE: 1, r.INTENT: 2, r.AMOUNT: 500, r.OUTCOME: r.OUTCOME_APPROVED}
        )
        await t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
        _lose(t, lost)
        await Sync(t, quiet).run()
        gap = t.journal.record_at(5)[0]
        assert gap[r.FIRST] == lost[0] and (gap.get(r.GAP_COUNT), gap.get(r.GAP_TOTAL)) == told_of
        assert t.journal.view.lost == (3 in lost)


async def test_missed_records_of_which_nobody_knows_the_money_are_told_until_somebody_logs_in():
    server = _Server()
    t, _ = await _filled(server, 4)
    server.seq, server.hash = 2, server.head(2)
    t.journal.hear(1700000100)
    t.journal.acknowledge(2, server.hash)
    _lose(t, (2, 3))
    await Sync(t, quiet).run()
    gap = t.journal.record_at(5)[0]
    assert (gap[r.KIND], gap[r.FIRST], gap.get(r.GAP_COUNT)) == (r.GAP, 3, None) and t.journal.view.lost
    await t.journal.append(r.LOGIN, {})
    assert not t.journal.view.lost
    t = Handheld(None, t.storage, t.se)
    await t.journal.open()
    assert t.journal.view.gaps == {2: 3, 3: 3}  # the boot names what the centre has had, too
    await t.journal.append(r.LOGIN, {})
    t = Handheld(None, t.storage, t.se)
    await t.journal.open()
    assert not t.journal.view.lost


async def test_the_result_of_a_payment_whose_notice_is_lost_names_the_report_by_its_case():
    server = _Server()
    t, _ = await _filled(server, 1)
    body = {r.CASE: 7, r.INTENT: 1, r.AMOUNT: 200000, r.OUTCOME: r.OUTCOME_PROVISIONAL}
    await t.journal.append(r.PAYMENT_OUTCOME, body, sealed=b"x")  # neither notice nor intent is there
    result = {m.RESULT_EPOCH: 1, m.RESULT_INTENT: 1, m.RESULT_OUTCOME: r.OUTCOME_APPROVED}

    def answer(kind, payload):
        said, fields = server(kind, payload)
        if kind == m.TYPE_HELLO:
            fields[m.RESULTS] = [result]
        return said, fields

    t.network.answer = answer
    session = Sync(t, quiet)
    await session.run()
    assert [(record[0][r.KIND], record[0].get(r.PV)) for record in t.journal.entries(3)] == [
        (r.AUTHORISATION_RESULT, "000001-00007")
    ]
    assert t.journal.view.releases == {1: (7, 200000, "000001-00007", r.AUTHORISATION_RESULT)}


def _command(device=DEVICE, expires=1700000200, epoch=2, seq=3, digest=bytes(32), more=()):
    approved = {1: device, 2: epoch, 3: seq, 4: digest, 5: 0, 6: 0, 7: 9}
    approved.update(more)
    approval = signed(m.TYPE_EPOCH, approved, b"epoch")
    return signed(m.TYPE_COMMAND, {1: device, 2: 1, 3: expires, 4: m.COMMAND_EPOCH, 5: approval}, b"cmd")


async def _rolled_back(server):
    t, _ = await _filled(server, 3)
    server.seq, server.hash = 3, t.journal.head_hash
    old = dict(t.storage.files)
    await t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "lost"})
    t.storage.files = old
    again = Handheld(server, t.storage, t.se)
    _attach(again, server)
    code = ""
    try:
        await again.journal.open()
    except JournalError as error:
        code = error.code
    assert code == "JRN-030"
    return again


async def test_without_an_approval_the_terminal_goes_on_waiting():
    server = _Server()
    t = await _rolled_back(server)
    try:
        await renewal.ask(t, "JRN-030")
        raise AssertionError("began")
    except JournalError as error:
        assert error.code == "JRN-034"
    kind, hello = t.network.sent[-1]
    assert (kind, hello[m.TROUBLE]) == (m.TYPE_HELLO, "JRN-030")


async def test_the_approved_epoch_is_begun_and_the_next_session_sends_its_records():
    server = _Server()
    t = await _rolled_back(server)
    server.commands = [_command(digest=server.hash)]
    t.clock.utc -= 20 * 86400
    await renewal.ask(t, "JRN-030")
    assert (t.journal.epoch, t.journal.head_seq, t.journal.view.cases) == (2, 4, 9)
    assert t.journal.last_utc == t.clock.utc == t.journal.record_at(4)[0][r.UTC] == WELCOME[m.SERVER_UTC]
    await Sync(t, quiet).run()
    assert server.batches == [(None, 4, 1)]
    assert t.network.sent[-1][1][m.EPOCH] == 2


async def test_an_exchanged_secure_element_counts_anew_in_the_epoch_that_brings_its_key():
    server = _Server()
    t, _ = await _filled(server, 3)
    server.seq, server.hash = 3, t.journal.head_hash
    again = Handheld(server, t.storage)  # with an element of its own
    _attach(again, server)
    try:
        await again.journal.open()
        raise AssertionError("opened")
    except JournalError as error:
        assert error.code == "JRN-031"
    server.commands = [_command(digest=server.hash, more={8: bytes(65)})]
    await renewal.ask(again, "JRN-031")
    assert (again.journal.epoch, again.journal.head_seq) == (2, 4)
    assert again.journal.record_at(4)[0][r.COUNTER] == await again.se.counter(0) == 1
    assert again.network.sent[0][1][m.EPOCH] == 1  # in trouble
    await Sync(again, quiet).run()
    assert server.batches == [(None, 4, 1)]
    await Handheld(server, again.storage, again.se).journal.open()


async def test_the_same_command_again_begins_nothing():
    server = _Server()
    t = await _rolled_back(server)
    server.commands = [_command(digest=server.hash)]
    await renewal.ask(t, "JRN-030")
    try:
        await renewal.ask(t, "JRN-030")
        raise AssertionError("began twice")
    except JournalError as error:
        assert error.code == "JRN-032"
    assert t.journal.epoch == 2


async def test_a_terminal_in_trouble_tells_which_epoch_it_knows_and_begins_that_one_no_more():
    for spoil in (None, b"damaged"):
        server = _Server()
        t = await _rolled_back(server)
        server.commands = [_command(digest=server.hash)]
        await renewal.ask(t, "JRN-030")
        await t.se.increment(0)
        t.storage.files["state/epoch"] = spoil or t.storage.files["state/epoch"]
        again = Handheld(server, t.storage, t.se)
        try:
            await again.journal.open()
            raise AssertionError("opened")
        except JournalError as error:
            assert error.code == "JRN-030"
        for epoch in (2, 3):
            server.commands = [_command(digest=server.hash, epoch=epoch)]
            try:
                await renewal.ask(again, "JRN-030")
                assert epoch == 3
            except JournalError as error:
                assert (epoch, error.code) == (2, "JRN-032")
            assert again.network.sent[-1][1][m.EPOCH] == 2
        assert again.journal.epoch == 3


async def test_on_a_fresh_storage_the_secure_element_tells_which_epoch_was_begun():
    server = _Server()
    t = await _rolled_back(server)
    server.commands = [_command(digest=server.hash)]
    await renewal.ask(t, "JRN-030")
    fresh = Handheld(server, None, t.se)
    for epoch in (2, 4):
        server.commands = [_command(digest=server.hash, epoch=epoch)]
        try:
            await renewal.ask(fresh, "JRN-030")
            assert epoch == 4
        except JournalError as error:
            assert (epoch, error.code) == (2, "JRN-032")
        assert fresh.network.sent[-1][1][m.EPOCH] == 2
    assert (fresh.journal.epoch, await fresh.journal.latest_epoch()) == (4, 4)
    await Handheld(server, fresh.storage, t.se).journal.open()
    assert await fresh.journal.latest_epoch() == 4


async def test_a_command_for_another_device_or_an_expired_one_is_not_obeyed():
    for change in ({"device": "TSD-000002"}, {"expires": 1700000099}):
        server = _Server()
        t = await _rolled_back(server)
        server.commands = [_command(**change)]
        try:
            await renewal.ask(t, "JRN-030")
            raise AssertionError("obeyed")
        except JournalError as error:
            assert error.code == "JRN-035"
        assert t.journal.epoch == 1


async def test_a_server_that_was_restored_is_shown_the_approval():
    server = _Server()
    t = await _rolled_back(server)
    server.commands = [_command(digest=server.hash)]
    await renewal.ask(t, "JRN-030")
    answers = [(m.TYPE_REFUSED, {m.CODE: "SRV-016"})]

    def restored(kind, payload):
        return answers.pop(0) if answers else server(kind, payload)

    server.commands = []
    t.network.answer = restored
    await Sync(t, quiet).run()
    hellos = [payload for kind, payload in t.network.sent if kind == m.TYPE_HELLO]
    assert m.APPROVAL not in hellos[-2] and hellos[-1][m.APPROVAL] == t.journal.approval()


async def test_a_terminal_in_its_first_epoch_has_nothing_to_show():
    server = _Server()
    t, _ = await _filled(server, 1)
    t.network.answer = lambda kind, payload: (m.TYPE_REFUSED, {m.CODE: "SRV-016"})
    try:
        await Sync(t, quiet).run()
        raise AssertionError("went on")
    except ServerError as error:
        assert error.code == "SRV-071"
    assert len(t.network.sent) == 1


async def test_the_digest_goes_alone_when_its_blob_is_damaged():
    server = _Server()
    t, _ = await _filled(server, 1)
    for case in (1, 2):
        body = {r.CASE: case, r.INTENT: 1, r.AMOUNT: 200000, r.OUTCOME: r.OUTCOME_APPROVED}
        await t.journal.append(r.PAYMENT_OUTCOME, body, sealed=b"sealed %d" % case)
    t.storage.files["sealed/3"] = b"spoilt"
    await Sync(t, quiet).run()
    kind, payload = t.network.sent[1]
    assert kind == m.TYPE_BATCH and payload[m.SEALED] == {1: b"sealed 1"}
    digests = [t.crypto.sha256(b"sealed %d" % case) for case in (1, 2)]
    assert [one.get(r.SEALED) for one in told.records(payload, t.journal.device, t.crypto.sha256)] == [None] + digests  # noqa: RUF005
    assert digests[0] not in payload[m.RECORDS] and digests[1] in payload[m.RECORDS]
