"""The machine-readable zone on the licence's back: TD1, three lines of 30 (ICAO Doc 9303-5), as the Algerian licence prints it.

Line 1 begins DLDZA. Check digits with weights 7, 3, 1. Used to print the card and to derive the access keys, not to parse.
"""

from sim.cards.licence.people import Person

_WEIGHTS = (7, 3, 1)


def check_digit(text: str) -> str:
    """The check digit of Doc 9303-3 section 4.9: digits count as they are, A-Z as 10-35, the filler as 0."""
    total = 0
    for at, letter in enumerate(text):
        value = 0 if letter == "<" else int(letter, 36)
        total += value * _WEIGHTS[at % 3]
    return str(total % 10)


def _short(date: str) -> str:
    """YYYYMMDD as YYMMDD."""
    return date[2:]


def information(person: Person) -> str:
    """Number, birth and expiry with their check digits: the input of the basic access keys."""
    fields = (person.number.ljust(9, "<"), _short(person.birth), _short(person.expiry))
    return "".join(text + check_digit(text) for text in fields)


def one_line(person: Person) -> str:
    """The one line of 30 of an EU licence: D, configuration 1, country, a free position, number, filler, check digit."""
    line = ("D1" + person.country + "2" + person.number).ljust(29, "<")
    return line + check_digit(line)


def one_line_information(person: Person) -> str:
    """Positions 2 to 29 of that line: the input of its access keys."""
    return one_line(person)[1:29]


def mrz_lines(person: Person) -> str:
    """The three lines, joined by line feeds, as a scanner sends them; the one line of an EU licence."""
    if person.country != "DZA":
        return one_line(person)
    number = person.number.ljust(9, "<")
    first = ("DLDZA" + number + check_digit(number)).ljust(30, "<")
    birth, expiry = _short(person.birth), _short(person.expiry)
    second = birth + check_digit(birth) + person.sex + expiry + check_digit(expiry) + "DZA" + "<" * 11
    composite = check_digit(first[5:30] + second[0:7] + second[8:15] + second[18:29])
    names = person.surname.replace(" ", "<") + "<<" + person.given_names.replace(" ", "<")
    return "\n".join((first, second + composite, names.ljust(30, "<")[:30]))
