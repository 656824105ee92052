"""Replays a recorded exchange into the contact kernel, on either runtime, with the pure primitives: for `test_corpus_cpython`."""

from protocol.crypto.pure import PureCrypto
from protocol.emv.kernel import transact
from protocol.emv.params import EmvParams


def run(body, txn, pins, online, responses):
    """[outcome, reason, detail, method, proved, TVR, TSI, CVM results, cryptogram, explanation, commands] of one transaction."""
    machine = transact(txn, EmvParams(body), PureCrypto(), b"\x01\x02\x03\x04")
    left = list(responses)
    pins = list(pins)
    commands = []
    answer = None
    while True:
        try:
            request = machine.send(answer)
        except StopIteration as stop:
            result = stop.value
            break
        if request[0] == "apdu":
            commands.append(bytes(request[1]))
            answer = left.pop(0)
        elif request[0] == "pin":
            answer = bytearray(pins.pop(0)) if pins else None
        elif request[0] == "random":
            answer = bytes([0x63]) * request[1]
        else:
            answer = {"choose": 0, "online": online}.get(request[0])
    explained = [[what, why] for what, why in result.explain]
    return [
        result.outcome, result.reason, result.detail, result.oda, result.cda_ok, bytes(result.tvr), bytes(result.tsi),
        bytes(result.cvm_results), bytes(result.cryptogram), explained, commands,
    ]  # fmt: skip
