"""Order of mixed Arabic and Latin text on a line: the Unicode Bidirectional Algorithm (UAX #9), cut to what a terminal shows.

Done: paragraph direction given by the caller, the weak, neutral and bracket rules (W2-W7, N0-N2, I1-I2, L1-L2), isolates
(U+2066-2069, X5a-X6a, BD9). Not done: embeddings and overrides (U+202A-202E), combining marks (dropped before), tabs, more than one
paragraph. On top of it one tailoring that UAX #9 allows (HL4): numbers, plates and Latin phrases are isolated as left-to-right
fields, so that `2 000,00` or `00123-119-16` never change their order in Arabic (`isolate_fields`).
"""

L = 0
R = 1
AL = 2
EN = 3
AN = 4
ES = 5
CS = 6
ET = 7
WS = 8
ON = 9
LRI = 0x2066
RLI = 0x2067
FSI = 0x2068
PDI = 0x2069

_ASCII = (
    b"9999999999998999999999999999999989977799999565663333333333699999"
    b"9000000000000000000000000009999990000000000000000000000000099999"
)
_OPEN = "([{«‹"
_CLOSE = ")]}»›"
_SEPARATORS = "-/.,:_'@\u00a0\u202f\u2019"


def bidi_class(code: int) -> int:
    """Bidi class of a code point, as one of this module's constants; WS and ON also stand for classes not told apart."""
    if code < 0x80:
        return _ASCII[code] - 48
    if code < 0x250:
        if code >= 0xC0:
            return ON if code in (0xD7, 0xF7) else L
        return _latin1_symbol(code)
    if 0x590 <= code < 0x900 or 0xFB1D <= code < 0xFF00:
        return _right_to_left(code)
    if 0x2000 <= code < 0x2800 or code == 0xFFFD:
        return _symbol(code)
    return L


def _latin1_symbol(code: int) -> int:
    if code in (0xAA, 0xB5, 0xBA):
        return L
    if code in (0xB2, 0xB3, 0xB9):
        return EN
    if code == 0xA0:
        return CS
    if 0xA2 <= code <= 0xA5 or code in (0xB0, 0xB1):
        return ET
    return ON


def _right_to_left(code: int) -> int:
    if code < 0x600 or 0xFB1D <= code < 0xFB50:
        return R
    if code == 0x60C:
        return CS
    if code <= 0x605 or 0x660 <= code <= 0x669 or code in (0x66B, 0x66C, 0x6DD):
        return AN
    if code in (0x609, 0x60A, 0x66A):
        return ET
    if code in (0x606, 0x607, 0x60E, 0x60F, 0x6DE, 0x6E9, 0xFD3E, 0xFD3F):
        return ON
    return AL


def _symbol(code: int) -> int:
    if code <= 0x200A or code == 0x205F or code == 0x2028:
        return WS
    if code in (0x202F, 0x2044):
        return CS
    if 0x2030 <= code <= 0x2034 or 0x20A0 <= code <= 0x20CF or code == 0x2213 or code == 0x212E:
        return ET
    if code in (0x207A, 0x207B, 0x208A, 0x208B, 0x2212):
        return ES
    if 0x2080 <= code <= 0x2089 or code == 0x2070 or 0x2074 <= code <= 0x2079:
        return EN
    return ON


def has_rtl(codes: list) -> bool:
    """Whether any code point is written right to left (or is an isolate control, which needs the full algorithm)."""
    return any(code >= 0x590 and (code < 0x900 or code >= 0xFB1D or LRI <= code <= PDI) for code in codes)


def _is_word(code: int) -> bool:
    return bidi_class(code) in (L, EN)


def _is_digit(code: int) -> bool:
    return 48 <= code <= 57


def _token_end(codes: list, start: int) -> int:
    """End of the token that starts at `start`: letters and digits with single separators between them, `%` or `°` after it."""
    end = start + 1
    size = len(codes)
    while end < size:
        if _is_word(codes[end]):
            end += 1
        elif end + 1 < size and codes[end] < 0x2100 and chr(codes[end]) in _SEPARATORS and _is_word(codes[end + 1]):
            end += 2
        else:
            break
    if end < size and codes[end] in (0x25, 0xB0):
        end += 1
    return end


def _has_latin(codes: list, start: int, end: int) -> bool:
    return any(bidi_class(codes[at]) == L for at in range(start, end))


def _is_thousands(codes: list, start: int, space: int) -> bool:
    """Whether the space at `space` divides thousands: one to three digits before it, exactly three after it."""
    before = space
    while before > start and _is_digit(codes[before - 1]):
        before -= 1
    after = space + 1
    while after < len(codes) and _is_digit(codes[after]):
        after += 1
    return 1 <= space - before <= 3 and after - space == 4


def _field_end(codes: list, start: int) -> int:
    """End of the left-to-right field at `start`: tokens joined by single spaces where one is Latin or both are one number."""
    end = _token_end(codes, start)
    token = start
    while end + 1 < len(codes) and codes[end] == 32 and _is_word(codes[end + 1]):
        following = _token_end(codes, end + 1)
        latin = _has_latin(codes, token, end) or _has_latin(codes, end + 1, following)
        if not latin and not _is_thousands(codes, start, end):
            break
        token, end = end + 1, following
    return end


def isolate_fields(codes: list) -> list:
    """The same code points with each number, plate or Latin phrase set between U+2066 and U+2069."""
    out = []
    at = 0
    while at < len(codes):
        code = codes[at]
        signed = code in (0x2B, 0x2D, 0x2212) and at + 1 < len(codes) and _is_digit(codes[at + 1])
        if _is_word(code) or signed:
            end = _field_end(codes, at + 1 if signed else at)
            out.append(LRI)
            out.extend(codes[at:end])
            out.append(PDI)
            at = end
        else:
            out.append(code)
            at += 1
    return out


def _matching_pdi(codes: list, start: int, end: int) -> int:
    """Index of the PDI that ends the isolate opened at `start` (BD9), or `end` if there is none."""
    depth = 0
    for at in range(start, end):
        if LRI <= codes[at] <= FSI:
            depth += 1
        elif codes[at] == PDI:
            depth -= 1
            if depth == 0:
                return at
    return end


def first_strong_is_rtl(codes: list, start: int, end: int) -> bool:
    """Direction of the first strong character outside isolates (P2, P3); False where there is none."""
    at = start
    while at < end:
        if LRI <= codes[at] <= FSI:
            at = _matching_pdi(codes, at, end)
        else:
            kind = bidi_class(codes[at])
            if kind <= AL:
                return kind != L
        at += 1
    return False


def levels(codes: list, rtl: bool) -> bytearray:
    """Embedding level of each code point of one line in a paragraph of the given direction."""
    result = bytearray(len(codes))
    _resolve(codes, 0, len(codes), 1 if rtl else 0, result)
    end = len(codes)
    while end and (LRI <= codes[end - 1] <= PDI or bidi_class(codes[end - 1]) == WS):
        end -= 1
        result[end] = 1 if rtl else 0  # L1
    return result


def _resolve(codes: list, start: int, end: int, level: int, result: bytearray) -> None:
    """Levels of one isolating run sequence, its inner isolates first."""
    places = []
    at = start
    while at < end:
        places.append(at)
        code = codes[at]
        if LRI <= code <= FSI:
            close = _matching_pdi(codes, at, end)
            inner_rtl = code == RLI or (code == FSI and first_strong_is_rtl(codes, at + 1, close))
            _resolve(codes, at + 1, close, (level + 1) | 1 if inner_rtl else (level + 2) & 0xFE, result)
            at = close
        else:
            at += 1
    kinds = bytearray(len(places))
    for index, place in enumerate(places):
        code = codes[place]
        kinds[index] = ON if LRI <= code <= PDI else bidi_class(code)
    _weak(kinds, level & 1)
    _brackets(codes, places, kinds, level & 1)
    _neutral(kinds, level & 1)
    for index, place in enumerate(places):
        kind = kinds[index]
        if level & 1:
            result[place] = level + 1 if kind != R else level
        else:
            result[place] = level + kind if kind <= R else level + 2


def _weak(kinds: bytearray, direction: int) -> None:
    """W2 to W7 in place."""
    strong = direction
    for at, kind in enumerate(kinds):  # W2, W3
        if kind <= AL:
            strong = kind
            if kind == AL:
                kinds[at] = R
        elif kind == EN and strong == AL:
            kinds[at] = AN
    for at in range(1, len(kinds) - 1):  # W4
        kind, before, after = kinds[at], kinds[at - 1], kinds[at + 1]
        if before == after and ((kind in (ES, CS) and before == EN) or (kind == CS and before == AN)):
            kinds[at] = before
    at = 0
    while at < len(kinds):  # W5
        if kinds[at] != ET:
            at += 1
            continue
        end = at
        while end < len(kinds) and kinds[end] == ET:
            end += 1
        if (at and kinds[at - 1] == EN) or (end < len(kinds) and kinds[end] == EN):
            for place in range(at, end):
                kinds[place] = EN
        at = end
    strong = direction
    for at, kind in enumerate(kinds):  # W6, W7
        if kind <= R:
            strong = kind
        elif ES <= kind <= ET:
            kinds[at] = ON
        elif kind == EN and strong == L:
            kinds[at] = L


def _side(kind: int) -> int:
    """Direction of a resolved class for the neutral rules: numbers count as R; -1 for a neutral."""
    return kind if kind <= R else (R if kind in (EN, AN) else -1)


def _brackets(codes: list, places: list, kinds: bytearray, direction: int) -> None:
    """N0: a pair of brackets takes the direction of what it holds."""
    stack = []
    pairs = []
    for at, place in enumerate(places):
        code = codes[place]
        if code not in (0x28, 0x29, 0x5B, 0x5D, 0x7B, 0x7D) or kinds[at] != ON:
            continue
        if code in (0x28, 0x5B, 0x7B):
            stack.append(at)
            continue
        for depth in range(len(stack) - 1, -1, -1):
            if codes[places[stack[depth]]] == (0x28 if code == 0x29 else code - 2):
                pairs.append((stack[depth], at))
                stack = stack[:depth]
                break
    pairs.sort()
    for first, last in pairs:
        found = -1
        for at in range(first + 1, last):
            side = _side(kinds[at])
            if side == direction:
                found = direction
                break
            if side >= 0:
                found = side
        if found < 0:
            continue
        if found != direction:
            before = direction
            for at in range(first - 1, -1, -1):
                side = _side(kinds[at])
                if side >= 0:
                    before = side
                    break
            found = before
        kinds[first] = kinds[last] = found


def _neutral(kinds: bytearray, direction: int) -> None:
    """N1, N2: neutrals between equal directions take it, others the embedding's."""
    at = 0
    before = direction
    while at < len(kinds):
        side = _side(kinds[at])
        if side >= 0:
            before = side
            at += 1
            continue
        end = at
        while end < len(kinds) and _side(kinds[end]) < 0:
            end += 1
        after = _side(kinds[end]) if end < len(kinds) else direction
        for place in range(at, end):
            kinds[place] = before if before == after else direction
        at = end


def visual_order(line_levels: bytearray) -> list:
    """Logical indexes from left to right (L2)."""
    order = list(range(len(line_levels)))
    highest = 0
    for level in line_levels:
        highest = max(highest, level)
    for level in range(highest, 0, -1):
        at = 0
        while at < len(order):
            if line_levels[order[at]] < level:
                at += 1
                continue
            end = at
            while end < len(order) and line_levels[order[end]] >= level:
                end += 1
            left, right = at, end - 1
            while left < right:
                order[left], order[right] = order[right], order[left]
                left += 1
                right -= 1
            at = end
    return order


def mirrored(code: int) -> int:
    """The code point to draw for `code` at a right-to-left level (L4): brackets, guillemets, comparison signs."""
    if code == 0x3C or code == 0x3E:
        return 0x7A - code
    if code < 0x2100:
        char = chr(code)
        if char in _OPEN:
            return ord(_CLOSE[_OPEN.find(char)])
        if char in _CLOSE:
            return ord(_OPEN[_CLOSE.find(char)])
    return code
