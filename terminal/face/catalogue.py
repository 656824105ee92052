"""The words of the screens in Arabic, French and English, looked up in place in one bytes-like object.

Made from `strings.yaml` by `tools.face.strings`. All numbers big-endian:

    "TFS2"  u16 keys  u16 codes
    per key, 12 bytes, ascending by key: u16 key at  u8 key length  then for ar, fr, en: u16 text at  u8 text length
    per code, and once more for the end: u16 its piece at
    pieces (UTF-8), keys (ASCII) and texts

A text is a row of codes, a byte each; a code is a piece of text, a character or what often occurs together.

Fields are written `{name}`; what fills one is set between U+2068 and U+2069, so that it keeps its own direction in any
sentence. No plurals, no nesting.
"""

from typing import TYPE_CHECKING

from protocol.errors import ConfigError

if TYPE_CHECKING:
    Bytes = bytes | bytearray | memoryview

LANGUAGES = ("ar", "fr", "en")
_ENTRY = 12


def is_rtl(lang: str) -> bool:
    """Whether the language is written right to left."""
    return lang == "ar"


def isolated(text: str) -> str:
    """`text` as a field that keeps its own direction (first strong isolate)."""
    return "\u2068" + text + "\u2069"


def ltr(text: str) -> str:
    """`text` as a left-to-right field: numbers, plates, codes."""
    return "\u2066" + text + "\u2069"


class Catalogue:
    """Reader of a catalogue; `blob` is a bytes-like object. Raises ConfigError CFG-052 on other bytes."""

    def __init__(self, blob: "Bytes") -> None:
        if len(blob) < 8 or bytes(blob[:4]) != b"TFS2":
            raise ConfigError("the catalogue of words is not one", "CFG-052", "install the terminal's image again")
        self.blob = blob

    def _u16(self, at: int) -> int:
        return (self.blob[at] << 8) | self.blob[at + 1]

    def _spelt(self, at: int, length: int) -> str:
        """The text of a row of codes."""
        table = 8 + _ENTRY * self._u16(4)
        blob = self.blob
        out = bytearray()
        for place in range(at, at + length):
            entry = table + 2 * blob[place]
            for piece in range(self._u16(entry), self._u16(entry + 2)):
                out.append(blob[piece])  # a byte at a time: slices would leave hundreds of objects on the heap
        return str(out, "utf-8")

    def _find(self, key: str) -> int:
        """Offset of the key's entry, -1 if there is none."""
        wanted = key.encode()
        low = 0
        high = self._u16(4)
        while low < high:
            middle = (low + high) >> 1
            entry = 8 + _ENTRY * middle
            at = self._u16(entry)
            here = bytes(self.blob[at : at + self.blob[entry + 2]])
            if here == wanted:
                return entry
            if here < wanted:
                low = middle + 1
            else:
                high = middle
        return -1

    def has(self, key: str) -> bool:
        """Whether there is such a key."""
        return self._find(key) >= 0

    def text(self, key: str, lang: str, **fields: object) -> str:
        """The text of `key` in "ar", "fr" or "en", its fields filled in. Raises ConfigError CFG-053 for an unknown one."""
        entry = self._find(key)
        if entry < 0 or lang not in LANGUAGES:
            raise ConfigError("no such text: " + key + " in " + lang, "CFG-053", "report it", key)
        entry += 3 + 3 * LANGUAGES.index(lang)
        text = self._spelt(self._u16(entry), self.blob[entry + 2])
        for name in fields:
            text = text.replace("{" + name + "}", isolated(str(fields[name])))
        return text

    def coded(self, prefix: str, code: str, lang: str) -> str:
        """The text of `prefix.code`, else of its class `prefix.COD`, else "": for error codes such as CRD-003."""
        for key in (prefix + "." + code, prefix + "." + code[:3]):
            if self.has(key):
                return self.text(key, lang, code=code)
        return ""
