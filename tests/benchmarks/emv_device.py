"""The device's half of `tests.benchmarks.emv`: one recorded payment replayed, CPU of the kernel and memory alive before. Both runtimes.

main([FILE, rounds])     FILE: CBOR {"body", "txn", "un", "pin", "online", "steps": [[command, response] …], "outcome",
                         "tapped": bool, "elapsed": 100 µs of a timed command}
prints: microseconds of the quickest round, bytes alive before it
"""

import gc
import time

from protocol import cbor
from protocol.crypto.pure import PureCrypto
from protocol.emv.kernel import transact
from protocol.emv.params import EmvParams


def replay(case, params, crypto):
    """Run the kernel once against the recording; it must ask exactly what was recorded. Returns the result."""
    if case["tapped"]:
        from protocol.emv.contactless import entry
        from protocol.emv.contactless.torn import TornLog

        machine = entry.transact(case["txn"], params, crypto, case["un"], TornLog())
    else:
        machine = transact(case["txn"], params, crypto, case["un"])
    steps = case["steps"]
    at = 0
    answer = None
    try:
        while True:
            request = machine.send(answer)
            word = request[0]
            if word == "apdu" or word == "timed_apdu":
                command, answer = steps[at]
                assert bytes(request[1]) == command, at
                at += 1
                if word == "timed_apdu":
                    answer = (answer, case["elapsed"])
            elif word == "pin":
                answer = bytearray(case["pin"])
            elif word == "online":
                answer = case["online"]
            elif word == "random":
                answer = bytes(request[1])
            else:
                answer = None
    except StopIteration as stop:
        assert at == len(steps)
        return stop.value


def main(arguments):
    """See the module's docstring."""
    with open(arguments[0], "rb") as file:
        case = cbor.decode(file.read())
    if case["tapped"]:
        from protocol.emv.contactless.params import ContactlessParams

        params = ContactlessParams(case["body"])
    else:
        params = EmvParams(case["body"])
    crypto = PureCrypto()
    best = 0
    gc.collect()
    live = gc.mem_alloc()
    for _ in range(int(arguments[1])):
        gc.collect()
        began = time.ticks_us()
        result = replay(case, params, crypto)
        spent = time.ticks_diff(time.ticks_us(), began)
        assert result.outcome == case["outcome"]
        best = spent if not best or spent < best else best
    print(best, live)
    return 0
