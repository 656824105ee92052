"""A parameter set that the storage cannot read is a bad set, which a session with the centre replaces: the terminal is not stopped."""

from protocol.crypto.pure import PureCrypto
from protocol.errors import JournalError, ParameterError
from terminal.parameters import Parameters
from tests.support.dual import raises
from tests.support.parts import MemoryStorage


class Spotty(MemoryStorage):
    def read_into(self, name, offset, buffer):
        raise JournalError("storage cannot be read", "JRN-014", "call a technician", name)


def test_an_unreadable_set_is_malformed_and_has_no_version():
    storage = Spotty()
    storage.files["params/tariff"] = bytes(800)
    kept = Parameters(storage, PureCrypto(), lambda role: bytes(65))
    assert raises(ParameterError, kept.load, "tariff", 1_700_000_000).code == "PRM-003"
    assert kept.versions() == {}
