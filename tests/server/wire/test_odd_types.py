"""A field of a type that no schema knows, in any record of any kind: the record is set aside, and those before and after it count; drafted or
judged record by record, sent once or again, on both databases.
"""

import random
from pathlib import Path
from typing import Any

import pytest

from protocol import records as r
from protocol import sync as s
from server.wire import schema
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.ingest.test_drafts import WAYS, content, drafted
from tests.server.postgres import Cluster

ODD: tuple[Any, ...] = ([1], [], {1: 2}, "1", b"1", -1, (1 << 64) - 1, [[1], {1: [2]}])  # what strict CBOR has
KINDS = sorted(schema.REQUIRED)
KEYS = sorted(key for key in schema.FIELDS if key >= schema.BODY)


def test_an_intent_that_is_a_list_stands_in_nobodys_way(either: Centre, handheld: Handheld) -> None:
    """The payment begins in one batch and ends in the next, so that the records are judged and not drafted."""
    handheld.tells = True
    case = handheld.notice()
    intent = handheld.write(r.PAYMENT_INTENT, case=case, amount=200_000)
    odd = handheld.write(r.HEALTH_EVENT, health="boot", intent=[1])
    handheld.finish(intent, r.OUTCOME_APPROVED, 200_000)
    either.hello(handheld)
    either.send(handheld, 1, intent)
    ack = either.send(handheld, odd)
    assert (ack[s.ACKED_SEQ], ack[s.REJECTED]) == (4, [[odd, "SRV-020"]])
    assert either.books() == {"receivable:CIB TEST": 200_000, "treasury:16:1:BMP-16-01": -200_000}


@pytest.mark.parametrize("wrong", [None, [1], "x"])
def test_an_outcome_of_no_payment_that_comes_again_with_its_card_data_is_a_duplicate(
    either: Centre, handheld: Handheld, wrong: Any
) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    outcome = handheld.records[-1]
    if wrong is None:
        del outcome[r.INTENT]
    else:
        outcome[r.INTENT] = wrong
    either.hello(handheld)
    assert either.send(handheld)[s.REJECTED] == [[3, "SRV-020"]]
    ack = either.send(handheld)
    assert (ack[s.ACKED_SEQ], ack[s.DUPLICATES]) == (3, 3)


def _odd_day(handheld: Handheld, chance: random.Random) -> set[int]:
    """Records of every kind, each with odd fields, among payments; the sequences of the odd ones."""
    odd: set[int] = set()
    for kind in chance.sample(KINDS, len(KINDS)):
        if chance.random() < 0.3:
            handheld.pay(chance.choice((1, 2, 3)), 1000 * chance.randint(1, 9), blob=chance.randbytes(9))
        seq = handheld.write(kind, outcome=2, amount=0)  # no money, whatever becomes of the rest
        record = handheld.records[-1]
        record.update({key: chance.randint(1, 3) for key in schema.REQUIRED[kind] if key not in (r.OUTCOME, r.AMOUNT)})
        added_up = kind in (r.PAYMENT_OUTCOME, r.AUTHORISATION_RESULT)
        keys = [key for key in KEYS if not (added_up and key in (r.OUTCOME, r.AMOUNT))]  # those make a bad batch
        for key in chance.sample(keys, chance.randint(1, 3)):
            record[key] = chance.choice(ODD)
            if not schema.FIELDS[key](record[key]):
                odd.add(seq)
    return odd


def _sent(centre: Centre, bodies: list[bytes], change: Any) -> list[Any]:
    said = []
    for body in bodies:
        with centre.engine.begin() as connection:
            said.append(centre.service.apply(connection, change(drafted(centre, body)), centre.now))
    return said


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("step", [3, 60])
def test_odd_fields_of_every_kind_cost_their_records_only(
    tmp_path: Path, cluster: Cluster, seed: int, step: int
) -> None:
    handheld = Handheld()
    handheld.tells = seed % 2 == 0
    odd = _odd_day(handheld, random.Random(f"odd {seed}"))
    hello, last = handheld.hello(), len(handheld.records)
    bodies = [handheld.batch(at, min(at + step - 1, last)) for at in range(1, last + 1, step)]
    found, replies = [], []
    for way, change in enumerate(WAYS[:2]):
        for url in (None, cluster.url()) if step == 60 else (None,):
            centre = Centre(tmp_path / f"{way}{bool(url)}", handheld, url=url)
            centre.say(hello)
            replies.append(_sent(centre, bodies + bodies[-1:], change))
            found.append(content(centre))
            centre.engine.dispose()
    assert all(others == found[0] for others in found) and all(others == replies[0] for others in replies)
    rejected = {seq for _, payload in replies[0] for seq, _ in payload.get(s.REJECTED, ())}
    assert odd <= rejected and replies[0][-1][1][s.ACKED_SEQ] == last
