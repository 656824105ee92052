"""APDUs in words, one line each: what was asked, what came back (ISO/IEC 7816-4, EMV Book 3, ISO/IEC 18013-3).

Says headers, lengths and status words, never data: no PIN (masked by the slot already), no card number, no name.
"""

import time
from collections import deque
from typing import Any

from sim.cards import tlv

KEPT = 400
NAMES = {
    0x20: "VERIFY", 0x22: "MANAGE SECURITY ENVIRONMENT", 0x24: "CHANGE REFERENCE DATA", 0x82: "EXTERNAL AUTHENTICATE",
    0x84: "GET CHALLENGE", 0x86: "GENERAL AUTHENTICATE", 0x88: "INTERNAL AUTHENTICATE", 0xA4: "SELECT",
    0xA8: "GET PROCESSING OPTIONS", 0xAE: "GENERATE AC", 0xB0: "READ BINARY", 0xB1: "READ BINARY", 0xB2: "READ RECORD",
    0xC0: "GET RESPONSE", 0xCA: "GET DATA", 0xCB: "GET DATA",
}  # fmt: skip
APPLICATIONS = {
    "A0000002480200": "driving licence", "F00000544401": "CIB TEST", "F00000544402": "EDAHABIA TEST",
    b"1PAY.SYS.DDF01".hex().upper(): "payment environment",
    b"2PAY.SYS.DDF01".hex().upper(): "contactless payment environment",
}  # fmt: skip
CRYPTOGRAMS = {0x00: "AAC", 0x40: "TC", 0x80: "ARQC"}
CRYPTOGRAM_WORDS = {"AAC": "declined", "TC": "approved", "ARQC": "asks the issuer"}
DATA_OBJECTS = {
    "9F13": "last online ATC",
    "9F17": "PIN tries left",
    "9F36": "transaction counter",
    "9F4F": "log format",
}
WORDS = {
    "9000": "ok", "6200": "warning", "6282": "end of file before Le", "6283": "selected file deactivated", "6300": "refused",
    "6700": "wrong length", "6882": "no secure messaging", "6982": "security status not satisfied", "6983": "blocked",
    "6984": "data invalidated", "6985": "conditions not satisfied", "6986": "no current file",
    "6987": "secure messaging objects missing", "6988": "secure messaging objects wrong", "6A80": "wrong data",
    "6A81": "not supported", "6A82": "not found", "6A83": "record not found", "6A86": "wrong P1-P2", "6A88": "data not found",
    "6B00": "offset outside the file", "6D00": "instruction unknown", "6E00": "class unknown",
}  # fmt: skip


def status_word(response: bytes) -> tuple[str, str]:
    """("9000", "ok") of a response; ("", "no answer") of an empty one."""
    if len(response) < 2:
        return "", "no answer: the card left"
    sw = response[-2:].hex().upper()
    if sw[:2] == "61":
        return sw, f"{response[-1] or 256} bytes wait"
    if sw[:2] == "6C":
        return sw, f"ask for {response[-1] or 256} bytes"
    if sw[:3] == "63C":
        return sw, f"wrong, {response[-1] & 15} tries left"
    return sw, WORDS.get(sw, "")


def tone(sw: str) -> str:
    """ "ok", "warn" or "bad", for a colour."""
    if sw == "9000" or sw[:2] in ("61", "6C"):
        return "ok"
    return "warn" if sw[:2] in ("62", "63") else "bad"


class ApduLog:
    """The last exchanges, each with a growing number `n`, so that a reader can ask for what is new."""

    def __init__(self) -> None:
        self.lines: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.count = 0
        self._asked: dict[str, bytes] = {}

    def add(self, slot: str, command: bytes, response: bytes) -> None:
        """Note one exchange on `slot`."""
        self.count += 1
        sw, meaning = status_word(response)
        if len(command) >= 2 and command[1] != 0xC0:
            self._asked[slot] = command
        self.lines.append(
            {
                "n": self.count, "slot": slot, "utc": round(time.time(), 3), "header": command[:4].hex(" ").upper(),
                "name": name(command), "detail": describe(command), "sw": sw, "meaning": self._result(slot, response) or meaning,
                "sent": len(command), "received": len(response), "tone": tone(sw),
            }
        )  # fmt: skip

    def after(self, number: int) -> list[dict[str, Any]]:
        """The lines with a greater number, oldest first."""
        return [line for line in self.lines if line["n"] > number]

    def _result(self, slot: str, response: bytes) -> str:
        """What a cryptogram's answer says: the type that the card chose (9F27, or the first byte of format 1)."""
        asked = self._asked.get(slot, b"")
        if len(asked) < 2 or asked[:2] != b"\x80\xae" or len(response) < 5 or response[-2:] != b"\x90\x00":
            return ""
        try:
            template, value = next(tlv.read(response[:-2]))
            information = value[0] if template == 0x80 else dict(tlv.read(value)).get(0x9F27, b"\xff")[0]
        except (ValueError, IndexError):
            return ""
        kind = CRYPTOGRAMS.get(information & 0xC0, "")
        return f"{kind}: {CRYPTOGRAM_WORDS[kind]}" if kind else ""


def name(command: bytes) -> str:
    """The command's name in its standard; its instruction byte if unknown."""
    if len(command) < 2:
        return "?"
    return NAMES.get(command[1], f"INS {command[1]:02X}")


def describe(command: bytes) -> str:
    """What the header says about the command, in a few words."""
    if len(command) < 4:
        return ""
    cla, ins, p1, p2 = command[:4]
    secure = "secured" if cla & 0x0C == 0x0C and cla < 0x80 else ""
    words = [_header(ins, p1, p2, b"" if secure or len(command) < 6 else command[5 : 5 + command[4]]), secure]
    return ", ".join(word for word in words if word)


def _header(ins: int, p1: int, p2: int, data: bytes) -> str:
    if ins == 0xA4:
        return _selected(p1, data)
    if ins in (0xB0, 0xB1):
        return f"file {p1 & 31:02X}, from {p2}" if p1 & 0x80 else f"from {p1 << 8 | p2}"
    if ins == 0xB2:
        return f"record {p1}, file {p2 >> 3}"
    if ins == 0xAE:
        return f"asks {CRYPTOGRAMS.get(p1 & 0xC0, '?')}" + (", CDA" if p1 & 0x10 else "")
    if ins == 0x20:
        return "PIN, masked"
    if ins == 0xCA:
        tag = f"{p1:02X}{p2:02X}"
        return DATA_OBJECTS.get(tag, tag)
    return ""


def _selected(p1: int, data: bytes) -> str:
    if p1 != 4 or not data:
        return "file" if data else ""
    wanted = data.hex().upper()
    return APPLICATIONS.get(wanted, wanted)
