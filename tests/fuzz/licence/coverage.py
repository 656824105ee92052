"""The coverage-guided fuzzer (atheris, libFuzzer): `python -m tests.fuzz.licence.coverage TARGET FOLDER [libFuzzer options]`.

FOLDER has the seeds and takes what is found. Ends with 0 when all runs passed; libFuzzer writes what crashed beside FOLDER.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["protocol", "drivers.picture_stream"]):
    from tests.fuzz.licence import targets


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    anchor = folder.parent / "anchor.der"
    listed = folder.parent / "list.der"
    if anchor.exists():
        targets.configure([{"country": "DZ", "purpose": "idl", "cert": anchor.read_bytes()}], [listed.read_bytes()])
    atheris.Setup([sys.argv[0], *sys.argv[3:], str(folder)], targets.TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
