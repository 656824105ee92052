"""The words of the screens in Arabic, French and English, looked up in place in one bytes-like object.

Made from `strings.yaml` by `tools.face.strings`. All numbers big-endian:

    "TFS1"  u16 keys  u16 zero
    per key, 19 bytes, ascending by key: u24 key at  u8 key length  then for ar, fr, en: u24 text at  u16 text length
    keys (ASCII) and texts (UTF-8)

Fields are written `{name}`; what fills one is set between U+2068 and U+2069, so that it keeps its own direction in any
sentence. No plurals, no nesting.
"""

from typing import TYPE_CHECKING

from protocol.errors import ConfigError

if TYPE_CHECKING:
    Bytes = bytes | bytearray | memoryview

LANGUAGES = ("ar", "fr", "en")
_ENTRY = 19


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
        if len(blob) < 8 or bytes(blob[:4]) != b"TFS1":
            raise ConfigError("the catalogue of words is not one", "CFG-052", "install the terminal's image again")
        self.blob = blob

    def _u24(self, at: int) -> int:
        blob = self.blob
        return (blob[at] << 16) | (blob[at + 1] << 8) | blob[at + 2]

    def _find(self, key: str) -> int:
        """Offset of the key's entry, -1 if there is none."""
        wanted = key.encode()
        low = 0
        high = (self.blob[4] << 8) | self.blob[5]
        while low < high:
            middle = (low + high) >> 1
            entry = 8 + _ENTRY * middle
            at = self._u24(entry)
            here = bytes(self.blob[at : at + self.blob[entry + 3]])
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
        entry += 4 + 5 * LANGUAGES.index(lang)
        at = self._u24(entry)
        length = (self.blob[entry + 3] << 8) | self.blob[entry + 4]
        text = str(bytes(self.blob[at : at + length]), "utf-8")
        for name in fields:
            text = text.replace("{" + name + "}", isolated(str(fields[name])))
        return text

    def coded(self, prefix: str, code: str, lang: str) -> str:
        """The text of `prefix.code`, else of its class `prefix.COD`, else "": for error codes such as CRD-003."""
        for key in (prefix + "." + code, prefix + "." + code[:3]):
            if self.has(key):
                return self.text(key, lang, code=code)
        return ""
