"""Recorded exchanges: written while paying, read for a replay.

    {"steps": [{"command": hex, "response": hex} …], "terminal": {tag: hex}, "online": {…}, "explain": [[what, why] …],
     "random": [hex …], "elapsed": [units of 100 microseconds …], …}

A step without a response is one in which the card left. "random" are the unpredictable numbers as they were drawn, "elapsed" the times of the
relay resistance exchanges, "choices" what the cardholder chose of the applications offered; a recording may lack them.

VERIFY is always masked: its data become zeros. Raw steps are kept for applications of test RIDs only; of others a step keeps the command's
header, the length of the answer and its status word, which is enough to see what happened and useless to a thief.
"""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from protocol import apdu
from protocol.errors import CardError, ConfigError, FormatError
from tools.emv import shapes

TEST_RIDS = (bytes.fromhex("F000005444"),)
VERIFY = 0x20


def is_test(aid: bytes) -> bool:
    """Whether an application belongs to nobody's real money."""
    return aid[:5] in TEST_RIDS


def masked(command: bytes) -> bytes:
    """The command without a PIN in it."""
    command = bytes(command)
    if len(command) > 4 and command[1] == VERIFY:
        return command[:5] + bytes(len(command) - 5)
    return command


class Recorder:
    """A card reader that notes what passes. `steps`: [(command, response)], VERIFY masked at once."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.steps: list[tuple[bytes, bytes]] = []

    async def transceive(self, command: bytes) -> bytes:
        """Send, note, hand back."""
        safe = masked(command)
        try:
            response = await self._reader.transceive(command)
        except CardError:
            self.steps.append((safe, b""))
            raise
        self.steps.append((safe, bytes(response)))
        return response

    async def transceive_timed(self, command: bytes) -> tuple[bytes, int]:
        """The same with its time in units of 100 microseconds: the reader's own figure, else this host's, with the host link in it."""
        timed = getattr(self._reader, "transceive_timed", None)
        if timed is None:
            began = time.perf_counter()
            response = await self.transceive(command)
            return response, int((time.perf_counter() - began) * 10_000)
        try:
            response, elapsed = await timed(command)
        except CardError:
            self.steps.append((masked(command), b""))
            raise
        self.steps.append((masked(command), bytes(response)))
        return response, elapsed


def selected(steps: list[tuple[bytes, bytes]]) -> bytes:
    """The application that was selected, b"" if none was; one of no test RID goes before any other: it decides what may be written."""
    aid = b""
    for command, response in steps:
        header, data = parsed(command)
        name = (
            header[:3] == b"\x00\xa4\x04"
            and (response[-2:] == b"\x90\x00" or response[-2:-1] == b"\x61")
            and not data.startswith((b"1PAY", b"2PAY"))
        )
        if name and (not aid or is_test(aid)):
            aid = data
    return aid


def steps_json(steps: list[tuple[bytes, bytes]], aid: bytes) -> list[dict[str, Any]]:
    """The steps as they may be written down for this application."""
    if is_test(aid):
        return [{"command": c.hex().upper(), "response": r.hex().upper()} for c, r in steps]
    return [{"header": c[:4].hex().upper(), "bytes": max(len(r) - 2, 0), "sw": r[-2:].hex().upper()} for c, r in steps]


def called(path: Path) -> str:
    """A file as errors name it: without its folder, unless there is nothing else ("/", ".")."""
    return path.name or str(path)


class TwiceError(Exception):
    """A key stands twice: the later one would hide what the earlier one says."""


def once(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """The pairs as a dict, for `json.loads` too. TwiceError."""
    found: dict[Any, Any] = {}
    for key, value in pairs:
        if key in found:
            raise TwiceError
        found[key] = value
    return found


def load(path: Path) -> dict[str, Any]:
    """A recording: "steps" [(command, response)], "terminal" {tag: value} and whatever else the file has. ConfigError CFG-094."""
    try:
        data = json.loads(path.read_text(), object_pairs_hook=once)
        _not_shortened(data["steps"], called(path))
        steps = [(bytes.fromhex(step["command"]), bytes.fromhex(step["response"])) for step in data["steps"]]
        terminal = once((int(tag, 16), bytes.fromhex(value)) for tag, value in data.get("terminal", {}).items())
    except TwiceError as error:
        raise ConfigError(
            f"{called(path)} says something twice", "CFG-094", "each field and each tag may stand once in an object"
        ) from error
    except OSError as error:
        raise ConfigError(f"{called(path)} cannot be read", "CFG-094", "check the path") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(
            f"{called(path)} is no recording",
            "CFG-094",
            'it needs {"steps": [{"command": hex, "response": hex}], "terminal": {tag: hex}}',
        ) from error
    found = {**data, "steps": steps, "terminal": terminal}
    shapes.check(found, called(path))
    return found


def _not_shortened(steps: list[Any], name: str) -> None:
    """ConfigError CFG-096: the trace of a card of no test RID, or of none that was selected, holds no exchange."""
    if any(isinstance(step, dict) and "sw" in step and "command" not in step for step in steps):
        known = ", ".join(rid.hex().upper() for rid in TEST_RIDS)
        raise ConfigError(
            f"{name} was shortened when it was written: it has no exchange to replay",
            "CFG-096",
            f"only applications of a test RID ({known}) are written whole; `tasdid emv explain` reads this file",
        )


def parsed(command: bytes) -> tuple[bytes, bytes]:
    """(header, data) of a command; one that is malformed is all header."""
    try:
        found = apdu.parse_command(command)
        return bytes(command[:4]), bytes(found.data)
    except FormatError:
        return bytes(command), b""
