"""The HTTP face of the server (Starlette): the sync endpoint, the ledger as JSON, health, receipt keys.

    POST /v1/sync          protocol.sync; 200 with a signed reply, 413 too large, 503 "later" with Retry-After
    GET  /health           {"ok": true}, and for the console what waits and was written; 503 and {"ok": false} while the writer is stuck
                           or the database away or damaged
    GET  /api/ledger       server.ledger.report; a long history's recomputation is the last one's (`server.web.ledger`)
    POST /api/ledger/recomputation   begin one; 200 what the last one has found
    GET  /api/receipt-keys {device: public key, hex; of one with a new key a list, the key in force first}

All say 503 while the database is locked, lost or damaged. The last three, and what /health says beside "ok", are the console's: whoever reaches
the door reads them, so that a door for terminals alone does without (`console` of the configuration, `for_terminals`).

Database writes run on the one writer thread; a reply leaves after its commit. Either this process speaks HTTP itself (`build`) and
checks in threads, or fronts do (`build_front`, `fronts` of the configuration), see `server.web.fronts`.
Does no TLS and no log-in: the console's pages are for the same machine until the back office exists.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from anyio import to_thread
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from protocol import sync as s
from protocol.errors import ConfigError, ParameterError
from server import certificates, codes, keys
from server.acquirer import outbox
from server.acquirer.link import AcquirerLink
from server.acquirer.worker import Worker
from server.config import Config
from server.ingest.dispatch import Service
from server.sets import Shelf
from server.store import devices, marks, restore, signers, whole
from server.store.engine import is_damage, is_trouble, on_damage, open_engine, reading
from server.web import keeping
from server.web.addressed import Addressed
from server.web.auditing import Auditor
from server.web.certified import Certified
from server.web.desk import Desk
from server.web.door import Ask, Door
from server.web.ledger import Audited, Ledger
from server.web.sync import RETRY_S, Answer, Limit, Sync
from server.web.writer import Writer
from server.wire.messages import Message, Refusal

_log = logging.getLogger("tasdid.server")
Counts = Callable[[], Awaitable[dict[str, int]]]


def utc_now() -> int:
    """The server's clock: seconds since 1970 UTC."""
    return int(time.time())


def build(
    config: Config, clock: Callable[[], int] = utc_now, new: bool = True, other_keys: bool = False
) -> "Application":
    """The application of a configuration: opens the database, enters the devices, loads keys and sets. `new`: an empty database becomes a
    centre's; without it what is opened was restored. `other_keys`: those of the configuration may be others than it has signed with so far.

    Errors: ConfigError, ParameterError.
    """
    if config.certificate is not None:
        certificates.last_of(config.certificate)  # what does not serve is said before anything is opened
    whole.must_be_whole(config.db, restored=not new)
    own = signers.load(config)
    engine = open_engine(config.db, new=new)
    try:
        if new:
            marks.enter(engine)
        else:
            restore.begin(engine)
        signers.enter(engine, own.publics(), clock(), other_keys)
        devices.enter(engine, config.devices, clock(), config.listed)
        service = Service(engine, own, Shelf.load(own, config.sets))
        before = marks.damaged_before(engine)
    except (ConfigError, ParameterError):
        engine.dispose()  # or SQLite leaves a file beside the database
        raise
    writer = Writer(engine, lambda connection, group, also: service.apply_all(connection, group, clock(), also), before)
    worker = None
    if config.acquirer is not None:
        worker = Worker(
            writer.write,
            AcquirerLink(*config.acquirer, timeout=config.acquirer_timeout),
            clock,
            holds=config.acquirer_holds,
            waits=config.acquirer_waits,
        )
    desk = Desk(engine, service, writer, worker, clock, most=config.online_waiting)
    desk.auditor = Auditor(engine, clock, writer.write, writer.found_damaged)
    if config.acquirer is not None:
        address, online_timeout = config.acquirer, config.online_timeout
        desk.link = lambda: AcquirerLink(*address, timeout=online_timeout)

    async def check(body: bytes) -> Message | Refusal:
        return await to_thread.run_sync(service.check, body)

    sync = Sync(check, desk.answer, service.seal, Limit(config.online_waiting))
    pages = Pages(engine, clock, desk.counts, Ledger(engine, clock, desk.audited))
    app = _application(sync, pages, config.console, _lifespan)
    app.state.running = desk
    app.state.certified = None if config.certificate is None else Certified(config.certificate, clock, writer.write)
    return app


def build_front(
    config: Config,
    answer: Answer,
    ask: Ask,
    counts: Counts,
    audited: Audited,
    damaged: Callable[[str], None],
    clock: Callable[[], int] = utc_now,
) -> "Application":
    """The application of a front: `answer`, `ask` (the same, for callbacks), `counts` and `audited` are the desk's. `damaged` is told, in any
    thread, when a page finds the database damaged. ConfigError.
    """
    engine = open_engine(config.db, migrate=False)
    on_damage(engine, damaged)
    service = Service(engine, keys.load(config.keys))

    async def check(body: bytes) -> Message | Refusal:
        return service.check(body)  # here, not in a thread: this is what a front is for

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        engine.dispose()

    limit = Limit(config.online_waiting)
    pages = Pages(engine, clock, counts, Ledger(engine, clock, audited))
    app = _application(Sync(check, answer, service.seal, limit), pages, config.console, lifespan)
    app.door = Door(limit, service.check, ask, service.seal)
    return app


class Application(Starlette):
    """Starlette, with the sync endpoint before its middleware: on the way to it there is nothing to be found."""

    sync: Sync
    door: Door  # of a front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Any request."""
        if scope["type"] == "http" and scope["path"] == s.PATH and scope["method"] == "POST":
            await self.sync(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def for_terminals(app: Application) -> Application:
    """The same endpoint without the console's pages; beginning and end are those of `app`."""
    return _application(app.sync, app.state.pages, False, None)


def _application(sync: Sync, pages: "Pages", console: bool, lifespan: Any) -> Application:
    routes = [Route(s.PATH, sync, methods=["POST"])]
    if console:
        routes += [
            Route("/health", _health),
            Route("/api/ledger", _ledger),
            Route("/api/ledger/recomputation", _recomputation, methods=["POST"]),
            Route("/api/receipt-keys", _receipt_keys),
        ]
    else:
        routes += [Route("/health", _alive)]
    away = {SQLAlchemyError: _away, codes.RefusedError: _later}
    app = Application(routes=routes, lifespan=lifespan, middleware=[Middleware(Addressed)], exception_handlers=away)
    app.sync = sync
    app.state.pages = pages
    return app


@dataclass
class Pages:
    """What the pages look at."""

    engine: Engine
    clock: Callable[[], int]
    counts: Counts
    ledger: Ledger


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    """Writer, worker and auditor live exactly as long as the application."""
    running: Desk = app.state.running
    running.writer.start()
    works = {
        "the settling worker": running.worker,
        "the recomputation of the ledger": running.auditor,
        "the look at the certificate": app.state.certified,
    }
    tasks = [asyncio.create_task(keeping.keep(name, work.run)) for name, work in works.items() if work is not None]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await to_thread.run_sync(running.writer.stop)
        running.engine.dispose()


async def _alive(request: Request) -> Response:
    pages: Pages = request.app.state.pages
    return _said({"ok": bool((await pages.counts())["ok"])})


async def _health(request: Request) -> Response:
    pages: Pages = request.app.state.pages
    counts = await pages.counts()
    said = {"utc": pages.clock(), "database": pages.engine.dialect.name, **counts}

    def look() -> dict[str, Any]:
        with reading(pages.engine) as connection:
            return {"acquirer_waiting": outbox.unsettled(connection)}

    if not counts["ok"]:  # then nobody else waits for the database
        return _said(said)
    try:
        return _said({**said, **await to_thread.run_sync(look)})
    except SQLAlchemyError as error:
        if not is_trouble(error):
            raise
        return _said({**said, "ok": False})


def _said(health: dict[str, Any]) -> Response:
    """A balancer goes by the status."""
    return JSONResponse(health) if health["ok"] else JSONResponse(health, 503, {"retry-after": RETRY_S})


async def _away(_request: Request, error: Exception) -> Response:
    """For a page that could not be read since the database is locked, lost or damaged."""
    if not is_trouble(error):
        raise error
    if is_damage(error):  # the writer's process says it as an alarm, once: here it is which process has found it
        _log.error("%s a page could not be read: the database is damaged", codes.DAMAGED)
    return PlainTextResponse(codes.NOT_WRITTEN, 503, {"retry-after": RETRY_S})


async def _later(_request: Request, error: Exception) -> Response:
    """For a page that too many wait for, or that the writer has no time for."""
    return PlainTextResponse(getattr(error, "code", codes.BUSY), 503, {"retry-after": RETRY_S})


async def _ledger(request: Request) -> Response:
    pages: Pages = request.app.state.pages
    return JSONResponse(await pages.ledger.page())


async def _recomputation(request: Request) -> Response:
    pages: Pages = request.app.state.pages
    return JSONResponse(await pages.ledger.audited(True))


async def _receipt_keys(request: Request) -> Response:
    pages: Pages = request.app.state.pages

    def look() -> dict[str, str | list[str]]:
        with reading(pages.engine) as connection:
            return devices.receipt_keys(connection)

    return JSONResponse(await to_thread.run_sync(look))
