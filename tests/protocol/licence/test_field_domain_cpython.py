"""PACE over a finite field takes keys of its subgroup only: p - 1 has small factors."""

import pytest

from protocol import pack
from protocol.licence.access import domains
from protocol.licence.errors import AccessError

FIELD = domains.FieldDomain()
P, Q = FIELD._p, FIELD.order


def _of_order(factor: int) -> bytes:
    """An element of this small order."""
    base = 2
    while pow(base, (P - 1) // factor, P) == 1:
        base += 1
    return pack.be(pow(base, (P - 1) // factor, P), 128)


def _small_factors() -> list[int]:
    return [factor for factor in range(2, 1000) if (P - 1) % factor == 0]


def test_a_key_of_a_small_order_is_refused() -> None:
    found = _small_factors()
    assert found
    for key in (*map(_of_order, found), pack.be(1, 128), pack.be(P - 1, 128), bytes(128), pack.be(P, 128), b"\x02"):
        with pytest.raises(AccessError) as caught:
            FIELD.multiply(b"\x05", key)
        assert caught.value.code == "LIC-023"


def test_a_key_of_the_subgroup_is_taken() -> None:
    key = FIELD.multiply(b"\x07", None)
    assert FIELD.secret(b"\x05", key) == FIELD.multiply(b"\x23", None)
