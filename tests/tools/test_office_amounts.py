"""Amounts in the back office's lists are the page's, and an officer may type, or copy, what a list, the page, a paper or an older list shows."""

import random
from pathlib import Path

import pytest

from protocol.errors import ParameterError
from terminal.face import numbers
from tools.house.paths import ROOT
from tools.office import amounts

SOME = [
    0,
    1,
    9,
    10,
    99,
    100,
    99_999,
    100_000,
    200_000,
    250_001,
    99_999_999,
    100_000_000,
    12_345_678_905,
    99_999_999_999_999,
]


@pytest.mark.parametrize(
    ("centimes", "text"),
    [(200_000, "2 000,00 DA"), (5, "0,05 DA"), (99_999, "999,99 DA"), (123_456_789, "1 234 567,89 DA")],
)
def test_they_are_written_as_on_the_terminals_screen(centimes: int, text: str) -> None:
    assert amounts.written(centimes) == text.replace(" ", "\u00a0")
    bare = numbers.amount(centimes, "fr").replace("\u2066", "").replace("\u2069", "")
    assert amounts.written(centimes) == bare


def test_no_centime_is_lost_where_a_float_would_lose_some() -> None:
    """2**53 + 1 centimes, of which no float knows."""
    assert amounts.written(9_007_199_254_740_993).replace("\u00a0", " ") == "90 071 992 547 409,93 DA"


@pytest.mark.parametrize("centimes", SOME)
def test_what_a_list_shows_is_taken_back_wherever_it_was_copied_from(centimes: int) -> None:
    plain = amounts.written(centimes)
    on_page = f"\u2068\u2066{numbers.decimal(centimes)}\u2069\u00a0{{}}\u2069"
    older = f"{centimes // 100:,}.{centimes % 100:02d}"
    for text in (plain, plain.replace("\u00a0", " "), plain.replace("\u00a0", "\u202f"), plain.removesuffix("\u00a0DA"), f" {plain} ",
                 on_page.format("DA"), on_page.format("دج"), numbers.amount(centimes, "ar"), older, f"{older} DZD", older.replace(",", ""),
                 f"{centimes // 100},{centimes % 100:02d}", f"{centimes // 100},{centimes % 100:02d}DA"):  # fmt: skip
        assert amounts.read(text) == centimes, text


def test_any_amount_comes_back() -> None:
    draw = random.Random(5)
    for _ in range(2000):
        centimes = draw.randrange(10 ** draw.randint(1, 14))
        assert amounts.read(amounts.written(centimes)) == centimes


@pytest.mark.parametrize(
    "text",
    ["", " ", "DA", "2000", "2000 DA", "200000", "2,000", "2.000", "2 000", "2.000,00", "2,000,00", "2 000 00", "2000.0", "2000,000", "1,2345.00",
     "12,34.00", "2 00,00", "20 00,00", "2 000\u00a0000,00", "1\u202f000 000,00", "1 000,000.00", "-5,00", "+5,00", "1e3,00", ",00", ".00", "5,",
     "2  000,00", "2000,00 EUR", "2000,00 DA DA", "DA 2000,00", "٢٠٠٠,٠٠", "２000,00", "2000,00\n", "2\t000,00", "1234567890123,00", "0x10,00"],
)  # fmt: skip
def test_what_is_none_or_might_be_two_is_refused(text: str) -> None:
    with pytest.raises(ParameterError) as caught:
        amounts.read(text)
    assert caught.value.code == "PRM-038" and "both decimals" in caught.value.hint


def test_none_given_is_none() -> None:
    assert amounts.read(None) == 0


def test_no_command_of_the_office_writes_one_by_itself() -> None:
    for path in sorted(Path(ROOT / "tools" / "office").glob("*.py")):
        source = path.read_text()
        assert "/ 100" not in source and (path.name == "amounts.py" or "DZD" not in source), path.name
