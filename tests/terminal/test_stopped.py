"""A storage that cannot be mounted or read at the boot: the officer sees a screen with the code, and can ask the centre only where it can help."""

from protocol.errors import JournalError
from tests.support.centre import Handheld
from tests.support.dual import araises
from tests.support.menu import Menu
from tests.support.parts import MemoryStorage, PowerCut


class Broken(MemoryStorage):
    """Raises JRN-013 when it is mounted, or JRN-014 when it is read."""

    def __init__(self, code):
        super().__init__()
        self.code = code

    def mount(self):
        if self.code == "JRN-013":
            raise JournalError("the storage cannot be mounted", self.code, "call a technician", 84)

    def size(self, name):
        raise JournalError("storage cannot be read", self.code, "call a technician", name)


async def test_what_is_wrong_with_the_storage_at_the_boot_is_told_on_the_screen():
    for code in ("JRN-013", "JRN-014"):
        t = Menu(Handheld(None, Broken(code)), ["ok", "cancel", "ok"])
        t.askable = False
        asked, keys = t.face.key, []

        async def key(timeout_ms=None, asked=asked, keys=keys):
            found = await asked(timeout_ms)
            if found is None:
                raise PowerCut
            keys.append(found)
            return found

        async def info():
            return {"part": "test", "stand_in": True}

        t.face.key, t.ports.se.info = key, info
        await araises(PowerCut, t.run())
        shown = [(screen, fields.get("code")) for screen, fields in t.face.shown]
        assert shown == [("boot", None)] + [("error", code)] * 4, shown
        assert keys == ["ok", "cancel", "ok"] and not t.ports.network.sent
