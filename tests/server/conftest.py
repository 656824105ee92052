"""The terminal, the centre and the acquirer's host that most tests of the server begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.acquirer.host import Host
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.postgres import Cluster
from tests.server.served import HostThread


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """The one PostgreSQL of this run."""
    with Cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def cluster(postgresql: Cluster) -> Iterator[Cluster]:
    """The same; a module's databases go with the module."""
    yield postgresql
    postgresql.clear()


@pytest.fixture
def handheld() -> Handheld:
    """A terminal that has said nothing yet."""
    return Handheld()


@pytest.fixture
def centre(tmp_path: Path, handheld: Handheld) -> Centre:
    """A centre that knows it."""
    return Centre(tmp_path, handheld)


@pytest.fixture
def greeted(centre: Centre, handheld: Handheld) -> None:
    """The centre has heard the terminal's HELLO."""
    centre.hello(handheld)


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path, handheld: Handheld) -> Iterator[Centre]:
    """The same centre on both databases."""
    cluster: Cluster | None = request.getfixturevalue("cluster") if request.param == "postgresql" else None
    centre = Centre(tmp_path, handheld, url=cluster.centre() if cluster else None)
    yield centre
    centre.engine.dispose()


@pytest.fixture
def beside(tmp_path: Path, handheld: Handheld, cluster: Cluster) -> Iterator[Centre]:
    """A centre on PostgreSQL, where transactions run beside each other; it has heard the terminal's HELLO."""
    made = Centre(tmp_path, handheld, url=cluster.centre())
    made.hello(handheld)
    yield made
    made.engine.dispose()


@pytest.fixture
def host() -> Iterator[Host]:
    """A simulated host on a port of its own."""
    with HostThread() as host:
        yield host
