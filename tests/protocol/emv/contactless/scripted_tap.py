"""A contactless card of Kernel 3 made of a script, for tests on both runtimes; keys and certificates are those of `scripted`.

`Tap(...)` answers commands; `replies` overrides an answer by the command's name ("SELECT PPSE", "GPO", "READ 1 1"). `tap(card, ...)` drives the
entry point against it and returns (Result, Trace). None of it is used by the program.
"""

from protocol.crypto.pure import PureCrypto
from protocol.emv import kernel  # before the entry point: imported through it, it nests too deep for the device's stack
from protocol.emv.contactless import entry
from protocol.emv.contactless.params import ContactlessParams
from protocol.emv.contactless.torn import TornLog
from protocol.errors import CardRemovedError
from tests.protocol.emv import scripted
from tests.protocol.emv.scripted import AID, PAN, TRACK2, UN, Trace, h, sha1, tlv

PPSE = b"2PAY.SYS.DDF01"
PDOL = h("9F66049F02069F03069F1A0295055F2A029A039C019F3704")
CARD_UN = h("11223344")
TC, ARQC, AAC = 0x40, 0x80, 0x00


def combination(**changes):
    """The application of `scripted` on kernel 3: offline up to 1,000 DA, taken up to 10,000 DA, holder verified from 5,000 DA."""
    whole = scripted.aid_entry(kernel=3, floor=100000, limit=1000000, cvm_limit=500000, offline=True)
    whole.update(changes)
    return whole


def body(*combinations, **changes):
    """The parameter set with these combinations."""
    changes["contactless"] = list(combinations) or [combination()]
    return scripted.body(**changes)


class Tap:
    """`kind` TC, ARQC or AAC; `ctq` two bytes or None; `fields` {tag hex: bytes or None} into the answer to GET PROCESSING OPTIONS or, if they are
    there, into the record of SFI 1; `sign_over` changes what fDDA covers."""

    def __init__(self, kind=TC, ctq=b"\x00\x00", fields=None, replies=None, aip="2000", directory=None, with_cid=True):
        self.kind, self.ctq, self.aip = kind, ctq, h(aip)
        self.fields = fields or {}
        self.replies = replies or {}
        self.names, self.commands = [], []
        self.directory = directory
        self.with_cid = with_cid
        self.pdol = PDOL
        self.version = 1
        self.signed_ctq = None
        self.sign_over = None
        self.removed_at = 0
        self.atc = 0x0201
        self.asked = bytes(33)
        self.iad = h("06010A03") + bytes([kind >> 2]) + h("0000")

    def transmit(self, command):
        """Response to one command, SW included."""
        name = self._name(command)
        self.names.append(name)
        self.commands.append(bytes(command))
        if self.removed_at == len(self.names):
            raise CardRemovedError("the card left")
        reply = self.replies.get(name)
        if reply is not None:
            return (
                reply.pop(0)
                if isinstance(reply, list) and reply
                else self._answer(name, command)
                if reply == []
                else reply
            )
        return self._answer(name, command)

    def _name(self, command):
        if command[1] == 0xA4:
            data = bytes(command[5 : 5 + command[4]])
            return "SELECT PPSE" if data == PPSE else "SELECT " + data.hex().upper()
        if command[1] == 0xB2:
            return "READ " + str(command[3] >> 3) + " " + str(command[2])
        return "GPO" if command[1] == 0xA8 else "INS " + bytes([command[1]]).hex()

    def _answer(self, name, command):
        if name == "SELECT PPSE":
            entries = self.directory
            if entries is None:
                entries = tlv("61", tlv("4F", AID) + tlv("50", b"CIB TEST") + tlv("87", b"\x01"))
            return fci(PPSE, tlv("BF0C", entries))
        if name.startswith("SELECT "):
            return fci(h(name[7:]), tlv("50", b"CIB TEST") + (tlv("9F38", self.pdol) if self.pdol else b""))
        if name == "GPO":
            return self._options(bytes(command[7 : 5 + command[4]]))
        contents = {"READ 1 1": self._record, "READ 2 1": self._second, "READ 2 2": self._third}
        return tlv("70", contents[name]()) + h("9000") if name in contents else h("6A83")

    def _options(self, data):
        self.asked = data
        atc = bytes([self.atc >> 8, self.atc & 255])
        items = [
            ("82", self.aip), ("94", h("0801010110010200")), ("57", TRACK2), ("9F10", self.iad),
            ("9F26", sha1(data + atc)[:8]), ("9F36", atc), ("5F34", h("01")),
        ]  # fmt: skip
        if self.with_cid:
            items.append(("9F27", bytes([self.kind])))
        if self.ctq is not None:
            items.append(("9F6C", self.ctq))
        return tlv("77", _changed(items, self.fields)) + h("9000")

    def _record(self):
        return _changed(
            [
                ("5A", PAN), ("5F24", h("301231")), ("5F25", h("240101")), ("5F28", h("0012")), ("9F07", h("FF00")),
                ("9F08", h("0001")), ("9F4A", b"\x82"),
            ],
            self.fields,
        )  # fmt: skip

    def _second(self):
        issuer, rest = scripted.issuer_certificate()
        items = [("9F47", b"\x03"), ("9F48", scripted.icc_certificate(self._record() + self.aip)[1])]
        return (
            tlv("8F", b"\xe1")
            + tlv("90", issuer)
            + tlv("92", rest)
            + tlv("9F32", b"\x03")
            + _changed(items, self.fields)
        )

    def _third(self):
        certificate, _ = scripted.icc_certificate(self._record() + self.aip)
        ctq = self.ctq if self.signed_ctq is None else self.signed_ctq
        related = bytes([self.version]) + CARD_UN + (ctq or b"\0\0")
        amount, currency, number = self.asked[4:10], self.asked[23:25], self.asked[29:33]
        over = self.sign_over if self.sign_over is not None else number + amount + currency + related
        head = scripted.padded(h("0501") + bytes([3]) + b"\x02" + bytes([self.atc >> 8, self.atc & 255]), 74)
        items = [
            ("9F46", certificate), ("9F69", related), ("9F4B", scripted.sign_icc(head, over)),
        ]  # fmt: skip
        return _changed(items, self.fields)


def _changed(items, fields):
    out = b""
    for tag, value in items:
        value = fields.get(tag, value)
        if value is not None:
            out += tlv(tag, value)
    return out


def fci(name, inner):
    """The answer to SELECT."""
    return tlv("6F", tlv("84", name) + tlv("A5", inner)) + h("9000")


def txn(amount=90000, **changes):
    """900 DA on 22 November 2026."""
    return scripted.txn(amount=amount, **changes)


def tap(
    card,
    parameters=None,
    transaction=None,
    online=None,
    identified=None,
    again=(),
    online_pin=None,
    crypto=None,
    elapsed=(),
):
    """Drive the entry point. `again`: the cards presented again, in order (None: nobody does); `elapsed`: of each relay resistance exchange."""
    params = ContactlessParams(parameters or body())
    machine = entry.transact(transaction or txn(), params, crypto or PureCrypto(), UN, TornLog())
    trace = Trace()
    cards, times = list(again), list(elapsed)
    try:
        request = next(machine)
        while True:
            word = request[0]
            if word in ("apdu", "timed_apdu"):
                try:
                    answer = card.transmit(request[1])
                    if word == "timed_apdu":
                        answer = (answer, times.pop(0))
                except CardRemovedError as error:
                    request = machine.throw(error)
                    continue
            else:
                trace.asked.append(request)
                if word == "again":
                    following = cards.pop(0) if cards else None
                    card = following or card
                    answer = following is not None or None
                else:
                    answer = {
                        "online": online,
                        "identified": identified,
                        "online_pin": online_pin,
                        "random": h("0A0B0C0D"),
                    }.get(word)
            request = machine.send(answer)
    except StopIteration as stop:
        assert isinstance(stop.value, kernel.Result)
        return stop.value, trace
