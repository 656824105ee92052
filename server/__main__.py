"""`python -m server --config FILE [--db URL] [--host H] [--console-host H] [--port N] [--tls FILE] [--tls-port N] [--fronts N]
[--restored] [--new-keys]`: the central server in the foreground, until Ctrl-C or SIGTERM.

With `tls` in the configuration terminals are served over HTTPS at --host, on a port of their own (--tls-port), and the plain door, with the
console's pages, is at --console-host: the loopback, as long as nobody says otherwise. Without, both share the plain door at --host,
which has those pages, since they know no log-in, on the loopback alone or where --console-host names the same address.

Prints one line a door when it listens: `server listening on http://HOST:PORT`, `terminals reach it at https://HOST:PORT`; then, without an
acquirer, `no acquirer: requests wait`, and without the pages `no console`. A certificate that has ended, or ends within 30 days, is told on
stderr, and once by an alarm (`TLS` in the audit log); so it is, with --restored, which terminals the backup knows as blocked (`RESTORED`).
Exit codes: 0 stopped, 2 wrong arguments, 3 configuration.
"""

import argparse
import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from socket import socket

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from protocol.errors import ConfigError, ParameterError
from server import certificates, config
from server.store import audit, restore
from server.store.engine import unhurried, unusable
from server.web import app, fronts, serve, tls
from server.web.addressed import is_loopback

LOOPBACK = "127.0.0.1"


def main(arguments: list[str]) -> int:
    """Command line; see the module's docstring."""
    try:
        run(arguments)
    except (ConfigError, ParameterError) as error:
        print(error, file=sys.stderr)
        return 3
    return 0


def run(arguments: list[str]) -> None:
    """Serve until Ctrl-C or SIGTERM. ConfigError, ParameterError: the configuration does not serve."""
    parser = argparse.ArgumentParser(prog="python -m server", description="The central server of Tasdid.")
    parser.add_argument("--config", required=True, help="configuration file (TOML or JSON), see server/config.py")
    parser.add_argument("--db", help="SQLAlchemy URL, e.g. sqlite:///var/server.db or postgresql://host/db")
    parser.add_argument("--host", default=LOOPBACK, help="address for terminals")
    parser.add_argument("--console-host", help="address of the console's pages, which know no log-in; the loopback")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one")
    parser.add_argument(
        "--fronts", type=int, help="processes that speak HTTP before the one that writes (server.web.fronts)"
    )
    parser.add_argument(
        "--tls-port", type=int, default=8443, help="for terminals, if a certificate is configured; 0 takes a free one"
    )
    parser.add_argument("--tls", type=Path, help="key and certificate for terminals, wins over the configuration's")
    parser.add_argument(
        "--restored",
        action="store_true",
        help="the database was restored from a backup; say it once, where no terminal reaches it: which were blocked since is forgotten",
    )
    parser.add_argument(
        "--new-keys",
        action="store_true",
        help="the server's keys were replaced: terminals must be provisioned anew; once",
    )
    options = parser.parse_args(arguments)
    loaded = config.load(options.config, options.db)
    config.must_be_there(options.config, loaded)
    if options.fronts is not None:
        if not 0 <= options.fronts <= config.FRONTS:
            hint = f"0 to {config.FRONTS}; 0: the process that writes speaks HTTP too"
            raise ConfigError("fronts is negative, or too many", "CFG-020", hint)
        loaded = replace(loaded, fronts=options.fronts)
    if options.tls is not None:
        loaded = replace(loaded, certificate=options.tls)
    if loaded.fronts and loaded.certificate is not None:
        raise ConfigError("fronts speak plain HTTP only", "CFG-026", "leave out 'fronts' or 'tls'")
    plain_host, console = _plain(options.host, options.console_host, loaded.certificate is not None)
    loaded = replace(loaded, console=console)
    with contextlib.ExitStack() as held:
        # the ports first: who holds them may be serving this very database, which is then neither looked at nor marked
        sock = held.enter_context(contextlib.closing(serve.listen(plain_host, options.port)))
        secured = None
        if loaded.certificate is not None:
            secured = held.enter_context(contextlib.closing(serve.listen(options.host, options.tls_port)))
        new = not options.restored  # what was restored is there
        application = app.build(loaded, new=new, other_keys=options.new_keys)
        held.callback(application.state.running.engine.dispose)  # or SQLite leaves a file beside the database
        _serve(application, loaded, sock, secured, options.restored)


def _serve(
    application: app.Application, loaded: config.Config, sock: socket, secured: socket | None, restored: bool
) -> None:
    """Say where, and serve until Ctrl-C or SIGTERM."""
    desk, door, ending = application.state.running, None, None
    if loaded.certificate is not None:
        door = tls.secure(application, loaded.certificate)
        ending = certificates.ending(loaded.certificate)
    _note(desk.engine, restored, ending)
    if ending is not None:
        print(ending, file=sys.stderr, flush=True)  # before it says that it listens: who waits may stop it then
    serve.settle()
    host, port = sock.getsockname()[:2]
    print(f"server listening on http://{host}:{port}", flush=True)
    if secured is not None:
        print(f"terminals reach it at https://{secured.getsockname()[0]}:{secured.getsockname()[1]}", flush=True)
    if loaded.acquirer is None:
        print("no acquirer: requests wait", flush=True)
    if not loaded.console:
        print("no console: it is on the loopback alone, or where --console-host says", flush=True)
    if door is not None and secured is not None:
        tls.run(application, sock, door, secured)
    elif loaded.fronts and desk.engine.url.database not in (None, "", ":memory:"):  # fronts look up devices there too
        fronts.run(fronts.serve(application.router.lifespan_context(application), fronts.Fronts(desk, loaded, sock)))
        serve.deafen()
    else:
        serve.runner(application).run(sockets=[sock])


def _note(engine: Engine, restored: bool, ending: str | None) -> None:
    """Write down what is known at the start: that the database was restored, and what is to be looked at then; that the certificate is `ending`
    (once). ConfigError CFG-028.
    """
    if not restored and ending is None:
        return
    now = app.utc_now()
    try:
        with engine.begin() as connection:
            unhurried(connection)
            told = restore.mark(connection, now) if restored else []
            if ending is not None:
                audit.alarm_once(connection, "", certificates.ENDING, ending, now)
    except SQLAlchemyError as error:
        raise unusable(engine, error) from error
    for line in told:
        print(f"restored: {line}", file=sys.stderr, flush=True)


def _plain(host: str, console_host: str | None, certified: bool) -> tuple[str, bool]:
    """The address of the plain door, and whether it has the console's pages. ConfigError CFG-025: it would need two."""
    if certified:
        return console_host or LOOPBACK, True
    if console_host not in (None, host):
        raise ConfigError(
            "without a certificate terminals and console share one door",
            "CFG-025",
            "give --host and --console-host one address",
        )
    return host, is_loopback(host) or console_host is not None


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
