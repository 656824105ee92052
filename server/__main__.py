"""`python -m server --config FILE [--db URL] [--host H] [--port N] [--tls FILE] [--tls-port N] [--fronts N] [--restored]`: the central server in
the foreground,
until Ctrl-C or SIGTERM.

With `tls` in the configuration terminals are served over HTTPS on a port of their own (--tls-port). Prints one line a door when it
listens: `server listening on http://HOST:PORT`, `terminals reach it at https://HOST:PORT`; then, without an acquirer, `no acquirer:
requests wait`. Exit codes: 0 stopped, 2 wrong arguments, 3 configuration.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from protocol.errors import ConfigError, ParameterError
from server import config
from server.store import restore
from server.web import app, fronts, serve, tls


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
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one")
    parser.add_argument(
        "--fronts", type=int, help="processes that speak HTTP before the one that writes (server.web.fronts)"
    )
    parser.add_argument(
        "--tls-port", type=int, default=8443, help="for terminals, if a certificate is configured; 0 takes a free one"
    )
    parser.add_argument("--tls", type=Path, help="key and certificate for terminals, wins over the configuration's")
    parser.add_argument("--restored", action="store_true", help="the database was restored from a backup; say it once")
    options = parser.parse_args(arguments)
    loaded = config.load(options.config, options.db)
    if options.fronts is not None:
        if options.fronts < 0:
            raise ConfigError("fronts is negative", "CFG-020", "0: the process that writes speaks HTTP too")
        loaded = replace(loaded, fronts=options.fronts)
    if options.tls is not None:
        loaded = replace(loaded, certificate=options.tls)
    if loaded.fronts and loaded.certificate is not None:
        raise ConfigError("fronts speak plain HTTP only", "CFG-026", "leave out 'fronts' or 'tls'")
    application = app.build(loaded, new=not options.restored)  # what was restored is there
    sock = serve.listen(options.host, options.port)
    door = secured = None
    if loaded.certificate is not None:
        door = tls.secure(application, loaded.certificate)
        secured = serve.listen(options.host, options.tls_port)
    if options.restored:  # not before the ports are ours: who holds them may be serving this very database
        with application.state.running.engine.begin() as connection:
            restore.mark(connection, app.utc_now())
    serve.settle()
    host, port = sock.getsockname()[:2]
    print(f"server listening on http://{host}:{port}", flush=True)
    desk = application.state.running
    if secured is not None:
        print(f"terminals reach it at https://{host}:{secured.getsockname()[1]}", flush=True)
    if loaded.acquirer is None:
        print("no acquirer: requests wait", flush=True)
    if door is not None and secured is not None:
        tls.run(application, sock, door, secured)
    elif loaded.fronts and desk.engine.url.database not in (None, "", ":memory:"):  # fronts look up devices there too
        fronts.run(fronts.serve(application.router.lifespan_context(application), fronts.Fronts(desk, loaded, sock)))
        serve.deafen()
    else:
        serve.runner(application).run(sockets=[sock])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
