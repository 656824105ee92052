"""The host accepts what the simulated cards really give, with the keys of the test issuers: their code and pyemv agree."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sim.acquirer import emv, keys
from sim.acquirer.book import Book, Demand
from sim.cards.emv import build, profile
from sim.pki import Pki, make_pki
from tests.server.handheld import Handheld

A = 200_000
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def host_keys(tmp_path: Path, pki: Pki) -> keys.HostKeys:
    keys.make(tmp_path / "host")
    return keys.load(tmp_path / "host", pki.folder / "schemes")


def cryptogram(name: str, pki: Pki) -> tuple[str, bytes]:
    """(PAN, DE55) of one transaction of a CIB-like card: select, processing options, first GENERATE AC asking for a TC."""
    card = build(profile(name), pki)
    values = {
        "9F02": f"{A:012d}", "9F03": "000000000000", "9F1A": "0012", "95": "0000048000", "5F2A": "0012", "9A": "270115",
        "9C": "00", "9F37": "DEADBEEF",
    }  # fmt: skip
    cdol1 = bytes.fromhex("".join(values.values()) + "22" + "410302")  # then 9F35 and 9F34

    async def session() -> tuple[bytes, bytes]:
        card.power_on()
        await send(card, "00A4040006F0000054440100")
        options = await send(card, "80A8000002830000")
        answer = await send(card, f"80AE4000{len(cdol1):02X}{cdol1.hex()}00")
        return options, answer

    options, answer = asyncio.run(session())
    assert options[0] == 0x80 and answer[0] == 0x80  # format 1
    body = answer[2:]
    values |= {"82": options[2:4].hex(), "9F27": body[:1].hex(), "9F36": body[1:3].hex(), "9F26": body[3:11].hex()}
    values["9F10"] = body[11:].hex()
    tlv = "".join(f"{tag}{len(value) // 2:02X}{value}" for tag, value in values.items())
    return card.applications[0].pan, bytes.fromhex(tlv)


async def send(card: Any, command: str) -> bytes:
    response = await card.transmit(bytes.fromhex(command))
    assert response[-2:] == b"\x90\x00", response.hex()
    return response[:-2]


@pytest.mark.parametrize(
    ("name", "kind", "demand"), [("cib-approve", emv.TYPE_TC, "clear"), ("cib-online", emv.TYPE_ARQC, "authorise")]
)
def test_a_simulated_cards_cryptogram_is_genuine(
    pki: Pki, host_keys: keys.HostKeys, name: str, kind: int, demand: str
) -> None:
    pan, de55 = cryptogram(name, pki)
    assert emv.parse(de55)[emv.CID] == bytes([kind])
    handheld = Handheld()
    blob = handheld.seal(host_keys.bdk, 7, A, {1: pan, 2: 1, 3: "3112", 4: de55})
    asked = Demand(demand, False, "REF000000007", handheld.name, 1, 7, A, blob)
    assert Book(host_keys).answer(asked) == "00"
    strangers_keys = keys.HostKeys(host_keys.bdk, {pan[:8]: bytes(16)})
    assert Book(strangers_keys).answer(asked) == "82"


@pytest.mark.parametrize(
    ("name", "claimed", "demand"),
    [
        ("cib-online", "40", "clear"),
        ("cib-decline", "40", "clear"),
        ("cib-decline", "80", "authorise"),
        ("cib-approve", "80", "authorise"),
    ],
)
def test_the_kind_is_the_one_that_the_cryptogram_covers_not_the_byte_that_anybody_can_change(
    pki: Pki, host_keys: keys.HostKeys, name: str, claimed: str, demand: str
) -> None:
    pan, de55 = cryptogram(name, pki)
    tags = emv.parse(de55)
    changed = de55.replace(bytes.fromhex("9F2701") + tags[emv.CID], bytes.fromhex("9F2701" + claimed))
    assert changed != de55 and emv.cryptogram(host_keys.issuer_key(pan) or b"", pan, 1, tags) == tags[emv.CRYPTOGRAM]
    handheld = Handheld()
    blob = handheld.seal(host_keys.bdk, 7, A, {1: pan, 2: 1, 3: "3112", 4: changed})
    assert Book(host_keys).answer(Demand(demand, False, "REF000000007", handheld.name, 1, 7, A, blob)) == "82"


@pytest.mark.parametrize(
    ("iad", "kind"),
    [
        ("06010A03A00000", emv.TYPE_ARQC), ("06010A03900000", emv.TYPE_TC), ("06010A03800000", 0), ("06010A03600000", emv.TYPE_TC),
        ("06010A03200000", 0), ("06010A03100000", emv.TYPE_TC), ("06010A03000000", 0),
        ("06010A03B00000", 0xC0), ("06010A02A00000", None), ("05010A03A00000", None), ("09010A03A00000", None), ("", None),
        ("1F220100A0" + "00" * 27, emv.TYPE_ARQC), ("1F420100A0" + "00" * 27, emv.TYPE_ARQC), ("1F320100A0" + "00" * 27, None),
        ("0FA501A0A0" + "00" * 27, None), ("1F220100A0" + "00" * 26, None),
    ],
)  # fmt: skip
def test_what_card_verification_results_tell(iad: str, kind: int | None) -> None:
    """After a second GENERATE AC what that gave counts: 01 in bits 8 and 7 over an ARQC in bits 6 and 5 is a TC."""
    assert emv.kind_told(bytes.fromhex(iad)) == kind
