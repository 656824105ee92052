"""Keeps other sites' pages in the same browser from playing with the simulator: it knows PINs and takes orders without a log-in.

Only requests addressed to the loopback by name or number are served, and none that a page of another origin sent. Answers carry a
content security policy, so that a page of ours that tried to load anything from outside would fail visibly.
"""

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sim.web.errors import ActionError, answer

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def is_loopback(host: str) -> bool:
    """Whether a Host header's name, without port, is this machine's loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def allowed(headers: Headers) -> bool:
    """Whether a request may be served."""
    host = headers.get("host", "")
    if not is_loopback(urlsplit(f"//{host}").hostname or ""):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == host


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse (403, SIM-008; a WebSocket is closed), or pass on with the headers added."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if not allowed(Headers(scope=scope)):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 4403})
                return
            await answer(ActionError("the request comes from another site", "SIM-008"))(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers)
