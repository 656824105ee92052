"""Replays recorded taps into the entry point, on either runtime, with the pure primitives: for `test_tap_corpus_cpython`. Not a test itself."""

from protocol.crypto.pure import PureCrypto
from protocol.emv import kernel  # noqa: F401 - first: imported through the entry point it nests too deep for the device's stack
from protocol.emv.contactless import entry
from protocol.emv.contactless.params import ContactlessParams
from protocol.emv.contactless.torn import TornLog
from protocol.errors import CardRemovedError


def run(body, txn, online, responses):
    """[outcome, reason, detail, kernel, method, proved, TVR, CVM results, cryptogram, number, explanation, commands] of one payment.

    An empty response is a card that left; it is presented again at once. When the responses are over, it is gone for good: outcome 4.
    """
    machine = entry.transact(txn, ContactlessParams(body), PureCrypto(), b"\x01\x02\x03\x04", TornLog())
    left = list(responses)
    commands, drawn = [], 0
    answer, lost = None, None
    while True:
        try:
            request = machine.send(answer) if lost is None else machine.throw(lost)
        except StopIteration as stop:
            result = stop.value
            break
        except CardRemovedError:
            return [4, "", "", 0, "", False, b"", b"", b"", b"", [], commands]
        lost = None
        if request[0] in ("apdu", "timed_apdu"):
            commands.append(bytes(request[1]))
            answer = left.pop(0) if left else b""
            if not answer:
                lost = CardRemovedError("the card left")
            elif request[0] == "timed_apdu":
                answer = (answer, 54)
        elif request[0] == "random":
            drawn += 1
            answer = bytes([0x40 + drawn]) * request[1]
        elif request[0] == "again":
            answer = True if left else None
        else:
            answer = {"online": online, "online_pin": True}.get(request[0])
    explained = [[what, why] for what, why in result.explain]
    return [
        result.outcome, result.reason, result.detail, result.kernel, result.oda, result.cda_ok, bytes(result.tvr),
        bytes(result.cvm_results), bytes(result.cryptogram), bytes(result.un), explained, commands,
    ]  # fmt: skip
