"""`tasdid emv pay` tells a card numbers of the operating system's generator (`secrets`), new for each payment."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

import pytest

from protocol import records as r
from protocol.emv.contactless.params import ContactlessParams
from tests.protocol.emv.scripted import CDOL1
from tests.terminal.payment.tap_bench import ContactCard, Reader, body, card2, card3
from tests.terminal.payment.test_unpredictable import told
from tools.emv.pay import Payment


@pytest.mark.parametrize("make", [ContactCard, card3, card2])
def test_each_number_is_one_that_secrets_gave(monkeypatch: pytest.MonkeyPatch, make: Callable[[], Any]) -> None:
    given: list[bytes] = []
    real = secrets.token_bytes

    def token_bytes(count: int) -> bytes:
        given.append(real(count))
        return given[-1]

    monkeypatch.setattr(secrets, "token_bytes", token_bytes)
    used = []
    for _ in range(2):
        card = make()
        payment = Payment(
            90000, ContactlessParams(body()), lambda *_: None, None, lambda _: None, make is not ContactCard
        )
        result = asyncio.run(payment.run(Reader([card])))
        assert (result.outcome, result.reason) == (r.OUTCOME_APPROVED, "Y1")
        data = {name: command[5:-1] for name, command in zip(card.names, card.commands, strict=True)}
        numbers = {told(card.pdol, data["GPO"][2:])} | {
            told(CDOL1, data[name]) for name in data if name.startswith("GAC")
        }
        assert numbers <= set(given)
        used += list(numbers)
    assert len(used) == len(set(used)) >= 2
