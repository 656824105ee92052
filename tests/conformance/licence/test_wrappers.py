"""Security objects whose wrapper, which nobody signs, is in BER: lengths that are not the shortest, or told by two zeros at the end."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from protocol import records
from protocol.crypto.native import NativeCrypto
from protocol.licence.profile import SOD
from sim.cards.licence import profile
from sim.cards.tlv import read, tlv
from tests.conformance.licence import bench
from tests.conformance.licence.requirements import meets
from tests.conformance.licence.test_device import compare
from tests.support import needs
from tools.licence import offline

GIVEN = {**profile("amina"), "portrait_bytes": 300}
DATA, ALTERED = records.VERDICT_DATA_GENUINE, records.VERDICT_ALTERED
Form = Callable[[int, bytes], bytes]
OCTETS = 0x04


def longer(tag: int, value: bytes) -> bytes:
    """A length of four bytes."""
    return bytes([tag, 0x84]) + len(value).to_bytes(4, "big") + value


def open_ended(tag: int, value: bytes) -> bytes:
    """A length that two zeros end, where a tag can have that."""
    return bytes([tag, 0x80]) + value + b"\0\0" if tag & 0x20 else longer(tag, value)


def in_pieces(tag: int, value: bytes) -> bytes:
    """The same, and octets in pieces of 100."""
    if tag != OCTETS:
        return open_ended(tag, value)
    pieces = [tlv(OCTETS, value[at : at + 100]) for at in range(0, len(value), 100)]
    return open_ended(0x24, b"".join(pieces))


def in_pieces_of_pieces(tag: int, value: bytes) -> bytes:
    """The same, and these in two halves that are in pieces themselves."""
    if tag != OCTETS:
        return open_ended(tag, value)
    half = len(value) // 2
    return open_ended(0x24, in_pieces(OCTETS, value[:half]) + in_pieces(OCTETS, value[half:]))


FORMS: "tuple[Form, ...]" = (longer, open_ended, in_pieces, in_pieces_of_pieces)
NOWHERE: "dict[int, Any]" = {}
SIGNER = {0x30: {0xA0: NOWHERE, 0x30: NOWHERE, OCTETS: NOWHERE}}
CAPSULE = {0x30: {0xA0: {OCTETS: NOWHERE}}}
WRAPPER = {0x30: {0xA0: {0x30: {0x31: SIGNER, 0xA0: NOWHERE, **CAPSULE}}}}
"""What nobody signs, from the ContentInfo down: tags and what is inside them. Of a signature or the content, the octets alone count."""


def rewrapped(made: bytes, form: Form, where: "dict[int, Any]") -> bytes:
    """The objects in `made` with their headers in another form, as far down as `where` says."""
    if not where:
        return made
    found = [
        form(tag, rewrapped(value, form, where[tag])) if tag in where else tlv(tag, value) for tag, value in read(made)
    ]
    return b"".join(found)


def wrapped(sod: bytes, form: Form, where: "dict[int, Any]" = WRAPPER) -> bytes:
    """EF.SOD with its wrapper in another form."""
    ((_, inner),) = read(sod)
    return tlv(0x77, rewrapped(inner, form, where))


def with_sod(change: "Callable[[bytes], bytes]", given: "dict[str, Any]" = GIVEN) -> Any:
    """The chip of a profile whose EF.SOD was changed."""
    chip = bench.chip_of(given)
    chip.content.files[SOD] = change(chip.content.files[SOD])
    return chip


def told(chip: Any, given: "dict[str, Any]" = GIVEN) -> "tuple[int, list[str], list[int]]":
    got = bench.read(given, chip, groups=(1,)).done
    return got.verdict, got.findings, got.altered_groups


@meets("LB-25")
@pytest.mark.parametrize("signer", ["dz", "rsa-sha512", "pss-sha384"])
@pytest.mark.parametrize("form", FORMS)
def test_a_wrapper_in_ber_is_read_and_nothing_is_called_altered(form: Form, signer: str) -> None:
    given = {**GIVEN, "signer": signer}
    assert wrapped(bench.chip_of(given).content.files[SOD], form) != bench.chip_of(given).content.files[SOD]
    assert told(with_sod(lambda sod: wrapped(sod, form), given), given) == (DATA, [], [])


@meets("LB-25")
@pytest.mark.parametrize("form", FORMS)
def test_dumped_files_with_such_a_wrapper_are_judged_alike(form: Form) -> None:
    files = dict(with_sod(lambda sod: wrapped(sod, form)).content.files)
    found = offline.judge(NativeCrypto(), files, bench.trust(), bench.TODAY)
    assert (found.verdict, found.findings, found.altered_groups) == (DATA, [], [])


@meets("LB-25", "LB-06")
@pytest.mark.parametrize("form", FORMS)
def test_one_bit_of_what_is_signed_in_such_a_wrapper_is_altered(form: Form) -> None:
    """In the content, the signed attributes and the signature."""
    sod = bench.chip_of(GIVEN).content.files[SOD]
    message_digest, group_one = bytes.fromhex("06092A864886F70D010904"), b"\x30\x25\x02\x01\x01\x04\x20"
    for at in (sod.index(group_one) + 9, sod.index(message_digest) + 20, len(sod) - 2):
        spoilt = bytearray(sod)
        spoilt[at] ^= 1
        verdict, findings, altered = told(with_sod(lambda _, made=bytes(spoilt): wrapped(made, form)))
        assert verdict == ALTERED and "LIC-227" in findings and 0 in altered


@meets("LB-25")
@pytest.mark.parametrize("form", FORMS)
def test_what_is_signed_stays_in_der(form: Form) -> None:
    """Inside the content and the attributes; a certificate that is not DER is one that nobody can use."""
    deep = {0x30: NOWHERE}
    certificates = {0x30: {0xA0: {0x30: {0xA0: {0x30: deep}}}}}
    assert told(with_sod(lambda sod: wrapped(sod, form, certificates)))[0] == records.VERDICT_UNKNOWN_ISSUER
    attributes = {0x30: {0xA0: {0x30: {0x31: {0x30: {0xA0: deep}}}}}}
    assert told(with_sod(lambda sod: wrapped(sod, form, attributes)))[0] == ALTERED


@meets("LB-14")
@pytest.mark.parametrize(
    "inner",
    [b"\x30\x80" * 3000, b"\x30\x80" + bytes(2), b"\x30\x80\x04\x80\0\0\0\0", b"\x30\x84\xff\xff\xff\xff", b"\x00" * 9],
)
def test_what_is_no_signed_object_in_any_form_is_malformed(inner: bytes) -> None:
    assert told(with_sod(lambda _: tlv(0x77, inner))) == (ALTERED, ["LIC-231"], [0])


@meets("LB-25", "LP-14")
@pytest.mark.parametrize("form", FORMS)
def test_a_card_security_in_such_a_wrapper_is_believed(form: Form) -> None:
    given = {**profile("pace-cam-own"), "portrait_bytes": 300}
    chip = bench.chip_of(given)
    ((tag, inner),) = read(chip.abilities.card_security)  # its own length is the file's, and must be told
    chip.abilities.card_security = tlv(tag, rewrapped(inner, form, WRAPPER[0x30]))
    asked = bench.read(given, chip, groups=(1,))
    assert (asked.done.verdict, asked.done.findings) == (records.VERDICT_GENUINE, [])
    assert not [command for command in asked.commands if command[0] & 0x0C and command[1] == 0x86]


@meets("LB-25", "LX-01")
@pytest.mark.parametrize("form", FORMS)
def test_openssl_verifies_such_a_wrapper_too(form: Form, tmp_path: Path) -> None:
    openssl = needs.program("openssl", "openssl")
    sod = wrapped(bench.chip_of(GIVEN).content.files[SOD], form)
    ((_, inner),) = read(sod)
    (tmp_path / "sod.ber").write_bytes(inner)
    done = subprocess.run(
        [
            openssl,
            "cms",
            "-verify",
            "-inform",
            "DER",
            "-in",
            str(tmp_path / "sod.ber"),
            "-noverify",
            "-out",
            "/dev/null",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@meets("LB-25", "LX-03")
def test_wrappers_in_ber_come_out_the_same_on_the_device(tmp_path: Path) -> None:
    cases = [(GIVEN, (1,), False, 0, with_sod(lambda sod, form=form: wrapped(sod, form))) for form in FORMS]
    cases.append((GIVEN, (1,), False, 0, with_sod(lambda _: tlv(0x77, b"\x30\x80" * 3000))))
    compare(cases, tmp_path)
