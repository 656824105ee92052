"""Driving the kernel against a simulated card, where a test does not care how a reader would."""

from collections.abc import Callable
from typing import Any

TIMED_MS = 20  # what a timed command is said to have taken


def run(machine: Any, respond: Callable[[bytes], bytes], answer_to: Callable[[tuple[Any, ...]], Any]) -> Any:
    """The machine's result: commands go to `respond`, every other request to `answer_to`."""
    answer: Any = None
    while True:
        try:
            request = machine.send(answer)
        except StopIteration as stop:
            return stop.value
        if request[0] == "apdu":
            answer = respond(bytes(request[1]))
        elif request[0] == "timed_apdu":
            answer = (respond(bytes(request[1])), TIMED_MS)
        else:
            answer = answer_to(request)


def purchase(amount: int) -> dict[str, Any]:
    """The terminal's facts of a payment of `amount` centimes of DZD, as the kernel wants them."""
    return {
        "amount": amount,
        "currency": 12,
        "country": 12,
        "date": "261122",
        "time": "093000",
        "type": 0,
        "counter": 1,
    }
