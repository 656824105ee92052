"""The terminal's own flow at a simulated chip: a card pulled at any command leaves one record, restrictions reach the screen."""

import asyncio
import itertools
from dataclasses import replace
from typing import Any

import pytest

from drivers.contracts.picture import UNABLE, Pictures
from drivers.late_pictures import LatePictures
from drivers.picture_pillow import PillowPictures
from protocol import records as r
from protocol.crypto.native import NativeCrypto
from protocol.errors import CardRemovedError
from protocol.licence import groups
from sim.cards.licence import profile
from sim.cards.licence.content import dg1
from sim.cards.licence.encoding import eu
from sim.cards.licence.people import PEOPLE
from sim.links.direct import DirectReader
from terminal.flows.fine import Fine
from tests.conformance.licence import bench
from tests.conformance.licence.requirements import meets
from tests.terminal.test_licence_flows import Terminal

RESTRICTED = replace(
    PEOPLE["nadia"],
    categories=(("B", "20180412", "20280411", "01.06"), ("C1", "20180412", "20280411", "S05", "<=", "7500")),
)


class PulledReader(DirectReader):
    """The card leaves at one command, and is laid on again."""

    def __init__(self, pull_at: int) -> None:
        super().__init__()
        self.commands = 0
        self.pull_at = pull_at

    async def transceive(self, command: bytes) -> bytes:
        self.commands += 1
        if self.commands == self.pull_at:
            self.power(False)
            raise CardRemovedError("the card left while it was being used")
        return await super().transceive(command)


class Trust:
    def __init__(self) -> None:
        self.body: "dict[str, Any]" = {"anchors": bench.pki().anchors()}


class AtAChip(Terminal):
    """A terminal with a reader and anchors; the officer always goes on."""

    def __init__(self, reader: Any) -> None:
        super().__init__(*["ok"] * 20)
        ports: Any = self.ports
        ports.licence_reader, ports.crypto = reader, NativeCrypto()
        ports.answer_room, ports.file_room, ports.curves_in_element = 0, 0, False

    def parameter(self, kind: str) -> Any:
        return Trust() if kind == "trust" else super().parameter(kind)


async def read(
    given: "dict[str, Any]", pull_at: int, pictures: "Pictures | None" = None
) -> "tuple[AtAChip, PulledReader]":
    reader = PulledReader(pull_at)
    await reader.insert(bench.chip_of(given))
    terminal = AtAChip(reader)
    terminal.ports.pictures = pictures
    fine = Fine(terminal)
    fine.mrz = bench.print_of(given)
    assert await fine._read() == "plate"
    return terminal, reader


@meets("LR-11")
@pytest.mark.parametrize("name", ["amina", "agreement-standardised"])
def test_a_card_pulled_at_any_command_leaves_one_record(name: str) -> None:
    given = {**profile(name), "portrait_bytes": 300}

    async def run() -> None:
        whole, reader = await read(given, 0)
        expected = whole.journal.records[0][:2]
        assert expected[0] == r.LICENCE_READ and whole.face.screens()[-1] == "licence_verdict"
        for at in range(1, reader.commands + 1):
            terminal, _ = await read(given, at)
            assert [record[:2] for record in terminal.journal.records] == [expected], at
            assert terminal.face.screens().count("error") == 1, at

    asyncio.run(run())


class Watched:
    """A terminal's pictures; what came of the last one is kept."""

    def __init__(self, pictures: Pictures) -> None:
        self.pictures = pictures
        self.found: Any = None

    def begin(self, width: int, height: int) -> Any:
        picture, watched = self.pictures.begin(width, height), self

        class Seen:
            feed = staticmethod(picture.feed)

            @staticmethod
            def result() -> Any:
                watched.found = picture.result()
                return watched.found

        return Seen()


def shown(given: "dict[str, Any]", pictures: Pictures, pull_at: int = 0) -> "tuple[Any, int]":
    """What the terminal made of the portrait, and how many commands it took."""
    watched: Any = Watched(pictures)
    terminal, reader = asyncio.run(read(given, pull_at, watched))
    assert terminal.face.shown[-1][1]["portrait"]
    return watched.found, reader.commands


@meets("LR-14")
@pytest.mark.parametrize("name", ["amina", "eu"])
def test_the_portrait_is_shown_as_far_as_the_terminal_can_decode_it(name: str) -> None:
    for kind, unable in (("jpeg", False), ("progressive", True), ("jp2", True)):
        given = {**profile(name), "portrait_bytes": 5000, "portrait_kind": kind}
        linux, device = (shown(given, pictures)[0] for pictures in (PillowPictures(), LatePictures()))
        assert linux[:2] == (112, 144) and any(linux[2])
        assert device == UNABLE if unable else (device[:2] == (112, 144) and any(device[2]))


@meets("LR-14", "LR-11")
def test_a_card_pulled_at_any_command_leaves_the_same_picture() -> None:
    given = {**profile("amina"), "portrait_bytes": 300}
    whole, commands = shown(given, LatePictures())
    assert whole[:2] == (112, 144)
    for at in range(1, commands + 1):
        assert shown(given, LatePictures(), at)[0] == whole, at


class Crowded(Pictures):
    """A heap on which there is no room once a portrait is begun."""

    def begin(self, width: int, height: int) -> Any:
        class Full:
            def feed(self, data: bytes) -> None:
                raise MemoryError

        return Full()


@meets("LR-14")
def test_a_heap_without_room_costs_the_portrait_and_not_the_reading() -> None:
    given = {**profile("amina"), "portrait_bytes": 300}
    terminal, _ = asyncio.run(read(given, 0, Crowded()))
    assert [record[1][r.VERDICT] for record in terminal.journal.records] == [r.VERDICT_DATA_GENUINE]
    assert terminal.journal.records[0][1][r.FINDINGS] == [] and terminal.face.shown[-1][1]["portrait"]


@meets("LB-15", "LB-08")
def test_names_and_portraits_that_nobody_signed_are_not_shown_as_signed() -> None:
    for unlisted, names, proven in (
        ((), True, True),
        ((11,), False, True),
        ((4,), True, False),
        ((4, 11), False, False),
    ):
        given = {**profile("amina"), "portrait_bytes": 300, "unlisted": unlisted}
        reader = PulledReader(0)
        asyncio.run(reader.insert(bench.chip_of(given)))
        terminal = AtAChip(reader)
        terminal.ports.pictures = LatePictures()
        terminal.face.keys = ["down", "ok", "ok"]
        fine = Fine(terminal)
        fine.mrz = bench.print_of(given)
        assert asyncio.run(fine._read()) == "plate"
        verdict, portrait = terminal.face.shown[-3:-1]
        assert verdict[1]["verdict"] == r.VERDICT_DATA_GENUINE
        assert verdict[1]["findings"] == ["LIC-210"] * bool(unlisted)
        assert bool(verdict[1]["name_ar"]) is names and verdict[1]["name_lat"]
        assert portrait[0] == "licence_portrait" and portrait[1]["proven"] is proven


def losing(chip: Any, every: int, shy: bool = False) -> Any:
    """The chip, losing its channel at `every` so many protected commands; `shy`: it refuses each first BAC too."""
    inner, count, tries = chip.respond, itertools.count(1), itertools.count(1)

    def respond(command: bytes) -> bytes:
        if command[0] & 0x0C == 0x0C and next(count) % every == 0:
            chip._channel = None
            return b"\x69\x88"
        if shy and command[1] == 0x82 and next(tries) % 2:
            return b"\x63\x00"
        return inner(command)

    chip.respond = respond
    return chip


@meets("LA-13")
@pytest.mark.parametrize("shy", [False, True])
@pytest.mark.parametrize(
    "name", ["amina", "pace-gm", "pace-gm-aes256", "pace-everything", "both-proofs", "agreement-dh"]
)
def test_a_chip_that_loses_channels_for_ever_ends_in_a_verdict_or_a_coded_error(name: str, shy: bool) -> None:
    given = {**profile(name), "portrait_bytes": 300}

    async def run(every: int) -> "tuple[str, AtAChip]":
        reader = PulledReader(0)
        await reader.insert(losing(bench.chip_of(given), every, shy))
        terminal = AtAChip(reader)
        terminal.face.keys = ["cancel"] * 2 + ["ok"] * 5
        fine = Fine(terminal)
        fine.mrz = bench.print_of(given)
        return await fine._read(), terminal

    ends = [asyncio.run(run(every)) for every in (1, 2, 3, 5, 8, 20, 60)]
    for following, terminal in ends:
        shown = terminal.face.screens()
        assert following in ("end", "abandon", "plate") and set(shown[-2:]) & {"licence_verdict", "licence_unreadable"}
        assert shown.count("error") <= 1
    assert ends[0][1].face.screens()[-2:] == ["error", "licence_unreadable"]
    assert ends[-1][1].face.screens()[-1] == "licence_verdict"


@meets("LR-06")
def test_restrictions_of_a_category_stand_on_the_screen() -> None:
    terminal, _ = asyncio.run(read({"person": RESTRICTED, "portrait_bytes": 64}, 0))
    assert terminal.face.shown[-1][1]["categories"] == "B[01.06] C1[S05<=7500]"
    for made in (dg1(RESTRICTED), eu.dg1(RESTRICTED)):
        rows = groups.decode(1, made)["categories"]
        assert [(row["category"], row["code"], row["sign"], row["value"]) for row in rows] == [
            ("B", "01.06", "", ""), ("C1", "S05", "<=", "7500"),
        ]  # fmt: skip
        assert rows[0]["issue"] == "20180412" and rows[0]["expiry"] == "20280411"
