"""Chips that are out of the ordinary where the profiles have no word for it."""

import copy
import importlib
from collections.abc import Callable
from typing import Any

import pytest

from sim.cards.base import parse
from sim.cards.licence.proof.keys import AgreementKey, security_infos
from sim.cards.tlv import read, tlv
from tests.conformance.licence import bench

build = importlib.import_module("sim.cards.licence.build")  # the package has a function of that name


def answering(given: dict[str, Any], answer: Callable[[Any], tuple[bytes, int] | None]) -> Any:
    """The chip of a profile that answers INTERNAL AUTHENTICATE in its own way; None: as a genuine one."""
    chip = bench.chip_of(given)
    genuine = chip._internal_authenticate
    chip._internal_authenticate = lambda apdu: answer(apdu) or genuine(apdu)
    return chip


def clear(chip: Any, refuse: Callable[[bytes], bool], status: int) -> Any:
    """The chip, ending the channel with a status in clear where `refuse` says so of a protected INTERNAL AUTHENTICATE."""
    inner = chip.respond

    def respond(command: bytes) -> bytes:
        if command[:2] == b"\x0c\x88" and refuse(command):
            chip._channel = None
            return status.to_bytes(2, "big")
        return inner(command)

    chip.respond = respond
    return chip


def with_infos(given: dict[str, Any], infos: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The chip of a profile whose DG14 holds these SecurityInfos beside its offers of PACE."""
    inner = build._key_groups

    def groups(named: Any, abilities: Any, offers: Any) -> Any:
        made = inner(named, abilities, offers)
        made[14] = tlv(0x6E, security_infos(*offers, *infos))
        return made

    with monkeypatch.context() as patch:
        patch.setattr(build, "_key_groups", groups)
        return bench.chip_of(given)


def without_group14(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The chip of a profile, made without DG14."""
    inner = build._key_groups

    def groups(named: Any, abilities: Any, offers: Any) -> Any:
        return {number: data for number, data in inner(named, abilities, offers).items() if number != 14}

    with monkeypatch.context() as patch:
        patch.setattr(build, "_key_groups", groups)
        return bench.chip_of(given)


def two_keys(given: dict[str, Any], keys: tuple[AgreementKey, AgreementKey], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The chip of a profile that holds two keys for chip authentication, both announced in DG14 and told apart by their numbers."""
    chip = with_infos(given, (*keys[0].infos(), *keys[1].infos()), monkeypatch)
    answer = chip._chip_authentication

    def chosen(apdu: Any) -> Any:
        if apdu.ins == 0x22:
            number = dict(read(apdu.data)).get(0x84)
            for key in keys:
                if number == bytes([key.key_id]):
                    chip.abilities.agreement = key
        return answer(apdu)

    chip._chip_authentication = chosen
    return chip


def ends_the_channel(chip: Any, most: int, status: int) -> Any:
    """The chip, answering a READ BINARY for more than `most` bytes with a status in clear, which ends its channel."""
    plain, respond = chip._plain, chip.respond
    ended: "list[bool]" = []

    def inner(apdu: Any) -> Any:
        if apdu.ins == 0xB0 and (apdu.le or 0) > most and chip._channel is not None:
            ended.append(True)
        return plain(apdu)

    def outer(command: bytes) -> bytes:
        ended.clear()
        answer = respond(command)
        if not ended:
            return answer
        chip._channel = None
        return status.to_bytes(2, "big")

    chip._plain, chip.respond = inner, outer
    return chip


def in_pieces(chip: Any, most: int, status: int, whole: bool) -> Any:
    """The chip, answering with `status` and nothing to a READ BINARY for more than `most` bytes (`whole`: to one that would bring more)."""
    inner = chip._read_binary

    def reading(apdu: Any) -> tuple[bytes, int]:
        data, said = inner(apdu)
        return (b"", status) if chip._channel is not None and (len(data) if whole else apdu.le) > most else (data, said)

    chip._read_binary = reading
    return chip


def _ending(chip: Any, ended: "list[bool]", status: int) -> Callable[[bytes], bytes]:
    """The chip's `respond`, but a command after which `ended` holds a True is answered with `status` in clear, and the channel is gone."""
    respond = chip.respond

    def outer(command: bytes) -> bytes:
        ended.clear()
        answer = respond(command)
        if not any(ended):
            return answer
        chip._channel = None
        return status.to_bytes(2, "big")

    return outer


def by_length(chip: Any, ins: int, takes: Callable[[int | None, bytes], bool], status: int, clear: bool = False) -> Any:
    """The chip, answering instruction `ins` with `status` (xx: the answer's own length) unless `takes` says yes to Le and answer.

    `clear`: the status comes in clear and ends the channel. What a refused command would have changed on the chip is undone.
    """
    plain, step = chip._plain, chip._pace_step
    ended: "list[bool]" = []

    def said(data: bytes) -> int:
        return 0x6C00 | len(data) & 255 if status == 0x6C00 else status

    def inner(apdu: Any) -> Any:
        before = chip._fresh
        answer = plain(apdu)
        if apdu.ins != ins or answer[1] != 0x9000:
            return answer
        if takes(apdu.le, answer[0]):
            return (b"", answer[1]) if apdu.le is None else answer
        chip._fresh = before
        ended.append(clear)
        return b"", said(answer[0])

    def paced(apdu: Any) -> Any:
        server = chip._server
        kept = copy.copy(server)
        answer = step(apdu)
        if ins != 0x86 or answer[1] != 0x9000 or takes(apdu.le, answer[0]):
            return answer
        chip._server, chip._channel, chip._by_pace = kept, None, False
        return b"", said(answer[0])

    chip._plain, chip.respond, chip._pace_step = inner, _ending(chip, ended, said(b"")), paced
    return chip


def refusing_long(chip: Any, status: int, clear: bool, ins: int = 0, times: int = 0) -> Any:
    """The chip, answering each protected command of chip authentication in extended form (or with the instruction `ins`) with `status`, in clear
    or not; `times` (0: always)."""
    respond = chip.respond
    seen: "list[bytes]" = []

    def outer(command: bytes) -> bytes:
        wanted = command[1] == ins if ins else command[1] in (0x22, 0x86) and command[4] == 0
        if not (command[0] & 0x0C and wanted) or (times and len(seen) >= times):
            return respond(command)
        seen.append(command)
        channel = chip._channel
        if clear or channel is None:
            chip._channel = None
            return status.to_bytes(2, "big")
        channel.unwrap(parse(command))
        return channel.wrap(b"", status)

    chip.respond = outer
    return chip


def exactly(le: "int | None", answer: bytes) -> bool:
    """For `by_length`: the one length that this chip takes is its answer's."""
    return (le or 0) == len(answer)


def without(le: "int | None", answer: bytes) -> bool:
    """For `by_length`: this chip takes no expected length at all."""
    return le is None


def signing_late(chip: Any, status: int, ever: bool = True) -> Any:
    """The chip, refusing active authentication with `status` before chip authentication (or, unless `ever`, after it too)."""
    agree, sign = chip._agree, chip._internal_authenticate
    agreed: "list[bool]" = []

    def noted(*what: Any) -> Any:
        agreed.append(True)
        return agree(*what)

    chip._agree = noted
    chip._internal_authenticate = lambda apdu: sign(apdu) if agreed and ever else (b"", status)
    return chip


def choosy(chip: Any, gives: Callable[[Any, bool], bool], status: int) -> Any:
    """The chip, answering a READ BINARY in its master file with `status` unless `gives` says yes of the command and whether that file was
    selected before."""
    read_master, select = chip._read_master, chip._select
    selected = [False]

    def selecting(apdu: Any) -> Any:
        selected[0] = apdu.p1 == 0 or selected[0]
        return select(apdu)

    chip._select = selecting
    chip._read_master = lambda apdu: read_master(apdu) if gives(apdu, selected[0]) else (b"", status)
    return chip


def refusing(chip: Any, file: int, status: int, in_clear: bool = False, beyond: int = 0, times: int = 0) -> Any:
    """The chip, answering each READ BINARY of a file at `beyond` bytes or after with `status`, by whichever way it is read.

    `in_clear`: outside the channel, which ends by it. `chip.refused` counts; after `times` (0: never) the chip gives the file.
    """
    plain = chip._plain
    ended: "list[bool]" = []
    chip.refused = 0

    def inner(apdu: Any) -> Any:
        if chip._channel is None or apdu.ins != 0xB0 or not chip._selected:
            return plain(apdu)
        short = apdu.p1 & 0x80
        asked, at = (apdu.p1 & 0x1F, apdu.p2) if short else (chip._current, apdu.p1 << 8 | apdu.p2)
        if asked != file or at < beyond or chip.refused == (times or -1):
            return plain(apdu)
        chip.refused += 1
        ended.append(in_clear)
        return b"", status

    chip._plain, chip.respond = inner, _ending(chip, ended, status)
    return chip


def scarce(chip: Any, file: int, count: int) -> Any:
    """The chip, answering the first READ BINARY of a file with `count` bytes (none: 9000 alone), however many were asked for."""
    inner = chip._read_binary
    given: "list[bool]" = []

    def reading(apdu: Any) -> tuple[bytes, int]:
        data, status = inner(apdu)
        if status != 0x9000 or given or (apdu.p1 & 0x1F if apdu.p1 & 0x80 else chip._current) != file:
            return data, status
        given.append(True)
        return data[:count], status

    chip._read_binary = reading
    return chip


def silent_at(chip: Any, file: int, at: int, times: int) -> Any:
    """The chip, giving a file up to `at` and answering what asks for the rest with 9000 and nothing, so many times (0: always)."""
    inner = chip._read_binary
    chip.silences = 0

    def reading(apdu: Any) -> tuple[bytes, int]:
        short = apdu.p1 & 0x80
        asked, place = (apdu.p1 & 0x1F, apdu.p2) if short else (chip._current, apdu.p1 << 8 | apdu.p2)
        data, status = inner(apdu)
        if asked != file or (times and chip.silences >= times):
            return data, status
        if place < at:
            return data[: at - place], status
        chip.silences += 1
        return b"", 0x9000

    chip._read_binary = reading
    return chip


def refusing_last(chip: Any, file: int, cut: int, status: int, times: int) -> Any:
    """The chip, giving a file up to `cut` at first, and answering the READ BINARY of what is left with `status` in clear, so many times
    (0: always)."""
    refused, inner = refusing(chip, file, status, True, cut, times), chip._read_binary

    def reading(apdu: Any) -> tuple[bytes, int]:
        short = apdu.p1 & 0x80
        asked, place = (apdu.p1 & 0x1F, apdu.p2) if short else (chip._current, apdu.p1 << 8 | apdu.p2)
        data, said = inner(apdu)
        return (data[: cut - place] if asked == file and place < cut else data), said

    chip._read_binary = reading
    return refused
