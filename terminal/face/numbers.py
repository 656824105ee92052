"""Numbers as the screens and receipts write them, always left to right, in every language with Western digits (CLDR ar_DZ, fr_DZ).

Amounts are whole centimes; nothing here is a float. Dates and times are formatted from the digits of their codes, without a
calendar.
"""

from terminal.face.catalogue import ltr

NBSP = "\u00a0"


def grouped(value: int) -> str:
    """A whole number with a no-break space between thousands: 12 500."""
    digits = str(abs(value))
    out = ""
    while len(digits) > 3:
        out = NBSP + digits[len(digits) - 3 :] + out
        digits = digits[: len(digits) - 3]
    return ("-" if value < 0 else "") + digits + out


def decimal(centimes: int) -> str:
    """Centimes as dinars with two decimals: 500000 → "5 000,00" (no isolates, no unit)."""
    cents = abs(centimes) % 100
    sign = "-" if centimes < 0 else ""
    return sign + grouped(abs(centimes) // 100) + "," + ("0" if cents < 10 else "") + str(cents)


def amount(centimes: int, lang: str) -> str:
    """Amount with its unit: "5 000,00 DA" or, in Arabic, the number as a left-to-right field and then دج."""
    return ltr(decimal(centimes)) + NBSP + ("دج" if lang == "ar" else "DA")


def date(code: str) -> str:
    """ "YYYYMMDD" → "DD/MM/YYYY" as a left-to-right field; any other text is only isolated."""
    if len(code) == 8 and code.isdigit():
        return ltr(code[6:] + "/" + code[4:6] + "/" + code[:4])
    return ltr(code)


def two(value: int) -> str:
    """At least two digits."""
    return ("0" if value < 10 else "") + str(value)
