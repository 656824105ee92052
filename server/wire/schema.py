"""The schema of records as the server accepts them: the type and range of every key, and the keys that each kind must
have.

A record of a valid device signature that breaks this is kept raw and named in the acknowledgement, never posted and
never in the way of those after it. Keys and kinds: `protocol.records`. Does not look at other records: that is
`server.ingest`.
"""

from collections.abc import Callable
from typing import Any

from protocol import records as r

U32 = 0xFFFFFFFF
MAX_TOTAL = 10**15  # centimes; also records
MAX_UTC = 253_402_300_799  # the last second of the year 9999
FAR = 1 << 40  # no step of time or counter is as long
BODY = 20  # body keys begin here, see `protocol.records`
MAX_AMOUNT = 10**12 - 1  # centimes: the twelve digits of an ISO 8583 amount
Check = Callable[[Any], bool]


NUL = "\0"  # PostgreSQL keeps no text that has one, so there is none anywhere


class _Range:
    """A type and the range of its value, or of its length; a text has no NUL. `problem` looks at these itself: a call costs more."""

    def __init__(self, kind: type, low: int, high: int) -> None:
        self.kind, self.low, self.high = kind, low, high

    def __call__(self, value: Any) -> bool:
        fits = type(value) is self.kind and self.low <= (value if self.kind is int else len(value)) <= self.high
        return fits and (self.kind is not str or NUL not in value)


def text(value: Any, high: int) -> bool:
    """Whether it is a text of at most `high` characters that any database keeps."""
    return isinstance(value, str) and len(value) <= high and NUL not in value


def _uint(low: int = 0, high: int = U32) -> Check:
    return _Range(int, low, high)


def _text(high: int, low: int = 0) -> Check:
    return _Range(str, low, high)


def _bytes(low: int, high: int = 0) -> Check:
    return _Range(bytes, low, high or low)


def _codes(v: Any) -> bool:
    return isinstance(v, list) and len(v) <= 32 and all(text(code, 16) for code in v)


def _auth_code(v: Any) -> bool:
    """An issuer's approval code: ISO 8583 field 38 holds printable ASCII."""
    return isinstance(v, str) and len(v) <= 8 and v.isascii() and (v.isprintable() or not v)


def _token(v: Any) -> bool:
    """A keyed hash: 8 bytes, or 16 from a terminal that was not updated."""
    return type(v) is bytes and len(v) in (8, 16)


def _totals(v: Any) -> bool:
    return (
        isinstance(v, dict)
        and len(v) <= 8
        and all(
            _uint()(key) and isinstance(pair, list) and len(pair) == 2 and all(_uint(0, 10**15)(n) for n in pair)
            for key, pair in v.items()
        )
    )


FIELDS: dict[int, Check] = {
    r.V: _uint(1, 255),
    r.DEVICE: _text(32, 1),
    r.EPOCH: _uint(),
    r.SEQ: _uint(1),
    r.PREV: _bytes(32),
    r.COUNTER: _uint(),
    r.CUM_COUNT: _uint(),
    r.CUM_TOTAL: _uint(0, MAX_TOTAL),
    r.UTC: _uint(0, MAX_UTC),
    r.CLOCK: _uint(0, 2),
    r.KIND: _uint(1, 255),
    r.OFFICER: _uint(),
    r.UNIT: _text(32),
    r.CASE: _uint(1),
    r.PV: _text(48, 1),
    r.OFFENCE: _text(32, 1),
    r.TARIFF: _uint(),
    r.AMOUNT: _uint(0, MAX_AMOUNT),
    r.POINTS: _uint(0, 99),
    r.VERDICT: _uint(1, 7),
    r.LICENCE_TOKEN: _token,
    r.FINDINGS: _codes,
    r.OUTCOME: _uint(1, 4),
    r.REASON: _text(64),
    r.INTENT: _uint(1),
    r.AID: _bytes(5, 16),
    r.LAST4: _text(4),
    r.SCHEME: _text(32),
    r.TVR: _bytes(5),
    r.CID: _uint(0, 255),
    r.CRYPTOGRAM: _bytes(8),
    r.ATC: _uint(0, 65535),
    r.AUTH_CODE: _auth_code,
    r.SEALED: _bytes(32),
    r.TOKEN: _bytes(8),
    r.DISPOSITION: _uint(1, 3),
    r.COPY: _uint(1, 3),
    r.WILAYA: _uint(1, 69),
    r.FORCE: _uint(1, 2),
    r.CARD_TOKEN: _token,
    r.ACQUIRER_REF: _text(16),
    r.SET_KIND: _text(16, 1),
    r.SET_VERSION: _uint(),
    r.CLOSURE: _uint(1, 5),
    r.PRIVATE: _bytes(32),
    r.PLACE: _text(80),
    r.TOTALS: _totals,
    r.SHIFT: _uint(),
    r.HEALTH: _text(64),
    r.FIRST: _uint(1),
    r.ONLINE: _uint(1, 2),
    r.INTERFACE: _uint(1, 2),
    r.HOLDER: _uint(1, 6),
    r.INTENTS: lambda v: isinstance(v, list) and 1 <= len(v) <= 64 and all(_uint(1)(n) for n in v),
    r.RECEIPT: _bytes(32),
    r.SECOND_OFFICER: _uint(1),
    r.VOID_STATE: _uint(1, 3),
    r.GAP_LAST: _uint(1),
    r.GAP_HASH: _bytes(32),
    r.GAP_COUNT: _uint(),
    r.GAP_TOTAL: _uint(0, 10**15),
    r.GAP_ONCE: _uint(),
    r.SCRIPT_RESULTS: lambda v: isinstance(v, bytes) and 0 < len(v) <= r.MOST_SCRIPT_RESULTS and len(v) % 5 == 0,
}

REQUIRED: dict[int, tuple[int, ...]] = {
    r.PROVISIONED: (),
    r.SHIFT_OPENED: (),
    r.SHIFT_CLOSED: (r.TOTALS,),
    r.LOGIN: (),
    r.LICENCE_READ: (r.VERDICT,),
    r.NOTICE: (r.CASE, r.PV, r.OFFENCE, r.AMOUNT),
    r.ACKNOWLEDGED: (),
    r.PAYMENT_INTENT: (r.CASE, r.AMOUNT),
    r.PAYMENT_OUTCOME: (r.INTENT, r.OUTCOME, r.AMOUNT),
    r.AUTHORISATION_RESULT: (r.INTENT, r.OUTCOME, r.AMOUNT),
    r.VOID: (r.INTENT, r.AMOUNT, r.VOID_STATE),
    r.LICENCE_DISPOSITION: (r.DISPOSITION,),
    r.RECEIPT_PRINTED: (),
    r.OUTAGE_BEGIN: (),
    r.OUTAGE_END: (),
    r.PARAMETERS_APPLIED: (r.SET_KIND, r.SET_VERSION),
    r.FIRMWARE_EVENT: (),
    r.HEALTH_EVENT: (r.HEALTH,),
    r.NEW_EPOCH: (),
    r.GAP: (r.FIRST, r.GAP_LAST),
    r.CASE_CLOSED: (r.CLOSURE,),
    r.CARD_DATA_ERASED: (r.INTENTS, r.RECEIPT),
}

_PLAIN = {key: (check.kind, check.low, check.high) for key, check in FIELDS.items() if isinstance(check, _Range)}
_NEEDED = {kind: frozenset(keys) for kind, keys in REQUIRED.items()}
_MORE = (r.VOID, r.CASE_CLOSED, r.PAYMENT_OUTCOME)  # kinds of which more is asked
COMMON = frozenset(
    (r.V, r.DEVICE, r.EPOCH, r.SEQ, r.PREV, r.COUNTER, r.CUM_COUNT, r.CUM_TOTAL, r.UTC, r.CLOCK, r.KIND, r.OFFICER, r.UNIT)
)  # fmt: skip
_INT = {int}
_CARD_USED = (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL)


def known(record: dict[int, Any]) -> bool:
    """Whether this server knows the record's schema version and kind."""
    return record.get(r.V) == r.SCHEMA and record.get(r.KIND) in REQUIRED


def _misfit(record: dict[int, Any], low: int = 0) -> int | None:
    """The first key from `low` on that is unknown or out of range."""
    for key, value in record.items():
        if key < low:
            continue
        plain = _PLAIN.get(key)
        if plain is not None:
            kind, least, most = plain
            if type(value) is kind and least <= (value if kind is int else len(value)) <= most:
                if kind is not str or NUL not in value:
                    continue
            return key
        check = FIELDS.get(key)
        if check is None or not check(value):
            return key
    return None


def sound(record: dict[int, Any]) -> bool:
    """Whether the keys that all records have are there and in range, and of this schema version, and nothing else is beside the body."""
    if record.get(r.V) != r.SCHEMA:
        return False
    low = 0
    for key, value in record.items():
        if key < BODY:
            plain = _PLAIN.get(key) if key in COMMON else None
            if plain is None or type(value) is not plain[0]:
                return False
            if not plain[1] <= (value if plain[0] is int else len(value)) <= plain[2]:
                return False
            if plain[0] is str and NUL in value:
                return False
            low += 1
    return low == len(COMMON)


def problem(record: dict[int, Any]) -> int | None:
    """The first key that is missing, unknown or out of range in a whole record; None if the record is in order."""
    found = _misfit(record)
    return found if found is not None else _lacks(record[r.KIND], record)


def body_problem(item: dict[int, Any]) -> int | None:
    """As `problem`, for a record whose common keys are known to be `sound`; `item` may be its wire map, where the time is a step."""
    found = _misfit(item, BODY)
    return found if found is not None else _lacks(item[r.KIND], item)


def _lacks(kind: int, body: dict[int, Any]) -> int | None:
    """The first key that a record of this kind lacks, all its keys being in range."""
    if not _NEEDED[kind] <= body.keys():
        return next(key for key in REQUIRED[kind] if key not in body)
    if kind not in _MORE:
        return None
    if kind == r.VOID and body[r.VOID_STATE] == r.VOID_ASKED:
        return next((key for key in (r.SECOND_OFFICER, r.CARD_TOKEN) if key not in body), None)
    if kind == r.CASE_CLOSED:  # a verdict that came to no notice has no case number: only abandoning ends it
        abandoned = body[r.CLOSURE] == r.CLOSURE_ABANDONED
        needed = r.REASON if abandoned else r.CASE
        return None if needed in body else needed
    if kind == r.PAYMENT_OUTCOME and body[r.OUTCOME] in _CARD_USED and r.SEALED not in body:
        return None if approved_online(body) else r.SEALED
    return None


def approved_online(record: dict[int, Any]) -> bool:
    """Whether an outcome says that the issuer approved it while the card waited: the acquirer has its card data already."""
    return record[r.OUTCOME] == r.OUTCOME_APPROVED and record.get(r.ONLINE) == r.ONLINE_ANSWERED


def restorable(wire: Any) -> bool:
    """Whether a wire map is enough of a record for `protocol.wire.restore`, which trusts the types of what it adds
    up.
    """
    if not isinstance(wire, dict) or set(map(type, wire)) - _INT:
        return False
    kind, amount = wire.get(r.KIND), wire.get(r.AMOUNT, 0)
    if type(kind) is not int or not 1 <= kind <= 255:
        return False
    for value in (wire.get(r.UTC, 0), wire.get(r.COUNTER, 0)):
        if type(value) is not int or not -FAR < value < FAR:
            return False
    if kind in (r.PAYMENT_OUTCOME, r.AUTHORISATION_RESULT):  # what is too much is a bad record, and no bad batch
        return type(wire.get(r.OUTCOME)) is int and type(wire.get(r.AMOUNT)) is int and 0 <= amount <= MAX_TOTAL
    return True
