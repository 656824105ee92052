"""A card made of a script, for tests on both runtimes: real RSA with small published-nowhere keys by plain pow, no EMV logic.

`Card(...)` answers commands; `replies` overrides an answer by the command's name ("GPO", "READ 1 1", "GAC 1", "GET 9F17").
`pay(card, ...)` drives the kernel against it and returns (Result, Trace). None of it is used by the program.
"""

import hashlib

from protocol import records
from protocol.crypto.pure import PureCrypto
from protocol.emv.kernel import transact
from protocol.emv.params import EmvParams
from protocol.errors import CardRemovedError

h = bytes.fromhex

_CA_N = int(
    "C9297FD0CC789DEF777B48D9B823ACA36E70D08BA288A734F45712B383C717D0ADE4525808C48B43C781C51C2943E62D"
    "C43361A74B74883A4817BDB637EABDD31E0BEE08BEFFCDAD75A51C9A934138592062286C4BCBDF012B15A13A708D4B07",
    16,
)
_CA_D = int(
    "861BAA8B32FB13F4FA523091256D1DC249A08B07C1B06F78A2E4B72257DA0FE073ED8C3AB083078285012E12C62D441D"
    "5425359104BA2C8F8B4AB7A38E2183589C2CC34865DB00A7F0790FE4DCDE8285329F3B72D0CFFC18FBF766AEF1CC198B",
    16,
)
_ISSUER_N = int(
    "C02DB99958A5F6A56EB34AB7A2D781CC7B54C3B12AA00561289F4B85362ADF1935CA9F5E17077342017F069134FE7401"
    "B8A198A804D507A9BB2B4F8EE490D5E919C8C7D84FD3002671D1A687E8BAB14699EC5BD4C7FA0E1B6FEAFE69D389863D",
    16,
)
_ISSUER_D = int(
    "801E7BBB906EA46E49CCDC7A6C8FABDDA78DD7CB71C003961B14DD037971EA10CE8714E964AFA22C00FF59B623544D55"
    "52B8067FCA4CF8F3044BEBFB3AC32456160B6493895A39B21B4437248FB0E98881EA55559A8183CDAD4F5B68A4EA5E93",
    16,
)
_ICC_N = int(
    "E1CB8DA2A42E7B75B3CE625AD2D575E358D1E0FC7BD0899F71D53BB9EFF33BD69E123C8D85A816AF2C4A1B72208C1947"
    "DDEC7E8ABD0BC7855913B6EF3AF90C24EC828DD8D72B8CDFF79156DE45198271765018E63DE565E3BDAA53C522299881",
    16,
)
_ICC_D = int(
    "9687B3C1C2C9A7A3CD344191E1E3A3ECE5E140A8528B066A4BE37D269FF77D39BEB6D30903C56474C83167A16B0810D9"
    "532817B9616F78797C7ADDEB8B8FD943DBF15FDB6A733999FDBCE738842B30A00951C9573DCB7C0A55C920D84B8AF4AB",
    16,
)

AID = h("F00000544401")
OTHER_AID = h("F00000544402")
PAN = h("9999990000000018")
PAN_DIGITS = b"9999990000000018"
TRACK2 = h("9999990000000018D30122011234567890")
UN = h("A1B2C3D4")
CDOL1 = h("9F02069F03069F1A0295055F2A029A039C019F37049F35019F34039F4502")
CDOL2 = h("8A0295059F37049B02")
PIN = b"1234"
NO_CVM = h("00000000000000001F00")
OFFLINE_PIN = h("00000000000000000100")

APPROVED = records.OUTCOME_APPROVED
PROVISIONAL = records.OUTCOME_PROVISIONAL
DECLINED = records.OUTCOME_DECLINED


def tlv(tag, value):
    """One object, tag in hex."""
    size = len(value)
    length = (
        bytes([size]) if size < 128 else bytes([0x81, size]) if size < 256 else bytes([0x82, size >> 8, size & 255])
    )
    return h(tag) + length + value


def sha1(data):
    return hashlib.sha1(data).digest()


def sha256(data):
    return hashlib.sha256(data).digest()


def be(number):
    return number.to_bytes(96, "big")


def sign(n, d, head, tail_data):
    """Signature with message recovery: 6A head hash(head | tail_data) BC."""
    block = b"\x6a" + head + sha1(head + tail_data) + b"\xbc"
    assert len(block) == 96
    return be(pow(int.from_bytes(block, "big"), d, n))


def padded(head, size):
    return head + b"\xbb" * (size - len(head))


def issuer_certificate(expiry="1230", identifier="999999FF", serial="000001"):
    """(certificate, remainder) over the issuer's key, by the CA."""
    key = be(_ISSUER_N)
    head = h("02" + identifier + expiry + serial + "0101" + "60" + "01") + key[:60]
    return sign(_CA_N, _CA_D, head, key[60:] + b"\x03"), key[60:]


def icc_certificate(static, expiry="1230", pan=PAN):
    """(certificate, remainder) over the card's key and the static data, by the issuer."""
    key = be(_ICC_N)
    head = h("04") + pan + b"\xff" * (10 - len(pan)) + h(expiry + "000001" + "0101" + "60" + "01") + key[:54]
    return sign(_ISSUER_N, _ISSUER_D, head, key[54:] + b"\x03" + static), key[54:]


def sign_icc(head, tail_data):
    """Signed dynamic data of the card's own key."""
    return sign(_ICC_N, _ICC_D, head, tail_data)


def ca_entry(**changes):
    """The CA key as the parameter set has it."""
    rid, modulus = AID[:5], be(_CA_N)
    entry = {
        "rid": rid, "index": 0xE1, "modulus": modulus, "exponent": b"\x03", "expiry": "20351231",
        "sha1": sha1(rid + b"\xe1" + modulus + b"\x03"),
    }  # fmt: skip
    entry.update(changes)
    return entry


def aid_entry(**changes):
    """One application of the parameter set: goes online only for what the action codes below name."""
    entry = {
        "aid": AID, "label": "CIB TEST", "tac_denial": h("0010000000"), "tac_online": h("FC60ACF800"),
        "tac_default": h("FC6024A800"), "floor": 1000000, "version": h("0001"),
    }  # fmt: skip
    entry.update(changes)
    return entry


def body(*aids, **changes):
    """The body of the parameter set."""
    whole = {
        "aids": list(aids) or [aid_entry()],
        "ca_keys": [ca_entry()],
        "exceptions": [],
        "deferral": True,
        "pse": False,
    }
    whole.update(changes)
    return whole


def txn(**changes):
    """The transaction: 5,000 DA on 22 November 2026."""
    whole = {
        "amount": 500000, "currency": 12, "country": 12, "date": "261122", "time": "093000", "type": 0, "counter": 7,
    }  # fmt: skip
    whole.update(changes)
    return whole


class Card:
    """See the module. `oda` "cda", "dda", "sda", "none"; `kinds`: what the GENERATE ACs answer; `fields`: {tag hex: bytes or None}
    into record 1 of SFI 1; `signed_fields` the same for SFI 2 (the certificates)."""

    def __init__(
        self, oda="cda", kinds=(0x40,), fields=None, signed_fields=None, pdol="9F33039F3704", aip=None, replies=None
    ):
        self.oda = oda
        self.kinds = list(kinds)
        self.replies = replies or {}
        self.names = []
        self.commands = []
        self.pdol = h(pdol)
        self.aip = (
            h(aip) if aip else {"cda": b"\x19\x00", "dda": b"\x38\x00", "sda": b"\x58\x00", "none": b"\x18\x00"}[oda]
        )
        self.pin = PIN
        self.tries = 3
        self.atc = 0x0102
        self.iad = h("06010A03A00000")
        self.cda_damage = 0
        self.aids = [(AID, "CIB TEST", 1)]
        self.afl = h("0801010110010200")
        self.gacs = 0
        self.number = UN
        self.hashed = b""
        self.removed_at = 0
        self._records(fields or {}, signed_fields or {})

    def _records(self, fields, signed_fields):
        first = [
            ("57", TRACK2), ("5A", PAN), ("5F24", h("301231")), ("5F25", h("240101")), ("5F28", h("0012")), ("5F34", h("01")),
            ("8C", CDOL1), ("8D", CDOL2), ("8E", NO_CVM), ("9F07", h("FF00")), ("9F08", h("0001")),
            ("9F0D", h("FC60242800")), ("9F0E", h("0010000000")), ("9F0F", h("FC60ACF800")),
        ]  # fmt: skip
        self.record = _changed(first, fields)
        static = self.record + self.aip
        issuer, issuer_rest = issuer_certificate()
        second = [("8F", b"\xe1"), ("90", issuer), ("92", issuer_rest), ("9F32", b"\x03"), ("9F4A", b"\x82")]
        if self.oda in ("cda", "dda"):
            icc, icc_rest = icc_certificate(static)
            self.third = _changed([("9F46", icc), ("9F47", b"\x03"), ("9F48", icc_rest)], signed_fields)
        else:
            head = padded(h("0301DAC0"), 74)
            self.third = _changed([("93", sign(_ISSUER_N, _ISSUER_D, head, static))], signed_fields)
        self.second = _changed(second, signed_fields)

    def transmit(self, command):
        """Response to one command, SW included."""
        name = self._name(command)
        self.names.append(name)
        self.commands.append(command)
        if self.removed_at == len(self.names):
            raise CardRemovedError("the card left")
        if name in self.replies:
            reply = self.replies[name]
            return reply(self, command) if callable(reply) else reply
        return self._answer(name, command)

    def _name(self, command):
        ins = command[1]
        if ins == 0xA4:
            return "SELECT " + command[5 : 5 + command[4]].hex().upper() + (" NEXT" if command[3] == 2 else "")
        if ins == 0xB2:
            return "READ " + str(command[3] >> 3) + " " + str(command[2])
        if ins == 0xCA:
            return "GET " + command[2:4].hex().upper()
        if ins == 0xAE:
            self.gacs += 1
            return "GAC " + str(self.gacs)
        names = {0xA8: "GPO", 0x20: "VERIFY", 0x88: "INTERNAL", 0x82: "EXTERNAL", 0x84: "CHALLENGE", 0xDA: "PUT"}
        return names.get(ins, "INS " + bytes([ins]).hex())

    def _answer(self, name, command):
        data = command[5 : 5 + command[4]]
        if name.startswith("SELECT"):
            return self._select(data, command[3] == 2)
        if name == "GPO":
            self.hashed = data[2:]
            return tlv("77", tlv("82", self.aip) + tlv("94", self.afl)) + h("9000")
        if name.startswith("READ"):
            content = {"READ 1 1": self.record, "READ 2 1": self.second, "READ 2 2": self.third}.get(name)
            return tlv("70", content) + h("9000") if content else h("6A83")
        if name == "GET 9F17":
            return tlv("9F17", bytes([self.tries])) + h("9000")
        if name == "VERIFY":
            return self._verify(data)
        if name == "INTERNAL":
            head = padded(h("05010302AABB"), 74)
            return tlv("80", sign(_ICC_N, _ICC_D, head, data)) + h("9000")
        if name.startswith("GAC"):
            return self.generate(command[2], data)
        if name in ("EXTERNAL", "PUT"):
            return h("9000")
        return h("6A88") if name.startswith("GET") else h("6D00")

    def _select(self, name, following):
        matching = [a for a in self.aids if a[0].startswith(name)]
        if following:
            matching = matching[1:]
        if not matching:
            return h("6A82")
        aid, label, priority = matching[0]
        inner = (
            tlv("50", label.encode()) + tlv("87", bytes([priority])) + (tlv("9F38", self.pdol) if self.pdol else b"")
        )
        return tlv("6F", tlv("84", aid) + tlv("A5", inner)) + h("9000")

    def _verify(self, block):
        if not self.tries:
            return h("6983")
        wanted = (h("24") + h(self.pin.decode()) + b"\xff" * 5) if len(self.pin) == 4 else b""
        if block == wanted:
            self.tries = 3
            return h("9000")
        self.tries -= 1
        return bytes([0x63, 0xC0 | self.tries])

    def generate(self, asked, data):
        """Answer to GENERATE AC: signed if asked so and no AAC."""
        kind = self.kinds[self.gacs - 1]
        self.hashed += data
        cryptogram = sha1(self.hashed + bytes([kind]))[:8]
        atc = bytes([self.atc >> 8, self.atc & 255])
        if not asked & 0x10 or kind & 0xC0 == 0:
            return tlv("80", bytes([kind]) + atc + cryptogram + self.iad) + h("9000")
        clear = tlv("9F27", bytes([kind])) + tlv("9F36", atc) + tlv("9F10", self.iad)
        dynamic = (
            h("0811223344556677889A")[:9] + bytes([kind ^ self.cda_damage]) + cryptogram + sha1(self.hashed + clear)
        )
        head = padded(h("0501") + bytes([len(dynamic)]) + dynamic, 74)
        signed = tlv("9F4B", sign(_ICC_N, _ICC_D, head, self.number))
        return tlv("77", tlv("9F27", bytes([kind])) + tlv("9F36", atc) + signed + tlv("9F10", self.iad)) + h("9000")


def _changed(objects, changes):
    out = b""
    names = [tag for tag, _ in objects]
    for tag, value in objects:
        value = changes.get(tag, value)
        if value is not None:
            out += tlv(tag, value)
    for tag in sorted(changes):
        if (
            tag not in names
            and changes[tag] is not None
            and len(tag) <= 4
            and not (names[0] != "57" and tag in _OF_OTHERS)
        ):
            out += tlv(tag, changes[tag])
    return out


_OF_OTHERS = ("8F", "90", "92", "9F32", "9F4A", "9F46", "9F47", "9F48", "93")


class Trace:
    """What was asked besides commands: (word, arguments) in order, and the frozen DE55s that went online."""

    def __init__(self):
        self.asked = []

    def of(self, word):
        return [request for request in self.asked if request[0] == word]


def pay(
    card,
    parameters=None,
    transaction=None,
    pins=(),
    online=None,
    choose=0,
    identified=None,
    random=0,
    crypto=None,
    online_pin=None,
):
    """Drive the kernel against a card. `pins`: the entries in order; `online`: the answer; `random`: the byte repeated."""
    machine = transact(transaction or txn(), EmvParams(parameters or body()), crypto or PureCrypto(), UN)
    trace = Trace()
    entries = list(pins)
    answer = None
    while True:
        try:
            request = machine.send(answer)
        except StopIteration as stop:
            return stop.value, trace
        word = request[0]
        if word == "apdu":
            try:
                answer = card.transmit(bytes(request[1]))
            except CardRemovedError as error:
                machine.throw(error)
                raise AssertionError("the kernel kept a link failure to itself")
            continue
        trace.asked.append(request)
        if word == "pin":
            answer = entries.pop(0) if entries else None
        elif word == "random":
            answer = bytes([random]) * request[1]
        else:
            answer = {"online": online, "choose": choose, "identified": identified, "online_pin": online_pin}.get(word)
