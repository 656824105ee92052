"""`python -m server.ledger [--sums] [--while FD]`: recompute the ledger of the database whose URL comes on standard input, and say on standard output
what does not agree: {"count": how many differences, "differences": the first NAMED of them, in words}; or, with --sums, what it comes to
(`report.sums`), as the database adds it up. It reads only, and gives way to whatever else runs. With --while it ends as soon as the pipe that it has
inherited as that number has no writer any more: with its starter, however that ends, so that nobody has the database open when a backup is put back.

Exit codes: 0 done, whatever it has found; 3 the database cannot be used: why on standard error, and if it is since it says that it is damaged,
{"damage": its own line} on standard output; 4 its starter has ended.
"""

import json
import os
import sys
import threading
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from protocol.errors import ConfigError
from server.ledger import recompute, report
from server.store import whole
from server.store.engine import is_damage, open_engine, reading, reason, unusable

NAMED = 50
SUMS, WHILE = "--sums", "--while"
LEAST_URGENT = 10
LEFT = 4
"""With which it ends if its starter has."""


def main(arguments: list[str]) -> int:
    """See the module's docstring."""
    if WHILE in arguments:
        at = arguments.index(WHILE)
        threading.Thread(target=_end_with, args=(int(arguments[at + 1]),), daemon=True).start()
        arguments = arguments[:at]
    os.nice(LEAST_URGENT)
    try:
        url = sys.stdin.read()
        whole.may_be_opened(url)
        engine = open_engine(url, migrate=False)
        try:
            with reading(engine, whole=True) as connection:
                told = report.sums(connection) if arguments == [SUMS] else _differing(connection)
        except SQLAlchemyError as error:
            if is_damage(error):
                print(json.dumps({"damage": reason(engine, error)}))
            raise unusable(engine, error) from error
    except ConfigError as error:
        if error.code == whole.DAMAGED:  # seen before it is opened: nobody else has it open
            print(json.dumps({"damage": error.args[0]}))
        print(error, file=sys.stderr)
        return 3
    print(json.dumps(told))
    return 0


def _end_with(pipe: int) -> None:
    """End at once when nobody can write into a pipe any more: what has nobody to be told to needs no end of its own."""
    os.read(pipe, 1)
    os._exit(LEFT)


def _differing(connection: Connection) -> dict[str, Any]:
    found = recompute.differences(connection)
    return {"count": len(found), "differences": found[:NAMED]}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
