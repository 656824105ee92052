"""Personal data of a report (PV): encrypted to the authority, kept beside the journal, erasable without breaking the chain (domain §3).

Key: first 16 bytes of HMAC-SHA-256 in the secure element (slot 6, a key that the authority also holds) over CBOR [device, epoch, case].
Form: COSE_Encrypt0, AES-CCM-16-64-128, nonce of seven zeros and six random bytes (a key seals one report), external data the same array.

Content: CBOR array of the values in the order of `FIELDS`, null for one that is not there. Each is a text, shorter where it comes back exactly:

    n >= 0         a date YYYYMMDD: n = ((YYYY - 1900) * 13 + MM) * 32 + DD; month and day may be 0
    -1, -2         the words of `WORDS`
    byte string    4 bits a character: 1 to 15 are the characters of `DIGITS`, 0 fills up; or, after four 0 bits, 5 bits a character: 1 to 31 are
                   those of `LETTERS`, 0 fills up
    text string    as it is

Names that are not in `FIELDS`, and values that are no text, travel in a map as before: the keys of `FIELDS` by their place in it, others as text, and
the values as they are. Earlier releases wrote that map always, under AES-CCM-16-128-128; 0.1.0 with all keys as text.
"""

from drivers.contracts.secure_element import SLOT_PV_HMAC
from protocol import cbor, cose, pack

FIELDS = ("plate", "number", "surname", "given_names", "birth", "authority", "document")
WORDS = ("paper", "foreign")
DIGITS = "0123456789-A/ ."
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ -'./"


async def seal(t, case: int, content: dict) -> bytes:  # noqa: ANN001 - Terminal
    """Encrypt `content` for the authority."""
    key, context = await _key(t, case)
    nonce = bytes(7) + await t.ports.se.random(6)
    protected = {cose.ALG: cose.AES_CCM_16_64_128}
    return cose.encrypt0(t.ports.crypto, key, nonce, protected, cbor.encode(_named(content)), context)  # type: ignore[arg-type]


async def unseal(t, case: int, blob: bytes) -> dict:  # noqa: ANN001
    """Decrypt while the case is open (a power cut wiped the working memory). Raises CryptoError."""
    key, context = await _key(t, case)
    _, content = cose.decrypt0(t.ports.crypto, key, blob, context)
    named = cbor.decode(content)
    if isinstance(named, list):
        return {FIELDS[place]: long(named[place]) for place in range(len(named)) if named[place] is not None}
    return {FIELDS[key] if isinstance(key, int) else key: named[key] for key in named}


async def _key(t, case: int) -> "tuple[bytes, bytes]":  # noqa: ANN001
    context = cbor.encode([t.identity.device, t.journal.epoch, case])
    mac = await t.ports.se.hmac(SLOT_PV_HMAC, context)
    return mac[:16], context


def _named(content: dict) -> "list | dict":
    """The content as it is encoded."""
    for name in content:
        if name not in FIELDS or not isinstance(content[name], str):
            return {FIELDS.index(name) if name in FIELDS else name: content[name] for name in content}
    values = [short(content[name]) if name in content else None for name in FIELDS]
    while values and values[-1] is None:
        values.pop()
    return values


def short(text: str) -> "int | bytes | str":
    """The shortest of the forms that gives `text` back."""
    if text in WORDS:
        return -1 - WORDS.index(text)
    found: "list[int | bytes]" = []
    if len(text) == 8 and max(text) <= "9" and min(text) >= "0" and text >= "1900":
        found.append(((int(text[:4]) - 1900) * 13 + int(text[4:6])) * 32 + int(text[6:]))
    for symbols, bits, used in ((DIGITS, 4, 0), (LETTERS, 5, 4)):
        found.append(_packed(text, symbols, bits, used))
    for value in found:
        if value != b"" and long(value) == text:
            return value
    return text


def _packed(text: str, symbols: str, bits: int, used: int) -> bytes:
    """`bits` a character after `used` bits of 0; b"" if it has another character."""
    value = 0
    for character in text:
        code = symbols.find(character) + 1
        if not code:
            return b""
        value = value << bits | code
        used += bits
    fill = -used % 8
    return pack.be(value << fill, (used + fill) // 8)


def long(value: "int | bytes | str") -> str:
    """The text of a value."""
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        if value < 0:
            return WORDS[-1 - value]
        return "%04d%02d%02d" % (1900 + value // 416, value // 32 % 13, value % 32)
    symbols, bits, left = (DIGITS, 4, len(value) * 8) if value[0] >> 4 else (LETTERS, 5, len(value) * 8 - 4)
    packed, text = pack.int_from(value), ""
    while left >= bits:
        left -= bits
        code = packed >> left & ((1 << bits) - 1)
        text += symbols[code - 1] if code else ""
    return text
