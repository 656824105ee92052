"""`tasdid bench reconnect`: what its client counts as an acknowledgement's time, and over how many connections."""

import asyncio
import resource
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from protocol.errors import ConfigError
from tests.benchmarks import _load, ingest, reconnect
from tools.commands import bench

LATER, TAKEN = b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nok"


def test_an_acknowledgement_is_told_with_and_without_the_waits_after_later() -> None:
    """A server that takes the HELLO at its second try, a batch at its third and another at once."""
    answers = [LATER, TAKEN, LATER, LATER, TAKEN, TAKEN]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for each in answers:
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(1)
            writer.write(each)
        writer.close()

    async def played() -> _load._Client:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            client = _load._Client([[b"h", b"b", b"b"]], *server.sockets[0].getsockname()[:2])
            await client.run()
            return client

    client = asyncio.run(played())
    assert (client.later, client.refused) == (3, 0)
    (ack, last), (waited, at_once) = client.acks, client.waits
    assert waited >= ack + 0.5 * (0.25 + 0.25 + 0.5)  # the shortest pauses that jitter allows
    assert last <= at_once < waited


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The sizes that are measured, without measuring."""
    found: list[Any] = []

    def drain(options: Any) -> Any:
        found.append((options.terminals, options.fines, options.connections))
        raise KeyboardInterrupt

    monkeypatch.setattr(reconnect, "drain", drain)
    return found


@pytest.mark.parametrize(
    ("words", "size"),
    [
        ([], (100, 10, 100)),
        (["--full"], (2000, 90, 2000)),
        (["--terminals", "600", "--fines", "3"], (600, 3, 600)),
        (["--terminals", "600", "--connections", "50"], (600, 10, 50)),
    ],
)
def test_every_terminal_has_a_connection_of_its_own_unless_told_otherwise(
    asked: list[Any], words: list[str], size: tuple[int, int, int]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        reconnect.main(words)
    assert asked == [size]


def test_more_connections_than_may_be_open_are_refused(
    asked: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (256, 1024))
    with pytest.raises(SystemExit) as ended:
        reconnect.main(["--full"])
    assert ended.value.code == 2 and "ulimit -n" in capsys.readouterr().err and asked == []


@pytest.mark.parametrize(
    "words",
    [
        "--fleet abc", "--fleet 5", "--fleet 100,", "--fleet -100", "--terminals 0", "--fines 0", "--connections 0", "--fronts -1",
        "--plot picture.xyz", "--plot /proc/none/picture.png",
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused_before_anything_runs(
    asked: list[Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        reconnect.main(words.split())
    assert ended.value.code == 2 and "CFG-089" in capsys.readouterr().err and asked == []


@pytest.mark.parametrize(
    "words",
    [
        "--databases mysql", "--databases sqlite,", "--boards foo", "--rounds 0", "--terminals 0", "--connections 0", "--fines 0",
        "--fronts -1",
    ],
)  # fmt: skip
def test_ingest_of_what_is_not_there_is_refused_before_anything_runs(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ingest, "measure", lambda *_: pytest.fail("it measures"))
    with pytest.raises(SystemExit) as ended:
        ingest.main(words.split())
    assert ended.value.code == 2 and "CFG-089" in capsys.readouterr().err


def test_the_plot_has_a_scale_of_round_numbers_and_nothing_lies_on_its_axis(tmp_path: Path) -> None:
    assert [reconnect._step(most) for most in (0.9, 7, 155, 170, 999)] == [0.2, 2, 50, 50, 250]
    points = [{"fleet": 10**power, "cpu_us_per_record": 150.0 + power} for power in range(2, 6)]
    reconnect.plot(points, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as image:
        columns = [[image.getpixel((x, y)) for y in range(40, 350)] for x in (69, 70, 71)]
    assert set(columns[1]) == {(0, 0, 0)} and columns[0].count((0, 0, 0)) == reconnect.STEPS
    assert (0, 0, 0) not in columns[2], "what is black beside the axis are its marks"


def test_the_command_reaches_the_full_size(asked: list[Any]) -> None:
    with pytest.raises(KeyboardInterrupt):
        bench.run(["reconnect"], full=True)
    assert asked == [(2000, 90, 2000)]
    with pytest.raises(ConfigError, match="CFG-089"):
        bench.run(["wire"], full=True)
