"""The cardholder's signature on paper (EMV 4.4 Book 4, 6.3.4.3): a slip is printed and signed, the officer compares it with the card.

Asked between the kernel's word and the outcome record, so that nobody has seen an approval before: the intent is durable, a power cut here
leaves *interrupted* as anywhere else before the outcome. A signature that is refused, or not confirmed, makes the outcome *declined*: nothing
is kept for clearing, and what the issuer has approved is marked doubtful, so that the server reverses it. So it is when slip or screen break down.

EMV-146 the signature does not agree or nobody confirmed it; EMV-147 the slip could not be printed and the officer gave up.
"""

from protocol import records as r
from protocol.errors import EmvError, JournalError, PrinterError, SecureElementError, TasdidError
from terminal import scrub
from terminal.flows import ask
from terminal.receipts import print_slip

_PATIENCE = 3  # times the usual one: a pen has to be found


async def confirm(t, case, body: dict, sealed: "bytes | None") -> "tuple[dict, bytes | None]":  # noqa: ANN001 - Terminal, Case
    """The body of an outcome record that needs a signature, and its sealed card data: as they are once it was taken, declined if it was not."""
    try:
        await _slip(t, case, body)
        await _compared(t, body)
        return body, sealed
    except MemoryError:
        await scrub.free_memory()
        error: TasdidError = EmvError("no memory is left for the slip to sign", "EMV-147")
    except (JournalError, SecureElementError):
        raise  # nothing can be recorded any more
    except TasdidError as caught:  # the intent is open: whatever is wrong with slip or screen, it ends here
        error = caught
    t.note_error(error)
    body[r.OUTCOME], body[r.REASON] = r.OUTCOME_DECLINED, error.code
    if r.HOLDER in body:
        del body[r.HOLDER]
    if r.ONLINE in body:
        body[r.ONLINE] = r.ONLINE_DOUBTFUL
    return body, None


async def _slip(t, case, body: dict) -> None:  # noqa: ANN001
    """The paper first, whatever else is printed later; it does not say what the bank said. Raises EmvError EMV-147."""
    facts = {
        "authority": t.identity.authority,
        "force": t.officer["force"],
        "pv": case.pv,
        "utc": t.now(),
        "amount": body[r.AMOUNT],
        "terminal": t.identity.device,
        "seq": body[r.INTENT],
        "officer": t.officer["number"],
        "scheme": body.get(r.SCHEME, ""),
        "last4": body.get(r.LAST4, ""),
        "aid": body.get(r.AID, b""),
        "tvr": body.get(r.TVR, b""),
        "cryptogram": body.get(r.CRYPTOGRAM, b""),
        "interface": body.get(r.INTERFACE, r.INTERFACE_CONTACT),
    }
    copy = r.COPY_OFFICER
    while True:
        await t.face.show("printing", copy=copy)
        try:
            await print_slip(t.ports.printer, t.engine, facts, copy)
        except PrinterError as error:
            await t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "printer", r.REASON: error.code})
            if not await ask.show_error(t, error, "key.decline"):
                raise EmvError("the slip to sign was not printed", "EMV-147") from None
            if error.detail is not None:  # some of it may be on the paper
                copy = r.COPY_DUPLICATE
            continue
        await t.journal.append(r.RECEIPT_PRINTED, {r.CASE: case.number, r.COPY: copy})
        return


async def _compared(t, body: dict) -> None:  # noqa: ANN001
    """The officer's word; keys typed ahead are not part of it. Raises EmvError EMV-146."""
    for _ in range(_PATIENCE):
        key = await ask.answer(
            t, "signature", amount=body[r.AMOUNT], scheme=body.get(r.SCHEME, ""), last4=body.get(r.LAST4, "")
        )
        if key == "ok":
            return
        if key == "cancel":
            break
    raise EmvError("the cardholder's signature does not agree, or nobody confirmed it", "EMV-146")
