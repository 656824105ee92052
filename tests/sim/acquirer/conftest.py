"""Shared by the tests of the simulated host."""

import pytest

from tests.server.handheld import Handheld


@pytest.fixture
def handheld() -> Handheld:
    return Handheld()
