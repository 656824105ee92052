"""A Kernel 2 card made of a script, for tests on both runtimes: real RSA as `tests.protocol.emv.scripted`, no EMV logic.

`Card2(...)` answers commands, `tap(card, ...)` lets Kernel 2 run once against it: (Outcome, Session, Trace). Commands are named "GPO",
"RELAY", "READ 2 1", "GAC", "RECOVER"; `replies` overrides an answer, `torn` = (name, before) tears the card away at that command: before it
reached the card, or after.
"""

from typing import TYPE_CHECKING

from protocol.crypto.pure import PureCrypto
from protocol.emv import state, tags
from protocol.emv.contactless import c2
from protocol.emv.contactless.params import ContactlessParams
from protocol.emv.contactless.torn import TornLog
from protocol.errors import CardRemovedError
from tests.protocol.emv import scripted
from tests.protocol.emv.scripted import AID, CDOL1, UN, aid_entry, body, h, sha1, tlv, txn

if TYPE_CHECKING:
    from collections.abc import Callable

NO_CVM = h("00000000000000001F00")
ANY_CVM = h("0000000000000000420342035E031F03")  # online PIN if the reader can, signature, none
DRDOL = h("9F51")
AT_UN = 25  # where 9F37 stands in the data of CDOL1
TC, ARQC, AAC = 0x40, 0x80, 0x00
ENTROPY = h("D0D1D2D3")
RELAY = h("000A00140018")  # at least 1 ms, at most 2 ms, 2.4 ms for the answer
PROMPT = 18 + 24 + 15  # units of 100 microseconds: transmission as expected, 1.5 ms of thought


def combination(**changes):
    """An entry of the list "contactless": 5,000 DA are below all limits but the CVM limit's default."""
    entry = aid_entry(
        kernel=2,
        limit=3000000,
        cvm_limit=1000000,
        offline=True,
        tac_denial=h("0010000004"),
        tac_online=h("FC60ACF80C"),
        tac_default=h("FC6024A80C"),
    )
    entry.update(changes)
    return entry


class Card2(scripted.Card):
    """See the module. `kind`: what GENERATE AC answers (None: what was asked); `aip` in hex; `fields` as in `scripted.Card`."""

    def __init__(
        self, kind=None, aip="1980", fields=None, signed_fields=None, relay=RELAY, oda="cda", drdol="9F3704", extra=b""
    ):
        mine = {"8D": None, "9F0F": h("FC60ACF800"), "9F51": h(drdol) if drdol else None}
        mine.update(fields or {})
        scripted.Card.__init__(
            self, oda=oda, fields=mine, signed_fields=signed_fields, aip=aip, pdol="9F37049F33039F3501"
        )
        self.kind = kind
        self.relay = relay
        self.extra = extra  # data objects added to the answer of GENERATE AC
        self.exchanged = b""
        self.kept = b""
        self.asked = []
        self.torn: "tuple[str, bool]" = ("", False)
        self.spoil: "Callable[[bytes], bytes] | None" = None  # changes the ICC dynamic data before they are signed
        self.recoverable = True
        self.atc = 0x0101

    def fci(self):
        """What the entry point would have read in the answer to SELECT."""
        return {tags.DF_NAME: AID, tags.APPLICATION_LABEL: b"CIB TEST", tags.PDOL: self.pdol}

    def transmit(self, command):
        name, before = self.torn
        if self._name(command) == name:
            self.torn = ("", False)
            if not before:
                scripted.Card.transmit(self, command)
            else:
                self.names.append(name)
            raise CardRemovedError("the card left")
        return scripted.Card.transmit(self, command)

    def _name(self, command):
        names = {0xEA: "RELAY", 0xD0: "RECOVER", 0xAE: "GAC", 0xA8: "GPO"}
        return names.get(command[1]) or scripted.Card._name(self, command)

    def _answer(self, name, command):
        data = command[5 : 5 + command[4]]
        if name == "GPO":
            self.atc += 1
            self.exchanged = b""
        if name == "RELAY":
            self.exchanged = data + ENTROPY + self.relay
            return tlv("80", ENTROPY + self.relay) + h("9000")
        if name == "RECOVER":
            return self.kept + h("9000") if self.kept and self.recoverable else h("6985")
        if name == "GAC":
            self.asked.append(command[2])
            self.kept = self.cryptogram(command[2], data)
            return self.kept + h("9000")
        return scripted.Card._answer(self, name, command)

    def cryptogram(self, control, data):
        """The answer to GENERATE AC, with a signature where asked."""
        kind = control & 0xC0 if self.kind is None else self.kind
        hashed = self.hashed + data
        value = sha1(hashed + bytes([kind]))[:8]
        atc = bytes([self.atc >> 8, self.atc & 255])
        clear = tlv("9F27", bytes([kind])) + tlv("9F36", atc) + tlv("9F10", self.iad) + self.extra
        if not control & 0x10 or (kind & 0xC0 == AAC and control & 0xC0 != AAC):
            return tlv("77", clear + tlv("9F26", value))
        dynamic = h("081122334455667788") + bytes([kind]) + value + sha1(hashed + clear) + self.exchanged
        if self.spoil is not None:
            dynamic = self.spoil(dynamic)
        head = scripted.padded(h("0501") + bytes([len(dynamic)]) + dynamic, 74)
        signature = scripted.sign(scripted._ICC_N, scripted._ICC_D, head, data[AT_UN : AT_UN + 4])
        return tlv("77", clear + tlv("9F4B", signature))


class Trace:
    """Requests other than commands, in order."""

    def __init__(self):
        self.asked = []

    def of(self, word):
        return [request for request in self.asked if request[0] == word]


def session(card, entry=None, transaction=None, crypto=None, parameters=None):
    """The session as the entry point hands it over."""
    params = ContactlessParams(parameters or body(contactless=[entry or combination()]))
    s = state.Session(transaction or txn(), params, crypto or PureCrypto(), UN)
    s.aid = params.combinations[0]
    state.fill_terminal(s)
    s.card = card.fci()
    return s


def tap(
    card, entry=None, torn=None, elapsed=(PROMPT,), identified=None, transaction=None, crypto=None, parameters=None
):
    """One presentation. `elapsed`: the times of the relay resistance exchanges, the last one repeated."""
    s = session(card, entry, transaction, crypto, parameters)
    times, trace, count = list(elapsed), Trace(), 0
    machine = c2.run(s, torn)
    answer, error = None, None
    while True:
        try:
            request = machine.throw(error) if error is not None else machine.send(answer)
        except StopIteration as stop:
            return stop.value, s, trace
        error = None
        word = request[0]
        if word in ("apdu", "timed_apdu"):
            try:
                answer = card.transmit(bytes(request[1]))
            except CardRemovedError as gone:
                error = gone
                continue
            if word == "timed_apdu":
                answer = (answer, times.pop(0) if len(times) > 1 else times[0])
            continue
        trace.asked.append(request)
        if word == "random":
            count += 1
            answer = bytes([0xE0 + count]) * request[1]
        else:
            answer = identified if word == "identified" else None


__all__ = [
    "AAC",
    "ANY_CVM",
    "ARQC",
    "CDOL1",
    "NO_CVM",
    "PROMPT",
    "TC",
    "UN",
    "Card2",
    "TornLog",
    "combination",
    "session",
    "tap",
]
