"""Strangers open what a terminal sealed: `cryptography` and cbor2 the form, the simulated acquirer the content."""

import asyncio
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from protocol import records as r
from protocol import tlv
from protocol.emv import chip_list
from server.acquirer import iso
from sim.acquirer import dukpt, emv
from sim.acquirer.sealed import NOTHING_CLEAR, CardData, SealedError, open_blob
from terminal import sealing
from tests.terminal import test_sealing as sample

BDK = bytes.fromhex("FEDCBA9876543210F1F1F1F1F1F1F1F1")
CLEAR = tuple(bytes.fromhex(value) for value in ("0102030405060708", "40", "0102", "8000008000", "A0000000031010"))
OBJECTS = {tag: bytes.fromhex(value) for tag, value in sample.DE55}


def _sealed(monkeypatch: pytest.MonkeyPatch, record: dict[int, Any] | None, de55: bytes | None = None) -> bytes:
    monkeypatch.setattr(sample, "IK", dukpt.initial_key(BDK, sample.KEY_ID))
    facts, data = sample.FACTS, sample.chip() if de55 is None else de55
    return asyncio.run(
        sealing.seal_card(sample.Terminal(), sample.INTENT, sample.AMOUNT, facts, data, (0, b""), record)
    )


def _opened(blob: bytes, clear: tuple[bytes | None, ...], amount: int = sample.AMOUNT) -> CardData:
    return open_blob(BDK, blob, "TSD-000001", 1, sample.INTENT, amount, clear)


def test_a_stranger_decrypts_with_a_tag_of_eight_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    for record, bound in ((None, ()), (sample.OUTCOME, CLEAR), ({}, (None,) * 5)):
        message = cbor2.loads(_sealed(monkeypatch, record))
        protected, unprotected, ciphertext = message.value
        header = cbor2.loads(protected)
        assert (message.tag, unprotected, header[1]) == (16, {}, 10)
        aad = cbor2.dumps(["Encrypt0", protected, cbor2.dumps(["TSD-000001", 1, sample.INTENT, sample.AMOUNT, *bound])])
        cipher = AESCCM(dukpt.working_key(BDK, header[4]), tag_length=8)
        pan, psn, expiry, _ = cbor2.loads(cipher.decrypt(bytes(13), ciphertext, aad))
        assert (pan.hex(), psn, expiry.hex()) == ("9999990112345674", 1, "3112")


def test_the_acquirer_puts_clear_and_sealed_chip_data_together(monkeypatch: pytest.MonkeyPatch) -> None:
    card = _opened(_sealed(monkeypatch, sample.OUTCOME), CLEAR)
    assert emv.parse(card.de55) == OBJECTS and card.pan == "9999990112345674"
    assert _opened(_sealed(monkeypatch, None), NOTHING_CLEAR).de55 == card.de55


def test_what_was_sealed_while_the_card_waited_counts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    other = (bytes(8), b"\0", bytes(2), bytes(5), bytes(7))
    assert emv.parse(_opened(_sealed(monkeypatch, None), other).de55) == OBJECTS


@pytest.mark.parametrize("place", range(5))
def test_another_value_in_clear_than_the_record_has_is_refused(monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    blob = _sealed(monkeypatch, sample.OUTCOME)
    flipped = bytes([CLEAR[place][0] ^ 1]) + CLEAR[place][1:]
    for value in (flipped, CLEAR[place] + b"\0", None):
        with pytest.raises(SealedError):
            _opened(blob, (*CLEAR[:place], value, *CLEAR[place + 1 :]))
    with pytest.raises(SealedError):
        _opened(blob, CLEAR, sample.AMOUNT + 1)


def test_a_record_that_differs_is_bound_and_does_not_replace_what_the_card_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = {**sample.OUTCOME, r.TVR: bytes(5)}
    del record[r.AID]
    blob = _sealed(monkeypatch, record)
    card = _opened(blob, (*CLEAR[:3], bytes(5), None))
    assert emv.parse(card.de55) == OBJECTS
    with pytest.raises(SealedError):
        _opened(blob, CLEAR)


def test_the_fullest_chip_data_with_a_pin_block_fit_the_acquirers_field_48(monkeypatch: pytest.MonkeyPatch) -> None:
    fullest = sample.chip() + tlv.encode(0xDF01, bytes(chip_list.MOST_DE55 - len(sample.chip()) - 3))
    assert len(fullest) == chip_list.MOST_DE55 == iso.SPEC["55"]["max_len"]
    monkeypatch.setattr(sample, "IK", dukpt.initial_key(BDK, sample.KEY_ID))
    for record in (None, {}, sample.OUTCOME):
        for data in (fullest, tlv.encode(0xDF01, bytes(251))):
            facts = {**sample.FACTS, "pan": b"9" * 19}
            blob = asyncio.run(
                sealing.seal_card(sample.Terminal(), 2**32 - 1, sample.AMOUNT, facts, data, (0xFFF, bytes(16)), record)
            )
            assert len(blob) <= iso.SPEC["48"]["max_len"]
