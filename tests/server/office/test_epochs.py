"""A new epoch: asked for by the terminal, proposed and approved by two officers, begun exactly once."""

import copy
import shutil
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from sqlalchemy import select

from protocol import records as r
from protocol import sync as s
from protocol.errors import ConfigError, ParameterError
from server.office import epochs, signing
from server.office.signing import VALID_S
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from tests.server.beginnings import BackOffice, begin, told, trouble
from tests.server.centre import Centre
from tests.server.handheld import ES256, Handheld, dumps
from tests.server.officers import FIRST, SECOND


@pytest.fixture
def back(centre: Centre) -> BackOffice:
    return BackOffice(centre)


def _opened(message: bytes, key: bytes, content_type: str, role: bytes) -> Any:
    protected, _, payload, signature = cbor2.loads(message)
    assert cbor2.loads(protected) == {1: -7, 3: content_type, 4: role}
    pair = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
    public.verify(pair, dumps(["Signature1", protected, b"", payload]), ES256)
    return cbor2.loads(payload)


def _paid_and_lost(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_APPROVED, 200_000)
    centre.hello(handheld)
    centre.send(handheld)
    handheld.pay(r.OUTCOME_APPROVED, 900_000)  # never sent: lost with the storage
    del handheld.records[3:]
    del handheld.attached[s.SEALED][6]


def test_a_terminal_in_trouble_raises_one_alarm_and_gets_nothing_unapproved(centre: Centre, handheld: Handheld) -> None:
    _paid_and_lost(centre, handheld)
    for _ in range(3):
        assert s.COMMANDS not in trouble(centre, handheld)
    assert centre.alarms() == ["EPOCH"]
    assert "JRN-030" in centre.ledger()["alarms"][0]["what"]


def test_approved_by_two_the_command_comes_until_the_epoch_begins_and_never_after(
    centre: Centre, handheld: Handheld, back: BackOffice
) -> None:
    _paid_and_lost(centre, handheld)
    back.both()
    for _ in range(2):  # the first reply may be lost
        (command,) = trouble(centre, handheld)[s.COMMANDS]
    said = _opened(command, centre.keys.public("cmd"), "tsd/cmd", b"cmd")
    assert (said[1], said[2], said[4]) == ("TSD-000001", 1, "epoch") and said[3] > centre.now
    approval = _opened(said[5], centre.keys.public("epoch"), "tsd/epoch", b"epoch")
    assert approval == {1: "TSD-000001", 2: 2, 3: 3, 4: handheld.hash(3), 5: 1, 6: 200_000, 7: 1}
    begin(handheld)
    handheld.pay(r.OUTCOME_APPROVED, 300_000)
    welcome = centre.hello(handheld)
    assert (welcome[s.ACKED_SEQ], welcome[s.ACKED_HASH]) == (3, handheld.hash(3)) and s.COMMANDS not in welcome
    ack = centre.send(handheld, 4)
    assert (ack[s.ACKED_SEQ], ack[s.NEW]) == (7, 4) and s.REJECTED not in ack
    assert centre.books()["treasury:16:1:BMP-16-01"] == -500_000
    (listed,) = centre.ledger()["epochs"]
    assert (listed["state"], listed["proposed_by"], listed["approved_by"]) == ("begun", FIRST, SECOND)
    assert centre.ledger()["devices"][0]["approved_total"] == 500_000


def test_nobody_approves_what_he_proposed(centre: Centre, handheld: Handheld, back: BackOffice) -> None:
    _paid_and_lost(centre, handheld)
    payload = back.draft()
    back.propose(payload)
    with pytest.raises(ParameterError) as error:
        back.approve(payload, FIRST)
    assert error.value.code == "PRM-033"
    assert s.COMMANDS not in trouble(centre, handheld)


@pytest.mark.parametrize("name", ["", "TSD-009999", "\udcff", "TSD-000001\x00"])
def test_what_names_no_device_is_told_so(centre: Centre, name: str) -> None:
    with centre.engine.begin() as connection:
        with pytest.raises(ParameterError) as error:
            epochs.draft(connection, name, "storage lost", centre.now)
        with pytest.raises(ParameterError) as other:
            epochs.proposed(connection, name, 1)
    assert error.value.code == other.value.code == "PRM-031" and str(error.value).isprintable()


@pytest.mark.parametrize("expires", [None, "soon", 0, 1, -VALID_S, VALID_S + 1, 1 << 40])
def test_a_proposal_that_would_stand_for_another_time_than_proposals_do_is_none(
    centre: Centre, handheld: Handheld, back: BackOffice, expires: Any
) -> None:
    _paid_and_lost(centre, handheld)
    payload = back.draft()
    del payload[9]
    if expires is not None:
        payload[9] = centre.now + expires if isinstance(expires, int) and expires != 1 else expires
    with pytest.raises(ParameterError) as error:
        back.propose(payload)
    assert error.value.code == ("PRM-032" if isinstance(payload.get(9), int) else "PRM-030")


def test_a_proposal_is_no_approval_and_a_strangers_signature_none_at_all(
    centre: Centre, handheld: Handheld, back: BackOffice
) -> None:
    _paid_and_lost(centre, handheld)
    payload = back.draft()
    back.propose(payload)
    with pytest.raises(ParameterError) as error:
        back.approve(payload, SECOND, epochs.PROPOSAL)
    assert error.value.code == "PRM-030"
    stranger = signing.decide(ec.generate_private_key(ec.SECP256R1()), SECOND, epochs.APPROVAL, payload)
    with centre.engine.begin() as connection, pytest.raises(ParameterError) as error:
        epochs.approve(connection, back.office, stranger, centre.now)
    assert error.value.code == "PRM-030"
    with pytest.raises(ParameterError) as error:
        back.approve({**payload, 6: 0})
    assert error.value.code == "PRM-032"
    assert s.COMMANDS not in trouble(centre, handheld)


def test_an_approval_whose_chain_went_on_is_withdrawn(centre: Centre, handheld: Handheld, back: BackOffice) -> None:
    """The old epoch's stragglers: records that were still on their way."""
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    centre.send(handheld, 1, 2)
    back.both()
    centre.send(handheld, 3)
    assert s.COMMANDS not in trouble(centre, handheld)
    assert centre.ledger()["epochs"][0]["state"] == "withdrawn"


def test_stragglers_of_the_old_session_are_refused_once_the_command_was_told(
    centre: Centre, handheld: Handheld, back: BackOffice
) -> None:
    """From then on the terminal may have begun: the chain must not go on past what was approved."""
    handheld.pay(r.OUTCOME_APPROVED, 200_000)
    centre.hello(handheld)
    centre.send(handheld)
    handheld.notice()
    late = handheld.batch(4)
    del handheld.records[3:]
    back.both()
    assert s.COMMANDS in trouble(centre, handheld)
    assert centre.refused(late) == "SRV-014"
    assert s.COMMANDS in trouble(centre, handheld)  # the reply may have been lost: told again
    begin(handheld)
    assert centre.hello(handheld)[s.ACKED_SEQ] == 3
    assert centre.send(handheld, 4)[s.ACKED_SEQ] == 4
    assert centre.ledger()["epochs"][0]["state"] == "begun"


def test_an_expired_approval_is_not_delivered(centre: Centre, handheld: Handheld, back: BackOffice) -> None:
    _paid_and_lost(centre, handheld)
    back.both()
    centre.now += VALID_S + 1
    assert s.COMMANDS not in trouble(centre, handheld)


def test_an_epoch_that_nobody_approved_is_refused(centre: Centre, handheld: Handheld, back: BackOffice) -> None:
    _paid_and_lost(centre, handheld)
    begin(handheld)
    assert centre.refused(handheld.hello()) == "SRV-016"
    handheld.epoch = 1
    back.both()
    handheld.epoch = 3
    assert centre.refused(handheld.hello()) == "SRV-016"


def test_messages_of_the_old_epoch_are_refused_once_the_new_one_has_begun(
    centre: Centre, handheld: Handheld, back: BackOffice
) -> None:
    _paid_and_lost(centre, handheld)
    late = handheld.batch(1)
    back.both()
    begin(handheld)
    centre.hello(handheld)
    assert centre.refused(late) == "SRV-014"
    handheld.epoch = 1
    before = centre.alarms().count("EPOCH")
    for _ in range(3):
        assert centre.refused(handheld.hello()) == "SRV-016"
    assert centre.alarms().count("EPOCH") == before + 1  # a second terminal of this name speaks like this
    handheld.epoch = 2
    centre.hello(handheld)
    assert centre.send(handheld, 4)[s.ACKED_SEQ] == 4


def test_results_of_the_old_epoch_are_posted_but_no_longer_handed_out(
    centre: Centre, handheld: Handheld, back: BackOffice
) -> None:
    handheld.pay(r.OUTCOME_PROVISIONAL)
    centre.hello(handheld)
    centre.send(handheld)
    back.both()
    begin(handheld)
    centre.hello(handheld)
    for request in centre.claim():
        centre.answer(request, "00")
    assert centre.books()["receivable:CIB TEST"] == 200_000
    assert s.RESULTS not in centre.hello(handheld)


def test_a_restored_server_knows_its_approval_again_and_holds_what_is_lost(
    centre: Centre, handheld: Handheld, back: BackOffice
) -> None:
    """The backup is older than record 3 and than the approval; the terminal has lost 1 to 3."""
    _paid_and_lost(centre, handheld)
    back.both()
    approval = told(centre, handheld)
    begin(handheld)
    other = Centre(centre.folder / "restored", handheld)
    assert other.refused(handheld.hello()) == "SRV-016"
    assert other.refused(handheld.hello(approval=approval)) == "SRV-016"  # another server's key
    other.keys = other.service.keys = centre.keys
    kind, welcome = other.say(handheld.hello(approval=approval))
    assert (kind, welcome[s.ACKED_SEQ]) == (s.TYPE_WELCOME, 3)
    assert other.books() == {"missing:TSD-000001": 200_000, "suspense:16:1:BMP-16-01": -200_000}
    assert other.send(handheld, 4)[s.ACKED_SEQ] == 4
    assert other.books()["missing:TSD-000001"] == 200_000


def test_a_beginning_that_another_terminal_of_the_name_has_overtaken_since_a_restore_is_an_alarm(
    centre: Centre, handheld: Handheld, back: BackOffice
) -> None:
    _paid_and_lost(centre, handheld)
    back.both()
    approval = told(centre, handheld)
    other = Centre(centre.folder / "restored", handheld)
    other.keys = other.service.keys = centre.keys
    handheld.write(r.HEALTH_EVENT, health="a copy")
    other.hello(handheld)
    other.send(handheld)
    del handheld.records[3:]
    begin(handheld)
    before = other.alarms().count("EPOCH")
    for _ in range(3):
        assert other.refused(handheld.hello(approval=approval)) == "SRV-045"
    assert other.alarms().count("EPOCH") == before + 1


def test_a_session_that_a_backup_knows_is_over_after_the_restore(centre: Centre, handheld: Handheld) -> None:
    """A straggler of it must not carry the chain on past an approval that only the terminal knows any more."""
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    late = handheld.batch(1)
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)
    assert centre.refused(late) == "SRV-014"
    centre.hello(handheld)
    assert centre.send(handheld)[s.ACKED_SEQ] == 3


def test_an_approval_that_the_chain_has_overtaken_gives_way_to_the_one_that_the_terminal_shows(
    centre: Centre, handheld: Handheld, back: BackOffice
) -> None:
    """The backup was older than the approval, and its number was approved once more since the restore, before a copy carried the chain on."""
    handheld.pay(r.OUTCOME_APPROVED, 200_000)
    centre.hello(handheld)
    centre.send(handheld, 1, 2)
    other, twin = _backup(centre), copy.deepcopy(handheld)
    centre.restart()
    centre.send(handheld, 3)
    back.both()
    approval = told(centre, handheld)
    begin(handheld)
    centre.hello(handheld)
    with other.engine.begin() as connection:
        restore.mark(connection, other.now)
    back.centre = other
    other.hello(twin)
    again = back.both()
    assert (again[2], again[3]) == (2, 2)
    other.send(twin, 3)
    assert other.refused(handheld.hello()) == "SRV-016"
    kind, welcome = other.say(handheld.hello(approval=approval))
    assert (kind, welcome[s.ACKED_SEQ]) == (s.TYPE_WELCOME, 3)
    assert other.send(handheld, 4)[s.ACKED_SEQ] == 4


def test_a_restored_server_proposes_no_epoch_that_the_terminal_has_had(
    centre: Centre, handheld: Handheld, back: BackOffice
) -> None:
    """The terminal is in epoch 2, of which the backup knows nothing, and cannot show it: its journal is in disorder."""
    _paid_and_lost(centre, handheld)
    handheld.epoch = 2
    assert s.COMMANDS not in trouble(centre, handheld)
    assert "epoch 2, epoch 1 is on file" in centre.ledger()["alarms"][0]["what"]
    handheld.epoch = 1  # on a fresh volume: it knows of none
    trouble(centre, handheld)
    assert back.both()[2] == 3
    (command,) = trouble(centre, handheld)[s.COMMANDS]
    approval = _opened(
        _opened(command, centre.keys.public("cmd"), "tsd/cmd", b"cmd")[5],
        centre.keys.public("epoch"),
        "tsd/epoch",
        b"epoch",
    )
    assert (approval[2], approval[3]) == (3, 3)
    begin(handheld, 3)
    assert centre.hello(handheld)[s.ACKED_SEQ] == 3
    assert centre.send(handheld, 4)[s.ACKED_SEQ] == 4
    assert back.draft()[2] == 4


def test_an_approval_gives_way_when_the_terminal_tells_of_a_later_epoch(
    centre: Centre, handheld: Handheld, back: BackOffice
) -> None:
    _paid_and_lost(centre, handheld)
    assert back.both()[2] == 2
    handheld.epoch = 2
    assert s.COMMANDS not in trouble(centre, handheld)
    assert centre.ledger()["epochs"][0]["state"] == "withdrawn"
    assert back.both()[2] == 3 and s.COMMANDS in trouble(centre, handheld)


def test_how_far_a_terminal_may_be_ahead_is_bounded(centre: Centre, handheld: Handheld, back: BackOffice) -> None:
    _paid_and_lost(centre, handheld)
    for known, proposed in (
        (0, 2),
        (1, 2),
        (0xFFFFFFFF, 2),
        (2 + epochs.AHEAD, 2),
        (1 + epochs.AHEAD, 2 + epochs.AHEAD),
    ):
        handheld.epoch = known
        trouble(centre, handheld)
        assert back.draft()[2] == proposed
    assert "more than 16 after epoch 1" in str(centre.ledger()["alarms"])


def test_a_proposal_is_over_when_the_terminal_shows_that_its_own_epoch_goes_on(
    centre: Centre, handheld: Handheld, back: BackOffice
) -> None:
    _paid_and_lost(centre, handheld)
    back.both()
    shown = told(centre, handheld)
    begin(handheld)
    other = Centre(centre.folder / "restored", handheld)
    other.keys = other.service.keys = centre.keys
    other_back = BackOffice(other)
    assert other.say(handheld.hello(trouble="JRN-030"))[0] == s.TYPE_WELCOME
    assert other_back.both()[2] == 3
    kind, welcome = other.say(handheld.hello(approval=shown))
    assert kind == s.TYPE_WELCOME and s.COMMANDS not in welcome
    assert [each["state"] for each in other.ledger()["epochs"]] == ["begun", "withdrawn"]


def test_an_officers_key_is_never_replaced(centre: Centre, back: BackOffice) -> None:
    with pytest.raises(ConfigError):
        signing.enrol(back.folder / "office.json", FIRST, centre.folder / "other.pem")
    assert (centre.folder / "2001.pem").stat().st_mode & 0o777 == 0o600


def test_a_device_that_asks_in_ever_other_words_is_heard_once_for_each(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    centre.send(handheld)
    for number in range(40):
        centre.say(handheld.hello(trouble=f"JRN-0{30 + number % 2}", epoch=1))
        centre.say(handheld.hello(trouble="x" * number, epoch=100 + number))
    with reading(centre.engine) as connection:
        lines = connection.execute(select(t.audit.c.what).where(t.audit.c.code == "EPOCH")).scalars().all()
    assert len(lines) == len(set(lines)) == 3


def _backup(centre: Centre) -> Centre:
    """A server with the same keys, restored from what the database holds now."""
    centre.engine.dispose()
    (centre.folder / "restored").mkdir()
    shutil.copy(centre.folder / "server.db", centre.folder / "restored")
    other = Centre(centre.folder / "restored")
    other.keys = other.service.keys = centre.keys
    return other


def _approved(centre: Centre, handheld: Handheld, back: BackOffice) -> bytes:
    """The approval of a new epoch, as the terminal keeps it."""
    trouble(centre, handheld)
    back.both()
    return told(centre, handheld)


def _lost_beginning(handheld: Handheld) -> bytes:
    """The first record of the present epoch is lost, and the terminal pays on: the batch that says so."""
    first = handheld.records[-1][r.SEQ]
    handheld.write(r.GAP, first=first, gap_last=first, gap_hash=handheld.hash(first))
    handheld.pay(r.OUTCOME_APPROVED, 500_000)
    return handheld.batch(first + 1, gap=first)


def _restored_before_epoch_2(centre: Centre, handheld: Handheld, back: BackOffice) -> Centre:
    """A server that was restored from before record 4 and the new epoch, and was shown that epoch's approval."""
    handheld.pay(r.OUTCOME_APPROVED, 200_000)
    centre.hello(handheld)
    centre.send(handheld)
    other = _backup(centre)
    handheld.pay(r.OUTCOME_APPROVED, 300_000)
    centre.restart()
    centre.hello(handheld)
    centre.send(handheld, 4)
    approval = _approved(centre, handheld, back)
    begin(handheld)
    with other.engine.begin() as connection:
        restore.mark(connection, other.now)
    other.say(handheld.hello(approval=approval))
    return other


HELD = {"missing:TSD-000001": 300_000, "suspense:16:1:BMP-16-01": -300_000}


def test_what_is_lost_on_both_sides_of_a_new_epoch_is_counted_once(
    centre: Centre, handheld: Handheld, back: BackOffice
) -> None:
    """Records 4 to 6 since the backup was older than the epoch, record 7 in the terminal's storage."""
    other = _restored_before_epoch_2(centre, handheld, back)
    assert other.say(_lost_beginning(handheld))[0] == s.TYPE_ACK
    assert {name: amount for name, amount in other.books().items() if name in HELD} == HELD


def test_two_epochs_begun_after_the_same_record_and_nothing_of_either_on_file(
    centre: Centre, handheld: Handheld, back: BackOffice
) -> None:
    other = _restored_before_epoch_2(centre, handheld, back)
    del handheld.records[6:]  # the storage is lost before a record of epoch 2 was sent
    handheld.epoch = 1
    back.centre = other
    approval = _approved(other, handheld, back)
    begin(handheld, 3)
    other.say(handheld.hello(approval=approval))
    assert other.books()["missing:TSD-000001"] == 300_000 and other.ledger()["gaps"]
    assert other.say(_lost_beginning(handheld))[0] == s.TYPE_ACK
    assert {name: amount for name, amount in other.books().items() if name in HELD} == HELD


def test_a_fork_of_the_epoch_before_makes_nothing_of_the_next_one_a_fork(
    centre: Centre, handheld: Handheld, back: BackOffice
) -> None:
    """The second branch went past the head, and the new epoch uses its numbers again."""
    handheld.pay(r.OUTCOME_APPROVED, 200_000)
    centre.hello(handheld)
    centre.send(handheld)
    twin = copy.copy(handheld)
    twin.records, twin.attached = handheld.records[:2], {key: {} for key in handheld.attached}
    for number in range(8):
        twin.write(r.HEALTH_EVENT, health=f"t{number}")
    centre.hello(twin)
    centre.say(twin.batch(3))
    approval = _approved(centre, handheld, back)
    begin(handheld)
    intent = handheld.pay(r.OUTCOME_PROVISIONAL, 300_000)
    centre.say(handheld.hello(approval=approval))
    centre.send(handheld, 4)
    for request in centre.claim():
        centre.answer(request, "00")
    centre.hello(handheld)
    lost = handheld.write(r.AUTHORISATION_RESULT, case=handheld.cases, intent=intent, outcome=1, amount=300_000)
    handheld.write(r.GAP, first=lost, gap_last=lost, gap_hash=handheld.hash(lost))
    centre.hello(handheld)
    centre.say(handheld.batch(lost + 1, gap=lost))
    assert "missing:TSD-000001" not in centre.books() and centre.ledger()["gaps"][0]["known"] == [intent]
