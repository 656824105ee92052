"""What is printed when: facts gathered from records, the signed claim for the QR, the printer's troubles put to the officer."""

from drivers.contracts.secure_element import SLOT_DEVICE_KEY
from protocol import claim
from protocol import records as r
from protocol.errors import PrinterError
from terminal import localtime
from terminal.flows import ask
from terminal.receipts import print_receipt

_KINDS = {r.OUTCOME_APPROVED: "payment", r.OUTCOME_PROVISIONAL: "provisional", r.OUTCOME_DECLINED: "declined"}
DAYS_TO_DRIVE = 10  # law 01-14: the driver may drive for ten days against the document


async def print_outcome(t, fine, case, copy: int) -> None:  # noqa: ANN001 - Terminal, Fine, Case
    """The receipt of the case's payment outcome; `copy`: records.COPY_*."""
    facts = await _facts(t, fine, case, case.outcome_record)
    await _print(t, _KINDS[case.outcome], facts, copy, case)


async def print_notice(t, fine, case, copy: int = r.COPY_DRIVER, utc: int = 0) -> bool:  # noqa: ANN001
    """The 10-day document: with a notice to pay, or, while a provisional payment waits, one that asks for nothing. `utc`: when the first one was
    printed, if this is a copy of it: its ten days are no others. False if the officer went on without it."""
    waits = case.outcome == r.OUTCOME_PROVISIONAL
    facts = await _facts(t, fine, case, case.outcome_record if waits else None, utc)
    return await _print(t, "document" if waits else "notice", facts, copy, case)


async def print_void(t, fine, case, done: bool, copy: int = r.COPY_DRIVER, utc: int = 0) -> bool:  # noqa: ANN001
    """A void: done, or in doubt and then with the 10-day document, since the licence is kept until the bank's word. `utc`,
    and what is returned: as of a notice."""
    facts = await _facts(t, fine, case, None, utc)
    paid = case.void if done else case.outcome_record
    facts["disposition"] = r.DISPOSITION_RETAINED
    facts["seq"], facts["scheme"], facts["last4"] = paid[r.SEQ], paid.get(r.SCHEME, ""), paid.get(r.LAST4, "")
    if not done:  # nothing is certain yet: the code says *not yet paid*
        facts["qr"] = await _qr(t, case, r.OUTCOME_PROVISIONAL, facts["utc"])
    return await _print(t, "void" if done else "voiding", facts, copy, case)


async def _facts(t, fine, case, record, utc: int = 0) -> dict:  # noqa: ANN001
    utc = record[r.UTC] if record else utc or t.now()
    outcome = record[r.OUTCOME] if record else 0
    facts = {
        "authority": t.identity.authority,
        "force": t.officer["force"],
        "unit": t.officer["unit"],
        "pv": case.pv,
        "utc": utc,
        "place": case.place,
        "plate": fine.plate,
        "code": case.offence,
        "text_ar": fine.line["ar"],
        "text_fr": fine.line["fr"],
        "points": case.points,
        "amount": case.amount,
        "terminal": t.identity.device,
        "officer": t.officer["number"],
        "outcome": outcome,
        "seq": record[r.SEQ] if record else case.seq,
        "valid_days": DAYS_TO_DRIVE,
        "disposition": r.DISPOSITION_RETURNED if outcome == r.OUTCOME_APPROVED else r.DISPOSITION_RETAINED,
        "qr": await _qr(t, case, outcome, utc),
    }
    if record:
        for name, key in (("scheme", r.SCHEME), ("last4", r.LAST4), ("auth_code", r.AUTH_CODE), ("reason", r.REASON)):
            facts[name] = record.get(key, "")
        for name, key in (("aid", r.AID), ("tvr", r.TVR), ("cryptogram", r.CRYPTOGRAM)):
            facts[name] = record.get(key, b"")
        facts["interface"] = record.get(r.INTERFACE, r.INTERFACE_CONTACT)
    return facts


async def _qr(t, case, outcome: int, utc: int) -> str:  # noqa: ANN001
    token = await t.ports.se.random(8)
    parts = claim.claim_prepare(outcome, case.amount, localtime.yyyymmdd(utc), case.pv, token, t.identity.device)
    signature = await t.ports.se.sign(SLOT_DEVICE_KEY, parts[2])
    return claim.claim_assemble(parts[0], parts[1], signature)


async def _print(t, kind: str, facts: dict, copy: int, case) -> bool:  # noqa: ANN001
    """Print until it is confirmed or the officer goes on without it, asked twice: nobody's silence says so. A second try is marked as duplicate,
    because the first may be half out."""
    told = ""
    while True:
        await t.face.show("printing", copy=copy)
        try:
            await print_receipt(t.ports.printer, t.engine, kind, facts, copy)
        except PrinterError as error:
            if error.code != told:  # once of each trouble, however often it is tried
                told = error.code
                await t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "printer", r.REASON: told})
            if not await ask.show_error(t, error, "key.unprinted") and await ask.acknowledge(t, "unprinted"):
                return False
            if error.detail is not None:  # some of it may be on the paper
                copy = r.COPY_DUPLICATE
            continue
        await t.journal.append(r.RECEIPT_PRINTED, {r.CASE: case.number, r.COPY: copy})
        return True
