"""Tokens of cards and licences in records: the first 8 bytes of an HMAC-SHA-256 in the secure element; release 0.1.0 kept 16."""


def keyed(mac: bytes) -> bytes:
    """The token that a record keeps of an HMAC."""
    return mac[:8]


def same(one: "bytes | None", other: "bytes | None") -> bool:
    """Whether two tokens are there and of one number; one may be of 16 bytes, from before an update."""
    size = min(len(one), len(other)) if one and other else 0
    return size > 0 and one[:size] == other[:size]  # type: ignore[index] - neither is None here
