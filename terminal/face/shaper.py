"""From a string to the glyphs of one line, left to right: Arabic joining forms, lam-alef, order of mixed text.

Joining follows the Unicode standard, chapter 9.2 (cursive joining), with the presentation forms U+FB50-FEFC as glyph names.
Harakat and other marks are dropped; letters that the atlas lacks are replaced by their nearest kin (Persian kaf and yeh). Line
breaking and widths are in `terminal.face.text`.
"""

from terminal.face import bidi

# Index of the isolated form above U+FE80 for U+0621..U+064A and how many forms there are (1, 2: isolated and final, 4: all).
_FIRST = 0x621
_FORMS = (
    b"\x01\x02\x02\x02\x02\x04\x02\x04\x02\x04\x04\x04\x04\x04\x02\x02\x02\x02\x04\x04\x04\x04\x04\x04\x04\x04"
    b"\0\0\0\0\0\0"
    b"\x04\x04\x04\x04\x04\x04\x04\x02\x02\x04"
)
_BASES = (
    b"\x00\x01\x03\x05\x07\x09\x0d\x0f\x13\x15\x19\x1d\x21\x25\x29\x2b\x2d\x2f\x31\x35\x39\x3d\x41\x45\x49\x4d"
    b"\0\0\0\0\0\0"
    b"\x51\x55\x59\x5d\x61\x65\x69\x6d\x6f\x71"
)
_TATWEEL = 0x640
_LAM = 0x644
_ALEFS = (0x622, 0x623, 0x625, 0x627)  # their ligatures with lam: U+FEF5, FEF7, FEF9, FEFB
_ZWNJ = 0x200C
_ZWJ = 0x200D


def _is_mark(code: int) -> bool:
    """Harakat, other combining marks, and controls that are not drawn and do not join."""
    return (
        0x64B <= code <= 0x65F
        or code == 0x670
        or 0x610 <= code <= 0x61A
        or 0x6D6 <= code <= 0x6ED
        or 0x300 <= code <= 0x36F
        or 0x202A <= code <= 0x202E
        or code in (0x200B, 0x200E, 0x200F, 0x61C, 0xFEFF, 0xAD)
    )


def _kin(code: int) -> int:
    """The letter to shape in place of a letter that the atlas does not hold."""
    if code == 0x6A9 or code == 0x6AD:
        return 0x643
    if code in (0x6CC, 0x6D2):
        return 0x64A
    if code in (0x6C0, 0x6C1, 0x6BE):
        return 0x647
    return 0x627 if code == 0x671 else code


def _form(code: int) -> "tuple[int, int]":
    """(isolated presentation form, number of forms) of an Arabic letter; (code, 0) for anything else."""
    if _FIRST <= code <= 0x64A:
        at = code - _FIRST
        return 0xFE80 + _BASES[at], _FORMS[at]
    if code == 0x67E:
        return 0xFB56, 4
    if code == 0x686:
        return 0xFB7A, 4
    if code == 0x698:
        return 0xFB8A, 2
    if code == 0x6A4:
        return 0xFB6A, 4
    if code == 0x6AF:
        return 0xFB92, 4
    return code, 0


def code_points(text: str) -> list:
    """Code points to lay out: marks dropped, kin letters replaced, what is beyond 16 bits replaced by U+FFFD."""
    out = []
    for char in text:
        code = ord(char)
        if code < 0x300 or not _is_mark(code):
            if code != 0xAD:
                out.append(0xFFFD if code > 0xFFFF else _kin(code) if code >= 0x671 else code)
    return out


def _joins_next(code: int) -> bool:
    return code in (_TATWEEL, _ZWJ) or _form(code)[1] == 4


def _joins_before(code: int) -> bool:
    return code in (_TATWEEL, _ZWJ) or _form(code)[1] >= 2


def join(codes: list) -> None:
    """Replace Arabic letters by their presentation forms, in place and in logical order; 0 where a ligature took a letter in."""
    size = len(codes)
    before = 0  # logical predecessor, as letter
    at = 0
    while at < size:
        code = codes[at]
        base, forms = _form(code)
        joined = forms >= 2 and _joins_next(before)
        before = code
        if code == _LAM and at + 1 < size and codes[at + 1] in _ALEFS:
            alef = codes[at + 1]
            codes[at] = 0xFEF5 + 2 * _ALEFS.index(alef) + (1 if joined else 0)
            codes[at + 1] = 0
            before = alef
            at += 2
            continue
        if forms:
            joins = forms == 4 and at + 1 < size and _joins_before(codes[at + 1])
            codes[at] = base + (1 if joined else 0) + (2 if joins else 0)
        elif code in (_ZWJ, _ZWNJ):
            codes[at] = 0
        at += 1


def shape(text: str, rtl: bool) -> list:
    """Glyph code points of one line from left to right, for a paragraph of the given direction."""
    codes = code_points(text)
    if not rtl and not bidi.has_rtl(codes):
        return [code for code in codes if code not in (_ZWJ, _ZWNJ)]
    codes = bidi.isolate_fields(codes)
    line_levels = bidi.levels(codes, rtl)
    join(codes)
    out = []
    for place in bidi.visual_order(line_levels):
        code = codes[place]
        if code and not bidi.LRI <= code <= bidi.PDI:
            out.append(bidi.mirrored(code) if line_levels[place] & 1 else code)
    return out
