"""No value of dukpt_aes.json is left unread: each one changed, at its first digit and at its last, is noticed."""

import json
from typing import Any

import pytest

from protocol.crypto.native import NativeCrypto
from protocol.errors import TasdidError
from tests.protocol.keys import dukpt_suite
from tests.support import altered, needs

VALUES = {"aes128": 72, "aes256": 89}
# the random half of the PIN field: the set of AES-256 has no enciphered PIN block that it would show in
FREE = {"aes128": [], "aes256": [(("transaction_data", "pin_field"), True)]}


def _noticed(suite: dict[str, Any]) -> bool:
    try:
        dukpt_suite.check(suite, NativeCrypto())
    except (AssertionError, TasdidError, ValueError):
        return True
    return False


@pytest.mark.parametrize("name", VALUES)
def test_no_value_is_left_unread(name: str) -> None:
    suite = json.loads((needs.vectors() / "dukpt_aes.json").read_text())[name]
    assert not _noticed(suite)
    paths = list(altered.places(suite))
    unread = [
        (path, last)
        for path in paths
        for last in (False, True)
        if not _noticed(altered.altered(suite, path, last, path[-1] in ("pin", "pan")))
    ]
    assert unread == FREE[name]
    assert len(paths) == VALUES[name]
