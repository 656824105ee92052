"""Readings of simulated licences recorded on CPython and replayed on 32-bit MicroPython: same commands, same verdict, its heap."""

import tempfile
from pathlib import Path
from typing import Any

import pytest

from protocol import records
from protocol.crypto.native import NativeCrypto
from protocol.licence import mrz
from protocol.licence.reader import read_licence
from protocol.licence.trust.anchors import TrustSet
from sim.cards.licence import build, mrz_lines, profile
from sim.cards.licence.people import PEOPLE
from sim.pki import Pki, make_pki
from tests.protocol.licence import replay
from tests.support import cross

TODAY = "20250611"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


def record(name: str, pki: Pki, path: Path, groups: "tuple[int, ...]", portrait: bool) -> dict[str, Any]:
    """Read on CPython with `cryptography`, write the conversation to `path`, return the outcome."""
    given = profile(name)
    card = build(given, pki)
    parsed = mrz.parse(mrz_lines(PEOPLE[given["person"]]))
    machine = read_licence(
        NativeCrypto(), parsed, replay.random_bytes(), TrustSet(pki.anchors()), TODAY, groups, portrait
    )
    answer = None
    with path.open("w") as stream:
        while True:
            try:
                request: Any = machine.send(answer)
            except StopIteration as end:
                return replay.outcome(end.value)
            answer = None
            if request[0] == "apdu":
                answer = card.respond(request[1])
                stream.write(f"{request[1].hex()} {answer.hex()}\n")


@pytest.mark.parametrize(
    ("name", "groups", "portrait", "verdict"),
    [
        ("amina", (1, 11), False, records.VERDICT_DATA_GENUINE),
        ("yacine", (1, 2, 3, 11), False, records.VERDICT_DATA_GENUINE),
        ("nadia", (1, 4, 11), False, records.VERDICT_DATA_GENUINE),
        ("karim", (1, 4), True, records.VERDICT_DATA_GENUINE),
        ("altered", (1, 11), False, records.VERDICT_ALTERED),
        ("unknown-issuer", (1, 11), False, records.VERDICT_UNKNOWN_ISSUER),
    ],
)
def test_a_reading_is_the_same_on_the_device(
    name: str, groups: "tuple[int, ...]", portrait: bool, verdict: int, pki: Pki
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "conversation"
        expected = record(name, pki, path, groups, portrait)
        assert expected["verdict"] == verdict
        text = mrz_lines(PEOPLE[profile(name)["person"]])
        inputs = [(str(path), text, pki.csca.der, TODAY, list(groups), portrait)]
        assert replay.run(*inputs[0]) == expected
        assert cross.run_on_device("tests.protocol.licence.replay", "run", inputs) == cross.on_host(replay.run, inputs)
