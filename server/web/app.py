"""The HTTP face of the server (Starlette): the sync endpoint, the ledger as JSON, health, receipt keys.

    POST /v1/sync          protocol.sync; 200 with a signed reply, 413 too large, 503 "later" with Retry-After
    GET  /health           {"ok": true, …}
    GET  /api/ledger       server.ledger.report
    GET  /api/receipt-keys {device: public key, hex}

Checks run in processes of their own (`checkers` of the configuration) or in threads, database writes on the one writer thread; a
reply leaves after its commit.
Does no TLS and no log-in: those pages are for the console on the same machine until the back office exists.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from anyio import to_thread
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from protocol import sync as s
from server import keys
from server.acquirer import outbox
from server.acquirer.link import AcquirerLink
from server.acquirer.worker import Worker
from server.config import Config
from server.ingest.dispatch import Service
from server.ledger import report
from server.sets import Shelf
from server.store import devices
from server.store import tables as t
from server.store.engine import open_engine, reading
from server.web.checkers import Checkers
from server.web.sync import Running, Sync
from server.web.writer import Writer


def utc_now() -> int:
    """The server's clock: seconds since 1970 UTC."""
    return int(time.time())


def build(config: Config, clock: Callable[[], int] = utc_now) -> Starlette:
    """The application of a configuration: opens the database, enters the devices, loads keys and sets.

    Errors: ConfigError, ParameterError.
    """
    own = keys.load(config.keys)
    engine = open_engine(config.db)
    with engine.begin() as connection:
        for device in config.devices:
            devices.register(connection, device, clock())
    service = Service(engine, own, Shelf.load(own, config.sets))
    writer = Writer(engine, lambda connection, group: service.apply_all(connection, group, clock()))
    in_memory = engine.url.database in (None, "", ":memory:")  # nobody else can look up devices there
    checkers = Checkers(
        0 if in_memory else config.checkers,
        engine.url.render_as_string(hide_password=False),
        service.check,
    )
    worker = None
    if config.acquirer is not None:
        worker = Worker(writer.write, AcquirerLink(*config.acquirer, timeout=config.acquirer_timeout), clock)
    running = Running(engine, service, writer, checkers, worker, clock)
    if config.acquirer is not None:
        address, online_timeout = config.acquirer, config.online_timeout
        running.link = lambda: AcquirerLink(*address, timeout=online_timeout)
    app = Starlette(
        routes=[
            Route(s.PATH, Sync(running), methods=["POST"]),
            Route("/health", _health),
            Route("/api/ledger", _ledger),
            Route("/api/receipt-keys", _receipt_keys),
        ],
        lifespan=_lifespan,
    )
    app.state.running = running
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    """Writer and worker live exactly as long as the application."""
    running: Running = app.state.running
    running.writer.start()
    await running.checkers.start()
    task = asyncio.create_task(running.worker.run()) if running.worker else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await running.checkers.stop()
        await to_thread.run_sync(running.writer.stop)
        running.engine.dispose()


async def _health(request: Request) -> Response:
    running: Running = request.app.state.running

    def look() -> dict[str, Any]:
        with reading(running.engine) as connection:
            waiting = outbox.unsettled(connection)
        return {
            "ok": True,
            "utc": running.clock(),
            "database": running.engine.dialect.name,
            "acquirer_waiting": waiting,
            "commits": running.writer.commits,
            "operations": running.writer.operations,
        }

    return JSONResponse(await to_thread.run_sync(look))


async def _ledger(request: Request) -> Response:
    running: Running = request.app.state.running

    def look() -> dict[str, Any]:
        with reading(running.engine) as connection:
            return report.ledger(connection)

    return JSONResponse(await to_thread.run_sync(look))


async def _receipt_keys(request: Request) -> Response:
    running: Running = request.app.state.running

    def look() -> dict[str, str]:
        with reading(running.engine) as connection:
            rows = connection.execute(select(t.devices.c.device, t.devices.c.public_key).order_by(t.devices.c.device))
            return {row.device: bytes(row.public_key).hex() for row in rows}

    return JSONResponse(await to_thread.run_sync(look))
