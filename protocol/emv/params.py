"""The kernel's parameters, from the body map of the signed set "emv".

    {"aids": [{"aid": bstr 5..16, "partial": bool (True), "label": text (""),
               "tac_denial": bstr 5, "tac_online": bstr 5, "tac_default": bstr 5,
               "floor": uint centimes, "threshold": uint (0), "target_pct": 0..99 (0), "max_target_pct": 0..99 (target_pct),
               "version": bstr 2, "ddol": bstr (9F3704), "tdol": bstr (b""),
               "capabilities": bstr 3 (9F33), "additional": bstr 5 (9F40), "terminal_type": uint (0x22)}],
     "ca_keys": [{"rid": bstr 5, "index": uint, "modulus": bstr, "exponent": bstr, "expiry": "YYYYMMDD", "sha1": bstr 20}],
     "ecc_ca_keys": [{"rid": bstr 5, "index": uint, "suite": 0x10 | 0x11, "x": bstr 32 | 66, "expiry": "YYYYMMDD"}] ([]),
     "exceptions": [bstr 32 = SHA-256 of the PAN's ASCII digits],
     "revoked": [bstr 9 = RID, CA key index, certificate serial number] ([]),
     "de55": [uint tag, …] (the kernel's own list; each once, within 255 bytes if the tags of that list are full and any others empty),
     "deferral": bool, "deferral_oda": ["cda", "dda"],
     "pse": bool (True), "choice": bool (True: the cardholder chooses; False: the best that needs no confirmation)}

Values in parentheses are the defaults of what may be absent. The terminal action codes have none: a set that forgets them is
refused (Book 3, 10.7 would read them as "never"). Does not check signature, dates or versions of the set: that is the caller's.
"""

from typing import TYPE_CHECKING

from protocol.emv import tags
from protocol.errors import EmvError, ParameterError

if TYPE_CHECKING:
    from protocol.crypto import Crypto

CAPABILITIES = b"\x20\xb8\xc8"  # contact chip; plaintext and enciphered offline PIN, signature, no CVM; SDA, DDA, CDA
ADDITIONAL = b"\x60\x00\xf0\xf0\x01"  # goods, services; keys; print and display; code table 1
DDOL = b"\x9f\x37\x04"
_BYTES = (bytes, bytearray)
_FIELD = {0x10: 32, 0x11: 66}  # bytes of a coordinate by algorithm suite (Book 2, Table 48)


def _bytes(entry: dict, name: str, low: int, high: int, default: "bytes | None" = None) -> bytes:
    value = entry.get(name, default)
    if not isinstance(value, (bytes, bytearray)) or not low <= len(value) <= high:
        raise ParameterError("EMV parameter missing or of a wrong length", "PRM-120", detail=name)
    return bytes(value)


def _uint(entry: dict, name: str, high: int, default: "int | None" = None) -> int:
    value = entry.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= high:
        raise ParameterError("EMV parameter missing or out of range", "PRM-121", detail=name)
    return value


def _label(entry: dict) -> str:
    """Printable ASCII: it is shown, printed and recorded where the card has no name of its own."""
    value = entry.get("label", "")
    if not isinstance(value, str) or not all([" " <= c <= "~" for c in value]):
        raise ParameterError("EMV parameter is no text of ASCII characters", "PRM-120", detail="label")
    return value


def _flag(entry: dict, name: str, default: bool) -> bool:
    value = entry.get(name, default)
    if value is not True and value is not False:
        raise ParameterError("EMV parameter is not true or false", "PRM-121", detail=name)
    return value


def _list(body: dict, name: str, kinds: tuple, default: "list | None" = None) -> list:
    """A list of maps, byte strings, numbers or texts: elements of any other type are refused."""
    found = body.get(name, default or [])
    if not isinstance(found, (list, tuple)):
        raise ParameterError("EMV parameter is no list", "PRM-124", detail=name)
    for entry in found:
        if not isinstance(entry, kinds) or isinstance(entry, bool):
            raise ParameterError("EMV parameter is a list with something else in it", "PRM-124", detail=name)
    return list(found)


def _fixed(body: dict, name: str, size: int) -> "list[bytes]":
    found = [bytes(e) for e in _list(body, name, _BYTES)]
    if [e for e in found if len(e) != size]:
        raise ParameterError("EMV parameter missing or of a wrong length", "PRM-120", detail=name)
    return found


def _in_calendar(date: str) -> bool:
    try:
        tags.check_date(tags.EXPIRY, bytes.fromhex(date[2:]))
    except EmvError:
        return False
    return True


def _expiry(entry: dict, index: int) -> str:
    expiry = str(entry.get("expiry", ""))
    if len(expiry) != 8 or not all([c in "0123456789" for c in expiry]) or not _in_calendar(expiry):
        raise ParameterError("a CA key needs an expiry date YYYYMMDD", "PRM-122", detail=index)
    return expiry


class AidParams:
    """What the acquirer sets for one application (one entry of "aids")."""

    def __init__(self, entry: dict) -> None:
        self.aid = _bytes(entry, "aid", 5, 16)
        self.partial = _flag(entry, "partial", True)
        self.label = _label(entry)
        self.tac_denial = _bytes(entry, "tac_denial", 5, 5)
        self.tac_online = _bytes(entry, "tac_online", 5, 5)
        self.tac_default = _bytes(entry, "tac_default", 5, 5)
        self.floor = _uint(entry, "floor", 0xFFFFFFFF)
        self.threshold = _uint(entry, "threshold", 0xFFFFFFFF, 0)
        self.target_pct = _uint(entry, "target_pct", 99, 0)
        self.max_target_pct = _uint(entry, "max_target_pct", 99, self.target_pct)
        self.version = _bytes(entry, "version", 2, 2)
        self.ddol = _bytes(entry, "ddol", 0, 252, DDOL)
        self.tdol = _bytes(entry, "tdol", 0, 252, b"")
        self.capabilities = _bytes(entry, "capabilities", 3, 3, CAPABILITIES)
        self.additional = _bytes(entry, "additional", 5, 5, ADDITIONAL)
        self.terminal_type = _uint(entry, "terminal_type", 0x36, 0x22)
        if self.max_target_pct < self.target_pct:
            raise ParameterError(
                "the highest target percentage is below the target", "PRM-121", detail="max_target_pct"
            )


class CaKey:
    """One certification authority public key. `expiry` is "YYYYMMDD": its last valid day."""

    def __init__(self, entry: dict) -> None:
        self.rid = _bytes(entry, "rid", 5, 5)
        self.index = _uint(entry, "index", 255)
        self.modulus = _bytes(entry, "modulus", 64, 248)
        self.exponent = _bytes(entry, "exponent", 1, 3)
        self.sha1 = _bytes(entry, "sha1", 20, 20)
        self.expiry = _expiry(entry, self.index)

    def digest_holds(self, crypto: "Crypto") -> bool:
        """Whether SHA-1(RID, index, modulus, exponent) is the key's check sum (Book 2, 11.2.2)."""
        return crypto.sha1(self.rid + bytes([self.index]) + self.modulus + self.exponent) == self.sha1


class EccCaKey:
    """One certification authority key for XDA (Book 2, 12.2): algorithm suite and x coordinate. The set's signature stands for a check sum."""

    def __init__(self, entry: dict) -> None:
        self.rid = _bytes(entry, "rid", 5, 5)
        self.index = _uint(entry, "index", 255)
        self.suite = _uint(entry, "suite", 255)
        if self.suite not in _FIELD:
            raise ParameterError("a CA key of an algorithm suite that is not known", "PRM-122", detail=self.index)
        self.x = _bytes(entry, "x", _FIELD[self.suite], _FIELD[self.suite])
        self.expiry = _expiry(entry, self.index)


class EmvParams:
    """The whole set. Raises ParameterError (PRM-120..124, `detail` = the field's name) if it cannot be used."""

    def __init__(self, body: dict) -> None:
        if not isinstance(body, dict):
            raise ParameterError("the EMV set is no map", "PRM-124", detail="body")
        self.aids = [AidParams(entry) for entry in _list(body, "aids", (dict,))]
        self.ca_keys = [CaKey(entry) for entry in _list(body, "ca_keys", (dict,))]
        self.ecc_ca_keys = [EccCaKey(entry) for entry in _list(body, "ecc_ca_keys", (dict,))]
        self.exceptions = _fixed(body, "exceptions", 32)
        self.revoked = _fixed(body, "revoked", 9)
        self.de55 = _list(body, "de55", (int,))
        if self.de55:
            from protocol.emv import chip_list

            chip_list.check(self.de55)
        self.deferral = _flag(body, "deferral", False)
        self.deferral_oda = _list(body, "deferral_oda", (str,), ["cda", "dda"])
        self.pse = _flag(body, "pse", True)
        self.choice = _flag(body, "choice", True)
        if not self.aids:
            raise ParameterError("the EMV set names no application", "PRM-123", detail="aids")

    def check(self, crypto: "Crypto") -> None:
        """Recompute every CA key's check sum; ParameterError PRM-122 names the first key index that does not hold."""
        for key in self.ca_keys:
            if not key.digest_holds(crypto):
                raise ParameterError("the check sum of a CA key is wrong", "PRM-122", detail=key.index)

    def ca_key(self, rid: bytes, index: int) -> "CaKey | None":
        """The key that the card names, or None."""
        for key in self.ca_keys:
            if key.index == index and key.rid == rid:
                return key
        return None

    def ecc_ca_key(self, rid: bytes, index: int) -> "EccCaKey | None":
        """The key for XDA that the card names, or None."""
        for key in self.ecc_ca_keys:
            if key.index == index and key.rid == rid:
                return key
        return None
