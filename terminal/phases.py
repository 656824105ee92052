"""Code that one phase of the work needs and the others do not: loaded leaf first when the phase begins, dropped when it ends.

On a microcontroller the licence reader and the EMV kernel never have to be in memory together. `enter` loads a phase's modules in an order in
which no import nests deeply (C stack is scarce there), collecting between them so that what stays lies together; `leave` forgets them again. What
leaves a phase must be plain data: an object of a class from a dropped module would keep that module alive. On CPython both do nothing: imports
happen where they are written.
"""

import gc
import sys

_DEVICE = sys.implementation.name == "micropython"
COLLECT_EVERY = 12288
"""Bytes of allocation after which a microcontroller's collector runs: what lives keeps together at the heap's lower end, the rest in one piece."""

LICENCE = (
    "protocol.licence.errors",
    "protocol.licence.profile",
    "protocol.licence.mrz",
    "protocol.licence.access.keys",
    "protocol.licence.access.messaging",
    "protocol.licence.access.bac",
    "protocol.der",
    "protocol.licence.curves",
    "protocol.licence.trust.algorithms",
    "protocol.licence.trust.x509",
    "protocol.licence.trust.anchors",
    "protocol.licence.trust.security_object",
    "protocol.licence.trust.passive",
    "protocol.licence.channel",
    "protocol.licence.files",
    "protocol.licence.groups",
    "protocol.licence.reader",
    "protocol.jpeg",
    "protocol.jpeg.inverse",
    "protocol.jpeg.blocks",
    "protocol.jpeg.headers",
    "protocol.jpeg.decoder",
    "drivers.picture_stream",
    "terminal.flows.licence",
)
PAYMENT = (
    "protocol.dukpt",
    "protocol.emv.tags",
    "protocol.emv.params",
    "protocol.emv.state",
    "protocol.emv.oda.certificates",
    "protocol.emv.oda.authenticate",
    "protocol.emv.steps.pin",
    "protocol.emv.steps.cvm",
    "protocol.emv.steps.taa",
    "protocol.emv.steps.gac",
    "protocol.emv.kernel",
    "protocol.emv.holder",
    "terminal.sealing",
    "terminal.session",
    "terminal.online",
    "terminal.flows.payment",
)
TAP = (
    "drivers.pn532.frames",
    "drivers.pn532.cards",
    "drivers.pn532.link",
    "drivers.pn532.reader",
    "protocol.emv.contactless.ui",
    "protocol.emv.contactless.outcome",
    "protocol.emv.contactless.params",
    "protocol.emv.contactless.torn",
    "protocol.emv.contactless.common",
    "protocol.emv.contactless.preprocess",
    "protocol.emv.contactless.directory",
    "protocol.emv.contactless.finish",
    "protocol.emv.contactless.entry",
    "terminal.face.lights",
    "terminal.flows.tap",
)
"""Within PAYMENT, where there is a contactless reader; a kernel is loaded when a card asks for it."""
PAPER = ("protocol.base45", "protocol.claim", "terminal.receipts", "terminal.flows.papers")
SLIP = ("terminal.receipts", "terminal.flows.signature")
"""Within PAYMENT, after the card: what a cardholder signs."""
NETWORK = (
    "protocol.batch",
    "terminal.session",
    "terminal.replies",
    "terminal.batches",
    "terminal.flows.release",
    "terminal.sync",
    "terminal.flows.shift",
)
FINE = ("terminal.personal", "terminal.flows.offence", "terminal.flows.fine")

_DROPPED = {
    LICENCE: (
        "protocol.licence",
        "protocol.der",
        "protocol.jpeg",
        "drivers.picture_stream",
        "terminal.flows.licence",
        "drivers.pn532",
    ),
    PAYMENT: (
        "protocol.emv",
        "protocol.dukpt",
        "protocol.pinblock",
        "terminal.sealing",
        "terminal.session",
        "terminal.online",
        "terminal.flows.payment",
        "terminal.face.lights",
        "terminal.flows.tap",
        "drivers.pn532",
    ),
    TAP: ("protocol.emv", "terminal.face.lights", "terminal.flows.tap", "drivers.pn532"),
    PAPER: ("protocol.base45", "protocol.claim", "terminal.receipts", "terminal.flows.papers"),
    SLIP: ("terminal.receipts", "terminal.flows.signature"),
    NETWORK: (
        "protocol.batch",
        "terminal.session",
        "terminal.replies",
        "terminal.batches",
        "terminal.renewal",
        "terminal.testimony",
        "terminal.flows.release",
        "terminal.sync",
        "terminal.flows.shift",
    ),
    FINE: (
        "terminal.personal",
        "terminal.flows.offence",
        "terminal.flows.fine",
        "terminal.flows.void",
        "terminal.flows.again",
        "terminal.flows.release",
        "terminal.flows.abandon",
        "terminal.face.screens.void",
        "terminal.face.screens.case",
        "terminal.face.screens.payment",
    ),
}


def enter(phase: tuple) -> None:
    """Load the modules of a phase, leaf first."""
    if _DEVICE:
        for name in phase:
            __import__(name)  # law: dynamic-import only names listed above
            gc.collect()


def warm() -> None:
    """Load and drop every phase once, right after boot: the table of interned names, which only grows and wants one piece, grows while the heap
    is still whole.
    """
    for phase in (LICENCE, PAYMENT, TAP, PAPER, SLIP, NETWORK, FINE):
        enter(phase)
        leave(phase)


def leave(phase: tuple) -> None:
    """Drop them; the next `enter` loads them anew."""
    if not _DEVICE:
        return
    gc.collect()
    doomed = []
    for name in sys.modules:
        for prefix in _DROPPED[phase]:
            if name == prefix or name.startswith(prefix + "."):
                doomed.append(name)
                break
    for name in doomed:
        _drop(name)
    gc.collect()


def _drop(name: str) -> None:
    """Forget a module and empty it: a stale word on the C stack may keep it alive, but then nothing that it used."""
    module = sys.modules.pop(name)
    parent, _, leaf = name.rpartition(".")
    if parent in sys.modules and hasattr(sys.modules[parent], leaf):
        delattr(sys.modules[parent], leaf)
    module.__dict__.clear()
