"""A centre's SQLite database as the migrations leave it: they run once in a session, and a test gets a copy."""

import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy.engine import make_url

from server.store.engine import open_engine, plain_file


@cache
def _content() -> bytes:
    """The database's file, which everybody has left."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "server.db"
        open_engine(f"sqlite:///{path}").dispose()
        assert [found.name for found in path.parent.iterdir()] == [path.name], "what was written is not in the file"
        return path.read_bytes()


def lay(url: str) -> None:
    """Put one where a URL's is not there yet; nothing, if that is no file."""
    file = plain_file(make_url(url))
    if file is not None and not Path(file).exists():
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_bytes(_content())
