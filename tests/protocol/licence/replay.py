"""Replay of a recorded reading, importable on both runtimes: the same random bytes must lead to the same commands."""

import hashlib

from protocol.crypto.pure import PureCrypto
from protocol.errors import CardRemovedError, TasdidError
from protocol.licence import mrz
from protocol.licence.reader import Resume, read_licence
from protocol.licence.trust.anchors import TrustSet

GONE = "gone"


def random_bytes():
    """A source of bytes for tests that gives the same sequence at every run."""
    state = [0]

    def take(count):
        out = b""
        while len(out) < count:
            state[0] += 1
            out += hashlib.sha256(bytes((state[0] >> 8, state[0] & 255))).digest()
        return out[:count]

    return take


def printed(text):
    """What is printed on the card: "CAN " and its digits, or an MRZ."""
    return mrz.from_can(text[4:]) if text.startswith("CAN ") else mrz.parse(text)


def run(path, mrz_text, anchor, today, groups, portrait=False, atr=b"", room=0, hold=0):
    """Read with the answers in `path` (lines of command and answer in hex); the outcome as a map of plain values. An answer "gone" is a card
    that was pulled: the next line begins the reading that goes on.

    `anchor`: the DER of Algeria's, or [(country, DER)]. AssertionError if a command differs from the recorded one.
    """
    several = [("DZ", anchor)] if isinstance(anchor, bytes) else anchor
    trust = TrustSet([{"country": country, "purpose": "idl", "cert": der} for country, der in several])
    rnd, resume = random_bytes(), Resume()

    def begin():
        return read_licence(
            PureCrypto(),
            printed(mrz_text),
            rnd,
            trust,
            today,
            groups,
            portrait,
            resume=resume,
            atr=atr,
            room=room,
            hold=hold,
        )

    machine = begin()
    answer = None
    stream = open(path)  # noqa: SIM115  closed below; MicroPython has no contextlib either
    try:
        while True:
            try:
                request = machine.send(answer)
            except StopIteration as end:
                return outcome(end.value)
            except TasdidError as error:
                return {"error": error.code}
            answer = None
            if request[0] == "apdu":
                command, recorded = stream.readline().split()
                assert request[1] == bytes.fromhex(command), "another command than was recorded"
                if recorded == GONE:
                    machine = torn(machine, begin)
                else:
                    answer = bytes.fromhex(recorded)
    finally:
        stream.close()


def torn(machine, begin):
    """The machine that goes on after the card was pulled from under `machine`."""
    try:
        machine.throw(CardRemovedError("the card left"))
    except CardRemovedError:
        return begin()
    raise AssertionError("the machine kept the error")


def outcome(reading):
    """What a reading gave, comparable across runtimes."""
    return {
        "verdict": reading.verdict,
        "findings": reading.findings,
        "covered": reading.covered,
        "altered": reading.altered_groups,
        "chip": reading.chip,
        "dg1": reading.dg1,
        "dg11": reading.dg11,
        "sod": reading.sod_sha256,
        "files": [[tag, reading.files[tag]] for tag in sorted(reading.files)],
        "portrait": len(reading.portrait or b""),
    }
