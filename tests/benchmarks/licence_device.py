"""Device half of tests/benchmarks/licence.py: replays a recorded reading and prints microseconds and live bytes.

The conversation is a file of lines "command answer" in hex beside the image; time in the machine alone is counted, not the file's.
It is wall time: MicroPython has no clock of processor time.
"""

import gc
import hashlib
import json
import time


def random_bytes():
    """The same sequence of bytes as the recording's."""
    state = [0]

    def take(count):
        out = b""
        while len(out) < count:
            state[0] += 1
            out += hashlib.sha256(bytes((state[0] >> 8, state[0] & 255))).digest()
        return out[:count]

    return take


def replay(crypto, path, case):
    """(microseconds in the machine, verdict); AssertionError if the machine sends another command than was recorded."""
    from protocol.licence import mrz
    from protocol.licence.reader import Resume, read_licence
    from protocol.licence.trust.anchors import TrustSet

    trust = TrustSet([{"country": "DZ", "purpose": "idl", "cert": bytes.fromhex(case["anchor"])}])
    parsed = mrz.parse(case["mrz"])
    spent = 0
    answer = None
    with open(path) as stream:
        groups, resume = (1, 11), Resume()
        if case["portrait"]:  # as the terminal does: hashed and decoded as it comes, never kept
            from drivers.picture_stream import StreamPicture

            groups = (1, 11, 4)
            resume.picture = StreamPicture(112, 144)
        machine = read_licence(crypto, parsed, random_bytes(), trust, case["today"], groups, resume=resume)
        while True:
            began = time.ticks_us()
            try:
                request = machine.send(answer)
            except StopIteration as end:
                if case["portrait"] and isinstance(resume.picture.result(), str):
                    raise AssertionError("the portrait was not decoded")
                return spent + time.ticks_diff(time.ticks_us(), began), end.value.verdict
            spent += time.ticks_diff(time.ticks_us(), began)
            answer = None
            if request[0] == "apdu":
                command, recorded = stream.readline().split()
                if request[1] != bytes.fromhex(command):
                    raise AssertionError("another command than was recorded")
                answer = bytes.fromhex(recorded)


def main(arguments):
    """`main([conversation, case.json])`: print microseconds, verdict, bytes live before."""
    from protocol.crypto.pure import PureCrypto

    with open(arguments[1]) as file:
        case = json.load(file)
    gc.collect()
    live = gc.mem_alloc()
    spent, verdict = replay(PureCrypto(), arguments[0], case)
    print(spent, verdict, live)
    return 0
