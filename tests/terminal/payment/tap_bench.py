"""A terminal around the payment flow for tests on both runtimes: real journal, real flow, real kernels, scripted cards and people.

`Bench(cards…)`: what the antenna sees each time it is looked at, in order: a card, None (nobody), or an error that connecting raises; then nobody.
`slot`: the same for the contact slot. `keys` {screen: [keys]}. `cut`: the number of the durable operation at which the power goes.
Importable by both; not a test file itself.
"""

import gc

from drivers.contracts.card_reader import CardReader
from protocol import records as r
from protocol.crypto.pure import PureCrypto
from protocol.emv import kernel  # noqa: F401 - first: imported through the entry point it nests too deep for the device's stack
from protocol.errors import CardRemovedError, FormatError, NoCardError
from terminal import online
from terminal.flows import payment
from terminal.journal.journal import Journal
from tests.protocol.emv import scripted
from tests.protocol.emv.contactless import scripted_c2, scripted_tap
from tests.protocol.emv.scripted import AID, tlv
from tests.support.parts import CountingElement, HandClock, MemoryStorage, PowerCut

AMOUNT = 90000
LIMITS = {
    "tx_max": 1000000, "offline_total_max": 10000000, "offline_count_max": 100, "offline_age_max": 86400, "card_offline_max": 1000000,
}  # fmt: skip
TC, ARQC, AAC = 0x40, 0x80, 0x00


class Kernel2Card(scripted_c2.Card2):
    """A card of Kernel 2 with a directory before it."""

    def _answer(self, name, command):
        if name == "SELECT " + scripted_tap.PPSE.hex().upper():
            return scripted_tap.fci(scripted_tap.PPSE, tlv("BF0C", tlv("61", tlv("4F", AID) + tlv("9F2A", b"\x02"))))
        return scripted_c2.Card2._answer(self, name, command)


class ContactCard(scripted.Card):
    """A card in the slot that proves a TC under whatever number the terminal drew."""

    def generate(self, asked, data):
        self.number = bytes(data[25:29])
        return scripted.Card.generate(self, asked, data)


def card3(kind=TC, **how):
    """A card of Kernel 3."""
    return scripted_tap.Tap(kind, **how)


def card2(kind=None, **how):
    """A card of Kernel 2, relay resistance included."""
    return Kernel2Card(kind, "1981", **how)


def body(**changes):
    """The set "emv": the application of `scripted` on both kernels and in the slot."""
    return scripted_tap.body(scripted_tap.combination(), scripted_c2.combination(), **changes)


class Durable(MemoryStorage):
    """Counts durable operations, of the secure element too; the power goes at number `cut`, before it or after it was done."""

    def __init__(self, cut=0, after=False):
        MemoryStorage.__init__(self)
        self.cut, self.after, self.operations = cut, after, 0

    def step(self, act):
        self.operations += 1
        if self.operations == self.cut:
            if self.after:
                act()
            raise PowerCut
        act()

    def append(self, name, data):
        self.step(lambda: MemoryStorage.append(self, name, data))

    def replace(self, name, data):
        self.step(lambda: MemoryStorage.replace(self, name, data))


class Element(CountingElement):
    """The secure element on the same battery."""

    def __init__(self, storage):
        CountingElement.__init__(self)
        self.storage = storage

    async def increment(self, index):
        def act():
            self.counters[index] += 1

        self.storage.step(act)
        return self.counters[index]

    async def write_block(self, slot, block, data):
        def act():
            self.blocks[(slot, block)] = data

        self.storage.step(act)


class Reader(CardReader):
    """A field or a slot. `tear_at`: the card leaves at that command, counted over all presentations, `heard` by it or not; `cut_at`: the power."""

    def __init__(self, seen):
        self.seen = list(seen)
        self.card = None
        self.problem = None
        self.commands = 0
        self.tear_at = self.cut_at = 0
        self.heard = True
        self.after_read = 0  # commands sent once the screen said that the card may go

    async def wait_for_card(self, timeout_ms):
        found = self.seen.pop(0) if self.seen else None
        if found is None:
            raise NoCardError("no card")
        self.problem = found if isinstance(found, Exception) else None
        self.card = None if self.problem else found

    async def wait_for_removal(self, timeout_ms):
        return True

    async def card_present(self):
        return self.card is not None

    async def connect(self):
        if self.problem is not None:
            raise self.problem
        if self.card is None:
            raise NoCardError("no card")
        return b"\x3b\x80\x80\x01\x01"

    async def transceive(self, command):
        self.commands += 1
        if self.commands == self.cut_at:
            raise PowerCut
        if self.card is None:
            raise CardRemovedError("the card left")
        if self.commands == self.tear_at:
            if self.heard:
                self.card.transmit(bytes(command))
            self.card = None
            raise CardRemovedError("the card left")
        return self.card.transmit(bytes(command))

    async def disconnect(self):
        return None


class Face:
    """Keeps what was shown and what was durable by then; gives the keys of a screen, in order."""

    def __init__(self, bench, keys):
        self.bench, self.keys, self.screen = bench, keys, ""
        self.shown = []

    async def show(self, screen, **fields):
        self.screen = screen
        self.shown.append((screen, fields))
        if screen in ("outcome", "interrupted"):
            self.bench.told(screen, fields)

    async def key(self, timeout_ms=None):
        waiting = self.keys.get(self.screen)
        if waiting:
            return waiting.pop(0)
        return "ok" if self.screen in ("outcome", "interrupted") else None

    def forget(self):
        pass

    def screens(self):
        """Their names, repetitions left out; messages with their number."""
        out = []
        for screen, fields in self.shown:
            name = screen + (" %02X" % fields["ui"] if "ui" in fields else "")
            if not out or out[-1] != name:
                out.append(name)
        return out


class Lights:
    """An indicator that remembers: (lights, blinking, tones)."""

    def __init__(self):
        self.seen = []

    async def show(self, lights, blinking, tones):
        self.seen.append((lights, blinking, tones))


class Set:
    """A signed set."""

    def __init__(self, content):
        self.body = content


class Bench:
    """See the module; it is the Terminal that the flow works with, its ports included."""

    def __init__(self, *cards, slot=(), keys=None, parameters=None, issuer=None, cut=0, after=False, amount=AMOUNT):
        self.storage = Durable()
        self._cut = (cut, after)
        self.se = Element(self.storage)
        self.crypto = PureCrypto()
        self.clock = HandClock(1795339800)  # 22 November 2026
        self.face = Face(self, keys or {})
        self.indicator = Lights()
        self.contactless_reader = Reader(cards)
        self.payment_reader = Reader(slot)
        self.ports, self.identity = self, self
        self.device, self.ksn_id = "TSD-000001", bytes(8)
        self.emv = parameters or body()
        self.issuer = issuer  # what the kernel is told of the issuer; None: no network
        self.asked = []
        self.codes = []
        self.outcomes = []  # (screen, outcome) a person has seen
        self.amount = amount

    def now(self):
        return self.clock.utc

    def limits(self):
        return LIMITS

    def parameter(self, kind):
        return Set(self.emv)

    def note(self, event, **fields):
        pass

    def note_error(self, error):
        self.codes.append(error.code)

    def told(self, screen, fields):
        """What a person is told must be durable by then."""
        last = self.journal.view.case.outcome_record
        outcome = fields.get("outcome", r.OUTCOME_INTERRUPTED)
        assert last is not None and last[r.OUTCOME] == outcome, (screen, fields)
        self.outcomes.append(outcome)

    async def boot(self):
        """The journal as after a boot."""
        self.journal = None  # a boot begins with an empty memory
        gc.collect()
        self.journal = Journal(self.storage, self.se, self.clock, self.crypto, self.device)
        self.journal.officer, self.journal.unit = 1007, "U"
        await self.journal.open()
        await self.journal.end_what_was_cut()

    async def noticed(self):
        """Booted, with a case whose fine may be paid."""
        await self.boot()
        notice = {
            r.CASE: 1,
            r.PV: "000001-00001",
            r.OFFENCE: "66/D-24",
            r.TARIFF: 1,
            r.AMOUNT: self.amount,
            r.POINTS: 6,
        }
        await self.journal.append(r.NOTICE, notice)

    def fail(self, screen, error):
        """That screen raises the first time that it is to be shown."""
        shown, waiting = self.face.show, [error]

        async def show(name, **fields):
            if name == screen and waiting:
                raise waiting.pop()
            await shown(name, **fields)

        self.face.show = show

    def garble(self, method, nth):
        """The secure element's driver breaks its contract in that call: an error of another class."""
        real, calls = getattr(self.se, method), []

        async def call(*arguments):
            calls.append(1)
            if len(calls) == nth:
                raise FormatError("no CBOR", "FMT-022")
            return await real(*arguments)

        setattr(self.se, method, call)

    async def pay(self):
        """A case, and one payment for it: the outcome, or the CardError that came before it began, or "cut"."""
        await self.noticed()
        self.storage.operations = 0
        self.storage.cut, self.storage.after = self._cut
        return await self.again()

    async def again(self):
        """One more payment for the case."""
        kept, online.authorise = online.authorise, self._authorise
        try:
            return await payment.pay(self, self.journal.view.case)
        except PowerCut:
            return "cut"
        finally:
            online.authorise = kept
            self.storage.cut = 0

    async def _authorise(self, t, intent, amount, seal):
        self.asked.append(intent)
        if self.issuer is None:
            return online.Asked(None)
        await seal()
        return online.Asked(dict(self.issuer), "REF")

    def records(self, kind):
        """The journal's records of a kind."""
        return [record for record, _, _ in self.journal.entries(1) if record[r.KIND] == kind]

    def ends(self):
        """{intent: [outcomes]}."""
        found = {record[r.SEQ]: [] for record in self.records(r.PAYMENT_INTENT)}
        for record in self.records(r.PAYMENT_OUTCOME):
            found[record[r.INTENT]].append(record[r.OUTCOME])
        return found


__all__ = ["AAC", "AMOUNT", "ARQC", "TC", "Bench", "ContactCard", "Reader", "body", "card2", "card3"]
