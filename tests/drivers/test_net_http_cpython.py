"""The link to the server, against Python's own HTTP and TLS (OpenSSL), from CPython and from 32-bit MicroPython (mbedTLS)."""

import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from server import certificates
from tests.drivers import net_http_client
from tests.support import cross

NAME = "centre.tasdid"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_POST(self) -> None:
        """Echo the body; 503 or a closed connection where the test wants it."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts += 1
        if self.server.busy:
            self.send_response(503)
            self.send_header("Retry-After", "17")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if self.server.hangs_up:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Be quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, pair: "certificates.Pair | None", folder: Path, newest: "ssl.TLSVersion | None" = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posts = self.connections = 0
        self.versions: list[str | None] = []
        self.busy = self.hangs_up = self.deaf = False
        self._context = None
        if pair is not None:
            certificates._write(folder / "server.pem", pair)
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(folder / "server.pem")
            if newest is not None:
                self._context.minimum_version = ssl.TLSVersion.TLSv1
                self._context.set_ciphers("DEFAULT@SECLEVEL=0")
                self._context.maximum_version = newest
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """One connection: the handshake in its own thread."""
        self.connections += 1
        if self.deaf:
            time.sleep(4)
            return
        try:
            if self._context is not None:
                request = self._context.wrap_socket(request, server_side=True)
                self.versions.append(request.version())
            super().finish_request(request, client_address)
        except OSError:
            return

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what is tested."""


@pytest.fixture(params=["cpython", "micropython"])
def client(request: pytest.FixtureRequest) -> Any:
    """`net_http_client.run` on either runtime."""
    if request.param == "cpython":
        return net_http_client.run

    def run(*arguments: Any) -> Any:
        result = cross.run_on_device("tests.drivers.net_http_client", "run", [arguments])[0]
        assert isinstance(result, list), getattr(result, "trace", result)
        return result

    return run


@pytest.fixture(scope="module")
def ca() -> certificates.Pair:
    return certificates.authority()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    made: list[_Server] = []

    def begin(pair: "certificates.Pair | None", newest: "ssl.TLSVersion | None" = None) -> _Server:
        made.append(_Server(pair, tmp_path, newest))
        return made[-1]

    yield begin
    for server in made:
        server.shutdown()
        server.server_close()


def _der(pair: certificates.Pair) -> bytes:
    return pair[1].public_bytes(serialization.Encoding.DER)


def _post(client: Any, server: _Server, ca: "certificates.Pair | None", times: int = 1, pause_ms: int = 0) -> list[str]:
    return client(server.server_port, _der(ca) if ca else b"", NAME, times, 2500, pause_ms)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_costs_one_handshake(client: Any, start: Any, ca: certificates.Pair, newest: ssl.TLSVersion) -> None:
    server = start(certificates.issue(ca, NAME, -1, 30), newest)
    assert _post(client, server, ca, 5) == [f"message {number}" for number in range(5)]
    assert server.connections == 1 and server.versions == [newest.name.replace("_", ".")]


def test_plain_http_keeps_its_connection_too(client: Any, start: Any) -> None:
    server = start(None)
    assert _post(client, server, None, 3) == ["message 0", "message 1", "message 2"]
    assert server.connections == 1


@pytest.mark.parametrize("secure", [True, False])
def test_a_connection_that_the_server_has_ended_is_opened_anew(
    client: Any, start: Any, ca: certificates.Pair, secure: bool
) -> None:
    server = start(certificates.issue(ca, NAME, -1, 30) if secure else None)
    server.hangs_up = True
    assert _post(client, server, ca if secure else None, 3, 150) == ["message 0", "message 1", "message 2"]
    assert (server.connections, server.posts) == (3, 3)


def test_a_certificate_of_another_ca_is_refused(client: Any, start: Any, ca: certificates.Pair) -> None:
    server = start(certificates.issue(certificates.authority(), NAME, -1, 30))
    assert _post(client, server, ca) == ["NET-007 None"]
    assert server.posts == 0


def test_a_ca_of_the_same_name_is_another_ca(client: Any, start: Any, ca: certificates.Pair) -> None:
    server = start(certificates.issue(certificates.authority("Tasdid CA"), NAME, -1, 30))
    assert _post(client, server, ca) == ["NET-007 None"]
    assert server.posts == 0


def test_another_servers_certificate_is_refused(client: Any, start: Any, ca: certificates.Pair) -> None:
    server = start(certificates.issue(ca, "other.tasdid", -1, 30))
    assert _post(client, server, ca) == ["NET-008 None"]
    assert server.posts == 0


@pytest.mark.parametrize("days", [(-30, -1), (2, 30)])
def test_a_certificate_out_of_date_is_refused(
    client: Any, start: Any, ca: certificates.Pair, days: tuple[int, int]
) -> None:
    server = start(certificates.issue(ca, NAME, *days))
    assert _post(client, server, ca) == ["NET-009 None"]
    assert server.posts == 0


def test_a_server_that_does_not_encipher_is_refused(client: Any, start: Any, ca: certificates.Pair) -> None:
    server = start(None)
    assert _post(client, server, ca) == ["NET-010 None"]
    assert server.posts == 0


def test_tls_1_1_is_refused(client: Any, start: Any, ca: certificates.Pair) -> None:
    server = start(certificates.issue(ca, NAME, -1, 30), ssl.TLSVersion.TLSv1_1)
    assert _post(client, server, ca) == ["NET-010 None"]
    assert server.posts == 0


def test_a_half_open_link_ends_by_time_out(client: Any, start: Any, ca: certificates.Pair) -> None:
    server = start(certificates.issue(ca, NAME, -1, 30))
    server.deaf = True
    assert _post(client, server, ca) == ["NET-002 None"]


def test_nobody_there_is_told(client: Any, start: Any, ca: certificates.Pair) -> None:
    server = start(None)
    server.shutdown()
    server.server_close()
    assert _post(client, server, ca) == ["NET-001 None"]


def test_a_busy_server_says_when_to_come_back(client: Any, start: Any, ca: certificates.Pair) -> None:
    server = start(certificates.issue(ca, NAME, -1, 30))
    server.busy = True
    assert _post(client, server, ca) == ["NET-011 17"]
