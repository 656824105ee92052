"""The records of a batch as one byte string: of each is told only how it differs from what the ones before let one expect.

Both sides keep a `Course` of the batch. It remembers, by kind, up to four records used last as a base, and the last case, payment and
amount spoken of. Of the commonest kinds there is a base from the beginning, which has keys and no values (`KEYS`). A record is then

    head     1 byte: bits 0-4 the kind (0: it is among the own fields), bit 5 time, bit 6 differences, bit 7 own fields
    time     seconds since the record before, not 0: CBOR integer
    differences
             CBOR unsigned: bits 0-1 which base, 0 the one used last; bit 2 keep that base beside the new record, which otherwise
             takes its place; bit 3 + n: the nth body key of the base, in ascending order, has another value than the expected
             one. Then those values, CBOR, in the order of the keys
    own      CBOR map: common keys (below 20) that do not follow from the record before, body keys that the base lacks, and
             under 0 a byte string of the body keys that the base has and the record has not

The expected value of a body key is the base's, except: the case is the last one spoken of, one more in a notice; the report's number
follows from device and case; a payment's identity is the last intent's; the amount is the last one, but in a
notice the base's. Digests of blobs that travel
beside the record are never told. Device, epoch, sequence, previous hash and running totals never are; schema version, officer, unit and
clock quality follow from the record before, the secure element's counter is the next. Hashes cover the restored record, so whoever
expects something else notices at once.

Blobs of one kind resemble each other: `frame` finds what they all begin with and what they all have a few bytes further on.

The other end is `protocol.wire`. Holds no keys and does no I/O.
"""

from protocol import cbor
from protocol import records as r

TIME = 0x20
DIFFERENCES = 0x40
OWN = 0x80
KINDS = 0x20
REMOVED = 0  # own key
BODY = 20
_SAME = (r.V, r.CLOCK, r.OFFICER, r.UNIT)
_DIGESTS = (r.SEALED, r.PRIVATE)
_SPOKEN_OF = (r.CASE, r.INTENT, r.AMOUNT)
BASES = 4
_WIDEST = 8  # bytes between what blobs begin with and what else they share
BESIDE = 4
FIRST_KEY = 3  # bits before those of the keys
KEYS = {
    r.LICENCE_READ: (r.VERDICT, r.LICENCE_TOKEN, r.FINDINGS),
    r.NOTICE: (r.CASE, r.PV, r.OFFENCE, r.TARIFF, r.AMOUNT, r.POINTS, r.PLACE),
    r.ACKNOWLEDGED: (r.CASE,),
    r.PAYMENT_INTENT: (r.CASE, r.AMOUNT),
    r.PAYMENT_OUTCOME: (
        r.CASE, r.AMOUNT, r.OUTCOME, r.REASON, r.INTENT, r.AID, r.LAST4, r.SCHEME, r.TVR, r.CID, r.CRYPTOGRAM, r.ATC, r.CARD_TOKEN,
        r.HOLDER,
    ),
    r.AUTHORISATION_RESULT: (r.CASE, r.PV, r.AMOUNT, r.OUTCOME, r.REASON, r.INTENT, r.AUTH_CODE),
    r.LICENCE_DISPOSITION: (r.CASE, r.DISPOSITION),
    r.RECEIPT_PRINTED: (r.CASE, r.COPY),
    r.CASE_CLOSED: (r.CASE, r.CLOSURE),
    r.CARD_DATA_ERASED: (r.INTENTS, r.RECEIPT),
}  # fmt: skip
"""Part of the protocol: another list is another form of batch."""

_MANY = 6  # with more differences than these, or another offence, a record is another sort of its kind
_MOST = 1 << 32
NOTHING = object()  # expected


def number_of(value: object) -> "int | None":
    return value if isinstance(value, int) and not isinstance(value, bool) and -_MOST < value < _MOST else None


def body_keys(record: dict) -> "list[int]":
    return sorted([key for key in record if key >= BODY and key not in _DIGESTS])


class Course:
    """What the records told so far let one expect of the next. `device` is the batch's."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._bases: "dict[int, list[dict]]" = {}
        self._last: "dict[int, int]" = {}
        self.previous: "dict | None" = None

    def bases(self, kind: int) -> "list[dict]":
        """Records that one of this kind may be told by, the one used last first."""
        if kind not in self._bases and kind in KEYS:
            self._bases[kind] = [dict([(key, NOTHING) for key in KEYS[kind]])]
        return self._bases.get(kind, [])

    def expected(self, kind: int, base: dict, key: int, case: object) -> object:
        """What body key `key` is expected to be, if anything. `case` is the record's, once it is known."""
        if key == r.PV:
            number = number_of(case)
            return NOTHING if number is None else self._device[-6:] + "-%05d" % number
        if key not in _SPOKEN_OF or (key == r.AMOUNT and kind == r.NOTICE):
            return base[key]
        last = self._last.get(key)
        if last is None:
            return NOTHING
        return last + 1 if key == r.CASE and kind == r.NOTICE else last

    def go_on(self, record: dict, seq: int, at: int, beside: bool) -> None:
        """Go on after record `seq` (kind and body are enough), which was told by base `at`; `beside` keeps that one too."""
        kind = record[r.KIND]
        found = self._bases.setdefault(kind, [])
        if found and not beside:
            del found[at]
        found.insert(0, record)
        if len(found) > BASES:
            found.pop()
        for key in _SPOKEN_OF:
            number = number_of(record.get(key))
            if number is not None:
                self._last[key] = number
        if kind == r.PAYMENT_INTENT:
            self._last[r.INTENT] = seq
        self.previous = record


def _same(one: object, other: object) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _header(record: dict, previous: "dict | None") -> dict:
    """The common keys that do not follow from the record before; the time of the first record only."""
    own = {}
    if not 0 < record[r.KIND] < KINDS:
        own[r.KIND] = record[r.KIND]
    for key in _SAME:
        if previous is None or previous[key] != record[key]:
            own[key] = record[key]
    if previous is None or record[r.COUNTER] != previous[r.COUNTER] + 1:
        own[r.COUNTER] = record[r.COUNTER]
    if previous is None:
        own[r.UTC] = record[r.UTC]
    return own


def _by_base(course: Course, record: dict, base: dict) -> "tuple[int, int, bytes, list[int]]":
    """(bits of the keys that differ, how many, their values, keys of the base that the record lacks)."""
    bits = count = 0
    values = bytearray()
    removed = []
    case = record.get(r.CASE) if r.CASE in base else None  # the other end has nothing but the base's keys by then
    place = 1
    for key in body_keys(base):
        if key not in record:
            removed.append(key)
        elif not _same(course.expected(record[r.KIND], base, key, case), record[key]):
            bits |= place
            count += 1
            values.extend(cbor.encode(record[key]))
        place <<= 1
    return bits, count, bytes(values), removed


def _parts(
    course: Course, record: dict, attached: "list | tuple", at: int, base: "dict | None"
) -> "tuple[bytes, bytes, bool]":
    """(differences, own fields, keep the base beside) of `record` told by a base."""
    own = _header(record, course.previous)
    bits, count, values, removed = (0, 0, b"", []) if base is None else _by_base(course, record, base)
    for key in record:
        if key >= BODY and key not in attached and (base is None or key in _DIGESTS or key not in base):
            own[key] = record[key]
            count += 1
    if removed:
        own[REMOVED] = bytes(removed)
    beside = base is not None and (
        count + len(removed) > _MANY or not _same(base.get(r.OFFENCE), record.get(r.OFFENCE))
    )
    said = bits << FIRST_KEY | (BESIDE if beside else 0) | at
    return cbor.encode(said) + values if said else b"", cbor.encode(own) if own else b"", beside


def tell(course: Course, record: dict, attached: "list | tuple" = ()) -> bytes:
    """`record` in as few bytes as the better base allows, and the course gone on. `attached`: keys of the digests whose blobs
    travel beside it.
    """
    kind = record[r.KIND]
    plain = 0 < kind < KINDS
    bases = course.bases(kind) if plain else []
    told = None
    chosen = (0, False)
    for at in range(max(1, len(bases))):
        differences, own, beside = _parts(course, record, attached, at, bases[at] if bases else None)
        if told is None or len(differences) + len(own) < len(told[0]) + len(told[1]):
            told, chosen = (differences, own), (at, beside)
    differences, own = told  # type: ignore[misc] - there is always one way
    lead = kind if plain else 0
    time = b""
    if course.previous is not None and record[r.UTC] != course.previous[r.UTC]:
        time = cbor.encode(record[r.UTC] - course.previous[r.UTC])
    lead |= (TIME if time else 0) | (DIFFERENCES if differences else 0) | (OWN if own else 0)
    course.go_on(record, record[r.SEQ], chosen[0], chosen[1])
    return bytes((lead,)) + time + differences + own


def _alike(blobs: "list[bytes]", start: int) -> bytes:
    """What all blobs have from `start` on."""
    first = blobs[0]
    end = min([len(blob) for blob in blobs])
    size = start
    while size < end and all([blob[size] == first[size] for blob in blobs]):
        size += 1
    return first[start:size]


def frame(blobs: "list[bytes]") -> list:
    """[beginning, gap, middle] that two blobs or more share: `middle` follows `gap` bytes after `beginning`. Of fewer, nothing."""
    if len(blobs) < 2:
        return []
    begin = _alike(blobs, 0)
    best = [begin, 0, b""]
    for gap in range(1, _WIDEST + 1):
        middle = _alike(blobs, len(begin) + gap)
        if len(middle) > len(best[2]):
            best = [begin, gap, middle]
    return best


def strip(shared: list, blob: bytes) -> bytes:
    """`blob` without what it has in common with the others, as `frame` found it."""
    at = len(shared[0])
    return blob[at : at + shared[1]] + blob[at + shared[1] + len(shared[2]) :]
