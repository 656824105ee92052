"""Keeps pages of other sites from reading the console, which knows no log-in, through a browser on this machine.

Such a page can have its own site's name lead to the loopback (DNS rebinding) and then reads what it finds there as its own. What
comes in by the loopback is answered only if it is addressed to the loopback, by name or by number; terminals' messages, which are
signed, are not looked at. A proxy on the same machine names the loopback as the host that it asks.
"""

import ipaddress

from starlette.datastructures import URL, Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from server import codes

_ANSWER = f"{codes.OTHER_SITE} the console answers here to localhost, 127.0.0.1 and [::1]: ask for it by one of these\n"


def is_loopback(host: str) -> bool:
    """Whether a host, by name or by number and without port, is this machine's loopback."""
    if host == "localhost":
        return True
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None  # a door for both kinds of address
    return (mapped or found).is_loopback


class Addressed:
    """ASGI middleware: 421 to what is addressed elsewhere (RFC 9110 section 15.5.20)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] == "http" and not _ours(scope):
            await PlainTextResponse(_ANSWER, 421)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _ours(scope: Scope) -> bool:
    own = scope.get("server")
    if own is None or not is_loopback(str(own[0])):
        return True
    try:
        return is_loopback(URL(f"//{Headers(scope=scope).get('host', '')}").hostname or "")
    except ValueError:
        return False
