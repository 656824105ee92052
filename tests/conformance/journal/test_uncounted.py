"""littlefs counts its free space and looks for a free block in the same way: where one sector of a longer file keeps it from counting, it
takes no record either. So there is no estimate: it would let a sale begin that cannot be written.
"""

from drivers.storage_littlefs import LittlefsStorage
from protocol import records as r
from protocol.errors import JournalError
from sim.parts.nor.flash import NorFlash
from terminal.journal.journal import ROOM_UNKNOWN, Journal
from tools.journal.soak import rig


def test_where_the_free_space_cannot_be_counted_no_record_is_taken():
    made = rig.Rig(sound=True, retention=60 * 86400)
    for _ in range(40):
        made.transaction()
    whole = list(made.flash.blocks)
    looked = 0
    for block in range(len(whole)):
        flash = NorFlash(len(whole), image=[*whole[:block], bytes([255]) * 4096, *whole[block + 1 :]])
        try:
            storage = LittlefsStorage(flash)
            journal = Journal(storage, rig.Element(made.element.value), made.clock, rig.CRYPTO, rig.DEVICE)
            rig.now(journal.open())
        except JournalError:
            continue
        if journal.room(True) != ROOM_UNKNOWN:
            continue
        looked += 1
        copies, first = storage.names("copies"), journal.first_retained
        made.clock.utc += 30 * 86400
        journal.hear(made.clock.utc)
        journal.make_room()
        assert (storage.names("copies"), journal.first_retained) == (copies, first)
        try:
            rig.now(journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"}))
            raise AssertionError("a record was taken")
        except JournalError as error:
            assert error.code == "JRN-012"
    assert looked
