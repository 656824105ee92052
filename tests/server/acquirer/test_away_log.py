"""An acquirer that is away for long fills no log: a line when it goes, one an hour, one when it is back."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from protocol import records as r
from server import codes
from server.acquirer import worker
from server.acquirer.iso import Answer, reference
from server.acquirer.worker import Worker
from tests.server.centre import Centre
from tests.server.handheld import Handheld


class Link:
    """An acquirer that is away until it is said to be back."""

    away = True

    async def exchange(self, request: Any, _sent: int) -> Answer:
        if self.away:
            raise codes.AcquirerError("the acquirer does not answer", codes.ACQUIRER_UNREACHABLE)
        return Answer(request.identity, request.step, "00", "123456", reference(request.identity))

    async def close(self) -> None:
        return


@pytest.mark.usefixtures("greeted")
def test_it_is_said_once_then_each_hour_then_when_it_is_over(
    centre: Centre, handheld: Handheld, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        handheld.pay(r.OUTCOME_APPROVED)
    centre.send(handheld)

    async def write(operation: Callable[[Connection], Any], _device: str = "") -> Any:
        with centre.engine.begin() as connection:
            return operation(connection)

    link, hour = Link(), worker.LOOKS_S
    tried = Worker(write, link, lambda: centre.now)  # type: ignore[arg-type]

    def step() -> list[str]:
        caplog.clear()
        centre.now += 4000
        asyncio.run(tried.step())
        return [record.getMessage() for record in caplog.records]

    with caplog.at_level(logging.INFO):
        assert step() == [f"{codes.ACQUIRER_UNREACHABLE} the acquirer is away, 3 wait: the acquirer does not answer"]
        assert step() == [] == step()
        monkeypatch.setattr(worker, "LOOKS_S", 0)
        said = step()
        assert said[0].startswith(
            f"{codes.ACQUIRER_UNREACHABLE} the acquirer is away still, 10 requests had no answer, 3 wait"
        )
        monkeypatch.setattr(worker, "LOOKS_S", hour)
        link.away = False
        assert step()[0] == "the acquirer answers again; 12 requests had no answer, 3 wait"
        assert step() == []
