"""Skips that must not happen where everything has to be there: with CI=true or TASDID_REQUIRE_VECTORS=1 they fail instead."""

import os
from typing import NoReturn

import pytest


def required() -> bool:
    """True where a missing part is a failure."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes") or os.environ.get("TASDID_REQUIRE_VECTORS") == "1"


def skip_missing(reason: str) -> NoReturn:
    """Skip because a part of the machine is missing; fail where parts are required."""
    if required():
        pytest.fail(f"missing where it is required (CI): {reason}", pytrace=False)
    pytest.skip(reason)
