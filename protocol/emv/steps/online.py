"""The issuer's answer on its way to the card: authentication and scripts (EMV 4.4 Book 3, 10.9 and 10.10; Book 4, 6.3.9).

Script 71 runs before the final GENERATE AC, 72 after it; a failure sets TVR byte 5 bit 6 or bit 5. Every data object of the
issuer's answer is kept, known or not, because CDOL2 may ask for it.
"""

from typing import TYPE_CHECKING

from protocol import apdu
from protocol.emv import state, tags
from protocol.errors import EmvError, FormatError

if TYPE_CHECKING:
    from protocol.emv.state import Session, Steps

_MAX_SCRIPTS = 128  # bytes of all scripts together that a terminal must take (Book 3, 10.10)
_APPROVED = ("00", "08", "10", "11")


class Answer:
    """What the issuer said: `arc` two characters, `authentication` bytes (91), `scripts` [(71 or 72, contents)], `auth_code`."""

    def __init__(self, arc: str, authentication: bytes, scripts: "list[tuple[int, bytes]]", auth_code: str) -> None:
        self.arc = arc
        self.authentication = authentication
        self.scripts = scripts
        self.auth_code = auth_code

    @property
    def approved(self) -> bool:
        """Whether the response code approves."""
        return self.arc in _APPROVED


def read(s: "Session", reply: dict) -> Answer:
    """Take the caller's reply; EMV-102 if its response code is not two characters, EMV-101 if its TLV is none.

    `data` (the host's DE55) may hold 8A, 91, 71, 72 and anything else; `arc`, `issuer_auth` and `scripts` say the same apart.
    """
    authentication = bytes(reply.get("issuer_auth") or b"")
    scripts: "list[tuple[int, bytes]]" = []
    arc = reply.get("arc", "")
    for tag, value in tags.objects(bytes(reply.get("data") or b"") + bytes(reply.get("scripts") or b"")):
        if tag in (0x71, 0x72):
            scripts.append((tag, value))
        elif tag == tags.ISSUER_AUTHENTICATION:
            authentication = value
        elif tag == tags.ARC and not arc:
            arc = value
        elif tag not in s.terminal:
            s.terminal[tag] = value
    if not isinstance(arc, str):
        arc = "".join([chr(c) for c in arc if 0x20 < c < 0x7F])
    if len(arc) != 2:
        raise EmvError("the issuer's response code has two characters", "EMV-102", detail="8A")
    return Answer(arc, authentication, scripts, str(reply.get("auth_code") or ""))


def authenticate(s: "Session", answer: Answer) -> "Steps":
    """Hand 91 to the card: by EXTERNAL AUTHENTICATE if its AIP says so, else in CDOL2. What has not 8 to 16 bytes fails, and goes nowhere."""
    value, by_command, sw = answer.authentication, s.aip & 0x04, 0x9000
    if not value:
        return
    if by_command:
        s.set_tsi(state.ISSUER_AUTH_PERFORMED)
    if not 8 <= len(value) <= 16:
        sw = 0
    else:
        s.terminal[tags.ISSUER_AUTHENTICATION] = value
        if by_command:
            _, sw = yield from s.exchange(apdu.command(0, 0x82, 0, 0, value))
    if sw != 0x9000:
        s.set_tvr(state.ISSUER_AUTH_FAILED, "external-authenticate 91")


def scripts(s: "Session", answer: Answer, template: int) -> "Steps":
    """Run the scripts of one template (71 or 72); results (5 bytes a script, Book 4, annex A5) go to `script_results`."""
    failed = state.SCRIPT_FAILED_BEFORE if template == 0x71 else state.SCRIPT_FAILED_AFTER
    size = sum([len(contents) + 2 for _, contents in answer.scripts])
    for tag, contents in answer.scripts:
        if tag != template:
            continue
        s.set_tsi(state.SCRIPT_PERFORMED)
        try:
            if size > _MAX_SCRIPTS:
                raise EmvError("the issuer's scripts are too long", "EMV-102", detail="71")
            inner = tags.objects(contents)
            identifier = dict(inner).get(0x9F18, bytes(4))
            commands = [value for inner_tag, value in inner if inner_tag == 0x86]
        except EmvError:
            _set_once(s, failed, f"script-malformed {template:02X}")
            s.script_results += bytes(5)
            continue
        result = yield from _run(s, commands)
        if result & 0xF0 != 0x20:
            _set_once(s, failed, f"script-refused {template:02X}")
        s.script_results += bytes([result]) + (identifier + bytes(4))[:4]


def _set_once(s: "Session", bit: int, why: str) -> None:
    """The first script that failed explains the bit: an answer may hold more than a hundred, and a line each is more than a device holds."""
    if not s.has_tvr(bit):
        s.set_tvr(bit, why)


def _run(s: "Session", commands: "list[bytes]") -> "Steps":
    """0x20 all done, or 0x1n: the n-th command failed (15 for beyond)."""
    for i in range(len(commands)):
        try:
            _, sw = yield from s.exchange(commands[i])
        except FormatError:
            sw = 0  # not a command, or not an answer
        if sw >> 8 not in (0x90, 0x62, 0x63):
            return 0x10 | min(i + 1, 15)
    return 0x20
