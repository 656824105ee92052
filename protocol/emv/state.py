"""What one transaction knows: data objects of card and terminal, TVR, TSI, CVM results, and why each bit was set.

Bits are numbers 0xBBMM (byte of TVR or TSI, mask), from Book 3, annex C. `Session.exchange` sends one command and gives (data, SW).
"""

from typing import TYPE_CHECKING

from protocol import apdu
from protocol.emv import tags
from protocol.errors import EmvError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from typing import Any

    from protocol.crypto import Crypto
    from protocol.emv.params import AidParams, EmvParams

    Steps = Generator[tuple, Any, Any]

MOST_ANSWER = 256  # bytes of data (Book 1, 9.4.2), over however many GET RESPONSE

ODA_NOT_PERFORMED = 0x0180
SDA_FAILED = 0x0140
ICC_DATA_MISSING = 0x0120
ON_EXCEPTION_FILE = 0x0110
DDA_FAILED = 0x0108
CDA_FAILED = 0x0104
SDA_SELECTED = 0x0102
XDA_SELECTED = 0x0101
VERSIONS_DIFFER = 0x0280
EXPIRED = 0x0240
NOT_YET_EFFECTIVE = 0x0220
SERVICE_NOT_ALLOWED = 0x0210
NEW_CARD = 0x0208
CARDHOLDER_NOT_VERIFIED = 0x0380
UNRECOGNISED_CVM = 0x0340
PIN_TRY_LIMIT = 0x0320
NO_PIN_PAD = 0x0310
PIN_NOT_ENTERED = 0x0308
ONLINE_PIN_ENTERED = 0x0304
FLOOR_LIMIT = 0x0480
LCOL_EXCEEDED = 0x0440
UCOL_EXCEEDED = 0x0420
RANDOM_ONLINE = 0x0410
FORCED_ONLINE = 0x0408
XDA_FAILED = 0x0401
DEFAULT_TDOL = 0x0580
ISSUER_AUTH_FAILED = 0x0540
SCRIPT_FAILED_BEFORE = 0x0520
SCRIPT_FAILED_AFTER = 0x0510
ECC_CA_KEY_MISSING = 0x0504  # in the contact kernel; Kernel 2 has bits of its own there
ECC_RECOVERY_FAILED = 0x0502
RELAY_THRESHOLD = 0x0508  # byte 5, bits 4 to 1: Kernel 2 (EMV Contactless Book C-2, annex A)
RELAY_TIME_LIMITS = 0x0504
RELAY_PERFORMED = 0x0502
RELAY_NOT_PERFORMED = 0x0501

ODA_PERFORMED = 0x0180
CVM_PERFORMED = 0x0140
CARD_RISK_PERFORMED = 0x0120
ISSUER_AUTH_PERFORMED = 0x0110
RISK_PERFORMED = 0x0108
SCRIPT_PERFORMED = 0x0104

# what sets a TSI bit, by its mask divided by eight: 80, 40, 20, 10, 08, 04
_DONE = {
    16: "oda-done 82 9F33", 8: "cvm-done 8E", 4: "card-risk-done 8C", 2: "issuer-auth-done 91", 1: "risk-done 9F1B", 0: "scripts-done 86",
}  # fmt: skip


def bit_name(bit: int) -> str:
    """ "B4b8" for 0x0480."""
    position, mask = 1, bit & 0xFF
    while mask > 1:
        mask >>= 1
        position += 1
    return "B" + str(bit >> 8) + "b" + str(position)


def shown(name: "bytes", own: "bytes") -> bytes:
    """What records, receipts and traces say of an application that the card calls `name` and the terminal's list, which covers it, `own`.

    The card's name where it adds two bytes at most; a longer one may hold its number.
    """
    return name if len(name) <= len(own) + 2 else own


class Session:
    """One transaction. `un` 4 bytes; `txn` and `params` as in `protocol.emv`."""

    def __init__(self, txn: dict, params: "EmvParams", crypto: "Crypto", un: bytes) -> None:
        self.txn = txn
        self.params = params
        self.crypto = crypto
        self.un = bytes(un)
        self.aid: "AidParams | None" = None
        self.card: "dict[int, bytes]" = {}
        self.terminal: "dict[int, bytes]" = {}
        self.tvr = bytearray(5)
        self.tsi = bytearray(2)
        self.cvm = bytearray(b"\x3f\0\0")
        self.explain: "list[tuple[str, str]]" = []
        self.pdol_data = b""
        self.cdol_data = b""
        self.relay = b""  # what CDA must sign besides, after a relay resistance exchange (Kernel 2)
        self.afl: "list[tuple[int, int, int, int]]" = []
        self.static: "list[bytes]" = []  # records to be authenticated, in the order read
        self.static_ok = True
        self.oda = "none"
        self.issuer_key: "tuple[bytes, bytes] | None" = None
        self.icc_key: "tuple[bytes, bytes] | None" = None
        self.ecc_key: "tuple[int, bytes] | None" = None  # of XDA: algorithm suite, x coordinate
        self.ecc_trouble = (
            ""  # why there is none though the authority's is known; in the TVR after the first GENERATE AC
        )
        self.blocked = False  # an application that both sides know is
        self.pan = b""
        self.signature = False
        self.pin_ok = False
        self.online_pin = False
        self.pin_state = ""  # "", "bypassed", "blocked"
        self.script_results = b""
        self.advice = False
        self.follow = True  # 61xx and 6Cxx are of the contact interface: elsewhere status words like any other
        if len(self.un) != 4:
            raise EmvError("the unpredictable number has four bytes", "EMV-102", detail="9F37")

    # --- bits and reasons

    def set_tvr(self, bit: int, why: str) -> None:
        """Set a TVR bit and note the rule and data object behind it."""
        self.tvr[(bit >> 8) - 1] |= bit & 0xFF
        self.note("TVR " + self.named(bit), why)

    def named(self, bit: int) -> str:
        """ "B4b8"; with an x the two bits of byte 5 that XDA and Kernel 2's relay resistance have in common, when they are XDA's."""
        name = bit_name(bit)
        return name + "x" if self.oda == "xda" and name in ("B5b3", "B5b2") else name

    def has_tvr(self, bit: int) -> bool:
        """Whether a TVR bit is set."""
        return bool(self.tvr[(bit >> 8) - 1] & bit & 0xFF)

    def set_tsi(self, bit: int) -> None:
        """Set a TSI bit; what the terminal did is noted once."""
        if not self.tsi[(bit >> 8) - 1] & bit & 0xFF:
            self.tsi[(bit >> 8) - 1] |= bit & 0xFF
            self.note("TSI " + bit_name(bit), _DONE[(bit & 0xFF) // 8])

    def note(self, what: str, why: str) -> None:
        """Add a line to the explanation: codes only, never card data."""
        self.explain.append((what, why))

    # --- data objects

    def get(self, tag: int) -> "bytes | None":
        """The value for a DOL or DE55: the terminal's before the card's; the live registers TVR, TSI and CVM results."""
        if tag == tags.TVR:
            return bytes(self.tvr)
        if tag == tags.TSI:
            return bytes(self.tsi)
        if tag == tags.CVM_RESULTS:
            return bytes(self.cvm)
        value = self.terminal.get(tag)
        return self.card.get(tag) if value is None else value

    def keep(self, tag: int, value: bytes) -> None:
        """Keep a card data object, checked; EMV-103 if an earlier answer gave it with another value: which of them is signed is not asked."""
        tags.check(tag, value)
        if self.card.get(tag, value) != value:
            raise EmvError("data object twice", "EMV-103", detail=tags.name(tag))
        self.card[tag] = value

    def admit(self, found: "Iterable[tuple[int, bytes]]", allowed: "tuple[int, ...]", where: str) -> None:
        """Keep what belongs into an answer that nothing signs; of what does not, nothing is kept and the lowest tag noted."""
        strange = 0
        for tag, value in found:
            if tag in allowed:
                self.keep(tag, value)
            elif not strange or tag < strange:
                strange = tag
        if strange:
            self.note(where, "not-of-this-answer " + tags.name(strange))

    def need(self, tag: int) -> bytes:
        """A card data object that must be there; EMV-104 otherwise."""
        value = self.card.get(tag)
        if value is None:
            raise EmvError("mandatory data object missing", "EMV-104", detail=tags.name(tag))
        return value

    @property
    def aip(self) -> int:
        """First byte of the application interchange profile."""
        return self.card[tags.AIP][0]

    @property
    def today(self) -> int:
        """Transaction date, YYYYMMDD."""
        return tags.full_date(self.terminal[tags.DATE])

    @property
    def chosen(self) -> "AidParams":
        """Parameters of the selected application."""
        if self.aid is None:
            raise EmvError("no application is selected", "EMV-110")
        return self.aid

    # --- the card

    def exchange(self, command: bytes) -> "Steps":
        """Send one command, 61xx and 6Cxx followed (Book 1, 9.3) unless `follow` is off; returns (data, SW). FormatError FMT-042: too much data."""
        machine = apdu.exchange(command, 0, MOST_ANSWER, self.follow)
        answer: Any = None
        while True:
            try:
                step = machine.send(answer)
            except StopIteration as stop:
                return stop.value.data, stop.value.sw
            answer = yield ("apdu", step)

    def demand(self, what: str, command: bytes) -> "Steps":
        """`exchange` that must end in 9000; EMV-105 naming the command and status word otherwise. Returns the data."""
        data, sw = yield from self.exchange(command)
        if sw != 0x9000:
            raise EmvError("the card refused a command", "EMV-105", detail=what + f" {sw:04X}")
        return data


def fill_terminal(session: Session) -> None:
    """Set the terminal's data objects for the selected application and this transaction (Book 4, annex A; Book 3, annex A)."""
    txn, aid, put = session.txn, session.chosen, session.terminal
    amount = txn["amount"]
    put[tags.AMOUNT] = tags.bcd(amount, 6)
    put[tags.AMOUNT_BINARY] = amount.to_bytes(4, "big") if amount < 1 << 32 else b"\xff\xff\xff\xff"
    put[tags.AMOUNT_OTHER] = bytes(6)
    put[0x9F04] = bytes(4)
    put[tags.CURRENCY] = tags.bcd(txn["currency"], 2)
    put[0x5F36] = b"\x02"
    put[tags.COUNTRY] = tags.bcd(txn["country"], 2)
    put[tags.DATE] = _digits(txn["date"], 3, tags.DATE)
    put[0x9F21] = _digits(txn["time"], 3, 0x9F21)
    put[tags.TXN_TYPE] = bytes([txn["type"]])
    put[tags.COUNTER] = tags.bcd(txn.get("counter", 0) % 100000000, 4)
    put[tags.UN] = session.un
    put[tags.AID_TERMINAL] = aid.aid
    put[0x9F09] = aid.version
    put[0x9F1B] = aid.floor.to_bytes(4, "big")
    put[0x9F33] = aid.capabilities
    put[0x9F35] = bytes([aid.terminal_type])
    put[0x9F40] = aid.additional
    put[0x9F39] = b"\x05"
    for key, tag in (("terminal_id", 0x9F1C), ("merchant_id", 0x9F16), ("serial", 0x9F1E), ("merchant", 0x9F4E)):
        if txn.get(key):
            put[tag] = txn[key].encode()
    if txn.get("mcc"):
        put[0x9F15] = tags.bcd(txn["mcc"], 2)
    tags.check_date(tags.DATE, put[tags.DATE])


def _digits(text: str, length: int, tag: int) -> bytes:
    if len(text) != 2 * length or not text.isdigit():
        raise EmvError("date or time is malformed", "EMV-102", detail=tags.name(tag))
    return bytes.fromhex(text)
