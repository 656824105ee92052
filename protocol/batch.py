"""The records of a batch as one byte string: of each is told only how it differs from what the ones before let one expect.

Both sides keep a `Course` of the batch. It remembers, by kind, up to four records used last as a base, and the last case, payment and
amount spoken of. Of the commonest kinds there is a base from the beginning, which has keys and no values (`_KEYS`). A record is then

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
beside the record are never told. Common keys follow as in `protocol.wire.restore`, which puts them back: a batch of release 0.1.0 is
a list of maps that goes there directly. Hashes cover the restored record, so whoever expects something else notices at once.

Errors are FormatError FMT-081, and those of `protocol.cbor`. Holds no keys and does no I/O.
"""

from protocol import cbor
from protocol import records as r
from protocol.errors import FormatError

TIME = 0x20
DIFFERENCES = 0x40
OWN = 0x80
_KINDS = 0x20
_REMOVED = 0  # own key
_BODY = 20
_SAME = (r.V, r.CLOCK, r.OFFICER, r.UNIT)
_DIGESTS = (r.SEALED, r.PRIVATE)
_SPOKEN_OF = (r.CASE, r.INTENT, r.AMOUNT)
_BASES = 4
_BESIDE = 4
_FIRST_KEY = 3  # bits before those of the keys
_KEYS = {
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
_NOTHING = object()  # expected


def _number(value: object) -> "int | None":
    return value if isinstance(value, int) and not isinstance(value, bool) and -_MOST < value < _MOST else None


def _body_keys(record: dict) -> "list[int]":
    return sorted([key for key in record if key >= _BODY and key not in _DIGESTS])


class Course:
    """What the records told so far let one expect of the next. `device` is the batch's."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._bases: "dict[int, list[dict]]" = {}
        self._last: "dict[int, int]" = {}
        self.previous: "dict | None" = None

    def bases(self, kind: int) -> "list[dict]":
        """Records that one of this kind may be told by, the one used last first."""
        if kind not in self._bases and kind in _KEYS:
            self._bases[kind] = [dict([(key, _NOTHING) for key in _KEYS[kind]])]
        return self._bases.get(kind, [])

    def expected(self, kind: int, base: dict, key: int, case: object) -> object:
        """What body key `key` is expected to be, if anything. `case` is the record's, once it is known."""
        if key == r.PV:
            number = _number(case)
            return _NOTHING if number is None else self._device[-6:] + "-%05d" % number
        if key not in _SPOKEN_OF or (key == r.AMOUNT and kind == r.NOTICE):
            return base[key]
        last = self._last.get(key, _NOTHING)
        return last + 1 if key == r.CASE and kind == r.NOTICE and last is not _NOTHING else last

    def go_on(self, record: dict, at: int, beside: bool) -> None:
        """Go on after a restored record, which was told by base `at`; `beside` keeps that one too."""
        kind = record[r.KIND]
        found = self._bases.setdefault(kind, [])
        if found and not beside:
            del found[at]
        found.insert(0, record)
        del found[_BASES:]
        for key in _SPOKEN_OF:
            number = _number(record.get(key))
            if number is not None:
                self._last[key] = number
        if kind == r.PAYMENT_INTENT:
            self._last[r.INTENT] = record[r.SEQ]
        self.previous = record


def _same(one: object, other: object) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _header(record: dict, previous: "dict | None") -> dict:
    """The common keys that do not follow from the record before; the time of the first record only."""
    own = {}
    if not 0 < record[r.KIND] < _KINDS:
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
    place = 1
    for key in _body_keys(base):
        if key not in record:
            removed.append(key)
        elif not _same(course.expected(record[r.KIND], base, key, record.get(r.CASE)), record[key]):
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
        if key >= _BODY and key not in attached and (base is None or key in _DIGESTS or key not in base):
            own[key] = record[key]
            count += 1
    if removed:
        own[_REMOVED] = bytes(removed)
    beside = base is not None and (
        count + len(removed) > _MANY or not _same(base.get(r.OFFENCE), record.get(r.OFFENCE))
    )
    said = bits << _FIRST_KEY | (_BESIDE if beside else 0) | at
    return cbor.encode(said) + values if said else b"", cbor.encode(own) if own else b"", beside


def tell(course: Course, record: dict, attached: "list | tuple" = ()) -> bytes:
    """`record` in as few bytes as the better base allows, and the course gone on. `attached`: keys of the digests whose blobs
    travel beside it.
    """
    kind = record[r.KIND]
    plain = 0 < kind < _KINDS
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
    course.go_on(record, chosen[0], chosen[1])
    return bytes((lead,)) + time + differences + own


class Told:
    """One record as it was heard: `item` for `protocol.wire.restore`; `at` and `beside` for `Course.go_on`; `end` the offset after it."""

    def __init__(self, item: dict, at: int, beside: bool, end: int) -> None:
        self.item = item
        self.at = at
        self.beside = beside
        self.end = end


def hear(course: Course, data: bytes, start: int, digests: dict, take=cbor.decode_prefix) -> Told:  # noqa: ANN001 - (data, offset) -> (value, offset)
    """The record that begins at `start`. `digests` {key: SHA-256} of the blobs beside it. Raises FormatError."""
    lead = data[start]
    kind, end = lead & (_KINDS - 1), start + 1
    item: dict = {}
    at = said = 0
    if kind:
        item[r.KIND] = kind
    if lead & TIME:
        item[r.UTC], end = take(data, end)
        if not isinstance(item[r.UTC], int) or not item[r.UTC] or item[r.UTC] is True or course.previous is None:
            raise FormatError("told record's time is none", "FMT-081")
    bases = course.bases(kind)
    if lead & DIFFERENCES:
        said, end = take(data, end)
        if not _number(said) or said < 0:
            raise FormatError("told record's differences are none", "FMT-081")
        at = said & (_BASES - 1)
        if at >= len(bases):
            raise FormatError("told record differs from none that was told", "FMT-081")
    own: dict = {}
    if bases:
        end = _differ(course, item, bases[at], said >> _FIRST_KEY, data, end, take)
    if lead & OWN:
        own, end = take(data, end)
    _add(item, own)
    for key in digests:
        if key not in item:
            item[key] = digests[key]
    return Told(item, at, bool(said & _BESIDE), end)


def _differ(course: Course, item: dict, base: dict, bits: int, data: bytes, end: int, take) -> int:  # noqa: ANN001
    """Put the base's keys into `item`, those of `bits` with their told values; the offset after those."""
    kind = item[r.KIND]
    for key in _body_keys(base):
        if bits & 1:
            item[key], end = take(data, end)
        else:
            item[key] = course.expected(kind, base, key, item.get(r.CASE))
        bits >>= 1
    if bits:
        raise FormatError("told record differs in a key that its base has not", "FMT-081")
    return end


def _add(item: dict, own: object) -> None:
    """Put a record's own fields into `item`, and take those away that it lacks."""
    if not isinstance(own, dict):
        raise FormatError("told record's own fields are none", "FMT-081")
    removed = own.pop(_REMOVED, b"")
    if not isinstance(removed, bytes):
        raise FormatError("told record's list of absent keys is none", "FMT-081")
    for key in removed:
        if key < _BODY or item.pop(key, removed) is removed:
            raise FormatError("told record lacks what its base has not", "FMT-081", detail=key)
    for key in own:
        if key in item:
            raise FormatError("told record says a field twice", "FMT-081", detail=key)
        item[key] = own[key]
    for key in item:
        if item[key] is _NOTHING:
            raise FormatError("told record leaves out what was not said", "FMT-081", detail=key)
    if _number(item.get(r.KIND)) is None:
        raise FormatError("told record has no kind", "FMT-081")
