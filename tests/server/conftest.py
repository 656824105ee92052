"""The terminal, the centre and the acquirer's host that most tests of the server begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.acquirer.host import Host
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.served import HostThread


@pytest.fixture
def handheld() -> Handheld:
    """A terminal that has said nothing yet."""
    return Handheld()


@pytest.fixture
def centre(tmp_path: Path, handheld: Handheld) -> Centre:
    """A centre that knows it."""
    return Centre(tmp_path, handheld)


@pytest.fixture
def host() -> Iterator[Host]:
    """A simulated host on a port of its own."""
    with HostThread() as host:
        yield host
