"""A journal that does not open and an epoch that has ended are exported too: raw records, closed by the secure element,
and the verifier never says that they hold.
"""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from drivers.storage_folder import FolderStorage
from protocol import cbor, cose
from protocol import records as r
from protocol.crypto.native import NativeCrypto
from protocol.errors import ConfigError, JournalError
from terminal.journal import epoch as epochs
from terminal.journal.frames import HEAD, SegmentReader, decode_entry, frame, head_frames, new_window
from terminal.journal.journal import Journal
from tests.conformance.journal import exports
from tests.support.parts import HandClock, MemoryStorage
from tools.commands.journal import app
from tools.journal import salvage
from tools.journal.exporting import exported
from tools.journal.verify import verify

SEGMENT = "journal/000001.seg"


class Approving(NativeCrypto):
    """Approvals here are "signed" by nobody: what is tested is what happens afterwards."""

    def ecdsa_verify(self, curve, public, digest, signature):
        return True


def _approval(epoch, seq, record_hash, count=0, total=0):
    payload = cbor.encode({1: exports.DEVICE, 2: epoch, 3: seq, 4: record_hash, 5: count, 6: total})
    protected, _ = cose.sign1_prepare({1: -7, 3: epochs.TYPE_EPOCH, 4: b"epoch"}, payload)
    return cose.sign1_assemble(protected, {}, payload, bytes(64), tagged=False)


class Bench:
    """A store with ten approved payments, of which the centre has `acknowledged` records."""

    def __init__(self, folder, acknowledged=0, storage=None):
        folder.mkdir(exist_ok=True)
        self.part = exports.element(folder)
        self.storage = storage or MemoryStorage()
        self.hash = bytes(32)
        asyncio.run(self._sell(acknowledged))

    def journal(self):
        """Not opened."""
        return Journal(self.storage, self.part, HandClock(), Approving(), exports.DEVICE)

    async def _sell(self, acknowledged):
        journal = self.journal()
        await journal.open()
        for number in range(10):
            intent = await journal.append(r.PAYMENT_INTENT, {r.CASE: number, r.AMOUNT: 500000})
            body = {r.CASE: number, r.INTENT: intent[r.SEQ], r.AMOUNT: 500000, r.OUTCOME: r.OUTCOME_APPROVED}
            await journal.append(r.PAYMENT_OUTCOME, body)
            if journal.head_seq == acknowledged:
                self.hash = journal.head_hash
                journal.acknowledge(acknowledged, self.hash)

    async def new_segment(self):
        """Its head holds the present state: what lies before is not needed for it."""
        journal = self.journal()
        await journal.open()
        journal._shelf.fresh = True
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})

    async def refused(self):
        """The code with which the journal does not open."""
        try:
            await self.journal().open()
        except JournalError as error:
            return error.code
        return ""

    async def renew(self, epoch=2, seq=0, count=0, total=0):
        """A new epoch begins, and goes on for a while."""
        journal = self.journal()
        assert await self.refused()
        await journal.begin_epoch(_approval(epoch, seq, self.hash, count, total), bytes(65))
        for _ in range(3):
            await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})

    async def exported(self, epoch=0):
        """(what was exported, the verifier's report)"""
        pieces, done = await exported(self.storage, self.part, exports.DEVICE, {}, epoch)
        return done, verify(b"".join(pieces), await self.part.public_key(0))


def _kinds(report):
    return [found["kind"] for found in report["findings"]]


def _rolled_back(bench):
    bench.part._model.increment(0)


def _replaced(bench, seq, field, value):
    """Record `seq` written anew with one field changed, under a whole frame."""
    reader, out = SegmentReader(bench.storage, new_window()), b""
    for mark, number, _, body in reader.frames(SEGMENT):
        content = bytes(body)
        if mark == HEAD:
            out += head_frames(content)
            continue
        entry = decode_entry(content)
        assert entry is not None
        data, signature = entry
        if number == seq:
            data = cbor.encode(cbor.decode(data) | {field: value})
        out += frame(number, data, signature)
    bench.storage.files[SEGMENT] = out


def _spoil(bench, *records):
    """One bit of each of these records; 0 is the segment's head."""
    places = {seq: offset for seq, offset, _ in SegmentReader(bench.storage, new_window()).index(SEGMENT)}
    for seq in records:
        spoilt = bytearray(bench.storage.files[SEGMENT])
        spoilt[places.get(seq, 10) + 10] ^= 1
        bench.storage.files[SEGMENT] = bytes(spoilt)


def test_a_broken_chain_is_exported_and_the_record_named(tmp_path):
    bench = Bench(tmp_path)
    _replaced(bench, 7, r.UTC, 1_600_000_000)
    assert asyncio.run(bench.refused()) == "JRN-020"
    done, report = asyncio.run(bench.exported())
    assert (done.count, done.trouble) == (20, "JRN-020")
    assert [(found["kind"], found["seq"]) for found in report["findings"]] == [("unopened", None), ("edited", 7)]


def test_a_journal_without_a_readable_beginning_is_exported(tmp_path):
    bench = Bench(tmp_path)
    _spoil(bench, 0, 1)
    for folder in ("journal/", "copies/"):  # and it is not the first segment
        bench.storage.files[folder + "000003.seg"] = bench.storage.files.pop(folder + "000001.seg")
    assert asyncio.run(bench.refused()) == "JRN-025"
    done, report = asyncio.run(bench.exported())
    assert done.trouble == "JRN-025" and done.count == 19
    assert _kinds(report)[:2] == ["unreadable", "unopened"] and ("truncated", 1) in _told(report)


def _told(report):
    return {(found["kind"], found["seq"]) for found in report["findings"]}


def test_a_journal_that_was_rolled_back_is_exported_and_does_not_hold(tmp_path):
    bench = Bench(tmp_path, 6)
    _rolled_back(bench)
    assert asyncio.run(bench.refused()) == "JRN-030"
    done, report = asyncio.run(bench.exported())
    assert (done.count, done.epoch, done.trouble) == (20, 1, "JRN-030")
    assert (report["verdict"], report["trouble"], report["records"]) == ("fails", "JRN-030", 20)
    assert _kinds(report) == ["unopened", "counter"]
    assert report["totals"] == {"1": [10, 5000000]} and report["signatures"] == 10


def test_a_damaged_beginning_of_the_epoch_leaves_the_records_readable(tmp_path):
    bench = Bench(tmp_path)
    bench.storage.replace("state/epoch", b"\xff" * 20)
    assert asyncio.run(bench.refused()) == "JRN-033"
    done, report = asyncio.run(bench.exported())
    assert (done.count, done.trouble, report["verdict"]) == (20, "JRN-033", "fails")
    assert _kinds(report)[0] == "unopened"


def test_where_the_beginning_of_the_epoch_is_lost_its_own_records_are_exported(tmp_path):
    for opens in (True, False):
        bench = Bench(tmp_path / str(opens), 6)
        _rolled_back(bench)
        asyncio.run(bench.renew(2, 6, 3, 1500000))
        bench.storage.remove(epochs.FILE)
        bench.storage.remove(epochs.APPROVAL)
        if not opens:
            _rolled_back(bench)
        done, report = asyncio.run(bench.exported())
        assert (done.epoch, done.count, done.others, done.trouble) == (2, 4, [1], "" if opens else "JRN-030")
        assert _kinds(report) == (["epochs"] if opens else ["unopened", "epochs", "counter"])


def test_what_is_broken_or_missing_in_a_journal_that_does_not_open_is_named(tmp_path):
    bench = Bench(tmp_path, 6)
    size = len(bench.storage.files[SEGMENT])
    _spoil(bench, 0, 3, 9, 17)
    _rolled_back(bench)
    done, report = asyncio.run(bench.exported())
    assert done.trouble and report["verdict"] == "fails"
    missing = set(range(1, 21)) - {item.record[r.SEQ] for item in salvage.survey(bench.storage).records(1)}
    assert missing == {3, 9, 17}
    assert _told(report) >= {("acknowledged", 3), ("deleted", 9), ("deleted", 17)}
    (damage,) = [found["text"] for found in report["findings"] if found["kind"] == "unreadable"]
    assert SEGMENT in damage and 0 < int(damage.split()[0]) < size


@pytest.mark.parametrize("torn", [1, 7, 11])
@pytest.mark.parametrize("folder", ["journal", "copies"])
def test_the_fewest_bytes_that_are_no_record_are_counted(tmp_path, folder, torn):
    """Fewer than a frame takes besides its body: what a cut leaves of the next record's beginning."""
    bench = Bench(tmp_path, 20)
    name = f"{folder}/000001.seg"
    bench.storage.files[name] += frame(21, bytes(60), None)[:torn]
    _rolled_back(bench)
    done, report = asyncio.run(bench.exported())
    damage = [found["text"] for found in report["findings"] if found["kind"] == "unreadable"]
    assert (done.count, damage) == (20, [f"{torn} bytes of {name} are no whole record"])


def test_the_payments_of_an_epoch_that_ended_can_be_exported(tmp_path):
    bench = Bench(tmp_path)
    _rolled_back(bench)

    async def work():
        await bench.renew()
        return [await bench.exported(), await bench.exported(1)]

    (done, report), (old, told) = asyncio.run(work())
    assert (done.count, done.epoch, done.trouble, done.others) == (4, 2, "", [1])
    assert report["verdict"] == "holds" and report["other_epochs"] == [1]
    assert _kinds(report) == ["epochs"] and "--epoch 1" in report["findings"][0]["text"]
    assert (old.count, old.epoch, old.trouble, old.others) == (20, 1, "ended", [2])
    assert told["totals"] == {"1": [10, 5000000]} and told["signatures"] == 10
    assert told["verdict"] == "fails" and _kinds(told) == ["unopened", "epochs", "counter"]


def test_an_older_epoch_was_acknowledged_as_far_as_the_next_goes_on_from(tmp_path):
    bench = Bench(tmp_path, 6)
    bench.part._model.increment(0)
    _spoil(bench, 3)
    copies = bytearray(bench.storage.files["copies/000001.seg"])

    async def work():
        bench.storage.files["copies/000001.seg"] = bytes(copies[400:])
        await bench.renew(2, 6, 3, 1500000)
        done, report = await bench.exported()
        return done, report, (await bench.exported(1))[1]

    done, report, old = asyncio.run(work())
    assert (report["verdict"], report["first"], done.count) == ("holds", 7, 4)
    assert old["acknowledged"] == 6
    assert {found["seq"] for found in old["findings"] if found["kind"] == "acknowledged"} <= set(range(1, 7))
    assert "acknowledged" in _kinds(old) and old["verdict"] == "fails"


def test_the_counter_at_the_end_of_an_older_epoch_is_that_at_which_the_next_began(tmp_path):
    bench = Bench(tmp_path)
    bench.storage.replace("state/epoch", b"\xff" * 20)

    async def work():
        await bench.renew()
        return (await bench.exported(1))[1]

    assert _kinds(asyncio.run(work())) == ["unopened", "epochs"]


def test_an_outcome_that_is_lost_in_its_place_comes_from_its_second_copy(tmp_path):
    bench = Bench(tmp_path)
    _spoil(bench, 4, 10)
    _rolled_back(bench)
    done, report = asyncio.run(bench.exported())
    assert done.count == 20 and report["signatures"] == 10
    assert _kinds(report) == ["unreadable", "unopened", "counter"]


def test_of_three_epochs_each_can_be_exported(tmp_path):
    bench = Bench(tmp_path)
    _rolled_back(bench)

    async def work():
        await bench.renew(2)
        bench.part._model.increment(0)
        await bench.renew(5)
        return [await bench.exported(each) for each in (0, 1, 2, 5)]

    plain, first, second, third = asyncio.run(work())
    assert [done.count for done, _ in (plain, first, second, third)] == [4, 20, 4, 4]
    assert plain[1]["other_epochs"] == [1, 2] and plain[1]["verdict"] == "holds" == third[1]["verdict"]
    assert second[1]["trouble"] == "ended" and second[1]["verdict"] == "fails"


def test_an_epoch_of_which_nothing_is_stored_is_said_to_be_absent(tmp_path):
    bench = Bench(tmp_path)
    with pytest.raises(ConfigError) as caught:
        asyncio.run(bench.exported(3))
    assert caught.value.code == "CFG-106"


def test_an_exchanged_secure_element_is_no_hindrance(tmp_path):
    bench = Bench(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    bench.part = exports.element(other)
    assert asyncio.run(bench.refused()) == "JRN-031"
    done, report = asyncio.run(bench.exported())
    assert (done.count, done.trouble, report["verdict"]) == (20, "JRN-031", "fails")
    assert _kinds(report).count("signature") == 10  # the old element's outcomes are not this one's


def _folder(tmp_path):
    """A handheld's store on disk, its bench, and the words of the command that exports it to `out`."""
    store = FolderStorage(str(tmp_path / "store"))
    store.mount()
    bench = Bench(tmp_path, 20, store)
    identity = {
        "device": exports.DEVICE, "keys": {name: bytes(65) for name in ("ack", "cmd", "epoch")}, "authority": {},
        "wilaya": 16, "force": 1, "place": "x", "ksn_id": bytes(8),
    }  # fmt: skip
    store.replace("device/identity", cbor.encode(identity))
    words = [
        "export",
        str(tmp_path / "out"),
        "--store",
        str(tmp_path / "store"),
        "--element",
        str(tmp_path / "element.json"),
    ]
    return store, bench, words


def test_what_the_command_cannot_write_or_read_has_a_code(tmp_path):
    _, _, words = _folder(tmp_path)
    (tmp_path / "folder").mkdir()
    for out in ("folder", "nowhere/out"):
        error = CliRunner().invoke(app, [words[0], str(tmp_path / out), *words[2:]]).exception
        assert isinstance(error, ConfigError) and error.code == "CFG-107" and "cannot be written" in str(error)
    for content in (b"", b"[]", b"{}", b"no JSON", b"\xff"):
        (tmp_path / "other.json").write_bytes(content)
        error = CliRunner().invoke(app, [*words[:-1], str(tmp_path / "other.json")]).exception
        assert isinstance(error, ConfigError) and error.code == "CFG-074", (content, error)


def test_the_command_tells_the_three_verdicts_apart(tmp_path):
    store, bench, words = _folder(tmp_path)

    def run(*arguments):
        return CliRunner().invoke(app, list(arguments))

    pinned = ("--key", asyncio.run(bench.part.public_key(0)).hex())
    done = run(*words)
    assert done.exit_code == 0 and f"verify {tmp_path / 'out'} --key" in done.stdout
    assert run("verify", str(tmp_path / "out"), *pinned).exit_code == 0
    done = run("verify", str(tmp_path / "out"))
    assert done.exit_code == 0 and "NOBODY HAS CHECKED" in done.stdout and "the journal holds" not in done.stdout
    report = json.loads(run("verify", str(tmp_path / "out"), "--json").stdout)
    assert (report["ok"], report["verdict"], report["key"]) == (True, "unpinned", "unpinned")
    for entry in (pinned[1], {"public_key": pinned[1], "unit": "BMP-16-01"}):
        (tmp_path / "keys.json").write_text(json.dumps({exports.DEVICE: entry}))
        assert run("verify", str(tmp_path / "out"), "--key", str(tmp_path / "keys.json")).exit_code == 0
    for entry in ({}, {"public_key": 5}, 5):
        (tmp_path / "keys.json").write_text(json.dumps({exports.DEVICE: entry}))
        error = run("verify", str(tmp_path / "out"), "--key", str(tmp_path / "keys.json")).exception
        assert isinstance(error, ConfigError) and error.code == "CFG-103"
    asyncio.run(bench.new_segment())
    data = bytearray(store.read(SEGMENT))
    data[700] ^= 1
    store.replace(SEGMENT, bytes(data))
    copies = store.read("copies/000001.seg")
    store.replace("copies/000001.seg", copies[400:])
    assert run(*words).exit_code == 0
    done = run("verify", str(tmp_path / "out"), "--json")
    assert done.exit_code == 5 and json.loads(done.stdout)["verdict"] == "ask"
    assert "ASK THE CENTRE" in run("verify", str(tmp_path / "out")).stdout
    bench.part._model.increment(0)
    assert run(*words).exit_code == 1
    done = run("verify", str(tmp_path / "out"), "--json")
    assert done.exit_code == 1 and json.loads(done.stdout)["trouble"] == "JRN-030"


@pytest.mark.parametrize("folder", ["journal", "copies"])
def test_a_folder_that_cannot_be_listed_is_exported_by_the_other(tmp_path, folder):
    bench = Bench(tmp_path)
    names = bench.storage.names

    def listed(name):
        if name == folder:
            raise JournalError("storage cannot be read", "JRN-014", "call a technician", name)
        return names(name)

    bench.storage.names = listed
    assert asyncio.run(bench.refused()) == "JRN-014"
    done, report = asyncio.run(bench.exported())
    assert (done.count, done.trouble) == (20, "JRN-014")
    assert (report["verdict"], report["records"]) == ("fails", 20)


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"\x05", b"\x80", cbor.encode({"device": 7})], ids=str)
def test_a_store_without_its_identity_is_exported_under_the_name_in_its_records(tmp_path, content):
    store, _, words = _folder(tmp_path)
    store.remove("device/identity")
    if content is not None:
        store.replace("device/identity", content)
    before = store.read(SEGMENT)
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1 and "CFG-099" in done.output and store.read(SEGMENT) == before
    report = json.loads(CliRunner().invoke(app, ["verify", str(tmp_path / "out"), "--json"]).output)
    assert (report["device"], report["records"], report["trouble"]) == (exports.DEVICE, 20, "CFG-099")
    assert _kinds(report) == ["unopened"] and "identity" in report["findings"][0]["text"]
    assert report["verdict"] == "fails"


def test_where_no_record_names_the_device_either_nothing_is_exported(tmp_path):
    store, _, words = _folder(tmp_path)
    for name in ("device/identity", SEGMENT, "copies/000001.seg"):
        store.remove(name)
    error = CliRunner().invoke(app, words).exception
    assert isinstance(error, ConfigError) and error.code == "CFG-099" and not (tmp_path / "out").exists()
