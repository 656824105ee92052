"""The C library's deterministic CBOR and the project's own agree on everything that the strict decoder lets through."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import cbor
from server.wire import envelope, strict

INTS = st.integers(-(2**63), 2**64 - 1)
LEAVES = st.one_of(INTS, st.binary(max_size=40), st.text(max_size=20), st.booleans(), st.none())
ITEMS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=6),
        st.dictionaries(st.integers(0, 70_000), inner, max_size=8),
        st.dictionaries(st.text(max_size=8), inner, max_size=8),
    ),
    max_leaves=20,
)


@settings(max_examples=400, deadline=None)
@given(ITEMS)
def test_both_encoders_give_the_same_bytes(value: Any) -> None:
    assert envelope.canonical(value) == cbor.encode(value)


@settings(max_examples=400, deadline=None)
@given(ITEMS)
def test_the_encoder_of_replies_and_sets_gives_them_too(value: Any) -> None:
    """Text keys included, as parameter sets have them: in the order of their bytes, the shorter first."""
    assert strict.encode(value) == cbor.encode(value)


def test_numbers_that_are_ready_made_are_the_others() -> None:
    for value in (
        *range(strict.SHORT + 300),
        *(1 << bit for bit in range(64)),
        *((1 << bit) - 1 for bit in range(1, 65)),
    ):
        assert strict.uint(value) == cbor.encode(value)


@settings(max_examples=300, deadline=None)
@given(st.one_of(INTS.filter(lambda n: n >= 0), st.integers(0, 2**256 - 1)), st.integers(0, 2**256 - 1))
def test_a_signature_s_two_numbers_are_der_as_the_library_writes_it(first: int, second: int) -> None:
    raw = first.to_bytes(32, "big") + second.to_bytes(32, "big")
    assert envelope._der(raw) == encode_dss_signature(first, second)
