"""Makes `terminal/face/strings.bin` from `strings.yaml` and `errors.yaml`, the catalogue of every word on the screens.

Run: `python -m tools.face.strings` writes it, `--check` says whether it is current. The format is described in
`terminal.face.catalogue`. A key without all three languages, or with different fields in them, is refused.
"""

import re
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import yaml

FACE = Path(__file__).resolve().parents[2] / "terminal" / "face"
SOURCES = (FACE / "strings.yaml", FACE / "errors.yaml")
TARGET = FACE / "strings.bin"
LANGUAGES = ("ar", "fr", "en")
CODES = 256
WORTH = 4  # a pair that occurs more seldom is not worth its piece


def load() -> "dict[str, dict[str, str]]":
    """The sources as key → language → text. Raises ValueError naming a key that is incomplete or there twice."""
    source: "dict[str, dict[str, str]]" = {}
    for path in SOURCES:
        for key, texts in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            if key in source:
                raise ValueError(f"{key}: is there twice")
            source[key] = texts
            if isinstance(texts, dict) and isinstance(texts.get("fr"), str):
                texts["fr"] = re.sub(
                    r" ([:;?!»])", "\u00a0\\1", texts["fr"]
                )  # French sets these off by an unbreakable space
    for key, texts in source.items():
        if not isinstance(texts, dict) or set(texts) != set(LANGUAGES) or not all(texts.values()):
            raise ValueError(f"{key}: needs a text in each of {LANGUAGES}")
        fields = {frozenset(re.findall(r"\{(\w+)\}", text)) for text in texts.values()}
        if len(fields) != 1:
            raise ValueError(f"{key}: the languages name different fields")
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,60}", key):
            raise ValueError(f"{key}: not a fit key")
    return source


def codes_of(texts: "list[str]") -> "tuple[list[str], dict[str, bytes]]":
    """(pieces by code, text → its codes): a piece for each character, then for the pair of codes that occurs most, again and again, while
    there are codes (byte pair encoding).
    """
    pieces = sorted({character for text in texts for character in text})
    number = {character: code for code, character in enumerate(pieces)}
    rows = {text: [number[character] for character in text] for text in sorted(set(texts))}
    while len(pieces) < CODES:
        counts = Counter(pair for row in rows.values() for pair in pairwise(row))
        pair, count = min(counts.items(), key=lambda item: (-item[1], item[0]))
        if count < WORTH:
            break
        code = len(pieces)
        pieces.append(pieces[pair[0]] + pieces[pair[1]])
        rows = {text: _joined(row, pair, code) for text, row in rows.items()}
    return pieces, {text: bytes(row) for text, row in rows.items()}


def _joined(row: "list[int]", pair: "tuple[int, int]", code: int) -> "list[int]":
    out: "list[int]" = []
    at = 0
    while at < len(row):
        if tuple(row[at : at + 2]) == pair:
            out.append(code)
            at += 2
        else:
            out.append(row[at])
            at += 1
    return out


def build() -> bytes:
    """The catalogue in the run-time's format. ValueError for a text that is too long for it."""
    source = load()
    keys = sorted(source)
    pieces, rows = codes_of([text for texts in source.values() for text in texts.values()])
    spelt = [piece.encode() for piece in pieces]
    at = 8 + 12 * len(keys) + 2 * (len(spelt) + 1)
    table = b"".join((at + sum(map(len, spelt[:code]))).to_bytes(2, "big") for code in range(len(spelt) + 1))
    start = at + sum(map(len, spelt))
    pool = bytearray()
    places: "dict[bytes, int]" = {}

    def place(data: bytes) -> bytes:
        if data not in places:
            places[data] = start + len(pool)
            pool.extend(data)
        return places[data].to_bytes(2, "big") + len(data).to_bytes(1, "big")

    entries = bytearray()
    for key in keys:
        try:
            entries += place(key.encode()) + b"".join(place(rows[source[key][language]]) for language in LANGUAGES)
        except OverflowError:
            raise ValueError(f"{key}: a text too long for the catalogue, or the catalogue too large") from None
    head = b"TFS2" + len(keys).to_bytes(2, "big") + len(spelt).to_bytes(2, "big")
    return head + bytes(entries) + table + b"".join(spelt) + bytes(pool)


def main() -> int:
    """Write the catalogue, or with `--check` compare."""
    data = build()
    if "--check" in sys.argv:
        current = TARGET.is_file() and TARGET.read_bytes() == data
        print("current" if current else "stale: run python -m tools.face.strings")
        return 0 if current else 1
    TARGET.write_bytes(data)
    print(f"{TARGET.name}: {len(data)} bytes, {len(load())} keys")
    return 0


if __name__ == "__main__":
    sys.exit(main())
