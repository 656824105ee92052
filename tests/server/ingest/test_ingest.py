"""Ingest: chain, duplicate, gap, fork, signatures, totals; every reply signed and bound."""

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import select, update

from protocol import batch
from protocol import records as r
from protocol import sync as s
from server import codes, sets
from server.store import tables as t
from server.store.engine import reading
from server.wire import messages
from tests.server.centre import Centre
from tests.server.handheld import Handheld

A = 200_000


def test_hello_is_answered_with_what_is_known_and_wanted(centre: Centre, handheld: Handheld) -> None:
    handheld.write(r.SHIFT_OPENED)
    handheld.write(r.LOGIN)
    welcome = centre.hello(handheld)
    assert welcome[s.NONCE] == handheld.nonce and welcome[s.DEVICE] == handheld.name and welcome[s.EPOCH] == 1
    assert welcome[s.ACKED_SEQ] == 0 and welcome[s.ACKED_HASH] == bytes(32)
    assert welcome[s.WANTED] == [[1, 2]]
    assert welcome[s.SERVER_UTC] == centre.now


def test_a_batch_is_acknowledged_up_to_its_last_hash(centre: Centre, handheld: Handheld) -> None:
    handheld.write(r.SHIFT_OPENED)
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    ack = centre.send(handheld)
    assert (ack[s.ACKED_SEQ], ack[s.ACKED_HASH]) == (4, handheld.hash(4))
    assert (ack[s.NEW], ack[s.DUPLICATES]) == (4, 0)
    assert s.REJECTED not in ack and s.WANTED not in ack
    assert centre.hello(handheld)[s.WANTED] == []


def test_an_approved_payment_is_posted_to_the_treasury_and_owed_by_the_acquirer(
    centre: Centre, handheld: Handheld
) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    centre.send(handheld)
    assert centre.books() == {"receivable:CIB TEST": A, "treasury:16:1:BMP-16-01": -A}


def test_a_provisional_payment_waits_in_suspense(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_PROVISIONAL)
    centre.hello(handheld)
    centre.send(handheld)
    assert centre.books() == {"provisional:CIB TEST": A, "awaited:16:1:BMP-16-01": -A}


@pytest.mark.parametrize("outcome", [r.OUTCOME_DECLINED, r.OUTCOME_INTERRUPTED])
def test_declined_and_interrupted_post_and_ask_nothing(centre: Centre, handheld: Handheld, outcome: int) -> None:
    handheld.pay(outcome)
    centre.hello(handheld)
    centre.send(handheld)
    assert centre.books() == {}
    assert centre.claim() == []
    assert sum(entry["count"] for entry in centre.ledger()["totals"].values()) == 1


def test_records_sent_twice_count_as_duplicates_and_post_once(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    centre.send(handheld)
    ack = centre.send(handheld)  # the first ACK was lost
    assert (ack[s.ACKED_SEQ], ack[s.NEW], ack[s.DUPLICATES]) == (3, 0, 3)
    handheld.pay(r.OUTCOME_APPROVED)
    overlapping = centre.send(handheld, 2)
    assert (overlapping[s.NEW], overlapping[s.DUPLICATES]) == (3, 2)
    assert centre.books()["treasury:16:1:BMP-16-01"] == -2 * A
    assert centre.count("raw") == 6


def test_a_batch_after_a_gap_is_not_kept_and_the_range_is_asked_for(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    ack = centre.send(handheld, 3)
    assert (ack[s.ACKED_SEQ], ack[s.NEW]) == (0, 0)
    assert ack[s.WANTED] == [[1, 6]]
    assert centre.count("raw") == 0
    assert centre.send(handheld, 1)[s.ACKED_SEQ] == 6


def test_one_sequence_with_two_records_is_a_fork_and_neither_stays_posted(centre: Centre, handheld: Handheld) -> None:
    handheld.write(r.SHIFT_OPENED)
    kept = handheld.records[:]
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    centre.send(handheld)
    handheld.records, handheld.cases = kept, 0  # the flash was rolled back and used again
    handheld.attached[s.SEALED].clear()
    handheld.pay(r.OUTCOME_APPROVED, 300_000)
    centre.hello(handheld)
    ack = centre.send(handheld)
    assert ack[s.ACKED_SEQ] == 4 and ack[s.DUPLICATES] == 1 and ack[s.NEW] == 0
    assert ack[s.REJECTED] == [[2, codes.FORK], [3, codes.FORK], [4, codes.FORK]]
    assert centre.count("forks") == 3
    assert codes.FORK in centre.alarms()
    assert centre.books() == {}
    assert centre.claim() == []  # nothing of it is sent to the acquirer
    again = centre.send(handheld)
    assert again[s.REJECTED] == ack[s.REJECTED] and centre.count("forks") == 3


def test_a_branch_from_a_foreign_hash_is_a_fork(centre: Centre, handheld: Handheld) -> None:
    handheld.write(r.SHIFT_OPENED)
    centre.hello(handheld)
    centre.send(handheld)
    handheld.records[0][r.OFFICER] = 4711
    handheld.write(r.LOGIN)
    ack = centre.send(handheld, 2)
    assert ack[s.ACKED_SEQ] == 1 and ack[s.REJECTED] == [[2, codes.FORK]]


def test_a_payment_that_joins_the_chain_after_another_branch_had_its_sequence_is_held(
    centre: Centre, handheld: Handheld
) -> None:
    handheld.write(r.SHIFT_OPENED)
    centre.hello(handheld)
    centre.send(handheld)
    true = [dict(record) for record in handheld.records]
    handheld.records[0][r.OFFICER] = 4711  # a copy of the terminal speaks first
    handheld.pay(r.OUTCOME_APPROVED)
    centre.send(handheld, 2)
    handheld.records, handheld.cases = true, 0
    handheld.attached[s.SEALED].clear()
    handheld.pay(r.OUTCOME_APPROVED, 300_000)
    centre.hello(handheld)
    ack = centre.send(handheld, 2)
    assert ack[s.NEW] == 3
    assert centre.books() == {}
    assert centre.claim() == []


def test_a_message_with_another_devices_key_is_refused(centre: Centre, handheld: Handheld) -> None:
    handheld.write(r.SHIFT_OPENED)
    centre.hello(handheld)
    handheld.key = Handheld().key
    assert centre.refused(handheld.batch(1)) == codes.BAD_SIGNATURE
    assert centre.refused(Handheld("TSD-999999").hello()) == codes.UNKNOWN_DEVICE
    assert centre.count("raw") == 0


def test_a_message_not_bound_to_the_last_hello_is_refused(centre: Centre, handheld: Handheld) -> None:
    handheld.write(r.SHIFT_OPENED)
    assert centre.refused(handheld.batch(1, nonce=bytes(8))) == codes.WRONG_NONCE  # no HELLO yet
    centre.hello(handheld)
    old = handheld.batch(1)
    centre.hello(handheld)
    assert centre.refused(old) == codes.WRONG_NONCE
    assert centre.send(handheld)[s.NEW] == 1


def test_a_replayed_hello_is_refused_but_one_doubled_by_the_network_is_not(centre: Centre, handheld: Handheld) -> None:
    first = handheld.hello()
    assert centre.say(first)[0] == s.TYPE_WELCOME
    assert centre.say(first)[0] == s.TYPE_WELCOME
    centre.hello(handheld)
    assert centre.refused(first) == codes.NONCE_REUSED


def test_a_refusal_is_signed_and_echoes_the_nonce(centre: Centre, handheld: Handheld) -> None:
    handheld.write(r.SHIFT_OPENED)
    centre.hello(handheld)
    kind, payload = centre.say(handheld.batch(1, epoch=9))
    assert kind == s.TYPE_REFUSED and payload[s.NONCE] == handheld.nonce and payload[s.CODE] == codes.WRONG_EPOCH
    assert payload[s.DEVICE] == handheld.name
    stranger = Handheld("TSD-999999")
    kind, payload = centre.say(stranger.hello())
    assert kind == s.TYPE_REFUSED and (payload[s.NONCE], payload[s.DEVICE]) == (stranger.nonce, stranger.name)


def test_a_signature_for_one_role_does_not_serve_another(centre: Centre, handheld: Handheld) -> None:
    handheld.write(r.SHIFT_OPENED)
    assert centre.refused(handheld.message(s.TYPE_ACK, {s.NONCE: bytes(8)})) == codes.WRONG_TYPE
    assert (
        centre.refused(handheld.message(s.TYPE_BATCH, {s.NONCE: bytes(8), s.EPOCH: 1, s.DEVICE: "TSD-2"}))
        == codes.WRONG_DEVICE
    )


def test_every_truncation_of_a_batch_is_refused_and_stores_nothing(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    body = handheld.batch(1)
    for length in range(0, len(body), 7):
        assert centre.refused(body[:length]) == codes.MALFORMED
    assert centre.count("raw") == 0
    assert centre.refused(body + b"\0") == codes.MALFORMED


def test_every_flipped_byte_of_a_batch_is_refused(centre: Centre, handheld: Handheld) -> None:
    handheld.write(r.SHIFT_OPENED)
    centre.hello(handheld)
    body = handheld.batch(1)
    for at in range(len(body)):
        spoilt = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        assert centre.say(spoilt)[0] == s.TYPE_REFUSED
    assert centre.count("raw") == 0


def test_an_oversized_message_is_refused(centre: Centre, handheld: Handheld) -> None:
    assert centre.refused(bytes(65537)) == codes.TOO_LARGE
    centre.hello(handheld)
    for _ in range(257):
        handheld.write(r.HEALTH_EVENT, health="boot")
    assert centre.refused(handheld.batch(1)) == codes.MALFORMED  # more records than a batch may have
    assert centre.send(handheld, 1, 256)[s.ACKED_SEQ] == 256


@pytest.mark.parametrize(
    "change",
    [
        {"records": []}, {"records": [{11: 3}]}, {"records": ["x"]}, {"records": None}, {"first_seq": 0}, {"prev_hash": b"short"},
        {"signatures": {5: bytes(64)}}, {"signatures": {0: bytes(63)}}, {"sealed": {0: b""}}, {"cum_total": -1},
        {"nonce": b"x"}, {"epoch": "1"}, {"records": [{1: 1, 6: 1, 9: 5, 10: 1, 11: 9, 12: 0, 13: "U"}]},
        {"records": [{1: 1, 6: 1, 9: 5, 10: 1, 11: 9, 12: 0, 13: "U", 24: "much", 29: 1}]},
        {"records": [{1: 1, 4: 9, 6: 1, 9: 5, 10: 1, 11: 3, 12: 0, 13: "U"}]},
        {"shared": []}, {"shared": {43: b"x"}}, {"shared": {44: 1}}, {"shared": {44: bytes(999)}, "sealed": {0: b"x"}},
        {"shared": {44: b"x"}, "sealed": {0: 1}}, {"shared": {44: b"x"}, "sealed": {1: b""}},
    ],
)  # fmt: skip
def test_a_batch_of_wrong_shape_is_refused(centre: Centre, handheld: Handheld, change: dict[str, object]) -> None:
    handheld.write(r.SHIFT_OPENED)
    centre.hello(handheld)
    assert centre.refused(handheld.batch(1, **change)) == codes.MALFORMED
    assert centre.count("raw") == 0


def test_totals_that_do_not_continue_the_chain_are_refused(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    assert centre.refused(handheld.batch(1, cum_total=1)) == codes.WRONG_TOTALS
    centre.send(handheld)
    handheld.pay(r.OUTCOME_APPROVED)
    assert centre.refused(handheld.batch(4, cum_count=0)) == codes.WRONG_TOTALS
    assert centre.send(handheld, 4)[s.NEW] == 3


def test_an_outcome_without_its_own_signature_is_kept_but_not_posted(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    handheld.unsigned.add(3)
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    ack = centre.send(handheld)
    assert ack[s.ACKED_SEQ] == 6 and ack[s.REJECTED] == [[3, codes.BAD_OUTCOME_SIGNATURE]]
    assert centre.books()["treasury:16:1:BMP-16-01"] == -A  # the one after it is posted all the same
    assert codes.BAD_OUTCOME_SIGNATURE in centre.alarms()


def test_a_signature_of_another_record_does_not_serve(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    _, signatures = handheld.wire(1, 6)
    ack = centre.say(handheld.batch(1, signatures={2: signatures[5], 5: signatures[5]}))[1]
    assert ack[s.REJECTED] == [[3, codes.BAD_OUTCOME_SIGNATURE]]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda h, i: h.finish(i + 50, 1, A), codes.NO_INTENT),
        (lambda h, i: h.finish(i, 1, A - 1), codes.AMOUNT_DIFFERS),
        (lambda h, i: (h.finish(i, 3, A), h.finish(i, 1, A))[1], codes.SECOND_OUTCOME),
        (lambda h, i: h.finish(i, 1, A, blob=None), codes.BAD_RECORD),
        (lambda h, i: h.write(r.NOTICE, case=1, pv="X", offence="Y", amount=1), codes.SECOND_NOTICE),
        (lambda h, i: h.write(r.AUTHORISATION_RESULT, intent=i, outcome=1, amount=A), codes.RESULT_UNEXPECTED),
        (lambda h, i: h.write(r.NOTICE, case=0, pv="X", offence="Y", amount=1), codes.BAD_RECORD),
        (lambda h, i: h.write(r.LICENCE_READ, verdict=9), codes.BAD_RECORD),
        (lambda h, i: h.write(r.PAYMENT_OUTCOME, intent=i, outcome=3, amount=A, holder=7), codes.BAD_RECORD),
        (lambda h, i: h.write(99), codes.UNKNOWN_KIND),
    ],
)
def test_one_bad_record_is_named_and_blocks_nothing(
    centre: Centre, handheld: Handheld, spoil: object, code: str
) -> None:
    case = handheld.notice()
    intent = handheld.write(r.PAYMENT_INTENT, case=case, amount=A)
    bad = spoil(handheld, intent)  # type: ignore[operator]
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    ack = centre.send(handheld)
    assert ack[s.ACKED_SEQ] == len(handheld.records)
    assert ack[s.REJECTED] == [[bad, code]]
    assert centre.books()["treasury:16:1:BMP-16-01"] == -A


def test_an_outcome_may_say_what_verified_the_holder(centre: Centre, handheld: Handheld) -> None:
    known = (
        r.HOLDER_UNVERIFIED, r.HOLDER_PIN, r.HOLDER_ONLINE_PIN, r.HOLDER_SIGNATURE, r.HOLDER_PIN_SIGNATURE, r.HOLDER_DEVICE,
    )  # fmt: skip
    for holder in known:
        intent = handheld.write(r.PAYMENT_INTENT, case=handheld.notice(), amount=A)
        seal = hashlib.sha256(b"opaque").digest()
        seq = handheld.write(
            r.PAYMENT_OUTCOME, intent=intent, outcome=1, amount=A, scheme="CIB TEST", sealed=seal, holder=holder
        )
        handheld.attached[s.SEALED][seq] = b"opaque"
    centre.hello(handheld)
    assert s.REJECTED not in centre.send(handheld)
    assert centre.books()["treasury:16:1:BMP-16-01"] == -A * len(known)


def test_an_outcome_finds_its_intent_in_an_earlier_batch(centre: Centre, handheld: Handheld) -> None:
    case = handheld.notice()
    intent = handheld.write(r.PAYMENT_INTENT, case=case, amount=A)
    centre.hello(handheld)
    centre.send(handheld)
    handheld.finish(intent, r.OUTCOME_APPROVED, A)
    centre.restart()
    assert s.REJECTED not in centre.send(handheld, 3)
    assert centre.books()["receivable:CIB TEST"] == A


def test_sealed_data_other_than_the_record_names_are_left_out_and_named(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    ack = centre.say(handheld.batch(1, sealed={2: b"other"}))[1]
    assert ack[s.REJECTED] == [[3, codes.SEALED_DIFFERS]]
    assert centre.count("sealed") == 0
    assert centre.books()["receivable:CIB TEST"] == A  # the outcome itself is signed and true


@pytest.mark.parametrize("how", ["absent", "one bit flipped", "nothing names it"])
def test_personal_data_that_are_lost_are_an_alarm_once_and_the_report_counts(
    centre: Centre, handheld: Handheld, how: str
) -> None:
    blob = b"who the driver was"
    digest = {} if how == "nothing names it" else {"private": hashlib.sha256(blob).digest()}
    seq = handheld.write(r.LICENCE_READ, verdict=2, findings=[], **digest)
    if how != "absent":
        handheld.attached[s.PRIVATE][seq] = blob if how == "nothing names it" else b"x" + blob[1:]
    handheld.pay(r.OUTCOME_APPROVED)
    for _ in range(2):
        centre.hello(handheld)
        assert centre.send(handheld)[s.REJECTED] == [[seq, codes.PERSONAL_LOST]]
    assert centre.count("private") == 0 and centre.books()["receivable:CIB TEST"] == A
    assert centre.alarms().count(codes.PERSONAL_LOST) == 1


def test_personal_data_are_kept_as_they_came(centre: Centre, handheld: Handheld) -> None:
    blob = b"who the driver was"
    seq = handheld.write(r.LICENCE_READ, verdict=2, findings=[], private=hashlib.sha256(blob).digest())
    handheld.attached[s.PRIVATE][seq] = blob
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    assert s.REJECTED not in centre.send(handheld)
    with reading(centre.engine) as connection:
        assert [bytes(row.blob) for row in connection.execute(select(t.private))] == [blob]


def test_what_sealed_blobs_share_may_be_said_once(centre: Centre, handheld: Handheld) -> None:
    first = handheld.pay(r.OUTCOME_APPROVED, blob=b"opaque 1 and more") + 1
    handheld.pay(r.OUTCOME_APPROVED, blob=b"opaque 2 and most")
    blobs = {seq - 1: blob for seq, blob in handheld.attached[s.SEALED].items()}
    frame = batch.frame(list(blobs.values()))
    assert frame == [b"opaque ", 1, b" and mo"]
    centre.hello(handheld)
    short = {index: batch.strip(frame, blob) for index, blob in blobs.items()}
    ack = centre.say(handheld.batch(1, sealed=short, shared={s.SEALED: frame}))[1]
    assert s.REJECTED not in ack and centre.count("sealed") == 2
    other = [b"Opaque ", 1, b" and mo"]
    assert centre.say(handheld.batch(1, sealed=short, shared={s.SEALED: other}))[1][s.REJECTED][0] == [
        first, codes.SEALED_DIFFERS,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "frame", [b"opaque", [], [b"a", 1], [b"a", True, b"b"], [b"a", -1, b"b"], [b"a", 1, "b"], [b"x" * 999, 1, b"y"]]
)
def test_what_blobs_share_is_checked(centre: Centre, handheld: Handheld, frame: object) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    assert centre.say(handheld.batch(1, shared={s.SEALED: frame}))[1][s.CODE] == codes.MALFORMED


def test_more_blobs_than_records_are_refused_before_any_is_made_whole(
    centre: Centre, handheld: Handheld, monkeypatch: pytest.MonkeyPatch
) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    made: list[bytes] = []
    monkeypatch.setattr(messages.wire, "unframe", lambda _shared, blob: made.append(blob) or blob)
    many = {index: b"x" for index in range(257)}
    body = handheld.batch(1, private=many, shared={s.PRIVATE: [b"a" * 4095, 0, b""]})
    assert centre.refused(body) == codes.MALFORMED and made == []


def test_two_devices_do_not_meet(tmp_path: Path, handheld: Handheld) -> None:
    other = Handheld("TSD-000002")
    centre = Centre(tmp_path, handheld, other)
    for device in (handheld, other):
        device.pay(r.OUTCOME_APPROVED)
        centre.hello(device)
    assert centre.send(handheld)[s.NEW] == 3 and centre.send(other)[s.NEW] == 3
    assert centre.refused(handheld.batch(1, nonce=other.nonce)) == codes.WRONG_NONCE
    assert centre.books()["treasury:16:1:BMP-16-01"] == -2 * A


def test_shift_totals_balance_or_name_what_differs(centre: Centre, handheld: Handheld) -> None:
    first = handheld.write(r.SHIFT_OPENED)
    handheld.pay(r.OUTCOME_APPROVED)
    handheld.pay(r.OUTCOME_PROVISIONAL, 300_000)
    handheld.pay(r.OUTCOME_DECLINED)
    totals = {1: [1, A], 2: [1, 300_000], 3: [1, A]}
    last = handheld.write(r.SHIFT_CLOSED, first=first, totals=totals)
    centre.hello(handheld)
    centre.send(handheld, 1, 8)
    recon = centre.say(handheld.close(first, last, totals))[1]
    assert recon[s.BALANCED] is False and recon[s.DIFFERING] == [9, 10, 11]  # not sent yet
    centre.send(handheld, 9)
    kind, recon = centre.say(handheld.close(first, last, totals))
    assert kind == s.TYPE_RECON and recon[s.BALANCED] is True and recon[s.TOTALS] == totals and recon[s.DIFFERING] == []
    wrong = centre.say(handheld.close(first, last, {**totals, 2: [1, 1]}))[1]
    assert wrong[s.BALANCED] is False and wrong[s.DIFFERING] == [first]  # not what its record told
    assert "RECON" in centre.alarms()


@pytest.mark.parametrize("parts", [((1, 0),), ((1, 3), (4, 6), (7, 0))])
def test_a_shift_that_was_closed_without_the_centre_is_compared_when_it_arrives(
    centre: Centre, handheld: Handheld, parts: tuple[tuple[int, int], ...]
) -> None:
    first = handheld.write(r.SHIFT_OPENED)
    handheld.pay(r.OUTCOME_APPROVED)
    good = handheld.write(r.SHIFT_CLOSED, first=first, totals={1: [1, A]})
    second = handheld.write(r.SHIFT_OPENED)
    handheld.pay(r.OUTCOME_APPROVED)
    handheld.write(r.SHIFT_CLOSED, first=second, totals={1: [1, A + 1]})
    centre.hello(handheld)
    for begin, end in parts:
        centre.send(handheld, begin, end) if end else centre.send(handheld, begin)
    assert centre.alarms() == ["RECON"]
    with reading(centre.engine) as connection:
        what = connection.execute(select(t.audit.c.what).where(t.audit.c.code == "RECON")).scalars().all()
    assert what == [f"shift {second} to {good + 5} does not balance"]
    centre.say(handheld.close(second, good + 5, {1: [1, A + 1]}))
    assert centre.alarms() == ["RECON"]


def test_newer_parameter_sets_come_with_welcome(centre: Centre, handheld: Handheld) -> None:
    old = sets.sign_set(centre.keys, "tariff", 1, 0, 2**32 - 1, 5, {"lines": []})
    new = sets.sign_set(centre.keys, "tariff", 2, 0, 2**32 - 1, 6, {"lines": []})
    limits = sets.sign_set(centre.keys, "limits", 1, 0, 2**32 - 1, 6, {"tx_max": 5})
    centre.service.shelf = sets.Shelf([sets.check(centre.keys, item) for item in (old, new, limits)])
    assert centre.hello(handheld)[s.NEW_SETS] == [new, limits]
    kind, welcome = centre.say(handheld.hello(sets={"tariff": 2, "limits": 1}))
    assert kind == s.TYPE_WELCOME and s.NEW_SETS not in welcome


def test_what_is_in_force_and_what_comes_next_come_with_welcome_until_hello_names_them(
    centre: Centre, handheld: Handheld
) -> None:
    two = sets.sign_set(centre.keys, "tariff", 2, 0, 2**32 - 1, 5, {"lines": []})
    three = sets.sign_set(centre.keys, "tariff", 3, centre.now + 90 * 86400, 2**32 - 1, 6, {"lines": []})
    centre.service.shelf = sets.Shelf([sets.check(centre.keys, item) for item in (two, three)])
    for said, wanted in (
        ({"tariff": 1}, [two, three]), ({"tariff": 1, "tariff.next": 3}, [two]), ({"tariff": 2}, [three]), ({"tariff": 2, "tariff.next": 3}, None),
    ):  # fmt: skip
        assert centre.say(handheld.hello(sets=said))[1].get(s.NEW_SETS) == wanted
    centre.now += 91 * 86400
    assert centre.say(handheld.hello(sets={"tariff": 2}))[1][s.NEW_SETS] == [three]
    assert s.NEW_SETS not in centre.say(handheld.hello(sets={"tariff": 2, "tariff.next": 3}))[1]


def test_a_set_signed_by_the_key_of_another_kind_is_not_taken(centre: Centre) -> None:
    good = sets.sign_set(centre.keys, "limits", 1, 0, 9, 6, {"tx_max": 5})
    with pytest.raises(sets.ParameterError, match="PRM-011"):
        sets.check(centre.keys, good.replace(b"set-limits", b"set-tariff"))


def test_raw_records_are_kept_byte_for_byte(centre: Centre, handheld: Handheld) -> None:
    import cbor2

    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    centre.send(handheld)
    with centre.engine.connect() as connection:
        rows = connection.execute(select(t.raw).order_by(t.raw.c.seq)).all()
    assert [cbor2.loads(row.record) for row in rows] == handheld.records
    assert [row.hash for row in rows] == [handheld.hash(seq) for seq in (1, 2, 3)]


def test_the_recomputation_notices_a_ledger_that_was_tampered_with(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    centre.send(handheld)
    assert centre.ledger()["balanced"] is True
    with centre.engine.begin() as connection:
        connection.execute(update(t.legs).where(t.legs.c.leg == 0).values(amount=A + 1))
    report = centre.ledger()
    assert report["balanced"] is False
    assert len(report["differences"]) == 2  # the account, and the posting that no longer balances
