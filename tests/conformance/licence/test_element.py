"""Elliptic-curve work of a reading on the secure element's stand-in: what it was asked, and that the verdict is the same."""

import asyncio
import secrets
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from protocol import records as r
from sim.cards.licence import profile
from sim.links.slot_server import LinkSlot
from sim.parts import secure_element
from sim.pki.states import AUTHORITIES
from tests.conformance.licence import bench
from tests.conformance.licence.requirements import meets
from tests.conformance.licence.test_device import text_of
from tests.protocol.licence import element_device
from tests.support import cross

P256_BOTH: dict[str, Any] = {
    "person": "amina",
    "active": {"key": "P-256"},
    "agreement": {"domain": "P-256", "suite": "AES-128"},
}
CASES: dict[str, tuple[dict[str, Any], int, dict[str, int]]] = {
    "signer": (profile("amina"), r.VERDICT_DATA_GENUINE, {"verify": 1}),
    "signer, SHA-1": ({**profile("amina"), "signer": "p256-sha1"}, r.VERDICT_DATA_GENUINE, {"verify": 1}),
    "signer, P-384": ({**profile("amina"), "signer": "p384-sha384"}, r.VERDICT_DATA_GENUINE, {}),
    "altered": (profile("altered"), r.VERDICT_ALTERED, {"verify": 1}),
    "active authentication": (profile("active-p256"), r.VERDICT_GENUINE, {"verify": 2}),
    "active authentication, clone": (
        profile("clone-active-p256"),
        r.VERDICT_CLONE,
        {"verify": 6},
    ),  # no hash is named: five
    "chip authentication": (
        profile("agreement-standardised"),
        r.VERDICT_GENUINE,
        {"verify": 1, "generate_key": 2, "ecdh": 1},
    ),
    "both": (P256_BOTH, r.VERDICT_GENUINE, {"verify": 2, "generate_key": 2, "ecdh": 1}),
    "chip authentication, brainpool": (profile("agreement-aes128"), r.VERDICT_GENUINE, {"verify": 1}),
    "PACE": (profile("pace-gm-p256"), r.VERDICT_DATA_GENUINE, {"verify": 1, "generate_key": 3, "ecdh": 4}),
    "PACE, 3DES": (profile("pace-gm-3des"), r.VERDICT_DATA_GENUINE, {"verify": 1, "generate_key": 3, "ecdh": 4}),
    "PACE, integrated mapping": (
        profile("pace-im-p256"),
        r.VERDICT_DATA_GENUINE,
        {"verify": 1, "generate_key": 2, "ecdh": 2},
    ),
    "PACE, brainpool": (profile("pace-gm"), r.VERDICT_DATA_GENUINE, {"verify": 1}),
}
"""What is read, its verdict, and the commands that the part gets; the last GenKey puts another key over the reading's."""


def element(folder: Path) -> secure_element.SecureElementModel:
    private = {0: ec.derive_private_key(int.from_bytes(secrets.token_bytes(31), "big") + 1, ec.SECP256R1())}
    return secure_element.SecureElementModel(secure_element.SecureElementState.create(folder / "se.json", private, {}))


def arguments(given: "dict[str, Any]", slot: int, part: int) -> "tuple[Any, ...]":
    anchors = [[AUTHORITIES[name].country, bench.pki().authorities[name].der] for name in bench.TRUSTED]
    return slot, part, text_of(given), anchors, bench.TODAY, secrets.token_bytes(32)


def read(given: "dict[str, Any]", model: Any, on_device: bool) -> "list[Any]":
    """One reading over TCP, on this runtime or on MicroPython."""

    async def both() -> Any:
        slot = LinkSlot()
        await slot.start()
        await slot.insert(bench.chip_of({**given, "portrait_bytes": 64}))
        server = await secure_element.serve(model) if model is not None else None
        port = server.sockets[0].getsockname()[1] if server is not None else 0
        words = arguments(given, slot.port, port)
        try:
            if on_device:
                module = "tests.protocol.licence.element_device"
                return (await asyncio.to_thread(cross.run_on_device, module, "run", [words]))[0]
            return await asyncio.to_thread(element_device.run, *words)
        finally:
            if server is not None:
                server.close()
            await slot.close()

    return asyncio.run(both())


@meets("LX-04")
@pytest.mark.parametrize("on_device", [False, True], ids=["cpython", "micropython"])
@pytest.mark.parametrize("name", CASES)
def test_the_part_does_what_its_data_sheet_offers_and_the_verdict_is_the_same(
    name: str, on_device: bool, tmp_path: Path
) -> None:
    given, verdict, asked = CASES[name]
    model = element(tmp_path)
    got = read(given, model, on_device)
    assert isinstance(got, list), getattr(got, "trace", got)
    here = bench.read(given, groups=(1, 11)).done
    assert got == [here.verdict, here.chip, here.access, here.findings]
    assert got[0] == verdict
    assert model.counts == asked


@meets("LX-04")
def test_without_a_part_the_same_reading_needs_none() -> None:
    for name in ("PACE", "chip authentication"):
        given, verdict, _ = CASES[name]
        assert read(given, None, False)[0] == verdict


@meets("LX-04")
def test_a_false_answer_of_the_part_is_believed_and_costs_the_verdict() -> None:
    """The part is trusted as the processor is: what it denies is altered, what it garbles opens nothing."""
    outcome = bench.drive(bench.machine("amina"), bench.chip_of("amina").respond, curves=lambda request: False)
    assert outcome.done.verdict == r.VERDICT_ALTERED
    point = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    public = b"\x04" + point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")
    answers = {"ec_key": public, "ec_agree": bytes(31) + b"\x05", "ec_verify": True}
    outcome = bench.drive(
        bench.machine("pace-gm-p256"), bench.chip_of("pace-gm-p256").respond, curves=lambda request: answers[request[0]]
    )
    assert outcome.code == "LIC-023"
    outcome = bench.drive(
        bench.machine("agreement-standardised"), bench.chip_of("agreement-standardised").respond,
        curves=lambda request: answers[request[0]],
    )  # fmt: skip
    assert outcome.done.verdict == r.VERDICT_CLONE


def test_the_stand_in_offers_no_more_than_the_part(tmp_path: Path) -> None:
    model = element(tmp_path)
    for slot in (0, 2, 4):
        with pytest.raises(secure_element.Refused):
            model.generate_key(slot)
    with pytest.raises(secure_element.Refused, match="agreement"):
        model.ecdh(1, b"\x04" + bytes(64))
    public = model.generate_key(1)
    with pytest.raises(secure_element.Refused, match="ECC"):
        model.ecdh(1, public[:-1] + bytes([public[-1] ^ 1]))
    with pytest.raises(secure_element.Refused):
        model.ecdh(0, public)
    with pytest.raises(secure_element.Refused):
        model.sign(1, bytes(32))
    other = ec.generate_private_key(ec.SECP256R1())
    numbers = other.public_key().public_numbers()
    theirs = b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    ours = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
    assert model.ecdh(1, theirs) == other.exchange(ec.ECDH(), ours)
    assert model.generate_key(1) != public and model.ecdh(1, theirs) != other.exchange(ec.ECDH(), ours)
