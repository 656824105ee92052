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


async def print_outcome(t, fine, case, copy: int) -> bool:  # noqa: ANN001 - Terminal, Fine, Case
    """The receipt of the case's payment outcome; `copy`: records.COPY_*. False if it is not printed."""
    facts = await _facts(t, fine, case, case.outcome_record)
    return await _print(t, _KINDS[case.outcome], facts, copy, case)


async def print_notice(t, fine, case, copy: int = 0) -> bool:  # noqa: ANN001
    """The 10-day document: with a notice to pay, or, while a provisional payment waits, one that asks for nothing. `copy`: 0, as records tell.
    False if it is not printed.
    """
    waits = case.outcome == r.OUTCOME_PROVISIONAL
    utc, told = _told(t, case, case.outcome_record[r.SEQ] if waits else case.seq)
    facts = await _facts(t, fine, case, case.outcome_record if waits else None, utc)
    return await _print(t, "document" if waits else "notice", facts, copy or told, case)


async def print_void(t, fine, case, done: bool, copy: int = 0) -> bool:  # noqa: ANN001
    """A void: done, or in doubt and then with the 10-day document, since the licence is kept until the bank's word. `copy`, and what is returned: as
    of a notice.
    """
    utc, told = _told(t, case, case.void[r.SEQ])
    facts = await _facts(t, fine, case, None, utc)
    paid = case.void if done else case.outcome_record
    facts["disposition"] = r.DISPOSITION_RETAINED
    facts["seq"], facts["scheme"], facts["last4"] = paid[r.SEQ], paid.get(r.SCHEME, ""), paid.get(r.LAST4, "")
    if not done:  # nothing is certain yet: the code says *not yet paid*
        facts["qr"] = await _qr(t, case, r.OUTCOME_PROVISIONAL, facts["utc"])
    return await _print(t, "void" if done else "voiding", facts, copy or told, case)


def _told(t, case, seq: int) -> "tuple[int, int]":  # noqa: ANN001
    """(UTC, copy) of a paper on record `seq`. Its ten days begin with that record, or when the case's payment was asked back since: the licence is
    kept from there on, whenever the paper is printed. Behind a log-in it is a duplicate: it may be out since before the power went.
    """
    utc, copy = t.now(), r.COPY_DRIVER
    for record, _, _ in t.journal.entries(seq):
        kind = record[r.KIND]
        if kind == r.LOGIN:
            copy = r.COPY_DUPLICATE
        elif record[r.SEQ] == seq:
            utc = record[r.UTC]
        elif kind == r.VOID and record[r.CASE] == case.number:
            copy = r.COPY_DRIVER
            if record[r.VOID_STATE] == r.VOID_ASKED:
                utc = record[r.UTC]
    return utc, copy


async def _facts(t, fine, case, record, utc: int = 0) -> dict:  # noqa: ANN001
    utc = record[r.UTC] if record else utc
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
    """Print until it is confirmed, or the officer goes on without it, asked twice. A second try is marked as duplicate, because the first may be half
    out; only a key starts one. Where nobody is there the case goes on: while it is open nothing is sent, and the menu has its paper.
    """
    told = ""
    while True:
        await t.face.show("printing", copy=copy)
        try:
            await print_receipt(t.ports.printer, t.engine, kind, facts, copy)
        except PrinterError as error:
            if error.code not in told:  # once of each trouble, however often it is tried
                told += error.code
                await t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "printer", r.REASON: error.code})
            key = await ask.answer_error(t, error, "key.unprinted")
            if key is None or key == "cancel" and await ask.answer(t, "unprinted") != "cancel":
                return False
            if error.detail is not None:  # some of it may be on the paper
                copy = r.COPY_DUPLICATE
            continue
        await t.journal.append(r.RECEIPT_PRINTED, {r.CASE: case.number, r.COPY: copy})
        return True
