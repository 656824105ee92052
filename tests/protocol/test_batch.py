"""The records of a batch are told in few bytes and heard as they were, whatever they hold."""

from protocol import batch, cbor, wire
from protocol import records as r
from protocol.errors import FormatError
from tests.support import told
from tests.support.dual import raises, record

DEVICE = "TSD-000001"


def _hash(data):
    """No hash, but another value for other bytes: what is told does not depend on what it is."""
    return bytes((len(data) & 255, sum(data) & 255)) + bytes(30)


def _chain(bodies, start=1700000000):
    """Whole records of [(kind, body, changes of common keys)], from sequence 1 on."""
    out, count, total, before, utc, counter = [], 0, 0, bytes(32), start, 0
    officer, unit, version, clock = 0, "", 1, 1
    for kind, body, change in bodies:
        utc += change.get(r.UTC, 0)
        counter = change.get(r.COUNTER, counter + 1)
        officer, unit = change.get(r.OFFICER, officer), change.get(r.UNIT, unit)
        version, clock = change.get(r.V, version), change.get(r.CLOCK, clock)
        one = {
            r.V: version, r.DEVICE: DEVICE, r.EPOCH: 1, r.SEQ: len(out) + 1, r.PREV: before, r.COUNTER: counter, r.CUM_COUNT: 0,
            r.CUM_TOTAL: 0, r.UTC: utc, r.CLOCK: clock, r.KIND: kind, r.OFFICER: officer, r.UNIT: unit,
        }  # fmt: skip
        one.update(body)
        step = r.approved_step(one)
        count, total = count + step[0], total + step[1]
        one[r.CUM_COUNT], one[r.CUM_TOTAL] = count, total
        out.append(one)
        before = _hash(cbor.encode(one))
    return out


def _told(records, blobs=None):
    """What is told of each record; checks that they are heard as they were."""
    blobs = blobs or {}
    course = batch.Course(DEVICE)
    out = [batch.tell(course, records[at], list(blobs.get(at, {}))) for at in range(len(records))]
    head = {
        r.DEVICE: DEVICE, r.EPOCH: 1, r.SEQ: records[0][r.SEQ], r.PREV: records[0][r.PREV], r.CUM_COUNT: 0, r.CUM_TOTAL: 0,
    }  # fmt: skip
    assert told.heard(b"".join(out), head, blobs, _hash) == records
    return out


def _fine(case, intent, card, amount=200000, outcome=1, token=b""):
    """The records of one fine; the intent has sequence `intent`."""
    pv = "000001-%05d" % case
    paid = {
        r.CASE: case, r.INTENT: intent, r.AMOUNT: amount, r.OUTCOME: outcome, r.AID: b"\xf0\0\0TD" + bytes((outcome,)),
        r.SCHEME: "CIB" if outcome == 1 else "EDAHABIA", r.REASON: "Y1" if outcome == 1 else "DEFERRED",
        r.TVR: bytes((0, 0, 0, outcome * 64, 0)), r.CID: 64 * outcome, r.LAST4: "%04d" % card, r.CRYPTOGRAM: bytes((card, intent)) * 4,
        r.ATC: card, r.CARD_TOKEN: bytes((card,)) * 8, r.SEALED: bytes((case,)) * 32,
    }  # fmt: skip
    return [
        (r.LICENCE_READ, {r.VERDICT: 2, r.LICENCE_TOKEN: bytes((case,)) * 8, r.FINDINGS: []}, {r.UTC: 2}),
        (
            r.NOTICE,
            {r.CASE: case, r.PV: pv, r.OFFENCE: "66/D-24", r.AMOUNT: amount, r.PRIVATE: bytes((case,)) * 32},
            {r.UTC: 5},
        ),
        (r.PAYMENT_INTENT, {r.CASE: case, r.AMOUNT: amount}, {r.UTC: 1}),
        (r.PAYMENT_OUTCOME, paid, {r.UTC: 2}),
        (r.RECEIPT_PRINTED, {r.CASE: case, r.COPY: 1}, {r.UTC: 4}),
        (r.CASE_CLOSED, {r.CASE: case, r.CLOSURE: outcome}, {}),
    ]


def _shift(fines):
    bodies = [(r.SHIFT_OPENED, {r.SHIFT: 1}, {r.OFFICER: 7, r.UNIT: "U-16"})]
    blobs = {}
    for number in range(fines):
        first = len(bodies)
        bodies += _fine(number + 1, first + 3, number + 1, 200000 + 1000 * (number // 3), 1 + (number % 4 == 3))
        blobs[first + 1] = {r.PRIVATE: bytes((number + 1,)) * 32}
        blobs[first + 3] = {r.SEALED: bytes((number + 1,)) * 32}
    return _chain(bodies), blobs


def test_a_shift_is_heard_as_it_was_told():
    records, blobs = _shift(9)
    out = _told(records, blobs)
    sizes = [len(piece) for piece in out[1 + 6 * 8 :]]
    record("bytes", sizes)
    assert sizes[1] <= 2 and sizes[2] <= 2 and sizes[4] == 2 and sizes[5] <= 3
    assert sizes[3] <= 1 + 1 + 3 + 5 + 9 + 2 + 9  # time, differences, last digits, cryptogram, counter, token


def test_two_sorts_of_outcome_are_each_told_by_their_own():
    records, blobs = _shift(9)
    out = _told(records, blobs)
    outcomes = [len(out[4 + 6 * number]) for number in range(9)]
    assert outcomes[3] > outcomes[4]  # the first provisional one is told whole
    assert outcomes[7] <= outcomes[1] + 1 and outcomes[8] == outcomes[2]


def test_a_digest_is_told_where_its_blob_does_not_travel():
    records, blobs = _shift(3)
    whole = sum([len(piece) for piece in _told(records, blobs)])
    del blobs[4]
    assert sum([len(piece) for piece in _told(records, blobs)]) >= whole + 34


def test_a_login_after_another_is_one_byte():
    records = _chain([(r.LOGIN, {}, {}), (r.LOGIN, {}, {}), (r.LOGIN, {}, {r.UTC: 3})])
    assert [len(piece) for piece in _told(records)][1:] == [1, 2]


def test_common_keys_that_do_not_follow_are_told():
    changes = [
        {}, {r.OFFICER: 9}, {r.UNIT: "V"}, {r.V: 2}, {r.CLOCK: 0}, {r.COUNTER: 77}, {r.UTC: -100000}, {r.UTC: 1 << 33}, {},
    ]  # fmt: skip
    _told(_chain([(r.LOGIN, {}, change) for change in changes]))


def test_kinds_of_any_number():
    kinds = (1, 31, 32, 33, 200, 31, 32, 32)
    _told(_chain([(kind, {r.HEALTH: "x"}, {}) for kind in kinds]))


def test_a_report_of_another_number_and_a_case_of_another_sort():
    bodies = [
        {r.CASE: 7, r.PV: "A-7"}, {r.CASE: 7, r.PV: "A-7"}, {r.CASE: 8, r.PV: "000001-00008"}, {r.CASE: "8", r.PV: "B"},
        {r.CASE: 1 << 40}, {r.PV: "000001-00009"}, {r.CASE: True, r.PV: "000001-00001"}, {r.CASE: 1, r.PV: None}, {},
    ]  # fmt: skip
    _told(_chain([(r.NOTICE, body, {}) for body in bodies]))


def test_a_case_that_the_base_has_not_lets_no_report_follow():
    """The report's number is told before the case is heard."""
    bodies = [{r.PV: "x", r.OUTCOME: 3, r.AMOUNT: 5}, {r.CASE: 7, r.PV: "000001-00007", r.OUTCOME: 3, r.AMOUNT: 5}]
    _told(_chain([(r.AUTHORISATION_RESULT, body, {}) for body in bodies]))


def test_true_is_not_one():
    bodies = [{r.POINTS: 1}, {r.POINTS: True}, {r.POINTS: 1}, {r.POINTS: False}, {r.POINTS: 0}, {r.POINTS: None}]
    _told(_chain([(r.NOTICE, body, {}) for body in bodies]))


class _Random:
    """The same choices on every runtime."""

    def __init__(self, seed):
        self._state = seed * 7919 + 1

    def choice(self, items):
        self._state = (self._state * 75 + 74) % 65537
        return items[self._state % len(items)]


def test_whatever_records_hold():
    values = (
        0,
        1,
        24,
        -1,
        1 << 40,
        "",
        "a",
        "66/D-24",
        b"",
        b"\0" * 9,
        [],
        [1, "x"],
        {},
        {1: [2, 3]},
        True,
        False,
        None,
    )
    for seed in range(40):
        rng = _Random(seed)
        bodies, blobs = [], {}
        for at in range(12):
            kind = rng.choice((r.NOTICE, r.PAYMENT_INTENT, r.AUTHORISATION_RESULT, r.LICENCE_READ, 40))
            body = {rng.choice(range(20, 72)): rng.choice(values) for _ in range(rng.choice((0, 1, 4, 12)))}
            if kind == r.AUTHORISATION_RESULT:
                body[r.OUTCOME], body[r.AMOUNT] = rng.choice((1, 3)), rng.choice((5, 6))
            change = {rng.choice((r.UTC, r.OFFICER, r.COUNTER)): rng.choice((1, 5, 300))}
            bodies.append((kind, body, change if rng.choice((0, 1)) else {}))
            if r.SEALED in body:
                body[r.SEALED] = bytes(32)
                blobs[at] = {r.SEALED: bytes(32)}
        _told(_chain(bodies), blobs)


def _refused(data, before=()):
    course = batch.Course(DEVICE)
    for one in before:
        batch.tell(course, one)
    error = raises(FormatError, wire.hear, course, data, 0, {})
    assert error.code == "FMT-082" or error.code.startswith("FMT-02"), error.code
    return error.code


def test_what_is_no_told_record_is_refused():
    login = _chain([(r.LOGIN, {}, {})])
    notice = _chain([(r.NOTICE, {r.CASE: 1, r.PV: "000001-00001", r.POINTS: 4}, {})])
    lead = bytes((r.NOTICE | batch.DIFFERENCES,))
    assert _refused(b"\x00") == "FMT-082"  # no kind
    assert _refused(bytes((r.LOGIN | batch.TIME, 5))) == "FMT-082"  # a difference to no record
    for time in (b"\x00", b"\x41x", b"\xf5"):
        assert _refused(bytes((r.LOGIN | batch.TIME,)) + time, login) == "FMT-082"
    assert _refused(lead + b"\x02", notice) == "FMT-082"  # no third base: the second has the usual keys
    assert _refused(bytes((r.LOGIN | batch.DIFFERENCES, 0))) == "FMT-082"  # no base at all
    for said in (b"\x20", b"\x40", b"\xf5"):
        assert _refused(lead + said, notice) == "FMT-082"
    assert _refused(lead + b"\x18\x40\x01", notice) == "FMT-082"  # a fourth key
    assert _refused(lead + b"\x08", notice) == "FMT-020"  # without the value
    own = bytes((r.NOTICE | batch.OWN,))
    for said in (
        b"\x05",
        b"\xa1\x00\x05",
        b"\xa1\x0b\x06",
        b"\xa1\x14\x01",
    ):  # no map, no list, a kind, a case twice
        assert _refused(own + said, notice) == "FMT-082", said
    for absent in (b"\x0b", b"\x15\x15", bytes((r.AMOUNT,))):
        assert _refused(own + b"\xa1\x00" + bytes((0x40 + len(absent),)) + absent, notice) == "FMT-082"
    assert _refused(own + b"\xa1\x00\x41\x14") == "FMT-082"  # absent from no base


def test_what_was_never_said_cannot_be_expected():
    """A base of which an amount is a text: nothing was spoken of that could be expected."""
    course = batch.Course(DEVICE)
    course.go_on({r.KIND: r.PAYMENT_INTENT, r.AMOUNT: "5"}, 4, 0, False)
    assert raises(FormatError, wire.hear, course, bytes((r.PAYMENT_INTENT,)), 0, {}).code == "FMT-082"
