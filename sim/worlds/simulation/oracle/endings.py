"""How payments, voids and cases have ended, by the records that the server has."""

from typing import TYPE_CHECKING, Any

import cbor2
from sqlalchemy import text

from protocol import records as r

if TYPE_CHECKING:
    from sim.worlds.simulation.oracle.judge import Oracle

Rows = dict[tuple[str, int], Any]
_VOIDS = "SELECT device, epoch, record, rejected FROM raw WHERE kind = :k ORDER BY device, epoch, seq"


class Endings:
    """That each has ended, once; for one simulation's judge."""

    def __init__(self, judge: "Oracle") -> None:
        self._judge = judge

    def judge(self, connection: Any, rows: Rows) -> None:
        """All of them."""
        self._ended(rows)
        self._voided(connection)
        self._closed(rows)

    def _ended(self, rows: Rows) -> None:
        """Every payment that began has ended, once: approved, provisional, declined or interrupted."""
        begun: dict[tuple[str, int], int] = {}
        for (name, seq), row in rows.items():
            if name not in self._judge.tampered and row.kind == r.PAYMENT_INTENT:
                begun.setdefault((name, seq), 0)
            elif name not in self._judge.tampered and row.kind == r.PAYMENT_OUTCOME:
                key = (name, cbor2.loads(bytes(row.record))[r.INTENT])
                begun[key] = begun.get(key, 0) + 1
        for (name, intent), outcomes in sorted(begun.items()):
            if outcomes != 1 and not self._judge.missing.excuses(name, intent, outcomes, rows):
                self._judge.fail(f"payment {intent} of {name} has {outcomes} outcomes")

    def _voided(self, connection: Any) -> None:
        """Every void that was asked for has ended once; done, there is one reversal, one opposite posting and no capture. An end that a terminal has
        lost since it arrived is told again, and is the same.
        """
        # by device, epoch and intent: a new epoch numbers its records from the beginning
        ends: dict[tuple[str, int, int], list[int]] = {}
        lost: list[tuple[tuple[str, int, int], int]] = []
        for row in connection.execute(text(_VOIDS), {"k": r.VOID}):
            name = row.device
            if name in self._judge.tampered:
                continue
            record = cbor2.loads(bytes(row.record))
            key = (name, row.epoch, record[r.INTENT])
            if record[r.VOID_STATE] != r.VOID_ASKED and self._judge.missing.destroyed(name, bytes(row.record)):
                lost.append((key, record[r.VOID_STATE]))
            elif record[r.VOID_STATE] != r.VOID_ASKED:
                ends.setdefault(key, []).append(record[r.VOID_STATE])
            elif row.rejected is None:
                ends.setdefault(key, []).append(0)
        for key, state in self._judge.missing.untold(connection):
            ends.setdefault(key, [0]).append(state)
        for key, state in (*lost, *self._judge.missing.void_ends()):
            if state not in ends.setdefault(key, []):
                ends[key].append(state)
        for (name, epoch, intent), told in sorted(ends.items()):
            if self._judge.refunds.names(name, intent) or self._judge.sums.nowhere((name, epoch, intent)):
                continue
            if 0 in told and len(told) != 2:
                self._judge.fail(f"the void of payment {intent} of {name} was told as {told}")
            counts = connection.execute(
                text(
                    "SELECT (SELECT COUNT(*) FROM postings WHERE device = :d AND epoch = :e AND intent = :i AND part = 3),"
                    " (SELECT COUNT(*) FROM outbox WHERE device = :d AND epoch = :e AND intent = :i AND step = 3 AND state = 2)"
                ),
                {"d": name, "e": epoch, "i": intent},
            ).one()
            if tuple(counts) != ((1, 1) if r.VOID_DONE in told else (0, 0)):
                self._judge.fail(
                    f"the void of payment {intent} of {name} ({told}): postings and reversals {tuple(counts)}"
                )
        undone = connection.execute(text("SELECT device, epoch, intent FROM postings WHERE part = 3"))
        for row in undone:
            given = row.device in self._judge.tampered or self._judge.refunds.names(row.device, row.intent)
            if not given and r.VOID_DONE not in ends.get((row.device, row.epoch, row.intent), []):
                self._judge.fail(f"payment {row.intent} of {row.device} is given back though nobody voided it")

    def _closed(self, rows: Rows) -> None:
        """Every verdict ends in a closed case, abandoning has a reason, and report numbers have no gaps."""
        last: dict[str, tuple[str, int, int, tuple[int, ...]]] = {}
        notices: dict[tuple[str, int], int] = {}
        for (name, seq), row in sorted(rows.items()):
            if name in self._judge.tampered:
                continue
            record = cbor2.loads(bytes(row.record))
            state, cases, before, since = last.get(name, ("closed", 0, 0, ()))
            if seq != before + 1 or row.kind == r.NEW_EPOCH:  # what lies between is lost
                state = "lost"
            if row.kind == r.LICENCE_READ:
                if state not in ("closed", "lost") and not self._forgot(name, since, seq):
                    self._judge.fail(f"{name}: a licence is judged in record {seq} before the case before it ended")
                state, since = "judged", (seq,)
            elif row.kind == r.NOTICE:
                if int(record[r.PV][-5:]) != record[r.CASE] or not self._follows(name, record[r.CASE], cases):
                    self._judge.fail(f"{name}: report {record[r.PV]} follows number {cases}")
                state, cases, since = "open", record[r.CASE], (seq,)
                notices[name, cases] = seq
            elif row.kind == r.VOID and record[r.VOID_STATE] == r.VOID_DONE:
                state, since = "open", (notices.get((name, record[r.CASE]), 0), seq)
            elif row.kind == r.CASE_CLOSED:
                if record[r.CLOSURE] == r.CLOSURE_ABANDONED and not record.get(r.REASON):
                    self._judge.fail(f"{name}: a case is abandoned in record {seq} without a reason")
                state = "closed"
            last[name] = (state, cases, seq, since)
        for name, (state, _, seq, since) in sorted(last.items()):
            if state not in ("closed", "lost") and not self._forgot(name, since, seq + 1):
                self._judge.fail(f"{name}: the last case is {state} when all is over")

    def _forgot(self, name: str, since: tuple[int, ...], before: int) -> bool:
        """Whether a terminal may go on beside the case of the records `since`: it has lost one of these that the case, or what a void left of it,
        began with, or more of it and a person was warned (RSK-016), since it may be paid among lost records, or its void.
        """
        spell = self._judge.missing.forgets(name, since[0], before)
        if spell is None:
            return False
        return any(self._judge.missing.spell(name, seq) for seq in since) or self._judge.forgotten.warned(
            name, spell.head, before
        )

    def _follows(self, name: str, number: int, cases: int) -> bool:
        """Whether a report's number may come after `cases`: the next one, or a later one if records were lost; never one again."""
        return number > cases if name in self._judge.missing.devices else number == cases + 1
