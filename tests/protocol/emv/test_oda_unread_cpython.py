"""No value of emv_oda.json is left unread: each one changed, at its first digit and at its last, is noticed, but for what FREE names."""

import json
from typing import Any

import pytest

from protocol.crypto.native import NativeCrypto
from protocol.errors import TasdidError
from tests.protocol.emv import oda_suite
from tests.support import altered, needs

VALUES = {"sda_dda": 63, "cda": 49}


def _free(path: tuple[Any, ...], last: bool) -> bool:
    """Days serve anywhere on their side of an end; what is wrong on purpose may be wrong in another way in its last byte."""
    if path[0] == "transaction_dates_yymmdd":
        return True
    return last and (str(path[0]).endswith("_invalid") and path[-1] in (path[0], "9F48"))


def _noticed(vector: dict[str, Any]) -> bool:
    try:
        oda_suite.check(vector, NativeCrypto())
    except (AssertionError, TasdidError, ValueError, IndexError):
        return True
    return False


@pytest.mark.parametrize("name", VALUES)
def test_no_value_is_left_unread(name: str) -> None:
    vector = json.loads((needs.vectors() / "emv_oda.json").read_text())[name]
    oda_suite.check(vector, NativeCrypto())
    paths = list(altered.places(vector))
    unread = [
        (path, last)
        for path in paths
        for last in (False, True)
        if not _noticed(altered.altered(vector, path, last)) and not _free(path, last)
    ]
    assert not unread
    assert len(paths) == VALUES[name]
