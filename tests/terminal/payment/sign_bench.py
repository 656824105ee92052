"""A terminal whose cards want a signature, for tests on both runtimes: the bench of the payment with a printer and an officer. No test file."""

from protocol.emv import kernel  # noqa: F401 - this and the next two before the bench: imported through it, they nest too deep for the device's stack
from protocol.emv.contactless import c2  # noqa: F401
from protocol.errors import PrinterError
from terminal.journal import frames  # noqa: F401
from tests.protocol.emv import scripted
from tests.protocol.emv.contactless import scripted_c2, scripted_tap
from tests.protocol.emv.scripted import h
from tests.support.listening import Listening
from tests.terminal.payment.tap_bench import TC, Bench, card2, card3

SIGNATURE = h("00000000000000001E00")
APPROVES = {"arc": "00", "auth_code": "123456", "data": b""}


class _ContactCard(scripted.Card):
    """It proves both cryptograms under whatever number the terminal drew."""

    def generate(self, asked, data):
        self.number = bytes(data[25:29] if self.gacs == 1 else data[7:11])
        return scripted.Card.generate(self, asked, data)


def contact(kind=TC):
    """In the slot; an ARQC is confirmed by a second cryptogram."""
    return _ContactCard(fields={"8E": SIGNATURE}, kinds=(kind, TC))


def parameters():
    """The bench's, the holder verified from 500 DA on: Kernel 2 has no signature below that."""
    return scripted_tap.body(scripted_tap.combination(), scripted_c2.combination(cvm_limit=50000))


def tapped3(kind=TC):
    """Kernel 3: the card's qualifiers ask for it."""
    return card3(kind, ctq=h("4000"))


def tapped2(kind=TC):
    """Kernel 2: the card's list has nothing else."""
    return card2(kind, fields={"8E": SIGNATURE})


class SignBench(Bench):
    """`slot` or a tapped card, `word`: the officer's keys on the screen that asks; `troubles`: codes of the printer, in order, then it prints.

    `papers`: the texts of each slip that came out whole.
    """

    def __init__(self, *cards, word=("ok",), troubles=(), errors=(), **how):
        keys = {"signature": list(word), "error": list(errors)}
        Bench.__init__(self, *cards, keys=keys, parameters=parameters(), **how)
        self.engine = Listening()
        self.printer = self
        self.officer = {"number": 1007, "force": 1, "unit": "U"}
        self.authority = {"ar": "وزارة المالية", "fr": "Ministère des Finances"}
        self.troubles = list(troubles)
        self.papers = []

    async def print_job(self, items):
        """The printer's part."""
        self.engine.texts = []
        for index, _ in enumerate(items):
            if self.troubles and index == 9:
                code, half = self.troubles.pop(0)
                raise PrinterError("trouble", code, detail=index if half else None)
        self.papers.append(self.engine.texts)
