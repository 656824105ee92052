"""What the page's list of exchanges may not say, whatever digits this run's secrets happen to have."""

from typing import Any

PLACES = ("SELECT", "READ BINARY")
"""Their details are an application's name or an offset: digits that may by chance be a PIN's."""


def secrets_in(lines: list[dict[str, Any]], pins: list[str]) -> list[dict[str, Any]]:
    """The lines that hold a PIN, or the beginning of a test card's number, or more of a header than its four bytes."""
    return [line for line in lines if _tells(line, pins)]


def _tells(line: dict[str, Any], pins: list[str]) -> bool:
    words = line["meaning"] + " " + line["detail"]
    if "999999" in words or len(line["header"]) > len("00 20 00 80"):
        return True
    return line["name"] not in PLACES and any(pin in words for pin in pins)
