"""The machine-readable zone on a licence's back, read or keyed (ICAO Doc 9303-3, -5, -6; ISO/IEC 18013-3 annex for one line).

Every check digit is tested; MrzError's `detail` names the field that is wrong: "number", "birth", "expiry", "composite",
"line1", "line2", "line3" (a character or a length in that line), "lines" (their number). Accepted: TD1 (three lines of 30; the
Algerian licence's first begins DLDZA), TD2 (two of 36), one line of 30 (EU licences). All of them begin with D, as no document of
Doc 9303 does (A, C, I: cards, P: passports, V: visas; parts 4 to 7); the second letter is the issuer's. Names are neither kept
nor checked.
"""

from protocol.errors import LicenceError, MrzError

LICENCES = "D"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_AROUND = " \t\r\n\x02\x03\0\ufeff"
MAX_CAN = 16  # the longest licence number of an EU state
NUMBER, BIRTH, EXPIRY, COMPOSITE = "number", "birth", "expiry", "composite"


class Mrz:
    """What is needed of an MRZ: `kind` ("TD1", "TD2", "EU", "keyed" or "CAN"), `country` (three letters or ""), `number` (without
    fillers), `tells_number` whether that is the licence's own, `birth` and `expiry` (YYMMDD, "" in a one-line MRZ), `bac_key_input` (the
    bytes that access keys are made of)."""

    def __init__(self, kind: str, country: str, number: str, birth: str, expiry: str, bac_key_input: bytes) -> None:
        self.kind = kind
        self.country = country
        self.number = number
        self.birth = birth
        self.tells_number = (
            kind != "CAN" or len(number) != 6 or not number.isdigit()
        )  # those may be an access number only
        self.expiry = expiry
        self.bac_key_input = bac_key_input


def check_digit(text: str) -> str:
    """The check digit over `text` (ICAO 9303-3 4.9: weights 7, 3, 1; '<' counts 0). ValueError on other characters."""
    total = 0
    for i in range(len(text)):
        char = text[i]
        value = 0 if char == "<" else _ALPHABET.index(char)
        total += value * (7, 3, 1)[i % 3]
    return str(total % 10)


def _wrong(field: str, what: str = "check digit is wrong") -> MrzError:
    return MrzError(field + ": " + what, detail=field)


def _tested(field: str, text: str, digit: str) -> None:
    if len(digit) != 1 or check_digit(text) != digit:
        raise _wrong(field)


def _folded(text: str) -> str:
    """Without blanks and in upper case, as far as ASCII goes: other letters may become one or two of it."""
    return "".join([char.upper() if char <= "z" else char for char in text if char != " "])


def _clean(line: str, name: str, length: int) -> str:
    """`line` in upper case without blanks; MrzError naming the line if a character or the length is wrong."""
    line = _folded(line)
    if len(line) != length:
        raise _wrong(name, "has " + str(len(line)) + " characters instead of " + str(length))
    for char in line:
        if char != "<" and char not in _ALPHABET:
            raise _wrong(name, "holds a character that no MRZ has")
    return line


def _date(field: str, text: str) -> None:
    """YYMMDD; month and day of a birth may be unknown ('<' or 00, as in Algerian presumed dates)."""
    if len(text) != 6:
        raise _wrong(field, "needs six digits YYMMDD")
    for i in range(0, 6, 2):
        part = text[i : i + 2]
        if part == "<<" and field == BIRTH:
            continue
        if not ("0" <= part[0] <= "9" and "0" <= part[1] <= "9"):
            raise _wrong(field, "needs six digits YYMMDD")
        low = "00" if field == BIRTH else "01"
        if (i == 2 and not low <= part <= "12") or (i == 4 and not low <= part <= "31"):
            raise _wrong(field, "is no date")


def _build(
    kind: str, country: str, number: str, digit: str, birth: str, birth_digit: str, expiry: str, expiry_digit: str
) -> Mrz:
    _tested(NUMBER, number, digit)
    _tested(BIRTH, birth, birth_digit)
    _tested(EXPIRY, expiry, expiry_digit)
    _date(BIRTH, birth)
    _date(EXPIRY, expiry)
    key = number + digit + birth + birth_digit + expiry + expiry_digit
    return Mrz(kind, country, number.replace("<", ""), birth, expiry, key.encode())


def from_fields(number: str, number_check: str, birth: str, birth_check: str, expiry: str, expiry_check: str) -> Mrz:
    """An MRZ from keyed fields: document number (1 to 9 characters, fillers added), dates YYMMDD, each with its check digit."""
    number = _folded(number)
    for char in number:
        if char != "<" and char not in _ALPHABET:
            raise _wrong(NUMBER, "holds a character that no MRZ has")
    if not number.replace("<", ""):
        raise _wrong(NUMBER, "is empty")
    if len(number) > 9:
        raise _wrong(NUMBER, "has more than nine characters")
    number += "<" * (9 - len(number))
    for field, text in ((BIRTH, birth), (EXPIRY, expiry)):
        _date(field, text)
    return _build("keyed", "", number, number_check, birth, birth_check, expiry, expiry_check)


def _trimmed(text: str) -> str:
    """`text` without what scanners put around it, in whatever order: blanks, tabs, line ends, STX, ETX, NUL, byte order marks."""
    start, end = 0, len(text)  # not `strip`, which takes single bytes of a mark on MicroPython
    while start < end and text[start] in _AROUND:
        start += 1
    while start < end and text[end - 1] in _AROUND:
        end -= 1
    return text[start:end]


def _lines(text: str) -> "list[str]":
    """The lines that are not empty, each without what is around it; tabs divide them where nothing else does."""
    found = _trimmed(text).replace("\r", "\n").split("\n")
    if len(found) == 1:
        found = found[0].split("\t")
    return [line for line in [_trimmed(line) for line in found] if line]


def from_can(text: str) -> Mrz:
    """A card access number (digits printed on the card, or an EU licence's document number) in place of an MRZ: PACE only."""
    text = _folded(_trimmed(text))
    if len(text) < 6:
        raise _wrong(NUMBER, "needs six characters or more")
    if len(text) > MAX_CAN:
        raise _wrong(NUMBER, "has more than sixteen characters")
    return _access_number(text)


def _access_number(text: str) -> Mrz:
    for char in text:
        if char not in _ALPHABET:
            raise _wrong(NUMBER, "holds a character that no access number has")
    return Mrz("CAN", "", text, "", "", text.encode())


def algerian_number(text: str) -> str:
    """The Algerian licence number 'A' and eight digits; MrzError ("number") if `text` is not one."""
    text = _folded(text)
    if len(text) != 9 or text[0] != "A":
        raise _wrong(NUMBER, "needs the letter A and eight digits")
    for char in text[1:]:
        if not "0" <= char <= "9":
            raise _wrong(NUMBER, "needs the letter A and eight digits")
    return text


def _long_number(number: str, digit: str, rest: str) -> "tuple[str, str]":
    """Number and digit when the number field overflows into the optional field (ICAO 9303-5 note j, 9303-6)."""
    if digit != "<":
        return number, digit
    tail = rest.split("<")[0]
    if len(tail) < 2:
        raise _wrong(NUMBER, "check digit is missing")
    return number + tail[:-1], tail[-1]


def _of_kind(line: str, kinds: str) -> None:
    if kinds and line[0] not in kinds:
        raise MrzError("line1: not a driving licence", "LIC-011", detail="line1")


def _td1(lines: "list[str]", kinds: str) -> Mrz:
    one = _clean(lines[0], "line1", 30)
    _of_kind(one, kinds)
    two = _clean(lines[1], "line2", 30)
    _clean(lines[2], "line3", 30)
    number, digit = _long_number(one[5:14], one[14], one[15:30])
    mrz = _build("TD1", one[2:5].replace("<", ""), number, digit, two[0:6], two[6], two[8:14], two[14])
    _tested(COMPOSITE, one[5:30] + two[0:7] + two[8:15] + two[18:29], two[29])
    return mrz


def _td2(lines: "list[str]", kinds: str) -> Mrz:
    one = _clean(lines[0], "line1", 36)
    _of_kind(one, kinds)
    two = _clean(lines[1], "line2", 36)
    number, digit = _long_number(two[0:9], two[9], two[28:35])
    mrz = _build("TD2", one[2:5].replace("<", ""), number, digit, two[13:19], two[19], two[21:27], two[27])
    _tested(COMPOSITE, two[0:10] + two[13:20] + two[21:35], two[35])
    return mrz


def _one_line(text: str) -> Mrz:
    """ISO/IEC 18013-3: D, configuration, country or free fields, check digit over all before it; key input is 2 to 29.

    The number's place is the state's own: ten characters on Dutch licences, random ones follow; elsewhere all up to the first filler (?).
    """
    line = _clean(text, "line1", 30)
    _of_kind(line, LICENCES)
    _tested("line1", line[:29], line[29])
    number = line[6:16] if line[2:5] == "NLD" else line[6:29]
    return Mrz("EU", "", number.split("<")[0], "", "", line[1:29].encode())


def other_password(mrz: Mrz, error: LicenceError) -> "Mrz | None":
    """The number in a one-line MRZ as a CAN, where the chip answered that it has no password made of the line (LIC-023, 6A88): newer EU
    licences have PACE by their number alone. None for everything else: a password that was tried and refused is not replaced.
    """
    if error.code != "LIC-023" or error.detail != 0x6A88 or mrz.kind != "EU" or len(mrz.number) < 6:
        return None
    return _access_number(mrz.number)


def parse(text: str, kinds: str = LICENCES) -> Mrz:
    """The MRZ in `text`: lines separated by line ends or tabs, or run together (90, 72 or 30 characters); what scanners put around it
    is trimmed.

    `kinds`: first letters of the documents wanted, "" for any; MrzError LIC-011 for another one of three or two lines.
    """
    lines = _lines(text)
    if len(lines) == 1:
        joined = lines[0].replace(" ", "")
        if len(joined) == 90:
            lines = [joined[0:30], joined[30:60], joined[60:90]]
        elif len(joined) == 72:
            lines = [joined[0:36], joined[36:72]]
    if len(lines) == 3:
        return _td1(lines, kinds)
    if len(lines) == 2:
        return _td2(lines, kinds)
    if len(lines) == 1:
        return _one_line(lines[0])
    raise MrzError("an MRZ has one, two or three lines", "LIC-011", detail="lines")
