"""`tasdid bench wire`: a shift is played to its end, and every byte of it is told."""

import pytest

from tests.benchmarks import wire


@pytest.mark.parametrize("online", [False, True])
def test_every_byte_of_a_shift_is_told(monkeypatch: pytest.MonkeyPatch, online: bool) -> None:
    monkeypatch.setattr(wire, "FINES", 4)
    found = wire.measure(online, "linux")
    assert found["settled"] == 4
    assert sum(size for _, size in found["messages"].values()) == found["bytes"]
    told = sum(found["parts_per_payment"].values())
    assert told == pytest.approx(found["bytes_per_settled_payment"], abs=2)
    assert {"record PAYMENT_OUTCOME", "sealed card data", "outcome signatures"} <= set(found["parts_per_payment"])
    assert ("AUTHORISE" in found["messages"]) is online
