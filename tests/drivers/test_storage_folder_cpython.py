"""A folder as storage: what `append`, `replace` and `remove` return from is synced: the file, then its folder."""

import os

import pytest

from drivers.storage_folder import FolderStorage
from protocol.errors import JournalError


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
    storage.append("journal/000001.seg", b"one")
    calls = _watch(monkeypatch)
    storage.append("journal/000002.seg", b"one")
    assert calls == [("fsync", "000002.seg"), ("fsync", "journal")]


def test_a_folder_that_is_there_at_a_start_is_synced_once_into_the_one_above_it(tmp_path, monkeypatch):
    for folder in ("journal", "state"):
        (tmp_path / folder).mkdir()
    calls = _watch(monkeypatch)
    storage = FolderStorage(str(tmp_path))
    storage.mount()
    assert calls == [("fsync", tmp_path.parent.name)]
    storage.append("journal/000001.seg", b"one")
    assert calls[1:] == [("fsync", tmp_path.name), ("fsync", "000001.seg"), ("fsync", "journal")]
    storage.append("journal/000002.seg", b"one")
    storage.replace("state/acked", b"one")
    assert calls[6:] == [("fsync", tmp_path.name), ("fsync", "new.tmp"), ("rename", "acked"), ("fsync", "state")]


def test_a_folder_whose_place_may_not_be_read_is_used_as_it_is(tmp_path, monkeypatch):
    real = os.open

    def refused(path, *words):
        if path == str(tmp_path.parent):
            raise PermissionError(13, "EACCES")
        return real(path, *words)

    monkeypatch.setattr(os, "open", refused)
    storage = FolderStorage(str(tmp_path))
    storage.mount()
    storage.append("journal/000001.seg", b"one")
    assert storage.read("journal/000001.seg") == b"one"


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
    assert calls == [("fsync", "new.tmp"), ("rename", "acked"), ("fsync", "state")]
    assert storage.names("state") == ["acked"]


def test_a_removed_file_is_gone_from_a_synced_folder(tmp_path, monkeypatch):
    storage = FolderStorage(str(tmp_path))
    storage.append("sealed/1", b"x")
    calls = _watch(monkeypatch)
    storage.remove("sealed/1")
    storage.remove("sealed/1")
    assert calls == [("fsync", "sealed")] and storage.size("sealed/1") == -1


def test_a_new_folder_is_synced_into_the_one_above_it(tmp_path, monkeypatch):
    root = tmp_path / "store"
    root.mkdir()
    storage = FolderStorage(str(root))
    storage.mount()
    for write in (storage.append, storage.replace):
        calls = _watch(monkeypatch)
        write(f"{write.__name__}/1", b"x")
        assert calls[0] == ("fsync", "store") and calls[-1] == ("fsync", write.__name__)
        monkeypatch.undo()


def test_every_new_folder_down_to_the_root_is_synced_into_the_one_above_it(tmp_path, monkeypatch):
    calls = _watch(monkeypatch)
    storage = FolderStorage(str(tmp_path / "var" / "terminal" / "store"))
    storage.mount()
    above = [("fsync", path.name) for path in (tmp_path.parent, tmp_path)]
    assert calls == [*above, ("fsync", "var"), ("fsync", "terminal")]
    storage.append("journal/000001.seg", b"x")
    assert calls[4:] == [("fsync", "store"), ("fsync", "000001.seg"), ("fsync", "journal")]


def test_what_a_cut_replace_leaves_is_overwritten_by_the_next(tmp_path, monkeypatch):
    storage = FolderStorage(str(tmp_path))

    def cut(*_: object) -> None:
        raise InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", cut)
        for seq in range(1, 20):
            with pytest.raises(JournalError):
                storage.replace(f"sealed/{seq}", bytes(100))
    assert len(list((tmp_path / "sealed").iterdir())) == 1 and storage.names("sealed") == []
    storage.replace("sealed/20", b"new")
    assert [path.name for path in (tmp_path / "sealed").iterdir()] == ["20"]


def test_a_folder_where_a_file_should_be_is_no_file(tmp_path):
    storage = FolderStorage(str(tmp_path))
    for name in ("journal/000001.seg", "state/acked"):
        (tmp_path / name).mkdir(parents=True)
        assert storage.size(name) == -1 and storage.names(name.split("/")[0]) == []
        for code, act in (
            ("JRN-010", lambda name=name: storage.read(name)),
            ("JRN-014", lambda name=name: storage.read_into(name, 0, bytearray(4))),
            ("JRN-012", lambda name=name: storage.append(name, b"x")),
            ("JRN-012", lambda name=name: storage.replace(name, b"x")),
            ("JRN-012", lambda name=name: storage.remove(name)),
        ):
            with pytest.raises(JournalError) as caught:
                act()
            assert caught.value.code == code


def test_a_file_where_a_folder_should_be_has_a_code(tmp_path):
    storage = FolderStorage(str(tmp_path))
    (tmp_path / "state").write_bytes(b"")
    for code, act in (
        ("JRN-014", lambda: storage.names("state")),
        ("JRN-014", lambda: storage.size("state/acked")),
        ("JRN-012", lambda: storage.replace("state/acked", b"x")),
    ):
        with pytest.raises(JournalError) as caught:
            act()
        assert caught.value.code == code
