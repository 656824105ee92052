"""A folder as storage: what `append`, `replace` and `remove` return from is synced: the file, then its folder."""

import os

from drivers.storage_folder import FolderStorage


def _watch(monkeypatch):
    """A list of ("fsync", path) and ("rename", target) as they happen."""
    calls = []
    sync, rename = os.fsync, os.rename

    def note_sync(handle):
        calls.append(("fsync", os.path.basename(os.readlink(f"/proc/self/fd/{handle}"))))
        sync(handle)

    def note_rename(source, target):
        calls.append(("rename", os.path.basename(target)))
        rename(source, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "rename", note_rename)
    return calls


def test_a_new_file_is_synced_and_then_its_folder(tmp_path, monkeypatch):
    storage = FolderStorage(str(tmp_path))
    (tmp_path / "journal").mkdir()
    calls = _watch(monkeypatch)
    storage.append("journal/000001.seg", b"one")
    assert calls == [("fsync", "000001.seg"), ("fsync", "journal")]


def test_a_later_append_syncs_the_file_before_it_returns(tmp_path, monkeypatch):
    storage = FolderStorage(str(tmp_path))
    storage.append("journal/000001.seg", b"one")
    calls = _watch(monkeypatch)
    storage.append("journal/000001.seg", b"two")
    assert calls == [("fsync", "000001.seg")]
    assert storage.read("journal/000001.seg") == b"onetwo"


def test_a_replaced_file_is_synced_before_it_takes_the_name_and_the_folder_after(tmp_path, monkeypatch):
    storage = FolderStorage(str(tmp_path))
    storage.replace("state/acked", b"old")
    calls = _watch(monkeypatch)
    storage.replace("state/acked", b"new")
    assert calls == [("fsync", "acked.tmp"), ("rename", "acked"), ("fsync", "state")]
    assert storage.names("state") == ["acked"]


def test_a_removed_file_is_gone_from_a_synced_folder(tmp_path, monkeypatch):
    storage = FolderStorage(str(tmp_path))
    storage.append("sealed/1", b"x")
    calls = _watch(monkeypatch)
    storage.remove("sealed/1")
    storage.remove("sealed/1")
    assert calls == [("fsync", "sealed")] and storage.size("sealed/1") == -1
