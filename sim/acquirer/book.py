"""What the host remembers, and how it judges: authorisations, captures, reversals, by reference; serial numbers used;
cards' profiles.

One reference (field 37) is one payment. The same request sent again as a *repeat* gets the same answer and changes
nothing, but a clearing of what was reversed since is answered 12, and so is the clearing of what was reversed before anything was known of
it (25): a reversal is not forgotten. (A question that was on its way to the issuer when its reversal came is answered all the same: not
every host stops it.) Sent again as *new* it is answered 94 and counted in `doubles`, which a correct server never causes. Response
codes (ISO 8583 field 39): 00 approved, 03 not a merchant of this terminal, 05 refused, 10 approved in part (half), 11 approved (VIP), 12 not
possible now, no purchase (field 3 begins with other digits than 00), or a clearing that names neither the code of its approval (field 38) nor
brings the card's own certificate, 25 nothing known and no card data, 51 insufficient funds, 55 wrong PIN, or none where the CVM results
say that one was entered, 63 card data do not open, or their key or their cryptogram served another payment, 82 cryptogram wrong,
91 issuer unavailable, 94 duplicate. A card's transaction (number, sequence number with none for 0, counter 9F36, the terminal's 9F37)
belongs to the reference that brought a genuine cryptogram of it first, whatever became of that: an ARQC and the TC after it serve
one payment. Under another reference any cryptogram of it, of whatever kind, is counted in `replays`. It is 63 and not 94, which a
server takes for "received before, ask again": this one is refused for good. 9F37 is there because simulated cards that are built
anew count from 1 again; a real issuer refuses such a count.
A card may also be answered 68 (late), 09 (in progress) or 96 (malfunction) at first: the issuer has approved all the
same, and a repeat is told so. A card that is granted less may be answered 00 as well; field 4 of the answer says how
much, and a clearing captures no more. Whose card an authorisation and a clearing were judged for is remembered as a digest of its number: two
copies of a terminal may bring two cards under one reference, and what is then captured is of the card whose approval, or certificate, it rests on.
"""

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple

from sim.acquirer import emv, issuer, pin, sealed
from sim.acquirer.keys import HostKeys

APPROVE, INSUFFICIENT, REFUSE, UNAVAILABLE = "approve", "insufficient", "refuse", "unavailable"
LATE, IN_PROGRESS, MALFUNCTION = "late", "in-progress", "malfunction"
PARTIAL, LESS, VIP = "partial", "less", "vip"
APPROVED = frozenset({"00", "10", "11"})
PURCHASE = "00"
"""The first two digits of field 3, the transaction type, for goods and services; a reversal repeats those of what it takes back."""
_GRANT_HALF = (PARTIAL, LESS)
_PROFILE_CODE = {
    APPROVE: "00",
    INSUFFICIENT: "51",
    REFUSE: "05",
    UNAVAILABLE: "91",
    PARTIAL: "10",
    LESS: "00",
    VIP: "11",
}
_FIRST_SAID = {LATE: "68", IN_PROGRESS: "09", MALFUNCTION: "96"}


@dataclass(frozen=True)
class Demand:
    """One request, out of its ISO 8583 message."""

    kind: str  # "authorise" | "clear" | "reverse"
    repeat: bool
    reference: str
    device: str
    epoch: int
    intent: int
    amount: int
    blob: bytes | None
    script_results: bytes = b""
    clear: sealed.Clear = sealed.NOTHING_CLEAR  # what field 55 says of the chip data that are not in the blob
    auth_code: str = ""  # field 38: of the approval that a clearing rests on
    terminal: str = ""  # field 41
    merchant: str = ""  # field 42: whom the money is paid to
    processing: str = PURCHASE + "0000"  # field 3: what is asked for, and of which accounts


@dataclass
class Entry:
    """One payment as the host knows it."""

    identity: tuple[str, int, int]
    amount: int
    granted: int  # how much of it the issuer approved
    authorised: str | None = None  # the issuer's response to its authorisation
    authorised_for: str = ""  # `card_digest` of the card that it was asked about
    first_said: str = ""  # what the host said first instead
    captured: str | None = None  # response to its clearing
    captured_for: str = ""  # `card_digest` of the card whose approval, or certificate, the clearing rests on
    reversed: bool = False
    issuer_data: bytes = b""  # for the card: 91 and, if the issuer wishes, a script
    script_results: bytes = b""  # what became of it, as a clearing or reversal told
    seen: set[str] = field(default_factory=set)


class Ruling(NamedTuple):
    """The issuer's word on a card at the moment it was asked: what its data do not prove, and what may be another one later."""

    profile: str
    script: str
    pin_right: bool


@dataclass(frozen=True)
class Capture:
    """A payment that the host will pay for."""

    reference: str
    identity: tuple[str, int, int]
    amount: int
    auth_code: str
    card: str = ""  # `card_digest` of the card that pays


def _online_pin(tags: dict[int, bytes]) -> bool:
    """Whether the CVM results (9F34) say that a PIN was entered for the issuer; byte 3 is 01 where the method failed."""
    results = tags.get(0x9F34, b"")
    return len(results) == 3 and results[0] & 0x3F == 0x02 and results[2] != 0x01


class Book:
    """The host's memory.

    `profiles`: {PAN: APPROVE | INSUFFICIENT | REFUSE | UNAVAILABLE | LATE | IN_PROGRESS | MALFUNCTION | PARTIAL | LESS | VIP},
    `usual` (APPROVE) for those not named.
    `merchants`: {terminal (field 41): merchants (field 42) that it may take money for}; None: any may, whose accounts are of no interest.
    `pins`: {PAN: digits}, what an online PIN is compared with. `scripts`: {PAN: a name of `issuer.SCRIPTS`}, sent with every answer.
    """

    def __init__(
        self,
        keys: HostKeys,
        profiles: dict[str, str] | None = None,
        pins: dict[str, str] | None = None,
        scripts: dict[str, str] | None = None,
        *,
        merchants: dict[str, frozenset[str]] | None = None,
    ) -> None:
        self._merchants = merchants
        self.pins = dict(pins or {})
        self.scripts = dict(scripts or {})
        self._keys = keys
        self.profiles = dict(profiles or {})
        self.entries: dict[str, Entry] = {}
        self._serials: dict[bytes, tuple[str, int, int]] = {}
        self._transactions: dict[tuple[str, int, bytes, bytes], str] = {}
        self._turned_back: set[str] = set()  # references whose reversal came while nothing was known of them
        self.usual = APPROVE
        self.doubles = 0
        self.replays = 0
        self.ruling: Ruling | None = None  # upon the card in the demand answered last, None if none was judged
        self._remembered: Ruling | None = None
        self._card = ""  # `card_digest` of the card whose data the demand answered last brought, "" if none opened

    def captures(self) -> list[Capture]:
        """The capture list: what was cleared and not reversed."""
        return [
            Capture(reference, entry.identity, entry.granted, auth_code(reference), entry.captured_for)
            for reference, entry in self.entries.items()
            if entry.captured == "00" and not entry.reversed
        ]

    def is_reversed(self, reference: str) -> bool:
        """Whether nothing stands of a payment: it is reversed, or its reversal came while nothing was known of it, which is so still."""
        entry = self.entries.get(reference)
        return reference in self._turned_back if entry is None else entry.reversed

    def answer(self, demand: Demand, remembered: Ruling | None = None) -> str:
        """Field 39 for one request. `remembered`: how its card was ruled upon when it was heard first."""
        self.ruling, self._remembered, self._card = None, remembered, ""
        if self._merchants is not None and demand.merchant not in self._merchants.get(demand.terminal, ()):
            return "03"
        if demand.processing[:2] != PURCHASE:
            return "12"  # a refund (20) or whatever else: nothing of the kind is agreed upon
        entry = self.entries.get(demand.reference)
        if entry is not None:
            if entry.identity != (demand.device, demand.epoch, demand.intent) or entry.amount != demand.amount:
                return "12"
            if demand.kind in entry.seen and not demand.repeat:
                self.doubles += 1
                return "94"
        code = {"authorise": self._authorise, "clear": self._clear, "reverse": self._reverse}[demand.kind](
            demand, entry
        )
        known = self.entries.get(demand.reference)
        if known is not None and code not in ("25", "91"):
            known.seen.add(demand.kind)
            known.script_results = demand.script_results or known.script_results
        return code

    def _enter(self, demand: Demand) -> Entry:
        entry = Entry((demand.device, demand.epoch, demand.intent), demand.amount, demand.amount)
        return self.entries.setdefault(demand.reference, entry)

    def _judge(self, demand: Demand, kind: int) -> str:
        """Open the card data, check the cryptogram, look at the card's profile."""
        if demand.blob is None:
            return "25"
        try:
            card = sealed.open_blob(
                self._keys.bdk, demand.blob, demand.device, demand.epoch, demand.intent, demand.amount, demand.clear
            )
        except sealed.SealedError:
            return "63"
        self._card = card_digest(card.pan)
        identity = (demand.device, demand.epoch, demand.intent)
        if self._serials.setdefault(card.ksn, identity) != identity:
            return "63"  # a key serves once
        master = self._keys.issuer_key(card.pan)
        if master is None:
            return "05"  # no issuer of ours
        try:
            tags = emv.parse(card.de55)
        except ValueError:
            return "82"
        if not emv.genuine(master, card.pan, card.psn, tags, demand.amount, kind):
            return "82"
        transaction = (card.pan, card.psn or 0, tags[emv.ATC], tags[emv.UN])
        if self._transactions.setdefault(transaction, demand.reference) != demand.reference:
            self.replays += 1
            return "63"  # a transaction of the card pays once
        profile, script, pin_right = self.ruling = self._remembered or self._rule(card, tags)
        code = _PROFILE_CODE.get(profile, "00") if pin_right else "55"
        if kind == emv.TYPE_ARQC and code != "91":
            answer = issuer.answer(
                master, self._keys.script_keys.get(card.pan[:8]), card.pan, card.psn, tags, code in APPROVED, script
            )
            known = self._enter(demand)
            known.granted = demand.amount // 2 if profile in _GRANT_HALF and code in APPROVED else demand.amount
            known.issuer_data, known.first_said = answer, _FIRST_SAID.get(profile, "")
        return code

    def _rule(self, card: sealed.CardData, tags: dict[int, bytes]) -> Ruling:
        pin_right = not (card.pin_block or _online_pin(tags)) or self._pin_right(card)
        return Ruling(self.profiles.get(card.pan, self.usual), self.scripts.get(card.pan, ""), pin_right)

    def _pin_right(self, card: sealed.CardData) -> bool:
        try:
            return pin.opened(self._keys.bdk, card.ksn, card.pin_block, card.pan) == self.pins.get(card.pan)
        except ValueError:
            return False

    def issuer_data(self, demand: Demand) -> bytes:
        """What the issuer sends to the card with its answer (BER-TLV), empty if nothing."""
        entry = self.entries.get(demand.reference)
        if entry is None or demand.kind != "authorise" or (entry.first_said and not demand.repeat):
            return b""
        return entry.issuer_data

    def granted(self, demand: Demand) -> int:
        """Field 4 of the answer: what was asked, or the part of it that an authorisation or clearing is good for."""
        entry = self.entries.get(demand.reference)
        return demand.amount if entry is None or demand.kind == "reverse" else entry.granted

    def _authorise(self, demand: Demand, entry: Entry | None) -> str:
        if entry is not None and entry.authorised is not None:
            return entry.authorised
        code = self._judge(demand, emv.TYPE_ARQC)
        if code not in ("25", "91"):
            known = self._enter(demand)
            known.authorised, known.authorised_for = code, self._card
            return known.first_said or code
        return code

    def _clear(self, demand: Demand, entry: Entry | None) -> str:
        if demand.reference in self._turned_back or self.is_reversed(demand.reference):
            return "12"
        if entry is not None and entry.captured is not None:
            return entry.captured
        if entry is not None and entry.authorised not in (None, *APPROVED):
            return "12"
        if entry is not None and entry.authorised in APPROVED:
            if demand.auth_code == auth_code(demand.reference):
                entry.captured, entry.captured_for = "00", entry.authorised_for
                return "00"
            if demand.blob is None:
                return "12"  # neither the approval nor a certificate of the card: what does it rest on?
        code = self._judge(demand, emv.TYPE_TC)
        if code in (*APPROVED, "51", "91"):
            code = "00"  # the card approved offline by the issuer's own rules: the issuer stands by it
        if code != "25":
            known = self._enter(demand)
            known.captured, known.captured_for = code, self._card
        return code

    def _reverse(self, demand: Demand, entry: Entry | None) -> str:
        if entry is None:
            self._turned_back.add(demand.reference)
            return "25"
        entry.reversed = True
        return "00"


def card_digest(pan: str) -> str:
    """What a card is told by where its number has no business: 16 hexadecimal digits that follow from the number."""
    return hashlib.sha256(b"card" + pan.encode()).hexdigest()[:16]


def auth_code(reference: str) -> str:
    """Field 38 of an approval: six digits that follow from the reference."""
    return f"{int.from_bytes(hashlib.sha256(reference.encode()).digest()[:4], 'big') % 1_000_000:06d}"
