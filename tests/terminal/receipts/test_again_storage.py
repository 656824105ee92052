"""The menu looks for papers further back than a boot looks: what is broken there stops no terminal."""

from protocol import cbor
from protocol import records as r
from terminal.journal.frames import frame
from terminal.journal.journal import Journal
from tests.terminal.receipts.again_bench import PaperBench

DEVICE_HEAP = "1m"  # the storage is in memory here, and a segment of it is written anew in one piece


async def test_a_chain_that_is_broken_far_back_stops_no_terminal():
    bench = PaperBench()
    await bench.journal.open()
    await bench.case(1, r.OUTCOME_APPROVED)
    await bench.journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
    record, data, signature = list(bench.journal.entries(1))[-1]
    for _ in range(500):
        await bench.journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
    other = dict(record)
    other[r.HEALTH] = "y"
    files, name = bench.storage.files, "journal/000001.seg"
    there, instead = frame(record[r.SEQ], data, signature), frame(record[r.SEQ], cbor.encode(other), signature)
    assert there in files[name]
    files[name] = files[name].replace(there, instead)
    bench.journal = Journal(bench.storage, bench.se, bench.clock, bench.crypto, bench.device)
    await bench.journal.open()  # which does not look so far back
    bench.journal.officer, bench.journal.unit = 1007, "U"
    from terminal.flows import again

    await again.again(bench)
    assert bench.papers == [] and bench.face.shown == [("message", {"key": "msg.no_paper"})]
