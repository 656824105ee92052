"""Going on in a new epoch: what a terminal does whose journal cannot be read or trusted (design §4).

It says HELLO with the code of its trouble and the latest epoch that it knows of, by its journal or its secure element, so that no number is
given twice. The server tells its officers and, when two of them have approved, answers with the command that begins the new epoch. The
command is signed by the role key "cmd", bound to this device and expires; what it approves is signed by "epoch"
(`terminal.journal.epoch`), and an epoch is begun once, since a later one must have a greater number. JRN-034 the centre has not approved
yet, JRN-035 the command is not acceptable.
"""

from drivers.contracts.small import CLOCK_SERVER
from protocol import cbor, cose
from protocol import sync as m
from protocol.errors import CryptoError, FormatError, JournalError
from terminal import session


async def ask(t, code: str) -> None:  # noqa: ANN001 - Terminal
    """Ask the centre because of `code` and begin what it approved. Raises NetworkError, ServerError, JournalError."""
    latest = max(t.journal.epoch, await t.journal.latest_epoch())
    welcome = await session.hello(t, {m.TROUBLE: code, m.EPOCH: latest})
    if not await accept(t, welcome):
        raise JournalError(
            "the centre has not approved a new beginning yet", "JRN-034", "wait for the centre, then press OK"
        )


async def accept(t, welcome: dict) -> bool:  # noqa: ANN001
    """Begin the epoch that a WELCOME's command approves; False if there is none. Raises JournalError."""
    for blob in welcome.get(m.COMMANDS, ()):
        approval = _approval(t, blob, welcome[m.SERVER_UTC])
        if approval is not None:
            t.ports.clock.set_utc(welcome[m.SERVER_UTC], CLOCK_SERVER)  # the new epoch knows of no earlier time
            t.officer = None  # there is no shift any more: who goes on logs in, and begins one
            await t.journal.begin_epoch(approval, t.identity.key("epoch"))
            t.note("epoch", number=t.journal.epoch)
            return True
    return False


def _approval(t, blob: bytes, utc: int) -> "bytes | None":  # noqa: ANN001
    """The approval in a command for this device that has not expired; None in one of another kind. Raises JRN-035."""
    try:
        sign1 = cose.sign1_parse(blob)
        cose.sign1_verify(t.ports.crypto, sign1, t.identity.key("cmd"), expected_content_type=m.TYPE_COMMAND)
        command = cbor.decode(sign1.payload or b"")
        device, expires, kind, body = [command[key] for key in (1, 3, 4, 5)]
        if kind != m.COMMAND_EPOCH:
            return None
        if device == t.identity.device and utc <= expires and isinstance(body, bytes):
            return body
    except (FormatError, CryptoError, KeyError, TypeError):
        pass
    raise JournalError("the centre's command is not acceptable", "JRN-035", "ask the centre for a new one")
