"""Odd but signed content: letters of ISO 8859-1, one field that cannot be read, empty and large groups."""

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

import pytest

from protocol import records
from sim.cards.licence import content
from sim.cards.licence.people import PEOPLE
from sim.cards.tlv import tlv
from tests.conformance.licence import bench
from tests.conformance.licence.requirements import meets

DATA = records.VERDICT_DATA_GENUINE
AMINA = PEOPLE["amina"]
Change = Callable[[bytes], bytes]


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> "Callable[..., Any]":
    """Read a licence one of whose groups was made otherwise before it was signed."""
    build: Any = importlib.import_module("sim.cards.licence.build")
    made = build._groups

    def reading(given: Any, group: int, change: Change, **options: Any) -> Any:
        def groups(profile: Any, person: Any) -> Any:
            found = made(profile, person)
            found[group] = change(found[group])
            return found

        monkeypatch.setattr(build, "_groups", groups)
        return bench.read(given, **options).done

    return reading


@meets("LR-16")
@pytest.mark.parametrize(("given", "name", "shown"), [("eu", b"MODELE", "MODÈLE"), ("amina", b"BENALI", "BÈNALI")])
def test_a_name_in_iso_8859_1_leaves_the_issuer_known(given: str, name: bytes, shown: str, signed: Any) -> None:
    at = shown.index("È")
    got = signed(given, 1, lambda group: group.replace(name, name[:at] + b"\xc8" + name[at + 1 :]))
    assert (got.verdict, got.findings) == (DATA, [])
    assert shown in got.dg1["surname"]


@meets("LR-16")
def test_a_licence_without_end_is_no_riddle(signed: Any) -> None:
    endless = dataclasses.replace(AMINA, expiry="99991231")
    got = signed("amina", 1, lambda _: content.dg1(endless))
    assert got.verdict == DATA and got.dg1["expiry"] == "99991231" and got.findings == ["LIC-204"]


@meets("LR-16")
def test_a_restriction_without_a_category_loses_no_category(signed: Any) -> None:
    rows = (("B", "20220310", "20320309"), ("", "", "", "70"))
    got = signed("amina", 1, lambda _: content.dg1(dataclasses.replace(AMINA, categories=rows)))
    assert (got.verdict, got.findings) == (DATA, []) and [row["code"] for row in got.dg1["categories"]] == ["", "70"]


@meets("LR-16")
def test_a_date_that_is_none_is_named_and_the_country_read(signed: Any) -> None:
    got = signed("amina", 1, lambda _: content.dg1(dataclasses.replace(AMINA, birth="19871399")))
    assert got.verdict == DATA and got.details == [("LIC-215", "DG1 birth")]
    assert got.dg1["birth"] == "" and got.dg1["country"] == "DZA" and got.dg1["number"] == AMINA.number


@meets("LR-09")
def test_an_empty_group_that_is_signed_so_is_read_and_not_altered(signed: Any) -> None:
    got = signed("amina", 5, lambda _: b"\x67\x00", groups=(1, 5))
    assert (got.verdict, got.details, got.covered) == (DATA, [("LIC-215", 5)], [1, 5])


@meets("LR-09")
def test_a_portrait_larger_than_can_be_read_is_not_read_and_not_altered(signed: Any) -> None:
    large = tlv(0x65, tlv(2, b"\1"), tlv(0xA2, tlv(0x89, b"\3"), tlv(0x5F40, b"\xff\xd8\xff\xe0" + bytes(300_000))))
    got = signed("amina", 4, lambda _: large)
    assert (got.verdict, got.details) == (DATA, [("LIC-213", 4)])
