"""The authority opens what a terminal sealed, with libraries that the terminal does not use."""

import asyncio

import cbor2
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from hypothesis import strategies as st

from drivers.contracts.secure_element import SLOT_PV_HMAC
from terminal import personal
from tests.support import cross
from tests.terminal.test_personal import DRIVER, Terminal


def test_the_authority_opens_a_report() -> None:
    terminal = Terminal()
    message = cbor2.loads(asyncio.run(personal.seal(terminal, 7, DRIVER)))
    protected, unprotected, sealed = message.value if isinstance(message, cbor2.CBORTag) else message
    context = cbor2.dumps(["TSD-000001", 1, 7])
    key = asyncio.run(terminal.hmac(SLOT_PV_HMAC, context))[:16]
    aad = cbor2.dumps(["Encrypt0", protected, context])
    assert cbor2.loads(protected) == {1: 10}
    content = cbor2.loads(AESCCM(key, tag_length=8).decrypt(unprotected[6].rjust(13, b"\0"), sealed, aad))
    plate, number, surname, given_names, birth, authority = content
    assert [_half_bytes(value) for value in (plate, number)] == ["00123-115-16", "A10203047"]
    assert [_letters(value) for value in (surname, given_names, authority)] == ["BENALI", "AMINA", "ALGER CENTRE"]
    assert (1900 + birth // 32 // 13, birth // 32 % 13, birth % 32) == (1988, 7, 4)


def _half_bytes(data: bytes) -> str:
    return "".join("0123456789-A/ ."[int(digit, 16) - 1] for digit in data.hex() if digit != "0")


def _letters(data: bytes) -> str:
    bits = "".join(f"{byte:08b}" for byte in data)
    assert bits[:4] == "0000"
    codes = [int(bits[at : at + 5], 2) for at in range(4, len(bits) - 4, 5)]
    return "".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ -'./"[code - 1] for code in codes if code)


def test_any_text_survives_on_both_runtimes() -> None:
    alphabet = st.sampled_from("0123456789-A/ .BCXYZ'é٣,")
    dates = st.dates().map(lambda date: date.strftime("%Y%m%d"))
    inputs = cross.examples(
        st.one_of(st.text(max_size=20), st.text(alphabet, max_size=20), st.from_regex(r"\A[0-9]{8}\Z"), dates)
    )
    shorter = cross.run_on_device("terminal.personal", "short", inputs)
    assert [personal.short(text) for text in inputs] == shorter
    assert [personal.long(value) for value in shorter] == inputs
    assert cross.run_on_device("terminal.personal", "long", shorter) == inputs
    assert {type(value) for value in shorter} == {int, bytes, str}
