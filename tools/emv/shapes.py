"""What the fields of a recording have to look like before the kernel sees them: a recording is made by anybody's hands.

Raises ConfigError CFG-094 naming the field and its form; never repeats what stands there.
"""

import re
from typing import Any

from protocol.errors import ConfigError

_DIGITS = {0x9F02: 6, 0x9A: 3, 0x9F21: 3, 0x5F2A: 2, 0x9F1A: 2, 0x9F41: 4}  # numeric data objects and their bytes
_BYTES = {
    0x9C: 1, 0x9F37: 4, 0x9F33: 3, 0x9F40: 5, 0x9F09: 2, 0x9F1B: 4, 0x9F35: 1, 0x9F66: 4, 0x9F1C: 8, 0x9F16: 15, 0x9F1E: 8,
}  # fmt: skip
_REGISTERS = {"tvr": 5, "tsi": 2, "cvm_results": 3}
_FACTS = {  # what else a trace says of the result: its form in words and as a pattern
    "aid": ("an application identifier in hexadecimal", re.compile(r"(?:(?:[0-9A-Fa-f]{2}){5,16})?")),
    "interface": ("contact or contactless", re.compile("contact|contactless")),
    "reason": ("a code", re.compile(r"[ -~]{0,20}")),
    "oda": ("a short word", re.compile(r"[a-z]{0,8}")),
    "cid": ("one byte in hexadecimal", re.compile(r"[0-9A-Fa-f]{2}")),
    "label": ("at most 32 ASCII characters", re.compile(r"[ -~]{0,32}")),
    "last4": ("at most four digits", re.compile(r"[0-9]{0,4}")),
    "arc": ("two characters, or none", re.compile(r"([ -~]{2})?")),
    "auth_code": ("at most eight ASCII characters", re.compile(r"[ -~]{0,8}")),
    "script_results": ("five bytes a script in hexadecimal", re.compile(r"([0-9A-Fa-f]{10})*")),
    "detail": ("a short text of ASCII characters", re.compile(r"[ -~]{0,80}")),
}
_ANSWER = re.compile(r"[ -~]{0,8}")
_LINE = re.compile(r"[ -~]{0,80}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})*")


def check(recording: dict[str, Any], name: str) -> None:
    """The terminal's data, the issuer's reply, numbers, times, registers and decision of a recording whose steps are read."""
    for tag, value in recording["terminal"].items():
        _expect(0 < tag < 1 << 24, name, "a tag under terminal", "one to three bytes in hexadecimal")
        _expect(_object(tag, value), name, f"terminal {tag:02X}", _form(tag))
    registers(recording, name)
    for field, (form, pattern) in _FACTS.items():
        _expect(_is_text(recording.get(field, ""), pattern) or field not in recording, name, field, form)
    _expect(isinstance(recording.get("cda_ok", False), bool), name, "cda_ok", "true or false")
    _expect(_is_count(recording.get("atc", 0)), name, "atc", "a number")
    _expect(recording.get("kernel", 0) in range(8), name, "kernel", "a number from 0 to 7")
    _expect(
        _all(recording.get("explain", []), _is_pair), name, "explain", "a list of [what, why], ASCII characters only"
    )
    numbers, times = recording.get("random", []), recording.get("elapsed", [])
    _expect(_all(numbers, lambda n: _is_hex(n) and n != ""), name, "random", "a list of numbers in hexadecimal")
    first = numbers[0] if numbers else "00000000"
    _expect(len(first) == 8, name, "random", "its first number has four bytes")
    _expect(_all(times, _is_count), name, "elapsed", "a list of times in units of 100 microseconds")
    _expect(_all(recording.get("choices", []), _is_count), name, "choices", "a list of positions, from 0")
    _expect("outcome" not in recording or recording["outcome"] in (1, 2, 3, 4), name, "outcome", "1, 2, 3 or 4")
    _reply(recording.get("online"), name)


def _reply(reply: Any, name: str) -> None:
    """What the issuer answered: absent, sent without an answer, or a response code with data."""
    if reply is None:
        return
    _expect(isinstance(reply, dict), name, "online", '{"arc": two characters, "data": hex} or {"sent": true}')
    _expect(reply.get("sent", False) in (True, False), name, "online sent", "true or false")
    code = reply.get("arc", "" if reply.get("sent") else None)
    _expect(_is_text(code, _ANSWER), name, "online arc", "two characters")
    _expect(_is_hex(reply.get("data", "")), name, "online data", "hexadecimal")
    _expect(_is_text(reply.get("auth_code", ""), _ANSWER), name, "online auth_code", "up to eight ASCII characters")
    unknown = set(reply) - {"sent", "arc", "data", "auth_code"}
    _expect(not unknown, name, "online", "no fields but sent, arc, data, auth_code")


def registers(entry: dict[str, Any], name: str) -> None:
    """TVR, TSI and CVM results, where a recording or an event has them."""
    for field, size in _REGISTERS.items():
        form = f"{size} bytes in hexadecimal"
        _expect(field not in entry or _is_hex(entry[field], (0, size)), name, field, form)


def _is_text(value: Any, pattern: "re.Pattern[str]") -> bool:
    return isinstance(value, str) and bool(pattern.fullmatch(value))


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_is_text(word, _LINE) for word in value)


def _object(tag: int, value: bytes) -> bool:
    if tag in _DIGITS:
        return len(value) == _DIGITS[tag] and value.hex().isdigit()
    return len(value) == _BYTES.get(tag, len(value))


def _form(tag: int) -> str:
    size = _DIGITS.get(tag) or _BYTES.get(tag)
    return f"{size} bytes, digits only" if tag in _DIGITS else f"{size} bytes"


def _is_hex(value: Any, sizes: tuple[int, ...] = ()) -> bool:
    return isinstance(value, str) and bool(_HEX.fullmatch(value)) and (not sizes or len(value) // 2 in sizes)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 32


def _all(value: Any, holds: Any) -> bool:
    return isinstance(value, list) and all(holds(entry) for entry in value)


def _expect(holds: bool, name: str, field: str, form: str) -> None:
    if not holds:
        raise ConfigError(f"{name}: {field} is malformed", "CFG-094", f"it has to be: {form}")
