"""The trace on the side, on both runtimes: lines in a file, up to its bound; what is no file is refused. What fails: `…_cpython`."""

import os

from drivers import diagnostic_file
from drivers.diagnostic_file import FileDiagnostic
from protocol.errors import ConfigError
from tests.support import dual


class _Port:
    def __init__(self):
        self.seen = []

    def emit(self, event, fields):
        self.seen.append(event)


def test_lines_are_added_up_to_the_bound_and_what_was_there_counts():
    name, most = dual.scratch("trace"), diagnostic_file.MOST
    diagnostic_file.MOST = 100
    try:
        for _ in range(2):
            port = _Port()
            trace = FileDiagnostic(port, name)
            for event in ("emv", "boot", "emv", "emv", "emv", "emv", "emv", "emv"):
                trace.emit(event, {"tvr": "00"})
            assert len(port.seen) == 8 and trace.lost
        with open(name) as file:
            lines = file.read().split("\n")
        assert lines[-1] == "" and len(set(lines)) == 2 and '"emv"' in lines[0]
        assert 60 < os.stat(name)[6] <= 100
    finally:
        diagnostic_file.MOST = most
        os.remove(name)


def test_what_is_no_file_is_refused():
    for path in (dual.scratch(""), "/dev/null", dual.scratch("absent/trace")):
        try:
            FileDiagnostic(_Port(), path)
            raise AssertionError("taken: " + path)
        except ConfigError as error:
            assert error.code == "CFG-043"
