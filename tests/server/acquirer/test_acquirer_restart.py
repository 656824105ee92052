"""The simulated acquirer started again: what it was asked before still counts."""

import os
import resource
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import iso8583
import pytest

from protocol import records as r
from protocol.errors import ConfigError
from server.acquirer import iso
from sim.acquirer.book import APPROVE, INSUFFICIENT, LESS, REFUSE, Book
from sim.acquirer.diary import Diary
from sim.acquirer.host import Host
from tests.server.acquirer.test_acquirer_link import START, Patrol
from tests.server.cards import ARQC, KEYS, PAN, TC

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


def asked_for(folder: Path, outcome: int, kind: int) -> bytes:
    """What a server asks for a payment with that outcome and a cryptogram of that kind."""
    patrol = Patrol(folder)
    patrol.pay(outcome, kind)
    patrol.sync()
    return bytes(iso.encode(patrol.centre.claim()[0], START))


def test_a_host_that_is_started_again_knows_what_it_was_asked(tmp_path: Path) -> None:
    message = asked_for(tmp_path, r.OUTCOME_APPROVED, TC)
    diary = tmp_path / "requests"
    first = Host(Book(KEYS), diary=Diary(diary))
    answer = first.take(message)
    assert answer is not None and iso8583.decode(answer, iso.SPEC)[0]["39"] == "00"
    captures = first.book.captures()
    assert len(captures) == 1
    with diary.open("ab") as file:
        file.write(b'0123abcd {"message": "0')  # a stop in the midst of the next
    for _ in range(2):
        again = Host(Book(KEYS), diary=Diary(diary))
        assert again.book.captures() == captures
    fields, _ = iso8583.decode(message, iso.SPEC)
    other = bytes(iso8583.encode({**fields, "37": "999999999999"}, iso.SPEC)[0])
    answer = again.take(other)
    assert (
        answer is not None and iso8583.decode(answer, iso.SPEC)[0]["39"] == "63"
    )  # the same cryptogram under another reference
    assert again.book.captures() == captures and Host(Book(KEYS), diary=Diary(diary)).book.replays == 1


@pytest.mark.parametrize(
    ("first", "then"), [(REFUSE, APPROVE), (INSUFFICIENT, APPROVE), (APPROVE, REFUSE), (LESS, APPROVE), (APPROVE, LESS)]
)
def test_what_the_issuer_said_stands_though_it_would_say_something_else_now(
    tmp_path: Path, first: str, then: str
) -> None:
    asked = asked_for(tmp_path, r.OUTCOME_PROVISIONAL, ARQC)
    diary = tmp_path / "diary"
    host = Host(Book(KEYS, {PAN: first}), diary=Diary(diary))
    told = host.take(asked)
    repeat = asked[:3] + b"1" + asked[4:]
    again = Host(Book(KEYS, {PAN: then}), diary=Diary(diary))
    assert again.book.entries == host.book.entries
    assert told is not None and again.take(repeat) == told


def test_what_was_left_without_an_answer_was_heard_all_the_same(tmp_path: Path) -> None:
    message = asked_for(tmp_path, r.OUTCOME_APPROVED, TC)
    host = Host(Book(KEYS), diary=Diary(tmp_path / "diary"))
    host.silent = 1
    assert host.take(message) is None
    assert Host(Book(KEYS), diary=Diary(tmp_path / "diary")).book.captures() == host.book.captures() != []


def test_a_damaged_diary_is_named_and_kept(tmp_path: Path) -> None:
    patrol = Patrol(tmp_path)
    patrol.pay(r.OUTCOME_APPROVED, TC)
    patrol.sync()
    diary = tmp_path / "diary"
    host = Host(Book(KEYS), diary=Diary(diary))
    for _ in range(2):
        host.take(bytes(iso.encode(patrol.centre.claim()[0], START)))
    whole = diary.read_bytes()
    first = len(whole.splitlines()[0])
    for at, number in [(at, 1) for at in (*range(0, first, 7), first)] + [(first + 30, 2), (len(whole) - 1, 2)]:
        diary.write_bytes(whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :])
        with pytest.raises(ConfigError) as caught:
            Host(Book(KEYS), diary=Diary(diary))
        assert (caught.value.code, caught.value.detail) == ("CFG-098", f"line {number}"), at
        assert len(diary.read_bytes()) == len(whole)


@pytest.mark.parametrize("said", [b"5", b"{}", b'{"message": 5, "ruling": null}', b'{"message": "00", "ruling": null}'])
def test_a_line_of_another_kind_is_named(tmp_path: Path, said: bytes) -> None:
    diary = tmp_path / "diary"
    diary.write_bytes(b"%08x %b\n" % (zlib.crc32(said), said))
    with pytest.raises(ConfigError) as caught:
        Host(Book(KEYS), diary=Diary(diary))
    assert (caught.value.code, caught.value.detail) == ("CFG-098", "line 1")


def test_what_the_issuer_said_before_the_disk_was_full_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asked_for(tmp_path, r.OUTCOME_PROVISIONAL, ARQC)
    diary = Diary(tmp_path / "diary")
    host = Host(Book(KEYS, {PAN: REFUSE}), diary=diary)
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", lambda _fd: (_ for _ in ()).throw(OSError("no room")))
        assert host.take(asked) is None and host.take(asked) is None
    assert (tmp_path / "diary").read_bytes() == b""
    repeat = asked[:3] + b"1" + asked[4:]
    told = host.take(repeat)
    again = Host(Book(KEYS, {PAN: APPROVE}), diary=diary)
    assert again.book.doubles == host.book.doubles == 1
    assert told is not None and again.take(repeat) == told


def test_what_failed_and_could_not_be_taken_back_is_followed_by_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError("no room")

    diary = Diary(tmp_path / "diary")
    diary.add(b"one", None)
    for name in ("fsync", "truncate"):
        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", fail)
            broken.setattr(os, name, fail)
            with pytest.raises(OSError, match="no room"):
                diary.add(b"two", None)
    with pytest.raises(OSError, match="start the host again"):
        diary.add(b"three", None)
    assert [message for message, _ in Diary(tmp_path / "diary").entries()] == [b"one", b"two"]


def test_what_the_disk_has_no_room_for_is_not_answered_and_spoils_nothing(tmp_path: Path) -> None:
    message = asked_for(tmp_path, r.OUTCOME_APPROVED, TC)
    diary = tmp_path / "diary"
    host = Host(Book(KEYS), diary=Diary(diary))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
        assert host.take(message) is None and diary.read_bytes() == b""
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, before)
    repeat = message[:3] + b"1" + message[4:]
    assert host.take(repeat) is not None
    assert Host(Book(KEYS, {PAN: REFUSE}), diary=Diary(diary)).book.captures() == host.book.captures()
    assert len(diary.read_bytes().splitlines()) == 2
    assert Host(Book(KEYS), diary=Diary(diary)).book.captures() == host.book.captures() != []


def test_what_is_kept_is_on_the_disk_before_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_size))
    diary = Diary(tmp_path / "diary")
    diary.add(b"message", None)
    assert synced == [(tmp_path / "diary").stat().st_size]


@pytest.mark.parametrize("path", [".", "absent/diary", "pipe"])
def test_a_diary_that_cannot_be_written_stops_the_host_at_once(tmp_path: Path, path: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    command = [sys.executable, "-m", "sim.acquirer", "--keys", str(tmp_path), "--diary", str(tmp_path / path)]
    ended = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2 and ended.stderr.startswith("CFG-098 ")
