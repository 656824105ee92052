"""What the fuzzers throw bytes at: every place of the licence code that reads what a chip or a list says.

A target takes bytes and returns nothing. The oracle: it ends, and whatever it raises is a coded error (TasdidError with its code);
a crash of any other kind gets out. Importable by pytest, hypothesis and atheris.
"""

from collections.abc import Callable
from typing import Any

from drivers.contracts.picture import BROKEN, UNABLE
from drivers.picture_stream import StreamPicture
from protocol import tlv
from protocol.crypto.native import NativeCrypto
from protocol.der import SET, Der
from protocol.errors import TasdidError
from protocol.jpeg.decoder import Decoder
from protocol.licence import channel, files, groups, mrz, profile, reader
from protocol.licence.access import active, chip_authentication, keys, mapping, offers, pace
from protocol.licence.access.messaging import SecureChannel
from protocol.licence.trust import algorithms, crl, passive, security_object, x509
from protocol.licence.trust.anchors import TrustSet

TODAY = "20250611"
STEPS = (
    2 * channel.MAX_READS * 17 + 200
)  # requests of one reading (progress told, GET RESPONSE); more means that it does not end
CODES = ("LIC-", "FMT-", "CRY-", "CRD-")
_crypto = NativeCrypto()
_trust: "list[TrustSet]" = []


def configure(anchors: "list[dict[str, object]]", crls: "list[bytes]") -> None:
    """The trust set that SODs are judged with."""
    _trust[:] = [TrustSet(anchors, crls=crls)]


def trust() -> TrustSet:
    return _trust[0] if _trust else TrustSet([])


def coded(function: "Callable[..., Any]", *arguments: Any) -> Any:
    """The function's value, or None if it raised a coded error."""
    try:
        return function(*arguments)
    except TasdidError as error:
        assert error.code[:4] in CODES, error.code
        return None


def tlv_bytes(data: bytes) -> None:
    """BER-TLV and DER readers, and the APDU level."""
    for strict in (True, False):
        coded(tlv.parse, data, strict)
        coded(lambda strict=strict: list(tlv.walk(data, strict)))
    coded(der_walk, data)
    coded(files.file_length, data, data[0] if data else 0)
    channel.extended_announced(data)
    assert channel.answer_size(data, 4096) <= 4096
    coded(keys.unpad, data)


def der_walk(data: bytes, depth: int = 0) -> None:
    inner = Der(data)
    while inner.more():
        item = inner.next()
        if item.tag & 0x20 and depth < 12:
            der_walk(item.content(), depth + 1)


def group_bytes(data: bytes) -> None:
    """Data groups and EF.COM: the first byte chooses, else the tag is put there."""
    if not data:
        return
    group = data[0] % 16
    content = data[1:]
    if group == 0:
        coded(groups.common_data, content)
    elif group == 15:
        coded(groups.portrait_image, content)
    else:
        coded(groups.decode, group, content)
        if content:
            coded(groups.decode, group, bytes([profile.tag_of(group)]) + content[1:])


def certificate_bytes(data: bytes) -> None:
    """Certificates, revocation lists, keys, algorithms, names."""
    found = coded(x509.parse, data)
    if found is not None:
        coded(found.country)
        coded(x509.same_name, found.issuer, found.subject)
        found.valid_at(TODAY)
        coded(found.issued, _crypto, found)
    listed = coded(crl.parse, data)
    if listed is not None:
        coded(listed.revoked_at, b"\x01\x02")
    for read in (algorithms.read_public_key, algorithms.read_algorithm, chip_authentication.read_field_key):
        coded(read, Der(data))


def sod_bytes(data: bytes) -> None:
    """Security objects and EF.CardSecurity, parsed and judged."""
    card = coded(mapping.CardSecurity, data)
    if card is not None:
        judged = passive.Judgement()
        coded(passive.judge_signer, _crypto, card, trust(), "DZ", "", TODAY, judged)
        proof = bytes(31) + b"\x01", b"\x04" + bytes(64)
        coded(lambda: chip_authentication.mapping_holds(_crypto, card.signed.content.reader().enter(SET), proof))
    judged = passive.Judgement()
    parsed = passive.parse_sod(data, judged)
    if parsed is None:
        return
    coded(passive.judge_signer, _crypto, parsed, trust(), "DZ", "20220310", TODAY, judged)
    passive.verdict(judged, passive.NOT_OFFERED)
    coded(security_object.parse, data)


def info_bytes(data: bytes) -> None:
    """EF.CardAccess, DG13 and DG14, and the recovered block of active authentication."""
    coded(offers.offers, data)
    for content in (data, b"\x6e" + tlv.encode_length(len(data)) + data):
        coded(chip_authentication.offer, content)
        coded(chip_authentication.announced, content)
        coded(chip_authentication.hides_pace, content, [])
        coded(active.signature_hash, content)
        coded(mapping.announced, content)
    if data:
        coded(active.block_holds, _crypto, data, bytes(8))
        coded(pace.chip_proof, _crypto, bytes(16), data)


def answer_bytes(data: bytes) -> None:
    """Secured answers: random ones, and authentic ones with one byte changed; none is accepted."""
    if len(data) < 4:
        return
    for cipher in (keys.DES3, keys.AES128):
        made = SecureChannel(_crypto, bytes(16), bytes(range(16)), 7, cipher)
        made.wrap(b"\x00\xb0\x00\x00\x10")
        if coded(made.unwrap, data[2:]) is not None:
            raise AssertionError("an answer that no chip made was accepted")
        assert not made.alive


def mrz_bytes(data: bytes) -> None:
    """MRZs and access numbers as scanned or keyed."""
    text = data.decode("latin-1")
    coded(mrz.parse, text)
    coded(mrz.from_can, text)
    third = len(text) // 3
    coded(mrz.from_fields, text[:third], text[:1], text[third : third + 6], text[-1:], text[-7:-1], text[1:2])


class OpenChip:
    """A chip that is open and answers in clear: what the reader sees after secure messaging."""

    def __init__(self) -> None:
        self.crypto = _crypto
        self.aid = profile.ISO_AID
        self.access, self.offers, self.pace_proof = "BAC", [], None
        self.chunk, self.room, self.channel = 240, 0, None
        self.offers_pace = self.announces_extended = self.proven = self.awaited = False
        self.rebuilds = self.reads = self.given = self.probes = 0
        self.sizes_matter = False
        self.hold, self.lost_beyond = profile.HOLD_LIMIT, False

    def open(self) -> Any:
        yield ("progress", "open", 1, 1)

    def close(self) -> None:
        pass

    def random(self, count: int) -> bytes:
        return bytes(range(count))

    def replace(self, other: Any) -> None:
        other.close()

    def rebuild(self, cause: Any, forgiven: int = 0) -> Any:
        yield ("progress", "rebuild", 1, 1)

    def send(self, command: bytes) -> Any:
        return channel.exchange(command)


def reading_bytes(data: bytes) -> None:
    """A whole reading of a chip whose answers are the input: length, then that many bytes with their status word."""
    pieces, at = [], 0
    while at < len(data) and len(pieces) < 64:
        size = data[at]
        pieces.append(data[at + 1 : at + 1 + size] + (b"\x90\x00" if size & 1 else b""))
        at += 1 + size
    if not pieces:
        return
    chip: Any = OpenChip()
    run = reader._Reading(_crypto, chip, reader.Resume(), False)
    steps = run.run([1, 11, 4], _PRINT, trust(), TODAY)
    answer, count = None, 0
    try:
        while True:
            request = steps.send(answer)
            count += 1
            assert count < STEPS, "a reading that does not end"
            answer = pieces[count % len(pieces)] if request[0] == "apdu" else None
    except StopIteration as end:
        assert end.value.verdict != 1, "a chip of made-up answers was proven genuine"
    except TasdidError as error:
        assert error.code[:4] in CODES, error.code


def files_bytes(data: bytes) -> None:
    """A whole reading of an honest chip with hostile files: the input is (file, length of two bytes, content) again and again."""
    served: "dict[int, bytes]" = {}
    at = 0
    while at + 3 <= len(data) and len(served) < 8:
        size = int.from_bytes(data[at + 1 : at + 3], "big") & 0x1FFF
        served[data[at] & 0x1F] = data[at + 3 : at + 3 + size]
        at += 3 + size
    chip: Any = OpenChip()
    steps = reader._Reading(_crypto, chip, reader.Resume(), True).run([1, 11, 2, 5, 6, 4], _PRINT, trust(), TODAY)
    answer, current, count = None, b"", 0
    try:
        while True:
            request = steps.send(answer)
            count += 1
            assert count < STEPS, "a reading that does not end"
            if request[0] != "apdu":
                answer = None
                continue
            command = request[1]
            if command[1] != 0xB0:
                answer = b"\x6d\x00"
                continue
            if command[2] & 0x80:
                current, offset = served.get(command[2] & 0x1F, b""), command[3]
            else:
                offset = command[2] << 8 | command[3]
            piece = current[offset : offset + command[4]]
            answer = piece + b"\x90\x00" if piece else b"\x6a\x82" if not current else b"\x6b\x00"
    except StopIteration as end:
        assert end.value.verdict != 1 or 13 in served or 14 in served
    except TasdidError as error:
        assert error.code[:4] in CODES, error.code


class Rows:
    """Counts what a decoder hands over."""

    def __init__(self, n: int) -> None:
        self.n, self.width, self.height, self.rows = n, 0, 0, 0

    def start(self, width: int, height: int) -> int:
        self.width, self.height = (width * self.n + 7) // 8, (height * self.n + 7) // 8
        return self.n

    def row(self, pixels: memoryview) -> None:
        assert len(pixels) == self.width
        self.rows += 1


def picture_bytes(data: bytes) -> None:
    """Portraits as they come: the first byte says in what pieces and at which scale."""
    if not data:
        return
    step, rows = 1 + data[0] // 4 * 9, Rows(1 << data[0] % 4)
    decoder = Decoder(rows)
    data = data[1:]

    def decode() -> None:
        for at in range(0, len(data), step):
            decoder.feed(data[at : at + step])
        decoder.finish()
        assert rows.rows == rows.height > 0

    coded(decode)
    shown = StreamPicture(112, 144)
    for at in range(0, len(data), step):
        shown.feed(data[at : at + step])
    found = shown.result()
    if isinstance(found, str):
        assert found in (BROKEN, UNABLE)
    else:
        assert 1 <= found[0] <= 112 and 1 <= found[1] <= 144 and len(found[2]) == (found[0] + 7) // 8 * found[1]


_PRINT = mrz.from_fields("A10203047", mrz.check_digit("A10203047"), "870614", mrz.check_digit("870614"), "320309",
                         mrz.check_digit("320309"))  # fmt: skip

TARGETS: "dict[str, Callable[[bytes], None]]" = {
    "tlv": tlv_bytes,
    "groups": group_bytes,
    "certificates": certificate_bytes,
    "sod": sod_bytes,
    "infos": info_bytes,
    "answers": answer_bytes,
    "mrz": mrz_bytes,
    "reading": reading_bytes,
    "files": files_bytes,
    "picture": picture_bytes,
}
