"""The register of devices as a running server keeps it in memory."""

import dataclasses

from server.store import devices
from tests.server.centre import Centre
from tests.server.handheld import Handheld


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
