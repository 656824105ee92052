"""The technician's port with a trace on the side: events of some kinds are written to a file too, a line of JSON each. Both runtimes.

For a board whose wiring asks for it. Carries what the port carries: codes and state, never card or personal data.
"""

import json

from drivers.contracts.small import Diagnostic
from drivers.diagnostic_link import LinkDiagnostic
from protocol.errors import ConfigError


class FileDiagnostic(Diagnostic):
    """Hands every event on to `other`; appends those named in `kinds` to the file `path`. ConfigError CFG-043 if it cannot be opened."""

    def __init__(self, other: LinkDiagnostic, path: str, kinds: "tuple[str, ...]" = ("emv",)) -> None:
        self._other = other
        self._kinds = kinds
        try:
            self._file = open(path, "a")  # noqa: SIM115 - it stays open as long as the port
        except OSError:
            raise ConfigError(
                "the trace file cannot be written", "CFG-043", "choose another path in the wiring", path
            ) from None

    def emit(self, event: str, fields: dict) -> None:
        """Pass on, and write down."""
        self._other.emit(event, fields)
        if event in self._kinds:
            line = {"event": event}
            line.update(fields)
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()

    async def run(self) -> None:
        """The other's work."""
        await self._other.run()
