"""Chips that prove themselves and clones that cannot: active authentication, chip authentication, PACE, downgrades."""

import secrets
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from protocol import records
from protocol.crypto.native import NativeCrypto
from protocol.crypto.pure import PureCrypto
from protocol.licence import mrz
from protocol.licence.errors import AccessError
from protocol.licence.reader import LicenceReading, read_licence
from protocol.licence.trust.anchors import TrustSet
from sim.cards.licence import mrz_lines
from sim.cards.licence.people import PEOPLE
from sim.pki import Pki, make_pki
from tests.protocol.licence import chips_cpython as chips

TODAY = "20250611"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


def read(chip: Any, pki: Pki, who: str = "amina", crypto: Any = None, parsed: Any = None) -> LicenceReading:
    parsed = parsed or mrz.parse(mrz_lines(PEOPLE[who]))
    machine = read_licence(crypto or NativeCrypto(), parsed, secrets.token_bytes, TrustSet(pki.anchors()), TODAY)
    answer = None
    while True:
        try:
            request: Any = machine.send(answer)
        except StopIteration as end:
            return end.value
        answer = chip.respond(request[1]) if request[0] == "apdu" else None


@pytest.mark.parametrize(
    ("bits", "algorithm"),
    [(1024, hashes.SHA1()), (1024, hashes.SHA256()), (1536, hashes.SHA256()), (2048, hashes.SHA256())],
)
def test_rsa_active_authentication_proves_the_chip(bits: int, algorithm: hashes.HashAlgorithm, pki: Pki) -> None:
    chip = chips.make(pki, active=chips.rsa_key(bits))
    chip.active_hash = algorithm
    result = read(chip, pki)
    assert (result.verdict, result.findings, result.chip) == (records.VERDICT_GENUINE, [], "proven")
    assert result.covered == [1, 11, 13]


@pytest.mark.parametrize(
    ("aa_hash", "algorithm"), [(0, hashes.SHA256()), (3, hashes.SHA256()), (1, hashes.SHA1()), (4, hashes.SHA384())]
)
def test_ecdsa_active_authentication_proves_the_chip(aa_hash: int, algorithm: hashes.HashAlgorithm, pki: Pki) -> None:
    chip = chips.make(
        pki,
        active=ec.generate_private_key(ec.BrainpoolP256R1()),
        aa_hash=aa_hash,
        ca=chips.CA_3DES if aa_hash else None,
    )
    chip.active_hash = algorithm
    assert read(chip, pki).verdict == records.VERDICT_GENUINE


@pytest.mark.parametrize("ca", [chips.CA_3DES, chips.CA_AES128])
@pytest.mark.parametrize("crypto", [NativeCrypto(), PureCrypto()])
def test_chip_authentication_proves_the_chip(ca: bytes, crypto: Any, pki: Pki) -> None:
    result = read(chips.make(pki, ca=ca), pki, crypto=crypto)
    assert (result.verdict, result.findings, result.covered) == (records.VERDICT_GENUINE, [], [1, 11, 14])


@pytest.mark.parametrize("key", ["rsa", "ec"])
def test_a_clone_without_the_active_key_is_suspected(key: str, pki: Pki) -> None:
    active: Any = chips.rsa_key(1024) if key == "rsa" else ec.generate_private_key(ec.SECP256R1())
    chip = chips.make(pki, active=active)
    chip.active = chips.rsa_key(1024) if key == "rsa" else ec.generate_private_key(ec.SECP256R1())
    result = read(chip, pki)
    assert (result.verdict, result.findings) == (records.VERDICT_CLONE, ["LIC-240"])
    chip.active = None
    assert read(chip, pki).verdict == records.VERDICT_CLONE


@pytest.mark.parametrize("ca", [chips.CA_3DES, chips.CA_AES128])
def test_a_clone_without_the_static_key_is_suspected(ca: bytes, pki: Pki) -> None:
    chip = chips.make(pki, ca=ca)
    chip.knows = False
    result = read(chip, pki)
    assert (result.verdict, result.findings) == (records.VERDICT_CLONE, ["LIC-242"])
    chip.static = None
    assert read(chip, pki).verdict == records.VERDICT_CLONE


@pytest.mark.parametrize(("group", "finding"), [(13, "LIC-241"), (14, "LIC-243")])
def test_a_stripped_key_group_is_a_clone_even_if_com_does_not_list_it(group: int, finding: str, pki: Pki) -> None:
    chip = chips.make(pki, active=chips.rsa_key(1024), ca=chips.CA_3DES)
    del chip.content.files[group]
    listed = chip.content.files[0x1E]
    tag = 0x6F if group == 13 else 0x6E
    chip.content.files[0x1E] = listed[:-2].replace(bytes([tag]), b"") + listed[-2:].replace(bytes([tag]), b"")
    fixed = bytearray(chip.content.files[0x1E])
    fixed[1] -= 1
    fixed[8] -= 1
    chip.content.files[0x1E] = bytes(fixed)
    result = read(chip, pki)
    assert result.verdict == records.VERDICT_CLONE
    assert finding in result.findings and "LIC-211" in result.findings


def test_another_key_in_the_key_group_is_altered(pki: Pki) -> None:
    chip = chips.make(pki, active=chips.rsa_key(1024))
    other = chips.make(pki, active=chips.rsa_key(1024))
    chip.content.files[13], chip.active = other.content.files[13], other.active
    result = read(chip, pki)
    assert (result.verdict, result.altered_groups) == (records.VERDICT_ALTERED, [13])


def test_a_channel_lost_during_the_proof_is_no_clone(pki: Pki) -> None:
    for at in range(9, 16):
        chip = chips.make(pki, ca=chips.CA_3DES, quirks={"lose_channel_at": at})
        assert read(chip, pki).verdict == records.VERDICT_GENUINE, at


@pytest.mark.parametrize("crypto", [NativeCrypto(), PureCrypto()])
def test_pace_opens_the_chip(crypto: Any, pki: Pki) -> None:
    chip = chips.make(pki, pace=chips.PACE_GM_AES128)
    result = read(chip, pki, crypto=crypto)
    assert (result.access, result.verdict, result.findings) == ("PACE", records.VERDICT_DATA_GENUINE, [])


def test_chip_authentication_mapping_proves_the_chip_and_exposes_a_clone(pki: Pki) -> None:
    chip = chips.make(pki, pace=chips.PACE_CAM_AES128, ca=chips.CA_AES128)
    result = read(chip, pki)
    assert (result.access, result.verdict) == ("PACE", records.VERDICT_GENUINE)
    chip.power_off()
    chip.knows = False
    result = read(chip, pki)
    assert (result.verdict, result.findings) == (records.VERDICT_CLONE, ["LIC-242"])


def test_a_wrong_mrz_under_pace_does_not_fall_back_to_bac(pki: Pki) -> None:
    chip = chips.make(pki, pace=chips.PACE_GM_AES128)
    with pytest.raises(AccessError) as caught:
        read(chip, pki, who="karim")
    assert caught.value.code == "LIC-021"
    assert chip._channel is None


def test_a_hidden_card_access_is_told_by_the_signed_group(pki: Pki) -> None:
    chip = chips.make(pki, pace=chips.PACE_GM_AES128, ca=chips.CA_3DES, card_access=False)
    chip.pace = None
    result = read(chip, pki)
    assert (result.access, result.verdict, result.findings) == ("BAC", records.VERDICT_GENUINE, ["LIC-246"])


def test_pace_that_this_terminal_lacks_leads_to_bac_and_says_so(pki: Pki) -> None:
    chip = chips.make(pki, pace=chips.PACE_GM_AES128)
    chip.content.files[0x1C] = chip.content.files[0x1C][:-1] + b"\x0e"  # brainpoolP320r1
    chip.pace = None
    result = read(chip, pki)
    assert (result.access, result.findings) == ("BAC", ["LIC-245"])


def test_a_can_needs_pace(pki: Pki) -> None:
    with pytest.raises(AccessError) as caught:
        read(chips.make(pki), pki, parsed=mrz.from_can("123456"))
    assert caught.value.code == "LIC-024"
