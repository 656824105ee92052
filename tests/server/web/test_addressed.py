"""The console on the loopback answers to nobody who calls it by another site's name."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from server import config
from server.web.addressed import is_loopback
from server.web.app import build
from server.web.serve import Serving
from tests.server.handheld import Handheld
from tests.server.served import write_config

PAGES = ("/health", "/api/ledger", "/api/receipt-keys")


@pytest.fixture
def url(tmp_path: Path, handheld: Handheld) -> Iterator[str]:
    with Serving(build(config.load(write_config(tmp_path, [handheld], 0)))) as server:
        yield server.url


def _get(url: str, host: str) -> httpx.Response:
    return httpx.get(url, headers={"Host": host}, trust_env=False)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example", "[::1", "10.0.0.1", ""]
)
def test_a_page_of_another_site_reads_nothing(url: str, page: str, host: str) -> None:
    reply = _get(url + page, host)
    assert reply.status_code == 421 and reply.text.startswith("SRV-048 ") and "localhost" in reply.text


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "127.0.0.9"])
def test_whoever_is_at_the_machine_reads_them(url: str, page: str, host: str) -> None:
    assert _get(url + page, host).status_code == 200


def test_a_terminal_is_heard_by_whatever_name_it_calls(url: str, handheld: Handheld) -> None:
    reply = httpx.post(url + "/v1/sync", content=handheld.hello(), headers={"Host": "centre.example"}, trust_env=False)
    assert reply.status_code == 200


@pytest.mark.parametrize(
    ("host", "ours"), [("::ffff:127.0.0.1", True), ("::1", True), ("::ffff:10.0.0.1", False), ("127.0.0.1x", False)]
)
def test_what_the_loopback_is(host: str, ours: bool) -> None:
    assert is_loopback(host) == ours
