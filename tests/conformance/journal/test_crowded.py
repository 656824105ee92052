"""A flash so full that nobody may write anything, all of it acknowledged: time alone gives room back, switched off every night or never."""

from types import SimpleNamespace

import pytest

from protocol import records as r
from protocol import sync as m
from protocol.errors import JournalError, RiskError
from terminal.parameters import Parameters
from terminal.sync import Sync
from tools.journal.soak.rig import CRYPTO, Rig, now

DAY = 86400


def _session(rig: Rig) -> None:
    """One session with a centre that takes all there is."""
    journal = rig.journal

    async def hello(_t: object, _extra: object = None) -> dict[int, object]:
        seq = journal.acked_seq
        digest = CRYPTO.sha256(journal.record_at(seq)[1]) if seq else b""
        return {m.NONCE: b"n", m.SERVER_UTC: rig.clock.utc, m.ACKED_SEQ: seq, m.ACKED_HASH: digest}

    async def exchange(_kind: str, _payload: object, _expected: str) -> dict[int, object]:
        return {m.ACKED_SEQ: journal.head_seq, m.ACKED_HASH: journal.head_hash}

    async def progress(_done: int, _total: int) -> None:
        pass

    clock = SimpleNamespace(set_utc=lambda *_: None)
    ports = SimpleNamespace(clock=clock, batch_bytes=4096, crypto=CRYPTO)
    parameters = Parameters(rig.storage, CRYPTO, None)
    t = SimpleNamespace(journal=journal, ports=ports, parameters=parameters, note=lambda *_a, **_k: None)
    sync = Sync(t, progress)
    sync._hello = lambda: hello(None)  # type: ignore[method-assign]
    sync.exchange = exchange  # type: ignore[method-assign]
    now(sync.run())


def _filled(blocks: int, left: int) -> Rig:
    """A flash on which less than `left` bytes are free, nothing of it acknowledged."""
    rig = Rig(settles=0, blocks=blocks, retention=60 * DAY, sound=True)
    with pytest.raises(RiskError):
        while True:
            rig.transaction()
    now(rig.journal.end_what_was_cut())
    while rig.storage.free_bytes() >= left:
        now(rig.journal.append(r.HEALTH_EVENT, {r.HEALTH: "printer"}))
    return rig


def _days_until_there_is_room(rig: Rig) -> int:
    """With a boot and a session each, 15 at most."""
    day = 0
    while rig.journal.crowded() and day < 15:
        day += 1
        rig.clock.utc += DAY
        rig.boot()
        _session(rig)
    return day


@pytest.mark.parametrize("every_night", [True, False])
def test_a_crowded_flash_gets_room_back(every_night: bool) -> None:
    rig = _filled(256, 32768)
    _session(rig)
    assert rig.journal.crowded() and rig.journal.first_retained == 1
    day = 0
    while rig.journal.crowded() and day < 15:
        day += 1
        rig.clock.utc += DAY
        if every_night:
            rig.boot()
        if not rig.journal.crowded():
            break
        with pytest.raises(RiskError):
            now(rig.journal.append(r.LOGIN, {}))
        _session(rig)
    assert 7 <= day <= 9 and rig.journal.first_retained > 1
    now(rig.journal.append(r.LOGIN, {}))


def test_a_flash_without_room_for_one_more_segment_gives_second_copies_up_and_gets_room_back() -> None:
    """What is acknowledged needs a segment that dates it; there is none to begin but in the room of second copies."""
    rig = _filled(96, 12288)
    kept = len(rig.storage.names("copies"))
    _session(rig)
    assert 0 < len(rig.storage.names("copies")) < kept
    assert rig.journal.record_at(rig.journal.head_seq)[0][r.HEALTH] == "room"
    day = _days_until_there_is_room(rig)
    assert 7 <= day <= 9 and rig.journal.first_retained > 1
    now(rig.journal.append(r.LOGIN, {}))


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_a_boot_finds_its_way_out_of_a_flash_that_was_filled_to_the_last_block(kept: int) -> None:
    """The last record's second copy, or what tells of a loss, needs a block: second copies of what the server has give way."""
    rig = Rig(settles=0, blocks=96, retention=60 * DAY, sound=True)
    with pytest.raises(RiskError):
        while True:
            rig.transaction()
    now(rig.journal.end_what_was_cut())
    _session(rig)
    for _ in range(kept):
        now(rig.journal.append(r.HEALTH_EVENT, {r.HEALTH: "printer"}))
    result = {r.CASE: 1, r.PV: "000001-00001", r.INTENT: 2, r.AMOUNT: 1, r.OUTCOME: r.OUTCOME_DECLINED, r.REASON: "51"}
    with pytest.raises(JournalError, match="JRN-012"):
        while True:
            now(rig.journal.append(r.AUTHORISATION_RESULT, result))
    head = rig.journal.head_seq
    rig.boot()
    assert rig.journal.head_seq in (head, head + 1) and rig.storage.free_bytes() >= 0
    _session(rig)
    day = _days_until_there_is_room(rig)
    assert day <= 9
    now(rig.journal.append(r.LOGIN, {}))
