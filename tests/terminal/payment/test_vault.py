"""Sealed card data at rest: readable while the key is there, gone with it, whatever a raw page still holds."""

from drivers.contracts.secure_element import BLOCK_VAULT, SLOTS_VAULT
from protocol.crypto.pure import PureCrypto
from protocol.errors import JournalError
from terminal.vault import Vault
from tests.support.parts import CountingElement, MemoryStorage


async def _vault(storage, element):
    vault = Vault(storage, element, PureCrypto())
    await vault.open()
    return vault


def _keys(element):
    return [element.blocks.get((slot, BLOCK_VAULT), bytes(32))[:16] for slot in SLOTS_VAULT]


async def test_files_are_enciphered_and_read_back_after_a_boot():
    storage, element = MemoryStorage(), CountingElement()
    vault = await _vault(storage, element)
    vault.replace("sealed/7", b"card data of forty-five bytes, three blocks!!")
    vault.replace("private/7", b"other")
    assert b"card data" not in storage.files["sealed/7"] and storage.files["private/7"] == b"other"
    again = await _vault(storage, element)
    assert again.read("sealed/7") == b"card data of forty-five bytes, three blocks!!"
    assert again.size("sealed/7") == 45 and again.size("sealed/8") == -1
    buffer = bytearray(9)
    assert again.read_into("sealed/7", 5, buffer) == 9 and buffer == b"data of f"


async def test_an_erasure_destroys_the_key_and_keeps_the_rest():
    storage, element = MemoryStorage(), CountingElement()
    vault = await _vault(storage, element)
    vault.replace("sealed/1", b"first")
    vault.replace("sealed/2", b"second")
    raw_page, old = storage.files["sealed/1"], _keys(element)[0]
    await vault.begin()
    vault.remove("sealed/1")
    await vault.finish(1)
    assert vault.read("sealed/2") == b"second" and vault.size("sealed/1") == -1
    assert old not in _keys(element) and bytes(16) in _keys(element)
    storage.files["sealed/1"] = raw_page  # what a scan of the flash would still find
    again = await _vault(storage, element)
    assert again.read("sealed/1") != b"first"
    assert again.read("sealed/2") == b"second"


async def test_a_cut_at_any_write_to_the_element_ends_with_one_key_and_all_data():
    for cut in range(1, 5):
        storage, element = MemoryStorage(), CountingElement()
        vault = await _vault(storage, element)
        vault.replace("sealed/1", b"first")
        vault.replace("sealed/2", b"second")
        write, left = element.write_block, [cut]

        async def cutting(slot, block, data, write=write, left=left):
            left[0] -= 1
            if left[0] == 0:
                raise OSError(5)
            await write(slot, block, data)

        element.write_block = cutting
        try:
            await vault.begin()
            vault.remove("sealed/1")
            await vault.finish(1)
        except OSError:
            assert left[0] == 0
        element.write_block = write
        again = await _vault(storage, element)
        await again.finish(1)
        assert again.read("sealed/2") == b"second"
        assert not again.unfinished and len([key for key in _keys(element) if key != bytes(16)]) == 1
        await again.begin()
        await again.finish(1)
        assert (await _vault(storage, element)).read("sealed/2") == b"second"


async def test_what_any_epoch_has_kept_outlives_an_erasure():
    storage, element = MemoryStorage(), CountingElement()
    vault = await _vault(storage, element)
    for folder in ("sealed", "sealed2", "sealed10", "sealed23"):
        vault.replace(folder + "/7", b"of " + folder.encode())
    await vault.begin()
    await vault.finish(23)
    again = await _vault(storage, element)
    for folder in ("sealed", "sealed2", "sealed10", "sealed23"):
        assert again.read(folder + "/7") == b"of " + folder.encode()


async def test_files_of_release_0_1_0_are_read_as_they_are():
    storage, element = MemoryStorage(), CountingElement()
    storage.files["sealed/4"] = b"\xd0\x83in clear form"
    vault = await _vault(storage, element)
    assert vault.read("sealed/4") == b"\xd0\x83in clear form"


def _unreadable(*_):
    raise JournalError("storage cannot be read", "JRN-014")


async def _finished(vault, epoch=1, boot=False):
    try:
        await vault.finish(epoch, boot)
    except JournalError as error:
        assert error.code == "JRN-014" and vault.unfinished
        return False
    return not vault.unfinished


def _spotty(storage, name):
    """A file that cannot be read; returns what reads again."""
    read = storage.read
    storage.read = lambda path, limit=65536: _unreadable() if path == name else read(path, limit)
    return read


async def test_a_folder_that_cannot_be_listed_keeps_the_key_of_what_can_still_be_read():
    storage, element = MemoryStorage(), CountingElement()
    vault = await _vault(storage, element)
    vault.replace("sealed2/1", b"first")
    vault.replace("sealed2/2", b"second")
    names = storage.names
    await vault.begin()
    vault.remove("sealed2/1")
    storage.names = _unreadable
    for boot in (False, True):
        assert not await _finished(vault, 2, boot)
    assert vault.read("sealed2/2") == b"second"
    storage.names = names
    assert await _finished(vault, 2)
    assert vault.read("sealed2/2") == b"second"


async def test_what_a_former_epoch_has_left_unlisted_keeps_no_key():
    storage, element = MemoryStorage(), CountingElement()
    vault = await _vault(storage, element)
    vault.replace("sealed/1", b"first")
    names = storage.names
    storage.names = lambda folder: _unreadable() if folder == "sealed" else names(folder)
    await vault.begin()
    assert await _finished(vault, 2)


async def test_a_file_that_cannot_be_read_keeps_the_key_until_a_boot_cannot_read_it_either():
    for comes_back in (True, False):
        storage, element = MemoryStorage(), CountingElement()
        vault = await _vault(storage, element)
        vault.replace("sealed/1", b"first")
        vault.replace("sealed/2", b"second")
        read = _spotty(storage, "sealed/1")
        await vault.begin()
        assert not await _finished(vault)
        assert vault.read("sealed/2") == b"second"
        if comes_back:
            storage.read = read
        again = await _vault(storage, element)
        assert await _finished(again, 1, True)
        storage.read = read
        assert (again.read("sealed/1") == b"first") == comes_back and again.read("sealed/2") == b"second"


async def test_the_storage_is_synced_through_it():
    storage, synced = MemoryStorage(), []
    storage.sync = synced.append
    (await _vault(storage, CountingElement())).sync("journal/000001.seg")
    assert synced == ["journal/000001.seg"]
