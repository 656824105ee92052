"""What a failed handshake means: loaded when one has failed, not before. Both runtimes."""

from protocol.errors import NetworkError

NOT_OURS, OTHER_NAME, OUT_OF_DATE, NOT_SPOKEN = 7, 8, 9, 10
_STRANGE = "do not trust this network"


def trouble(kind: int) -> NetworkError:
    """The error of a kind."""
    if kind == NOT_OURS:
        return NetworkError("the server's certificate is not signed by the pinned CA", "NET-007", _STRANGE)
    if kind == OTHER_NAME:
        return NetworkError("the server's certificate is another server's", "NET-008", _STRANGE)
    if kind == OUT_OF_DATE:
        return NetworkError(
            "the server's certificate has expired or is not valid yet", "NET-009", "check date and time"
        )
    return NetworkError("the server does not speak TLS as agreed", "NET-010", _STRANGE)
