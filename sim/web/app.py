"""The page's HTTP face (Starlette): static files, a JSON API in which every action of the page is a call, and the WebSocket.

docs/page.md says what each call takes and gives. Errors are JSON {"code", "message", "hint"}: 400 not as documented, 404 no
such thing, 403 from another site, 405 not by this method, 409 not now, 502 the server does not answer. The ledger is the central server's, passed on.
"""

import asyncio
import contextlib
import io
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from protocol.errors import TasdidError
from sim.web.console import Console
from sim.web.errors import ActionError, answer
from sim.web.guard import Guard
from sim.web.live import Live

STATIC = Path(__file__).parent / "static"
MAX_BODY = 4096
LEDGER_S = 0.5
"""For how long a ledger that was fetched serves other pages too."""


def build(console: Console, language: str = "fr", fonts: Path | None = None) -> Starlette:
    """The application over a console that runs already. `fonts`: folder with Vazirmatn-Regular.ttf and -Bold.ttf, if there."""
    routes: list[BaseRoute] = [
        Route("/", _index),
        Route("/api/state", _state),
        Route("/api/wallet", _wallet),
        Route("/api/events", _events),
        Route("/api/apdus", _apdus),
        Route("/api/screen.png", _screen),
        Route("/api/paper/{number:int}.png", _paper),
        Route("/api/ledger", _ledger),
        Route("/api/key", _key, methods=["POST"]),
        Route("/api/scan", _scan, methods=["POST"]),
        Route("/api/card", _card, methods=["POST"]),
        Route("/api/unblock", _unblock, methods=["POST"]),
        Route("/api/network", _network, methods=["POST"]),
        Route("/api/power", _power, methods=["POST"]),
        Route("/api/printer", _printer, methods=["POST"]),
        WebSocketRoute("/live", _live),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    if fonts is not None and fonts.is_dir():
        routes.append(Mount("/fonts", StaticFiles(directory=fonts)))
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard)],
        exception_handlers={TasdidError: _refused, HTTPException: _no_such_call},
        lifespan=_lifespan,
    )
    app.state.console = console
    app.state.live = Live(console)
    app.state.language = language
    app.state.ledger = (0.0, None)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    watcher = asyncio.create_task(app.state.live.run())
    try:
        yield
    finally:
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, TasdidError)
    return answer(error)


async def _no_such_call(request: Request, error: Exception) -> Response:
    """Below /api/ also what no route takes is told as everything else: SIM-009, SIM-010. Elsewhere it is plain text."""
    assert isinstance(error, HTTPException)
    if not request.url.path.startswith("/api/") or error.status_code not in (404, 405):
        return PlainTextResponse(error.detail, error.status_code, error.headers)
    wrong = ActionError("there is no such call", "SIM-009")
    if error.status_code == 405:
        wrong = ActionError(f"this call does not take {request.method}", "SIM-010")
    refusal = answer(wrong)
    refusal.headers.update(error.headers or {})
    return refusal


def _console(request: Request) -> Console:
    return request.app.state.console


async def _body(request: Request, **fields: type | tuple[type, ...]) -> dict[str, Any]:
    """The JSON object in the body, its fields checked by name and type. ActionError SIM-001."""
    if int(request.headers.get("content-length") or 0) > MAX_BODY:
        raise ActionError("the body is too long")
    try:
        found = await request.json()
    except ValueError as error:  # not UTF-8 or not JSON
        raise ActionError("the body is not JSON") from error
    if not isinstance(found, dict):
        raise ActionError("the body is not a JSON object")
    for name, value in found.items():
        kinds = fields.get(name)
        if kinds is None or not isinstance(value, kinds) or (isinstance(value, bool) and kinds is int):
            raise ActionError("a field is unknown or of a wrong type", detail=name)
    return found


def _need(body: dict[str, Any], name: str) -> Any:
    if name not in body:
        raise ActionError("a field is missing", detail=name)
    return body[name]


def _now(request: Request) -> JSONResponse:
    return JSONResponse(_console(request).state())


# what can be looked at


async def _index(request: Request) -> Response:
    page = (STATIC / "index.html").read_text()
    return Response(page.replace("{{language}}", request.app.state.language), media_type="text/html; charset=utf-8")


async def _state(request: Request) -> Response:
    return _now(request)


async def _wallet(request: Request) -> Response:
    return JSONResponse(_console(request).wallet.describe())


async def _events(request: Request) -> Response:
    return JSONResponse(list(_console(request).events))


async def _apdus(request: Request) -> Response:
    after = request.query_params.get("after", "0")
    if not after.isdecimal():
        raise ActionError("after is a number", detail="after")
    return JSONResponse(_console(request).apdus.after(int(after)))


async def _screen(request: Request) -> Response:
    stream = io.BytesIO()
    _console(request).picture().save(stream, "PNG")
    return Response(stream.getvalue(), media_type="image/png")


async def _paper(request: Request) -> Response:
    return FileResponse(_console(request).paper.file(request.path_params["number"]), media_type="image/png")


async def _ledger(request: Request) -> Response:
    """The server's own report; ActionError SIM-006 if it does not answer."""
    asked, found = request.app.state.ledger
    if found is None or time.monotonic() - asked > LEDGER_S:
        try:
            found = await _console(request).world.http_json("/api/ledger")
        except (httpx.HTTPError, ValueError) as error:
            raise ActionError("the server does not answer", "SIM-006", "see server.log in the data folder") from error
        request.app.state.ledger = (time.monotonic(), found)
    return JSONResponse(found)


async def _live(socket: Any) -> None:
    await socket.app.state.live.serve(socket)


# what can be done


async def _key(request: Request) -> Response:
    body = await _body(request, key=str, keys=list)
    keys = body.get("keys") or [_need(body, "key")]
    if not all(isinstance(key, str) for key in keys):
        raise ActionError("keys are names", detail="keys")
    _console(request).press(keys)
    return _now(request)


async def _scan(request: Request) -> Response:
    body = await _body(request, card=str, text=str)
    console = _console(request)
    console.scan(body["text"] if "text" in body else console.wallet.mrz(_need(body, "card")))
    return _now(request)


async def _card(request: Request) -> Response:
    body = await _body(request, card=(str, type(None)), slot=str, tear_at=int, take=str)
    console = _console(request)
    if body.get("tear_at", 1) < 1:
        raise ActionError("tear_at counts APDUs from 1", detail="tear_at")
    if _need(body, "card") is None:
        await console.remove(_need(body, "slot"), body.get("take", ""))
    else:
        await console.insert(body["card"], body.get("slot", ""), body.get("tear_at"))
    return _now(request)


async def _unblock(request: Request) -> Response:
    _console(request).wallet.unblock(_need(await _body(request, card=str), "card"))
    return _now(request)


async def _network(request: Request) -> Response:
    _console(request).network(_need(await _body(request, up=bool), "up"))
    return _now(request)


async def _power(request: Request) -> Response:
    await _console(request).power(_need(await _body(request, on=bool), "on"))
    return _now(request)


async def _printer(request: Request) -> Response:
    names = ("paper", "tear", "near_end", "cover_open", "overheat", "silent")
    _console(request).printer(await _body(request, **dict.fromkeys(names, bool)))
    return _now(request)
