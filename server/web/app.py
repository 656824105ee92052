"""The HTTP face of the server (Starlette): the sync endpoint, the ledger as JSON, health, receipt keys.

    POST /v1/sync          protocol.sync; 200 with a signed reply, 413 too large, 503 "later" with Retry-After
    GET  /health           {"ok": true, …}
    GET  /api/ledger       server.ledger.report
    GET  /api/receipt-keys {device: public key, hex}

Checks and signatures run in worker threads, database writes on the one writer thread; a reply leaves after its commit.
Does no TLS and no log-in: those pages are for the console on the same machine until the back office exists.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from anyio import to_thread
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from protocol import sync as s
from server import codes, keys
from server.acquirer import outbox
from server.acquirer.iso import Answer
from server.acquirer.link import AcquirerLink
from server.acquirer.worker import Worker
from server.config import Config
from server.envelope import MAX_BODY
from server.ingest.dispatch import Asked, Reply, Service
from server.ledger import report
from server.messages import Batch
from server.sets import Shelf
from server.store import devices
from server.store import tables as t
from server.store.engine import open_engine, reading
from server.web.writer import Writer

CBOR = "application/cose"
RETRY_S = "5"
MAX_IN_HAND = 96  # messages being checked and written; at 100 a second each is answered within a second
_log = logging.getLogger("tasdid.server")


def utc_now() -> int:
    """The server's clock: seconds since 1970 UTC."""
    return int(time.time())


@dataclass
class Running:
    """What the handlers work with."""

    engine: Engine
    service: Service
    writer: Writer
    worker: Worker | None
    clock: Callable[[], int]
    link: Callable[[], AcquirerLink] | None = None  # a link of its own for each payment whose card waits
    in_hand: int = 0  # messages taken in and not yet written


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
    writer = Writer(engine)
    worker = None
    if config.acquirer is not None:
        worker = Worker(writer.write, AcquirerLink(*config.acquirer, timeout=config.acquirer_timeout), clock)
    running = Running(engine, service, writer, worker, clock)
    if config.acquirer is not None:
        address, online_timeout = config.acquirer, config.online_timeout
        running.link = lambda: AcquirerLink(*address, timeout=online_timeout)
    app = Starlette(
        routes=[
            Route(s.PATH, _sync, methods=["POST"]),
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
    task = asyncio.create_task(running.worker.run()) if running.worker else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await to_thread.run_sync(running.writer.stop)
        running.engine.dispose()


async def _body(request: Request) -> bytes | None:
    """The request's body, None as soon as it is over 64 KiB."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return bytes(body)


async def _sync(request: Request) -> Response:
    running: Running = request.app.state.running
    body = await _body(request)
    if body is None:
        return Response(codes.TOO_LARGE, 413, media_type="text/plain")
    if (
        running.in_hand >= MAX_IN_HAND
    ):  # what is taken in is answered before the terminal gives up; the rest comes later
        return Response(codes.BUSY, 503, {"Retry-After": RETRY_S}, media_type="text/plain")
    running.in_hand += 1
    try:
        try:
            checked = await to_thread.run_sync(running.service.check, body)
            reply = await running.writer.write(lambda c: running.service.apply(c, checked, running.clock()))
        finally:
            running.in_hand -= 1
        if isinstance(reply, Asked):
            reply = await _ask(running, reply)
    except (codes.RefusedError, SQLAlchemyError) as error:
        code = error.code if isinstance(error, codes.RefusedError) else codes.NOT_WRITTEN
        if code == codes.NOT_WRITTEN:
            _log.error("%s a message was not written: %s", code, type(error).__name__)
        return Response(code, 503, {"Retry-After": RETRY_S}, media_type="text/plain")
    if running.worker is not None and isinstance(checked, Batch):
        running.worker.nudge()
    return Response(await to_thread.run_sync(running.service.seal, reply), media_type=CBOR)


async def _ask(running: Running, asked: Asked) -> Reply:
    """Put a payment to its issuer while the card waits, between two transactions."""
    answer: Answer | None = None
    unsent = running.link is None
    if running.link is not None:
        link = running.link()
        try:
            answer = await link.exchange(asked.request, running.clock())
        except codes.AcquirerError as error:
            unsent = error.unsent
            _log.warning("a waiting card gets no answer: %s", error)
        finally:
            await link.close()
    reply = await running.writer.write(lambda c: running.service.answered(c, asked, answer, unsent, running.clock()))
    if running.worker is not None:
        running.worker.nudge()
    return reply


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
