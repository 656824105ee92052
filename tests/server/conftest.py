"""The terminal and the centre that most tests of the server begin with."""

from pathlib import Path

import pytest

from tests.server.centre import Centre
from tests.server.handheld import Handheld


@pytest.fixture
def handheld() -> Handheld:
    """A terminal that has said nothing yet."""
    return Handheld()


@pytest.fixture
def centre(tmp_path: Path, handheld: Handheld) -> Centre:
    """A centre that knows it."""
    return Centre(tmp_path, handheld)
