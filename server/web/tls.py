"""The application behind two doors: HTTPS for terminals, HTTP for the console on the same machine.

TLS 1.2 or newer; the certificate comes from `server.certificates`. The door for terminals has none of the console's pages, which know no
log-in (`server.web.app.for_terminals`); the plain one owns the application's beginning and end. Client certificates are not asked for:
every message is signed by its device.
"""

import asyncio
import socket
import ssl
from pathlib import Path

import uvicorn
from cryptography.hazmat.primitives import serialization
from starlette.applications import Starlette

from server.certificates import unreadable
from server.keys import UNREADABLE
from server.web import serve
from server.web.app import Application, for_terminals
from server.web.patience import PatientProtocol


def secure(app: Application, certificate: Path) -> uvicorn.Server:
    """The HTTPS door to what terminals need of an application. ConfigError CFG-012 if the certificate cannot be used."""
    configured = uvicorn.Config(
        for_terminals(app), http=PatientProtocol, ws="none", log_level="warning", access_log=False, timeout_keep_alive=30,
        timeout_graceful_shutdown=5, lifespan="off", ssl_certfile=str(certificate),
    )  # fmt: skip
    try:
        serialization.load_pem_private_key(
            certificate.read_bytes(), None
        )  # under a password OpenSSL would ask for it, and wait
        configured.load()
    except UNREADABLE as error:
        raise unreadable(certificate, error) from error
    assert configured.ssl is not None
    configured.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return serve.EndingServer(configured)


def run(app: Starlette, plain: socket.socket, door: uvicorn.Server, secured: socket.socket) -> None:
    """Serve both until Ctrl-C or SIGTERM."""
    console = serve.runner(app)

    async def both() -> None:
        first = asyncio.create_task(console.serve(sockets=[plain]))
        while not console.started and not first.done():
            await asyncio.sleep(0.01)
        second = asyncio.create_task(door.serve(sockets=[secured]))  # a signal ends this one first
        await asyncio.wait((first, second), return_when=asyncio.FIRST_COMPLETED)
        console.should_exit = door.should_exit = True  # be it that the signal came before this door listened for one
        await asyncio.gather(first, second)

    asyncio.run(both())
