"""The relay resistance protocol (EMV Contactless Book C-2, 3.10; S3.60 to S3.65, SR1): how long the card takes for a random question.

All times in units of 100 microseconds. A card that answers faster than it says it can is no card: EMV-144. Slower than it may be, three times in
a row, or out of proportion: bits of TVR byte 5, on which the action codes decide. CDA must sign what was exchanged (`Session.relay`).
"""

from typing import TYPE_CHECKING

from protocol import apdu
from protocol.emv import state, tags
from protocol.emv.contactless.c2 import data
from protocol.errors import EmvError

if TYPE_CHECKING:
    from protocol.emv.state import Session, Steps

_TRIES = 3
_LENGTH = 10  # entropy 4, minimum 2, maximum 2, estimated transmission time 2
_MOST = 0xFFFF
_SIGNED = (data.TERMINAL_ENTROPY, data.DEVICE_ENTROPY, data.MIN_TIME, data.MAX_TIME, data.DEVICE_ESTIMATE)


def run(s: "Session") -> "Steps":
    """Exchange relay resistance data if both sides can; sets TVR byte 5. EMV-144: refused, malformed, or too fast."""
    if not data.combination(s).configuration[0] & data.RELAY_SUPPORTED:
        return
    if not s.card[tags.AIP][1] & data.AIP_RELAY:
        s.set_tvr(state.RELAY_NOT_PERFORMED, "relay-not-supported-by-card 82")
        return
    rrp = data.combination(s).rrp
    tries = 0
    while True:
        answer, measured = yield from _exchange(s, tries)
        tries += 1
        if measured < tags.number(answer[4:6]) - rrp["min_grace"]:
            raise EmvError("relay resistance failed", "EMV-144", detail="too-fast")
        if measured <= tags.number(answer[6:8]) + rrp["max_grace"] or tries == _TRIES:
            break
    s.set_tvr(state.RELAY_PERFORMED, "relay-done DF8306")
    judge(s, rrp, answer, measured)
    restore(s)


def _exchange(s: "Session", before: int) -> "Steps":
    """One EXCHANGE RELAY RESISTANCE DATA with a new unpredictable number: (the ten bytes, measured processing time). `before`: earlier ones."""
    rrp = data.combination(s).rrp
    s.un = bytes((yield ("random", 4)))
    s.terminal[tags.UN] = s.terminal[data.TERMINAL_ENTROPY] = s.un
    s.terminal[data.RELAY_COUNTER] = bytes([before])
    raw, elapsed = yield ("timed_apdu", apdu.command(0x80, 0xEA, 0, 0, s.un, 256))
    response = apdu.parse_response(raw, state.MOST_ANSWER)
    if response.sw != 0x9000:
        raise EmvError("relay resistance failed", "EMV-144", detail=f"{response.sw:04X}")
    found = tags.objects(response.data)
    if len(found) != 1 or found[0][0] != 0x80 or len(found[0][1]) != _LENGTH:
        raise EmvError("relay resistance failed", "EMV-144", detail="80")
    answer = found[0][1]
    measured = processing_time(rrp, elapsed, tags.number(answer[8:10]))
    for tag, value in (
        (data.DEVICE_ENTROPY, answer[:4]), (data.MIN_TIME, answer[4:6]), (data.MAX_TIME, answer[6:8]), (data.DEVICE_ESTIMATE, answer[8:10]),
        (data.MEASURED, min(measured, _MOST).to_bytes(2, "big")),
    ):  # fmt: skip
        s.terminal[tag] = value
    return answer, measured


def processing_time(rrp: dict, elapsed: int, estimate: int) -> int:
    """What is left of `elapsed` without the transmission of command and response (SR1.18), never negative."""
    left = elapsed - rrp["command_ms10"] - min(estimate, rrp["response_ms10"])
    return left if left > 0 else 0


def judge(s: "Session", rrp: dict, answer: bytes, measured: int) -> None:
    """The two bits of TVR byte 5 that the last exchange deserves (SR1.28 to SR1.31)."""
    low, high, estimate = tags.number(answer[4:6]), tags.number(answer[6:8]), tags.number(answer[8:10])
    if measured > high + rrp["max_grace"]:
        s.set_tvr(state.RELAY_TIME_LIMITS, "relay-too-slow DF8306 DF8304")
    expected = rrp["response_ms10"]
    mismatch = not estimate or not expected
    mismatch = mismatch or estimate * 100 < rrp["threshold"] * expected or expected * 100 < rrp["threshold"] * estimate
    if mismatch or measured - low > rrp["accuracy"]:
        s.set_tvr(state.RELAY_THRESHOLD, "relay-out-of-proportion DF8305 DF8306 DF8303")


def restore(s: "Session") -> None:
    """Put together what CDA must have signed, from the data objects: empty without an exchange."""
    s.relay = b""
    if data.DEVICE_ENTROPY in s.terminal:
        s.relay = b"".join([s.terminal[tag] for tag in _SIGNED])
