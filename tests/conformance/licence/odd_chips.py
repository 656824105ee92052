"""Chips that are out of the ordinary where the profiles have no word for it."""

import importlib
from collections.abc import Callable
from typing import Any

import pytest

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
