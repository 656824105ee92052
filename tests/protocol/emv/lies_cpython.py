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


OTHERS = [
    (tag, bytes.fromhex(value))
    for tag, values in (
        ("8E", ("00000000000000001F00", "00000000000000001E00", "00000000000000000201", "0000000000000000")), ("5F24", ("311231", "200101")),
        ("5F25", ("200101", "270101")), ("5F28", ("0012", "0250")), ("9F07", ("FF00", "0000")), ("5A", ("9999990000000026",)),
        ("5F34", ("07",)), ("9F4A", ("82", "")), ("9F0D", ("0000000000",)), ("9F0E", ("0000000000",)), ("9F0F", ("0000000000",)),
        ("8C", ("9F3704",)), ("8D", ("9F3704",)), ("9F14", ("FF",)), ("9F23", ("FF",)), ("82", ("0900", "1900", "2000", "1980")),
        ("9F42", ("0012",)), ("9F08", ("0001",)), ("57", ("9999990000000026D31122011234567890",)), ("9F6C", ("0080", "0000")),
    )
    for value in values
]  # fmt: skip
# what a card may sign so that it is not approved as a matter of course
BASES: list[dict[str, bytes]] = [
    {}, {"5F24": bytes.fromhex("260131")}, {"5F25": bytes.fromhex("270101")}, {"9F07": bytes.fromhex("0000")},
    {"5F28": bytes.fromhex("0250"), "9F07": bytes.fromhex("2900")}, {"8E": bytes.fromhex("00000000000000000100")},
    {"8E": bytes.fromhex("00000000000000000200")}, {"8E": bytes.fromhex("00000000000000000000"), "9F0F": b"\xff" * 5},
]  # fmt: skip
