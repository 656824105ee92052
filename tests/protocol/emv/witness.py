"""A second opinion about a signature, from what crossed the link: own TLV, plain pow and hashlib, nothing of the kernel (CPython).

`signed(exchange, ca, un)` follows Book 2, 5.3, 6.4 and 6.6 over the commands and answers as the terminal saw them and returns the last
cryptogram of the card if a combined signature proves it; NotSignedError, naming what does not hold, otherwise. `ca`: {index: (modulus, exponent)}.
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

Exchange = list[tuple[bytes, bytes]]
Keys = dict[int, tuple[int, int]]


class NotSignedError(Exception):
    """What does not hold."""


class Signed:
    """What the signature proves. `kind`: upper two bits of the cryptogram information data."""

    def __init__(self, cid: int, atc: int, cryptogram: bytes) -> None:
        self.kind, self.atc, self.cryptogram = cid & 0xC0, atc, cryptogram


def need(condition: object, what: str) -> None:
    if not condition:
        raise NotSignedError(what)


def tlvs(data: bytes) -> Iterator[tuple[str, bytes, bytes]]:
    """(tag, value, whole object) one level deep; bytes 00 between objects are passed over."""
    at = 0
    while at < len(data):
        if data[at] == 0:
            at += 1
            continue
        start, at = at, at + 1
        if data[start] & 0x1F == 0x1F:
            while data[at] & 0x80:
                at += 1
            at += 1
        tag, size, at = data[start:at].hex().upper(), data[at], at + 1
        if size > 128:
            wide = size - 128
            size, at = int.from_bytes(data[at : at + wide], "big"), at + wide
        need(at + size <= len(data), "cut short " + tag)
        yield tag, data[at : at + size], data[start : at + size]
        at += size


def _rows(exchange: Exchange) -> Iterator[tuple[bytes, bytes]]:
    """(command, data) of what ended in 9000, pieces fetched with GET RESPONSE put together."""
    open_command, data = b"", b""
    for command, answer in exchange:
        if command[1] != 0xC0:
            open_command, data = command, b""
        data += answer[:-2]
        if answer[-2:] == b"\x90\x00":
            yield open_command, data


def _opened(signature: bytes, key: tuple[int, int], kind: int, covered: bytes) -> bytes:
    """What a signature with message recovery holds, its hash compared (annex A2.1)."""
    size = (key[0].bit_length() + 7) // 8
    need(len(signature) == size, f"length of {kind:02X}")
    block = pow(int.from_bytes(signature, "big"), key[1], key[0]).to_bytes(size, "big")
    need((block[0], block[1], block[-1]) == (0x6A, kind, 0xBC), f"frame of {kind:02X}")
    need(hashlib.sha1(block[1:-21] + covered).digest() == block[-21:-1], f"hash of {kind:02X}")
    return block


def _inside(block: bytes, at: int, rest: bytes, exponent: bytes) -> tuple[int, int]:
    need(block[at : at + 2] == b"\x01\x01", "algorithms")
    modulus = (block[at + 4 : -21] + rest)[: block[at + 2]]
    need(len(modulus) == block[at + 2], "modulus")
    return int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big")


def _valid(month_year: bytes, today: str) -> None:
    mmyy = month_year.hex()
    need(mmyy[2:] + mmyy[:2] >= today[:4], "certificate expired")


@lru_cache(maxsize=256)
def _card_key(ca: tuple[int, int], objects: tuple[bytes, ...], static: bytes, today: str) -> tuple[int, int]:
    issuer_cert, issuer_rest, issuer_exponent, cert, rest, exponent, pan = objects
    block = _opened(issuer_cert, ca, 0x02, issuer_rest + issuer_exponent)
    need(pan.hex().startswith(block[2:6].hex().rstrip("f")), "issuer identifier")
    _valid(block[6:8], today)
    issuer = _inside(block, 11, issuer_rest, issuer_exponent)
    block = _opened(cert, issuer, 0x04, rest + exponent + static)
    need(block[2:12].hex().rstrip("f") == pan.hex().rstrip("f"), "PAN of the certificate")
    _valid(block[12:14], today)
    return _inside(block, 17, rest, exponent)


def _read(rows: list[tuple[bytes, bytes]]) -> tuple[dict[str, bytes], bytes, bytes]:
    """The card's objects, the static data to be authenticated, and what the card was told with its options."""
    command, data = next((c, d) for c, d in reversed(rows) if c[1] == 0xA8)
    told = command[7 : 5 + command[4]]
    ((template, inner, _),) = tlvs(data)
    if template == "80":
        aip, afl = inner[:2], inner[2:]
    else:
        options = {tag: value for tag, value, _ in tlvs(inner)}
        aip, afl = options["82"], options["94"]
    answers = {(c[2], c[3]): d for c, d in rows if c[1] == 0xB2}
    card, static = {}, b""
    for at in range(0, len(afl), 4):
        for number in range(afl[at + 1], afl[at + 2] + 1):
            record = answers[number, afl[at] | 4]
            ((_, content, _),) = tlvs(record)
            card.update({tag: value for tag, value, _ in tlvs(content)} if afl[at] >> 3 <= 10 else {})
            if number < afl[at + 1] + afl[at + 3]:
                static += content if afl[at] >> 3 <= 10 else record
    if "9F4A" in card:
        need(card["9F4A"] == b"\x82", "list of static data")
        static += aip
    return card, static, told


def certified(exchange: Exchange) -> tuple[dict[str, bytes], bytes]:
    """The objects of the records that the AFL marks as authenticated, and the AIP."""
    rows = list(_rows(exchange))
    _, data = next((c, d) for c, d in reversed(rows) if c[1] == 0xA8)
    ((template, inner, _),) = tlvs(data)
    options = {tag: value for tag, value, _ in tlvs(inner)} if template == "77" else {"82": inner[:2], "94": inner[2:]}
    afl, objects = options["94"], {}
    answers = {(c[2], c[3]): d for c, d in rows if c[1] == 0xB2}
    for at in range(0, len(afl), 4):
        for number in range(afl[at + 1], afl[at + 1] + afl[at + 3]):
            ((_, content, _),) = tlvs(answers[number, afl[at] | 4])
            objects.update({tag: value for tag, value, _ in tlvs(content)} if afl[at] >> 3 <= 10 else {})
    return objects, options["82"]


def rests(result: Any, exchange: Exchange, today: str, country: str) -> None:
    """An approval that no issuer gave rests on what is signed: number, dates, usage, CVM list, action codes. NotSignedError if on anything else."""
    card, aip = certified(exchange)
    tvr, three = result.tvr, result.kernel == 3
    need(card["5A"].hex().rstrip("f") == result.pan.decode(), "number")
    need(result.expiry == card["5F24"], "expiry")
    need(result.psn == int(card.get("5F34", bytes([result.psn or 0])).hex()), "sequence number")
    need(card["5F24"].hex() >= today or (not three and tvr[1] & 0x40), "expired")
    need(three or card.get("5F25", b"").hex() <= today or tvr[1] & 0x20, "not yet effective")
    if "9F07" in card and "5F28" in card:
        goods = 0x28 if card["5F28"].hex() == country else 0x14
        need(card["9F07"][0] & goods or (not three and tvr[1] & 0x10), "usage")
    if three:
        return
    bits = int.from_bytes(tvr, "big")
    for tag, default in (("9F0E", bytes(5)), ("9F0D" if result.reason == "Y3" else "9F0F", b"\xff" * 5)):
        need(not bits & int.from_bytes(card.get(tag, default), "big"), "action code " + tag)
    _verified(result, card.get("8E"), aip)


def _verified(result: Any, rules: bytes | None, aip: bytes) -> None:
    """The CVM results are those of a rule of the signed list, or say that none succeeded; a device that verifies its holder has no list."""
    if rules is None or not aip[0] & 0x10 or (result.kernel == 2 and aip[0] & 0x02):
        return
    pairs = [rules[at : at + 2] for at in range(8, len(rules), 2)]
    need(result.cvm_results[:2] in pairs or result.tvr[2] & 0x80 or not pairs, "CVM list")


def _said(dol: bytes, sent: bytes) -> dict[str, bytes]:
    """The terminal's values by the card's list of tags and lengths."""
    values, at, offset = {}, 0, 0
    while at < len(dol):
        start, at = at, at + 1
        if dol[start] & 0x1F == 0x1F:
            while dol[at] & 0x80:
                at += 1
            at += 1
        size = dol[at]
        values[dol[start:at].hex().upper()] = sent[offset : offset + size]
        at, offset = at + 1, offset + size
    need(offset == len(sent), "length of what was sent")
    return values


def signed(exchange: Exchange, ca: Keys, un: bytes, amount: bytes, today: str) -> Signed:
    """See the module. `un`, `amount`: what the terminal drew and asks; wherever it told them, it must have told those."""
    rows = list(_rows(exchange))
    card, static, told = _read(rows)
    wanted = ("90", "92", "9F32", "9F46", "9F48", "9F47", "5A")
    try:
        key = _card_key(ca[card["8F"][0]], tuple(card.get(tag, b"") for tag in wanted), static, today)
    except KeyError as missing:
        raise NotSignedError(f"no {missing}") from None
    asked = [(command[5 : 5 + command[4]], command[2], data) for command, data in rows if command[1] == 0xAE]
    need(1 <= len(asked) <= 2, "number of cryptograms")
    sent = b"".join(data for data, _, _ in asked)
    for (data, _, _), dol in zip(asked, ("8C", "8D"), strict=False):
        values = _said(card[dol], data)
        need(values.get("9F37", un[:4]) == un, "unpredictable number told")
        need(values.get("9F02", amount) == amount, "amount told")
    need(asked[-1][1] & 0x10, "no signature was asked for")
    return _verdict(asked[-1][2], key, told + sent, un)


def _verdict(answer: bytes, key: tuple[int, int], sent: bytes, un: bytes) -> Signed:
    ((template, inner, _),) = tlvs(answer)
    need(template == "77", "template")
    objects = list(tlvs(inner))
    fields = {tag: value for tag, value, _ in objects}
    need(len(fields) == len(objects), "twice")
    block = _opened(fields.get("9F4B", b""), key, 0x05, un)
    need(block[2] == 1, "hash algorithm")
    dynamic = block[4 : 4 + block[3]]
    at = 1 + dynamic[0]
    need(dynamic[at : at + 1] == fields["9F27"], "cryptogram information data")
    need(fields.get("9F26", dynamic[at + 1 : at + 9]) == dynamic[at + 1 : at + 9], "cryptogram beside")
    transaction = sent + b"".join(whole for tag, _, whole in objects if tag != "9F4B")
    need(hashlib.sha1(transaction).digest() == dynamic[at + 9 : at + 29], "hash of the transaction's data")
    return Signed(dynamic[at], int.from_bytes(fields["9F36"], "big"), dynamic[at + 1 : at + 9])
