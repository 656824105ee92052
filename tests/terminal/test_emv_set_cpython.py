"""A set "emv" that arrives with a wrong CA key, or in the wrong shape, never takes the place of the good one."""

import time
from pathlib import Path
from typing import Any

import pytest

from drivers.storage_folder import FolderStorage
from protocol.crypto.native import NativeCrypto
from protocol.errors import ParameterError
from server import keys as server_keys
from server.sets import sign_set
from sim.pki import make_pki
from sim.worlds.fleet import emv_body
from terminal.parameters import Parameters


def test_an_unusable_emv_set_is_refused_on_arrival(tmp_path: Path) -> None:
    keys = server_keys.make(tmp_path / "keys")
    body = emv_body(make_pki(tmp_path / "pki"))
    storage = FolderStorage(str(tmp_path / "store"))
    publics = keys.publics()
    kept = Parameters(storage, NativeCrypto(), lambda role: publics[role])
    now = int(time.time())

    def offer(version: int, **changes: Any) -> Any:
        return kept.offer(sign_set(keys, "emv", version, now - 60, now + 3600, now, {**body, **changes}), now)

    assert offer(1) is not None
    wrong = [{**key, "sha1": bytes(20)} for key in body["ca_keys"]]
    late = [{**key, "expiry": "20269931"} for key in body["ca_keys"]]
    for changes, code in (
        ({"ca_keys": wrong}, "PRM-122"), ({"ca_keys": late}, "PRM-122"), ({"aids": 5}, "PRM-124"), ({"aids": []}, "PRM-123"),
        ({"exceptions": [bytes(31)]}, "PRM-120"), ({"revoked": [bytes(8)]}, "PRM-120"), ({"de55": [-1]}, "PRM-121"),
        ({"de55": [0x9F26, 0x9F26]}, "PRM-121"), ({"de55": list(range(0x9F80, 0x9F80 + 86))}, "PRM-121"),
    ):  # fmt: skip
        with pytest.raises(ParameterError) as refused:
            offer(2, **changes)
        assert refused.value.code == code
        assert kept.load("emv", now).version == 1 and kept.versions() == {"emv": 1}
    assert offer(2) is not None and kept.load("emv", now).version == 2
