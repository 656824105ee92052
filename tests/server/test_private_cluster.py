"""The tests' own PostgreSQL ends with the run that started it, however that ends, and leaves nothing; its databases go with a module."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import inspect

from server.store import tables as t
from server.store.engine import open_engine
from tests.server.postgres import Cluster
from tests.server.served import ROOT, wait_for

_RUN = """
import time
from tests.server.postgres import Cluster
with Cluster() as cluster:
    print(cluster.url(), flush=True)
    time.sleep(600)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for what is temporary, in which PostgreSQL's user makes and removes things too."""
    with tempfile.TemporaryDirectory(prefix="tasdid-run-") as name:
        Path(name).chmod(0o1777)
        yield Path(name)


@pytest.mark.parametrize(
    ("end", "number"), [(os.kill, signal.SIGKILL), (os.killpg, signal.SIGKILL), (os.killpg, signal.SIGTERM)]
)
def test_it_ends_with_a_run_that_is_ended(end: Callable[[int, int], None], number: int, folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        psycopg.connect(url).close()
        assert list(folder.glob("tasdid-pg-*/data/postmaster.pid"))
        end(process.pid, number)
    wait_for(lambda: not list(folder.iterdir()))
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(url)


def test_a_centre_s_database_is_as_the_migrations_leave_it(cluster: Cluster) -> None:
    engines = [open_engine(cluster.url()), open_engine(cluster.centre(), migrate=False)]
    names = [sorted(inspect(engine).get_table_names()) for engine in engines]
    assert names[0] == names[1] and t.heads.name in names[0]
    for engine in engines:
        engine.dispose()


def test_what_was_made_goes_whoever_is_connected(cluster: Cluster) -> None:
    url = cluster.url()
    with psycopg.connect(url) as connected:
        cluster.clear()
        with pytest.raises(psycopg.OperationalError):
            connected.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match=re.escape("does not exist")):
        psycopg.connect(url)
