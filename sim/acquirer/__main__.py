"""`python -m sim.acquirer --port 0 --keys DIR [--issuers DIR] [--profiles FILE] [--diary FILE]`: the host in the foreground, until
Ctrl-C or SIGTERM.

`--keys`: folder of `python -m sim.acquirer.keys` (made if absent); `--issuers`: folder of issuer master keys
(`<pki>/schemes`); `--profiles`: JSON {PAN: "approve" | "insufficient" | "refuse" | "unavailable" | "late" | "in-progress" | "malfunction" |
"partial" | "less" | "vip", or {"profile": …, "pin": digits, "script": "pin-unblock" | "application-block"}}.
`--diary`: what it was asked and how it ruled, so that it goes on where it was when started again; without one it begins empty.
Exit code 2, with the code of what is wrong, if the diary cannot be used.
Prints `acquirer listening on HOST:PORT`.
"""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from protocol.errors import ConfigError
from sim.acquirer import keys
from sim.acquirer.book import Book
from sim.acquirer.diary import Diary
from sim.acquirer.host import Host


async def _run(options: argparse.Namespace) -> None:
    profiles = json.loads(Path(options.profiles).read_text()) if options.profiles else {}
    cards = {pan: {"profile": entry} if isinstance(entry, str) else entry for pan, entry in profiles.items()}
    wishes = [{pan: card[name] for pan, card in cards.items() if name in card} for name in ("profile", "pin", "script")]
    diary = Diary(Path(options.diary)) if options.diary else None
    host = Host(Book(keys.load(options.keys, options.issuers), *wishes), options.host, options.port, diary)
    await host.start()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    print(f"acquirer listening on {options.host}:{host.port}", flush=True)
    await stopped.wait()
    await host.stop()


def main(arguments: list[str]) -> int:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m sim.acquirer", description="A simulated acquirer's host.")
    parser.add_argument("--keys", required=True)
    parser.add_argument("--issuers")
    parser.add_argument("--profiles")
    parser.add_argument("--diary")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args(arguments)
    keys.make(options.keys)
    try:
        asyncio.run(_run(options))
    except ConfigError as error:
        print(f"{error.code} {error.message} ({error.detail or 'file'}): {error.hint}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
