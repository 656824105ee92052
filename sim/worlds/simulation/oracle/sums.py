"""Money: terminals' counters, the ledger, the host's captures and approvals, three independent ways to the same sums."""

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from protocol import records as r
from sim.acquirer.book import APPROVED
from sim.worlds.simulation.factory import device_name, factory
from sim.worlds.simulation.oracle import agreed
from sim.worlds.simulation.oracle.endings import Rows

if TYPE_CHECKING:
    from sim.worlds.simulation.device import Device
    from sim.worlds.simulation.oracle.judge import Oracle

_NOT_GIVEN_BACK = (
    " AND NOT EXISTS (SELECT 1 FROM postings b WHERE b.device = p.device AND b.epoch = p.epoch AND b.intent = p.intent"
    " AND b.part = 3)"
    # voided while a fork held it: it was in no book to be taken out of, and the verdict that it stands brings it into none
    " AND NOT (EXISTS (SELECT 1 FROM voids v WHERE v.device = p.device AND v.epoch = p.epoch AND v.intent = p.intent AND v.state = 2)"
    " AND EXISTS (SELECT 1 FROM verdicts w WHERE w.device = p.device AND w.epoch = p.epoch AND w.intent = p.intent AND w.state = 1))"
)
_DATED = "SELECT at FROM postings WHERE rowid > ? AND at NOT BETWEEN ? AND ? LIMIT 1"
_ASKED = "SELECT amount FROM authorisations WHERE device = :d AND epoch = :e AND intent = :i"
_TOLD = "SELECT 1 FROM audit WHERE device = :d AND code = 'GAP' AND what LIKE :w"


class Sums:
    """That they agree; for one simulation's judge."""

    def __init__(self, judge: "Oracle") -> None:
        self._judge = judge
        self._dated = (0, 0, 0)  # postings looked at, when (seconds), and the restore since which

    def judge(self, connection: Any) -> None:
        """What the host has captured, and what its issuers have approved."""
        self._captures(connection)
        self._nothing_stands(connection)

    def dated(self, now: int) -> None:
        """After each transaction, at `now` (seconds): what it has posted bears its time; a database that was put back is not gone through again."""
        judge = self._judge
        last = factory().look("SELECT COALESCE(MAX(rowid), 0) FROM postings")
        before, since, restored = self._dated
        self._dated = (last, now, judge.centre.restored_at)
        if restored != judge.centre.restored_at or last == before:
            return
        wrong = factory().look(_DATED, before, since, now)
        if wrong is not None:
            judge.fail(f"a posting of {since} to {now} s bears the time {wrong}")

    def totals(self, connection: Any, device: "Device", rows: Rows) -> None:
        """Terminal's counter, server's ledger and the host's captures: three ways to the same sum. RECON agreed."""
        name = device_name(device.index)
        journal = device.terminal.journal
        done = {
            record[r.INTENT]: record[r.AMOUNT]
            for record, _ in device.records()
            if record[r.KIND] == r.VOID
            and record[r.VOID_STATE] == r.VOID_DONE
            and not self.nowhere((name, record[r.EPOCH], record[r.INTENT]))
        }
        voided = self._judge.missing.voided(connection, name, done) + sum(done.values())
        voided += self._judge.refunds.returned(connection, name, set(done))
        counted = journal.cum_total - voided + self._judge.missing.otherwise_written(connection, name, rows)
        counted -= self._judge.missing.in_suspense(connection, name) + self._judge.missing.untaken(
            connection, name, rows, self._judge.decided
        )
        booked = -(
            connection.execute(
                text("SELECT COALESCE(SUM(amount), 0) FROM legs WHERE device = :d AND account LIKE 'treasury:%'"),
                {"d": name},
            ).scalar()
            or 0
        )
        captures = [capture for capture in self._judge.centre.book.captures() if capture.identity[0] == name]
        captured = sum(capture.amount for capture in captures if not self._in_no_book(capture.identity))
        counted -= self._judge.missing.set_aside(name, rows)
        if not counted == booked == captured:
            self._judge.fail(f"{device.label}: counted {counted}, booked {booked}, captured {captured}")
        if device.balanced and device.balanced[-1] is not True and not self._judge.missing.named(name):
            self._judge.fail(f"{device.label}: its last shift does not balance")

    def nowhere(self, identity: tuple[str, int, int]) -> bool:
        """Whether a payment's outcome is lost at its terminal and with a restored database, captured or voided: it is in suspense, or its
        result is set aside, and so are the records of its void (SRV-037, SRV-028).
        """
        return self._judge.centre.restored_at > 0 and self._judge.missing.in_a_gap(*identity)

    def _in_no_book(self, identity: tuple[str, int, int]) -> bool:
        """Whether such a payment is captured and nobody has decided about it: with officers who decide, only what no approved record that is lost or
        set aside tells of.
        """
        if (
            identity in self._judge.decided.collected()
            or self._judge.decided.decides_money
            and self._judge.truth.counted(identity)
        ):
            return False
        return self.nowhere(identity)

    def _captures(self, connection: Any) -> None:
        """One capture for each approved payment, none for any other."""
        approved = {
            (row.device, row.epoch, row.intent): row.amount
            for row in connection.execute(
                text(
                    "SELECT p.device, p.epoch, p.intent, p.amount FROM payments p LEFT JOIN results q ON p.device = q.device"
                    " AND p.epoch = q.epoch AND p.intent = q.intent WHERE p.held = 0 AND (p.outcome = 1 OR q.outcome = 1)"
                    + _NOT_GIVEN_BACK
                )
            )
        }
        approved.update(self._judge.truth.amounts(self._judge.decided.collected()))
        captured: dict[tuple[str, int, int], int] = {}
        for capture in self._judge.centre.book.captures():
            if capture.identity in captured:
                self._judge.fail(f"payment {capture.identity} was captured twice")
            captured[capture.identity] = capture.amount
        for identity in sorted(set(approved) | set(captured)):
            if identity[0] in self._judge.tampered and agreed.in_doubt(connection, identity):
                continue
            if identity not in approved and self._in_no_book(identity):
                continue
            if approved.get(identity) != captured.get(identity):
                self._judge.fail(
                    f"payment {identity}: approved {approved.get(identity)}, captured {captured.get(identity)} centimes"
                )
        paid = connection.execute(
            text(
                "SELECT p.device, p.case_no FROM payments p LEFT JOIN results q ON p.device = q.device AND p.intent = q.intent"
                " WHERE p.held = 0 AND (p.outcome = 1 OR q.outcome = 1)"
                + _NOT_GIVEN_BACK
                + " GROUP BY p.device, p.case_no HAVING COUNT(*) > 1"
            )
        )
        for row in paid:
            self._judge.fail(f"case {row.case_no} of {row.device} was paid twice")

    def _nothing_stands(self, connection: Any) -> None:
        """What the issuer approved was captured or given back: no holder's money waits for a payment that no terminal took.

        Only an outcome that lies in a gap is excused from it, and only if an alarm names the payment: its money is in suspense, and a person decides.
        Of what a restored database has forgotten that anybody was asked about nobody can be told.
        """
        for entry in self._judge.centre.book.entries.values():
            if entry.authorised in APPROVED and entry.captured is None and not entry.reversed:
                tampered = entry.identity[0] in self._judge.tampered and agreed.in_doubt(connection, entry.identity)
                if not tampered and not (
                    self._judge.missing.in_a_gap(*entry.identity) and self._named(connection, entry.identity)
                ):
                    self._judge.fail(
                        f"payment {entry.identity}: the issuer approved it, and it was neither captured nor reversed"
                    )

    def _named(self, connection: Any, identity: tuple[str, int, int]) -> bool:
        """Whether a person is told that an issuer approved a payment whose outcome is lost."""
        mine = {"d": identity[0], "e": identity[1], "i": identity[2]}
        asked = connection.execute(text(_ASKED), mine).first()
        if asked is None:
            return self._judge.centre.restored_at > 0
        told = f"payment {identity[2]} of epoch {identity[1]}, {asked.amount} centimes, is or may be approved by its issuer;%"
        return connection.execute(text(_TOLD), {"d": identity[0], "w": told}).first() is not None
