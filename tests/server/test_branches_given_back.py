"""What a verdict about a fork gives back is reversed at the acquirer, whatever is on file of it, and the host outlives the centre's memory."""

import shutil
from pathlib import Path

import pytest

from protocol import records as r
from server.store import restore
from server.store import tables as t
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.verdicts import A, Desk, fork, pay, said, settle


def back_up(centre: Centre) -> Path:
    centre.engine.dispose()
    return Path(shutil.copy(centre.folder / "server.db", centre.folder / "backup.db"))


def go_back(centre: Centre, backup: Path) -> None:
    """The database is restored, once the host can hold nothing of before."""
    centre.engine.dispose()
    for beside in ("server.db-wal", "server.db-shm"):
        (centre.folder / beside).unlink(missing_ok=True)
    shutil.copy(backup, centre.folder / "server.db")
    centre.restart()
    centre.now += 4000
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)


@pytest.mark.parametrize("known", ["its payment", "nothing"])
def test_a_restored_database_that_has_forgotten_what_was_given_back_hears_of_it_from_the_host(
    centre: Centre, handheld: Handheld, known: str
) -> None:
    """Nothing of it had left, and the other branch never comes again."""
    desk = Desk(centre)
    centre.hello(handheld)
    if known == "nothing":
        backup = back_up(centre)
        intent = pay(centre, handheld)
    else:
        intent = pay(centre, handheld)
        backup = back_up(centre)
    fork(centre, handheld, intent)
    desk.both(intent, False)
    assert settle(centre, "25") == [t.STEP_REVERSE]
    go_back(centre, backup)
    centre.hello(handheld)
    if known == "nothing":
        centre.send(handheld, 1)
    (clearing,) = centre.claim()
    assert (clearing.step, clearing.repeat) == (t.STEP_CLEAR, True)
    assert centre.answer(clearing, "12") and centre.books() == {} and centre.claim() == []
    assert f"payment {intent} of epoch 1, {A} centimes: the acquirer has reversed it since the backup" in said(centre)


def test_a_deferred_payment_that_was_given_back_is_reversed_again_after_a_restore(
    centre: Centre, handheld: Handheld
) -> None:
    """Its issuer approves what the restored database asks once more; the terminal has written down that it is declined."""
    desk = Desk(centre)
    intent = pay(centre, handheld, r.OUTCOME_PROVISIONAL)
    backup = back_up(centre)
    fork(centre, handheld, intent)
    desk.both(intent, False)
    assert settle(centre, "25") == [t.STEP_REVERSE]
    centre.hello(handheld)
    seq = handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=r.OUTCOME_DECLINED, amount=A)
    go_back(centre, backup)
    centre.hello(handheld)
    centre.send(handheld, seq)
    assert settle(centre) == [t.STEP_AUTHORISE, t.STEP_REVERSE] and centre.books() == {}
