"""What a signed reply must hold before the synchronisation uses it: fields that are there and of their type (`protocol.sync`)."""

from protocol import sync as m
from protocol.errors import NetworkError

_NEEDED = {
    m.TYPE_WELCOME: (m.ACKED_SEQ, m.ACKED_HASH, m.SERVER_UTC),
    m.TYPE_ACK: (m.ACKED_SEQ, m.ACKED_HASH),
    m.TYPE_RECON: (m.BALANCED,),
}
_TYPES = {
    m.ACKED_SEQ: int, m.ACKED_HASH: bytes, m.SERVER_UTC: int, m.NEW_SETS: list, m.COMMANDS: list, m.RESULTS: list, m.VOIDS: list,
    m.REJECTED: list, m.CLEARED: bytes, m.BALANCED: bool, m.DUPLICATES: int, m.BESIDE: int,
}  # fmt: skip
_OF_RESULT = {
    m.RESULT_EPOCH: int, m.RESULT_INTENT: int, m.RESULT_OUTCOME: int, m.RESULT_AUTH_CODE: str, m.RESULT_REASON: str, m.RESULT_REF: str,
}  # fmt: skip
_RESULT = (m.RESULT_INTENT, m.RESULT_OUTCOME)
_VOID = (m.RESULT_EPOCH, m.RESULT_INTENT, m.RESULT_OUTCOME, m.RESULT_REASON, m.RESULT_REF)


def checked(kind: str, message: dict) -> dict:
    """The message as it came. Raises NetworkError NET-005 if a field that the terminal uses is absent or of another type."""
    try:
        _well_formed(kind, message)
    except (KeyError, TypeError):
        raise NetworkError("the server's reply is malformed", "NET-005") from None
    return message


def _well_formed(kind: str, message: dict) -> None:
    """TypeError or KeyError if a field that the terminal uses is absent or of another type."""
    for key in _NEEDED.get(kind, ()):
        message[key]
    for key in message:
        if key in _TYPES and type(message[key]) is not _TYPES[key]:
            raise TypeError
    for key in (m.NEW_SETS, m.COMMANDS):
        for item in message.get(key, ()):
            if not isinstance(item, bytes):
                raise TypeError
    for key, needed in ((m.RESULTS, _RESULT), (m.VOIDS, _VOID)):
        for item in message.get(key, ()):
            for name in needed:
                item[name]
            for name in item:
                if name in _OF_RESULT and type(item[name]) is not _OF_RESULT[name]:
                    raise TypeError
    for item in message.get(m.REJECTED, ()):
        if not isinstance(item, list) or len(item) < 2:
            raise TypeError
