"""The technician's port with a trace on the side: events of some kinds are written to a file too, a line of JSON each. Both runtimes.

For a board whose wiring asks for it. Carries what the port carries: codes and state, never card or personal data.
"""

import json
import os

from drivers.contracts.small import Diagnostic
from drivers.diagnostic_link import LinkDiagnostic
from protocol.errors import ConfigError

MOST = 1 << 18  # bytes of the file: it must not take the journal's room
_FORM, _FILE = 0xF000, 0x8000  # of st_mode: a pipe or a device could block


class FileDiagnostic(Diagnostic):
    """Hands every event on to `other`; appends those named in `kinds` to the file `path`, up to MOST bytes. What cannot be written is
    counted in `lost`: no payment ends over a trace. ConfigError CFG-043 if it cannot be opened or is no file.
    """

    def __init__(self, other: LinkDiagnostic, path: str, kinds: "tuple[str, ...]" = ("emv",)) -> None:
        self._other = other
        self._kinds = kinds
        self.lost = 0
        self._end = b""
        try:
            self._room = MOST - _size(path)
            self._file = open(path, "ab", 0)  # noqa: SIM115 - it stays open as long as the port; nothing of it waits in memory
        except (OSError, ValueError):
            raise ConfigError(
                "the trace file cannot be written", "CFG-043", "choose another path in the wiring", path
            ) from None

    def emit(self, event: str, fields: dict) -> None:
        """Pass on, and write down."""
        self._other.emit(event, fields)
        if event not in self._kinds:
            return
        said = {"event": event}
        said.update(fields)
        line = self._end + json.dumps(said).encode() + b"\n"
        written = 0
        try:
            if len(line) <= self._room:
                written = self._file.write(line) or 0
        except OSError:
            pass  # counted below
        self._room -= written
        if written < len(line):
            self.lost += 1
        if written:
            self._end = b"" if written == len(line) else b"\n"  # of a line that was cut

    async def run(self) -> None:
        """The other's work."""
        await self._other.run()


def _size(path: str) -> int:
    """Bytes of the file, 0 if there is none yet. OSError if it is something else."""
    try:
        found = os.stat(path)
    except OSError:
        return 0
    if found[0] & _FORM != _FILE:
        raise OSError
    return found[6]
