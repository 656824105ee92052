"""The same question with another expected length, where a chip finds fault with the first (ISO/IEC 7816-4 section 5.6: 6700, 6Cxx).

A Le of zeros asks for what there is. Chips were made that count it as 256 or 65,536 bytes, or take no Le but that of their answer: 6Cxx
says which, after 6700 the length that follows from keys and protocol is asked for. Nothing is concluded before each was tried once.
"""

from typing import TYPE_CHECKING

from protocol.licence.errors import MessagingError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from protocol.licence.channel import Chip

ANY, WIDE = b"\0", b"\0\0"  # Le fields that ask for what there is, short and extended


def refused(status: int) -> bool:
    """Whether a status finds fault with the expected length."""
    return status == 0x6700 or status >> 8 == 0x6C


def following(status: int, tried: "list[bytes]", others: "tuple[bytes, ...]") -> "bytes | None":
    """The Le field to try next: what 6Cxx names, else the next of `others`; None if there is none that was not `tried`."""
    named = status & 255 if status >> 8 == 0x6C else 0
    first = () if not named else (bytes((named,)) if len(tried[0]) < 2 else bytes((0, named)),)
    for le in first + others:
        if le not in tried:
            return le
    return None


def ask(
    chip: "Chip", attempt: "Callable[[bytes], Generator[tuple, Any, tuple[bytes, int]]]", others: "tuple[bytes, ...]"
) -> "Generator[tuple, Any, tuple[bytes, int]]":
    """(data, status) of what `attempt` asks with a Le field: the first of `others`, and another while the chip finds fault with it.

    A channel that ends with such a status in clear is rebuilt before the next try. MessagingError as of `Chip.send`, except for the
    last of these: its status is returned, and the channel is dead.
    """
    tried: "list[bytes]" = []
    le: "bytes | None" = others[0]
    lost: "MessagingError | None" = None
    found = b"", 0
    while le is not None:
        if lost is not None:
            yield from chip.rebuild(lost)
            lost = None
        tried.append(le)
        try:
            found = yield from attempt(le)
        except MessagingError as cause:
            status = cause.detail
            if not isinstance(status, int) or not refused(status):
                raise
            lost, found = cause, (b"", status)
        if not refused(found[1]):
            break
        le = following(found[1], tried, others)
    return found
