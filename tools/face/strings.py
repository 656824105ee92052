"""Makes `terminal/face/strings.bin` from `strings.yaml` and `errors.yaml`, the catalogue of every word on the screens.

Run: `python -m tools.face.strings` writes it, `--check` says whether it is current. The format is described in
`terminal.face.catalogue`. A key without all three languages, or with different fields in them, is refused.
"""

import re
import sys
from pathlib import Path

import yaml

FACE = Path(__file__).resolve().parents[2] / "terminal" / "face"
SOURCES = (FACE / "strings.yaml", FACE / "errors.yaml")
TARGET = FACE / "strings.bin"
LANGUAGES = ("ar", "fr", "en")


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


def build() -> bytes:
    """The catalogue in the run-time's format."""
    source = load()
    keys = sorted(source)
    pool = bytearray()
    places: "dict[bytes, int]" = {}
    start = 8 + 19 * len(keys)
    entries = bytearray()

    def place(data: bytes) -> bytes:
        if data not in places:
            places[data] = start + len(pool)
            pool.extend(data)
        return places[data].to_bytes(3, "big")

    for key in keys:
        name = key.encode()
        entries += place(name) + bytes((len(name),))
        for language in LANGUAGES:
            text = source[key][language].encode()
            entries += place(text) + len(text).to_bytes(2, "big")
    return b"TFS1" + len(keys).to_bytes(2, "big") + b"\0\0" + bytes(entries) + bytes(pool)


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
