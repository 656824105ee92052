"""How a lying card changes its answers, for the fuzzes of the kernels: a lie is (number of the answer, honest answer) → answer."""

from collections.abc import Callable

from tests.protocol.emv.scripted import h

Lie = Callable[[int, bytes], bytes]
Change = Callable[[bytes], bytes]

_WORDS = ("6700", "6984", "6985", "6986", "6A81", "6A82", "6A83", "6283", "6100", "6C00", "63C0", "9000", "FFFF")
CHANGES: list[Change] = [
    lambda a: b"",
    lambda a: a[:1],
    lambda a: a[:-2],
    lambda a: a[-2:],
    lambda a: a[:-2] + a,
    lambda a: a[: len(a) // 2] + h("9000"),
    *(lambda a, sw=sw: h(sw) for sw in _WORDS),
]
"""Empty, cut, without a status word, doubled, halved; and every status word alone."""


def changed(at: int, change: Change) -> Lie:
    """The answer number `at` changed, the others honest."""
    return lambda now, answer: change(answer) if now == at else answer


def flipped(at: int, offset: int, mask: int) -> Lie:
    """One byte of the answer number `at` changed, if it is so long."""

    def flip(answer: bytes) -> bytes:
        return (
            answer[:offset] + bytes([answer[offset] ^ mask]) + answer[offset + 1 :] if offset < len(answer) else answer
        )

    return changed(at, flip)
