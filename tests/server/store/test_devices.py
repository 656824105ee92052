"""The register of devices as a running server keeps it in memory."""

import dataclasses
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select, update

from protocol import sync as s
from protocol.errors import ConfigError
from server.store import devices
from server.store import tables as t
from server.store.engine import open_engine, reading
from tests.server.centre import Centre
from tests.server.handheld import Handheld

OFF_CURVE = b"\x04" + bytes([17] * 64)


def test_a_running_server_learns_that_a_device_has_got_another_unit(centre: Centre, handheld: Handheld) -> None:
    seconds = [1000.0]
    register = devices.Register(centre.engine, lambda: seconds[0])
    before = register.find("TSD-000001")
    assert before is not None and register.find("TSD-000009") is None
    moved = dataclasses.replace(before, unit="GN-19-02", force=2, wilaya=19)
    with centre.engine.begin() as connection:
        devices.register(connection, moved, centre.now)
    assert register.find("TSD-000001") == before
    seconds[0] += devices.FRESH_S
    assert register.find("TSD-000001") == moved


def test_a_device_that_is_registered_late_is_known_at_once(centre: Centre, handheld: Handheld) -> None:
    register = devices.Register(centre.engine, lambda: 0.0)
    known = register.find("TSD-000001")
    assert known is not None and register.find("TSD-000002") is None
    with centre.engine.begin() as connection:
        devices.register(connection, dataclasses.replace(known, device="TSD-000002"), centre.now)
    assert register.find("TSD-000002") is not None


def _device(handheld: Handheld, **change: object) -> devices.Device:
    return dataclasses.replace(devices.parse(handheld.name, handheld.entry()), **change)  # type: ignore[arg-type]


def _enter(centre: Centre, *listed: devices.Device) -> None:
    """A start with such a list of devices."""
    engine = open_engine(centre.url)
    devices.enter(engine, listed, centre.now, whole=True)
    engine.dispose()
    centre.restart()


def _told(centre: Centre) -> list[tuple[str, str, str]]:
    with reading(centre.engine) as connection:
        rows = connection.execute(select(t.audit.c.device, t.audit.c.code, t.audit.c.what).order_by(t.audit.c.at))
        return [(row.device, row.code, row.what) for row in rows]


def test_a_device_that_is_listed_with_another_key_keeps_its_own_and_is_named_once(
    either: Centre, handheld: Handheld, caplog: pytest.LogCaptureFixture
) -> None:
    either.hello(handheld)
    other = Handheld("TSD-000002")
    for _ in range(2):
        _enter(either, _device(Handheld(handheld.name), unit="GN-19-02"), _device(other))
        assert "CFG-022 TSD-000001: it is listed with another key" in caplog.text
        caplog.clear()
    ((name, code, what),) = _told(either)
    assert (name, code) == ("TSD-000001", "CFG-022") and "propose --new-key" in what and len(what) < 200
    for one in (handheld, other):
        assert either.say(one.hello())[0] == s.TYPE_WELCOME
    assert either.ledger()["devices"][0]["unit"] == "GN-19-02"


def test_a_key_that_is_no_point_of_the_curve_is_never_entered(either: Centre, handheld: Handheld) -> None:
    either.hello(handheld)
    second, third = Handheld("TSD-000002"), Handheld("TSD-000003")
    _enter(either, _device(handheld, public_key=OFF_CURVE), _device(second, public_key=OFF_CURVE), _device(third))
    assert {line[:2] for line in _told(either)} == {("TSD-000001", "CFG-021"), ("TSD-000002", "CFG-021")}
    assert either.say(handheld.hello())[0] == either.say(third.hello())[0] == s.TYPE_WELCOME
    assert either.refused(second.hello()) == "SRV-012"
    _enter(either, *(_device(one) for one in (handheld, second, third)))
    assert either.say(second.hello())[0] == s.TYPE_WELCOME


def test_a_key_of_an_earlier_release_that_is_no_point_is_corrected(either: Centre, handheld: Handheld) -> None:
    with either.engine.begin() as connection:
        connection.execute(update(t.devices).values(public_key=OFF_CURVE))
    assert either.refused(handheld.hello()) == "SRV-013"
    _enter(either, _device(handheld))
    assert [line[:2] for line in _told(either)] == [("TSD-000001", "DEVICE")]
    assert either.say(handheld.hello())[0] == s.TYPE_WELCOME


def test_a_device_that_is_struck_off_the_list_is_named_once_until_it_is_blocked(
    either: Centre, handheld: Handheld, caplog: pytest.LogCaptureFixture
) -> None:
    _enter(either)
    _enter(either)
    ((name, code, what),) = _told(either)
    assert (name, code) == ("TSD-000001", "DEVICE") and "tasdid server device block" in what and len(what) < 200
    assert either.say(handheld.hello())[0] == s.TYPE_WELCOME
    with either.engine.begin() as connection:
        connection.execute(update(t.heads).values(blocked=1))
    caplog.clear()
    _enter(either)
    assert caplog.text == "" and len(_told(either)) == 1


def test_who_has_no_list_of_devices_is_told_of_none(tmp_path: Path, centre: Centre, handheld: Handheld) -> None:
    engine = open_engine(centre.url)
    devices.enter(engine, [], centre.now)
    engine.dispose()
    assert _told(centre) == []


@pytest.mark.parametrize("key", [b"", b"\x04", OFF_CURVE, b"\x02" + bytes(32), bytes(65)])
def test_what_is_no_point_is_no_key(key: bytes, handheld: Handheld) -> None:
    assert not devices.is_point(key) and devices.is_point(handheld.public())
    compressed = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), handheld.public()).public_numbers()
    assert not devices.is_point(bytes([2 + compressed.y % 2]) + compressed.x.to_bytes(32, "big"))


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        *[(field, value, "whole number") for field in ("force", "wilaya") for value in ("1", 1.0, True, [1])],
        *[(field, value, "text") for field in ("unit", "dukpt_key_id", "public_key") for value in (16, 1.5, True, ["a"])],
    ],
)  # fmt: skip
def test_nothing_in_the_list_is_taken_for_what_it_may_have_been_meant_to_be(
    handheld: Handheld, field: str, value: object, kind: str
) -> None:
    told = f"CFG-021 device {handheld.name}: '{field}' is no {kind} - write it "
    with pytest.raises(ConfigError, match=told):
        devices.parse(handheld.name, {**handheld.entry(), field: value})


@pytest.mark.parametrize("field", ["public_key", "unit", "force", "wilaya"])
def test_what_an_entry_lacks_is_named(handheld: Handheld, field: str) -> None:
    entry = {name: value for name, value in handheld.entry().items() if name != field}
    for lacking in (entry, {**entry, field: None}):
        with pytest.raises(ConfigError, match=f"CFG-021 device {handheld.name}: '{field}' is missing"):
            devices.parse(handheld.name, lacking)


@pytest.mark.parametrize("entry", ["04", 7, None, []])
def test_an_entry_is_a_table(handheld: Handheld, entry: object) -> None:
    with pytest.raises(ConfigError, match=f"CFG-021 device {handheld.name}: its entry is no table"):
        devices.parse(handheld.name, entry)


def test_a_field_that_may_be_absent_may_be_null(handheld: Handheld) -> None:
    assert devices.parse(handheld.name, {**handheld.entry(), "dukpt_key_id": None}).dukpt_key_id == ""
    with pytest.raises(ConfigError, match="CFG-021 .*'unit' is missing"):
        devices.parse(handheld.name, {**handheld.entry(), "unit": None})
