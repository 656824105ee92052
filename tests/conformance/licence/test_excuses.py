"""A refused signature is an absent one, whatever else the signed files announce that this terminal cannot run."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from protocol import records
from sim.cards.tlv import tlv
from tests.conformance.licence import bench, odd_chips
from tests.conformance.licence.requirements import meets
from tests.conformance.licence.test_device import compare

SIGNS = {"person": "amina", "portrait_bytes": 300, "active": {"key": "RSA-1024", "hash": "sha1"}}
LONG = {**SIGNS, "agreement": {"domain": "RFC3526-2048", "suite": "AES-128"}, "quirks": {"extended": True}}
SHORT = {**LONG, "quirks": {}}
WORDS = (0x6982, 0x6985)


def unknown_curve() -> bytes:
    """A ChipAuthenticationPublicKeyInfo on brainpoolP512r1, which no terminal here computes on."""
    key = ec.generate_private_key(ec.BrainpoolP512R1()).public_key()
    told = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return tlv(0x30, tlv(0x06, bytes.fromhex("04007F000702020102")), told)


def copied(chip: Any, status: int) -> Any:
    """The chip's files on one that holds no key: active authentication is refused, and the agreement finds fault with its length."""
    chip._internal_authenticate = lambda apdu: (b"", status)
    chip._chip_authentication = lambda apdu: (b"", 0x9000) if apdu.ins == 0x22 else (b"", 0x6700)
    return chip


@meets("LP-20")
@pytest.mark.parametrize("status", WORDS)
@pytest.mark.parametrize("room", [0, 8192])
@pytest.mark.parametrize("given", [LONG, SHORT])
def test_no_key_that_cannot_be_used_here_excuses_a_refused_signature(
    given: "dict[str, Any]", room: int, status: int
) -> None:
    got = bench.read(given, copied(bench.chip_of(given), status), room=room).done
    assert (got.verdict, got.chip) == (records.VERDICT_CLONE, "failed")
    assert got.findings == ["LIC-244", "LIC-240"]
    assert bench.read(given, room=room).done.verdict == records.VERDICT_GENUINE


@meets("LP-20")
@pytest.mark.parametrize("status", WORDS)
def test_no_curve_that_cannot_be_computed_on_excuses_a_refused_signature(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chip = odd_chips.with_infos(SIGNS, (unknown_curve(),), monkeypatch)
    got = bench.read(SIGNS, chip).done
    assert (got.verdict, got.findings) == (records.VERDICT_GENUINE, ["LIC-244"])
    chip.power_off()
    got = bench.read(SIGNS, copied(chip, status)).done
    assert (got.verdict, got.chip, got.findings) == (records.VERDICT_CLONE, "failed", ["LIC-244", "LIC-240"])


@meets("LP-20", "LX-03")
def test_refused_signatures_come_out_the_same_on_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    curve = odd_chips.with_infos(SIGNS, (unknown_curve(),), monkeypatch)
    compare(
        [
            (LONG, (1,), False, 0, copied(bench.chip_of(LONG), 0x6982)),
            (LONG, (1,), False, 1024, copied(bench.chip_of(LONG), 0x6985)),
            (SIGNS, (1,), False, 0, copied(curve, 0x6982)),
        ],
        tmp_path,
    )
