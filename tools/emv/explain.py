"""The kernel's codes (`protocol.emv.explain`) in sentences, in French, Arabic and English: each bit with its rule and its data objects.

Pure: takes the list of (what, why) pairs, gives lines. There is nothing personal in the codes, so there is nothing in the lines; a pair that is
not of the kernel's forms is named by its code only, never echoed.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from protocol.emv import explain as codes

LANGUAGES = ("ar", "fr", "en")
_BIT = re.compile(r"B[1-5]b[1-8]x?")
_OBJECT = re.compile(r"(?:[0-9A-F]{2}){1,3}")
_SAFE = re.compile(r"[A-Za-z0-9 -]{0,40}")
_CODE = re.compile(r"[A-Za-z0-9-]{0,10}")
_DETAIL = re.compile(r"[A-Za-z0-9 -]{1,40}")
SCREEN = Path(__file__).resolve().parents[2] / "terminal" / "face" / "errors.yaml"
NAMES = {  # as the standard's annex names them: the same in all three languages
    "57": "Track 2 Equivalent Data", "5A": "PAN", "5F24": "Application Expiration Date", "5F25": "Application Effective Date",
    "5F28": "Issuer Country Code", "82": "AIP", "86": "Issuer Script Command", "8C": "CDOL1", "8D": "CDOL2", "8E": "CVM List",
    "8F": "CA Public Key Index", "90": "Issuer PK Certificate", "91": "Issuer Authentication Data", "92": "Issuer PK Remainder",
    "93": "SSAD", "95": "TVR", "97": "TDOL", "9A": "Transaction Date", "9F02": "Amount, Authorised", "9F07": "Application Usage Control",
    "9F08": "Application Version (card)", "9F09": "Application Version (terminal)", "9F13": "Last Online ATC", "9F14": "LCOL",
    "9F17": "PIN Try Counter", "9F1A": "Terminal Country Code", "9F1B": "Terminal Floor Limit", "9F23": "UCOL", "9F32": "Issuer PK Exponent",
    "9F33": "Terminal Capabilities", "9F35": "Terminal Type", "9F36": "ATC", "9F46": "ICC PK Certificate", "9F47": "ICC PK Exponent",
    "9F26": "Application Cryptogram", "9F38": "PDOL", "9F66": "Terminal Transaction Qualifiers", "4F": "ADF Name",
    "9F69": "Card Authentication Related Data", "9F6C": "Card Transaction Qualifiers",
    "9F51": "DRDOL", "9F6E": "Third Party Data", "DF4B": "POS Cardholder Interaction Information", "DF8303": "Min Time for Processing",
    "DF8304": "Max Time for Processing", "DF8305": "Device Estimated Transmission Time", "DF8306": "Measured Processing Time",
    "50": "Application Label", "5F20": "Cardholder Name", "5F2D": "Language Preference", "5F30": "Service Code", "5F34": "PAN Sequence Number",
    "61": "Application Template", "6F": "FCI Template", "70": "READ RECORD Response Template", "77": "Response Message Template Format 2",
    "80": "Response Message Template Format 1", "84": "DF Name", "87": "Application Priority Indicator", "88": "SFI of the Directory",
    "8A": "Authorisation Response Code", "94": "AFL", "9F0D": "IAC-Default", "9F0E": "IAC-Denial", "9F0F": "IAC-Online",
    "9F10": "Issuer Application Data", "9F27": "CID", "9F37": "Unpredictable Number", "9F42": "Application Currency Code",
    "9F44": "Application Currency Exponent", "9F49": "DDOL", "9F4A": "SDA Tag List", "A5": "FCI Proprietary Template",
    "BF0C": "FCI Issuer Discretionary Data", "9F4B": "SDAD", "71": "Issuer Script 71", "72": "Issuer Script 72",
}  # fmt: skip


_CERTIFICATE = re.compile(r"[a-z]+(?:-[a-z0-9]+)+")  # "icc-hash"; digits alone are never one
_STATUS = (
    "refused",
    "not-recovered",
    "pin-blocked",
    "pin-tries-used",
)  # rules whose first word is a status word, no data object
_METHODS = ("unrecognised", "unsupported", "pin-not-supported", "performed")  # … a CVM code
_GIVEN = "card gave "
_PLACES = ("EMV-101", "EMV-106", "EMV-107")  # their detail is a place or a number, no data object


@lru_cache(maxsize=1)
def texts() -> dict[str, Any]:
    """The catalogue."""
    return yaml.safe_load((Path(__file__).parent / "texts.yaml").read_text())


@lru_cache(maxsize=1)
def _screen() -> dict[str, Any]:
    """The words of the officer's screen: what a limit or the link to the card says there, it says here."""
    return yaml.safe_load(SCREEN.read_text())


def outcome(code: str, lang: str, detail: str = "") -> str:
    """A reason in words, with the data object, command or rule that its error names."""
    if not _SAFE.fullmatch(code):
        code = "?"
    screen = _screen().get(f"err.{code}")
    said = screen[lang] if screen and code not in texts()["outcomes"] else _say("outcomes", code, lang)
    if code == "STOP" and f"err.{detail}" in _screen():
        return f"{said} [{detail} {_screen()[f'err.{detail}'][lang]}]"
    return said + (f" [{_named(code, detail, lang)}]" if detail and _DETAIL.fullmatch(detail) else "")


def _named(code: str, detail: str, lang: str) -> str:
    """ "5F24" with its name; a status word, an offset or a command as it is."""
    if code == "EMV-120" and re.fullmatch("[0-9A-F]{2}", detail):
        return _cryptogram(detail, lang)
    if detail in texts()["details"]:
        return _say("details", detail, lang)
    if code in _PLACES or (code == "EMV-105" and re.fullmatch("[0-9A-F]{4}", detail)):
        return detail
    return ", ".join(f"{word} {NAMES[word]}" for word in detail.split(" ")) if _all_tags(detail) else detail


def _cryptogram(cid: str, lang: str) -> str:
    """Which cryptogram, out of 9F27 in hex: its low bits say other things."""
    return _say("cryptograms", f"{int(cid, 16) & 0xC0:02X}", lang)


def _all_tags(detail: str) -> bool:
    return all(word in NAMES for word in detail.split(" "))


def _say(part: str, key: str, lang: str, **fields: str) -> str:
    section = texts()[part]
    entry = section.get(key) or section.get("other")
    return entry[lang].format(**{"code": key, **fields}) if entry else key


def rule_of(why: str) -> str:
    """The rule's key in the catalogue: the first word of a reason; certificate errors share one sentence."""
    word = why.split(" ")[0]
    if word in texts()["rules"]:
        return word
    return "certificate" if _CERTIFICATE.fullmatch(word) else ""


def _reason(why: str, lang: str) -> str:
    """ "floor 9F02 9F1B" as a sentence with the names of the data objects."""
    words = why.split(" ")
    rule = rule_of(why)
    if not rule and words[0] in NAMES:  # a certificate error names what is missing
        return _reason("missing " + why, lang)
    if not rule:  # a code
        known = words[0] if words[0] in texts()["outcomes"] and not words[0].isdigit() else ""
        return f"{_say('outcomes', known, lang)} ({known})" if known else words[0] if _CODE.fullmatch(words[0]) else "?"
    sentence = texts()["rules"][rule][lang]
    if rule == "certificate":
        sentence += f" ({words[0]})"
    rest = _arguments(rule, [word for word in words[1:] if _OBJECT.fullmatch(word)], lang)
    return sentence + (f" [{', '.join(rest)}]" if rest else "")


def _arguments(rule: str, words: list[str], lang: str) -> list[str]:
    """What stands behind a rule: data objects with their names, but first a status word or a CVM code where the rule has one."""
    first = [] if rule not in _STATUS + _METHODS else words[:1]
    said = [_method(word, lang) if rule in _METHODS else word for word in first]
    return said + [f"{word} {NAMES[word]}" if word in NAMES else word for word in words[len(first) :]]


def _method(code: str, lang: str) -> str:
    return _say("methods", f"{int(code, 16) & 0x3F:02X}", lang)


def _by_whom(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs, with "declined offline" told apart: by the terminal unless the card gave less than it was asked for."""
    given = [pair for pair in pairs if pair[1].startswith(_GIVEN)]
    what, why = given[-1] if given else ("", _GIVEN + "80")
    try:
        by_card = int(why[len(_GIVEN) :], 16) & 0xC0 == 0 and not what.endswith(" 00")
    except ValueError:
        by_card = True
    return pairs if by_card else [("OUTCOME", "Z1-terminal") if pair == ("OUTCOME", "Z1") else pair for pair in pairs]


def decisive(pairs: list[tuple[str, str]], lang: str, detail: str = "") -> str:
    """The one line that matters, with what stands behind its bit."""
    pairs = _by_whom(pairs)
    what, why = codes.decisive(pairs)
    said = line(what, why, lang, detail)
    bit = _BIT.search(what)
    if bit and not what.startswith("TVR"):
        causes = codes.lines(pairs, f"TVR {bit[0]}")
        if causes:
            said += texts()["head"]["because"][lang] + _reason(causes[0], lang)
    return said


def line(what: str, why: str, lang: str, detail: str = "") -> str:
    """One pair as a sentence; `detail`: of the error behind the outcome. A pair that is not of the kernel's forms: its code only."""
    try:
        return _line(what, why, lang, detail)
    except (ValueError, IndexError):
        return texts()["head"]["other"][lang].format(what=what if _SAFE.fullmatch(what) else "?", text="?")


def _line(what: str, why: str, lang: str, detail: str) -> str:
    head = texts()["head"]
    bit = _BIT.search(what)
    because = head["because"][lang]
    if bit and what.startswith("TVR "):
        return head["tvr"][lang].format(bit=bit[0], text=_say("bits", bit[0], lang)) + because + _reason(why, lang)
    if bit and what.startswith("TSI "):
        return head["tsi"][lang].format(bit=bit[0], text=_say("tsi", bit[0], lang)) + because + _reason(why, lang)
    if bit and what[:4] in ("TAC-", "IAC-"):
        code = what.split(" ")[0]
        return head["match"][lang].format(
            code=code, bit=bit[0], text=_say("bits", bit[0], lang), effect=_say("codes", code, lang)
        )
    if what == "RULE":
        return head["rule"][lang].format(text=_reason(why, lang))
    if what.startswith("CVM"):
        return _cvm(what, why, lang)
    if what.startswith("GAC"):
        return head["gac"][lang].format(
            n=what[3], asked=_cryptogram(what[-2:], lang), given=_cryptogram(why[-2:], lang)
        )
    if what == "GPO" and why.startswith(_GIVEN):
        return head["gpo"][lang].format(given=_cryptogram(why[-2:], lang))
    if what in ("TTQ", "CTQ"):
        return _qualifiers(what, why, lang)
    if what == "COMBINATION" and re.fullmatch(r"kernel \d", why):
        return head["kernel"][lang].format(n=int(why[7:]))
    if (what, why) == ("XDA", "signature holds"):
        why = "xda-signature"
    if what == "ONLINE":
        known = why.split(" ")[0] in texts()["rules"]
        return head["online"][lang].format(text=_reason(why, lang) if known else _say("outcomes", why, lang))
    if what == "OUTCOME":
        return head["outcome"][lang].format(text=outcome(why, lang, detail))
    return head["other"][lang].format(what=_step(what, lang), text=_reason(why, lang))


def _step(what: str, lang: str) -> str:
    """What a line is about: in words where the catalogue has them, else the code itself."""
    if what in texts()["steps"]:
        return _say("steps", what, lang)
    return what if _SAFE.fullmatch(what) else "?"


def _qualifiers(what: str, why: str, lang: str) -> str:
    """The qualifiers of Kernel 3 bit by bit: what the terminal asks for, what the card wishes."""
    head = texts()["head"]
    value, *origin = why.split(" ")
    if not re.fullmatch({"TTQ": "[0-9A-F]{8}", "CTQ": "[0-9A-F]{4}"}[what], value):
        raise ValueError(what)
    known = texts()[what.lower()]
    bits = [
        f"B{at + 1}b{bit}"
        for at, byte in enumerate(bytes.fromhex(value))
        for bit in range(8, 0, -1)
        if byte >> bit - 1 & 1
    ]
    said = [known[bit][lang] for bit in bits if bit in known] or [known["none"][lang]]
    source = f" [{origin[0]} {NAMES[origin[0]]}]" if origin and origin[0] in NAMES else ""
    return head[what.lower()][lang].format(hex=value, text=head["comma"][lang].join(said) + source)


def _cvm(what: str, why: str, lang: str) -> str:
    """A rule of the CVM list, or the CVM results byte by byte."""
    head = texts()["head"]
    if re.fullmatch(r"CVM rule \d{1,3}", what):
        words = why.split(" ")
        text = _reason(words[0], lang)
        if words[0] == "condition-not-met":
            text += f" ({words[1]})"
        elif len(words) > 1:
            text += head["colon"][lang] + _method(words[1], lang)
        return head["cvm"][lang].format(n=what.rsplit(" ", 1)[1], text=text)
    found = re.fullmatch(r"CVM ([0-9A-F]{2})([0-9A-F]{2})([0-9A-F]{2})", what)
    if found is None:
        return head["other"][lang].format(what=_step("CVM", lang), text=_reason(why, lang))
    method = _say("methods", "device", lang) if why.startswith("device-verified") else _method(found[1], lang)
    said = head["cvmr"][lang].format(
        hex=what[4:], method=method, condition=found[2], result=_say("results", found[3], lang)
    )
    return said if why == "result" else said + head["because"][lang] + _reason(why, lang)


def lines(pairs: list[tuple[str, str]], lang: str, detail: str = "") -> list[str]:
    """All sentences, in order."""
    return [line(what, why, lang, detail) for what, why in _by_whom(pairs)]


def untraced(pairs: list[tuple[str, str]], tvr: bytes, tsi: bytes) -> list[str]:
    """Bits of TVR or TSI that no line explains, and lines whose bit is not set: empty for a complete explanation."""
    found = []
    for name, register in (("TVR", tvr), ("TSI", tsi)):
        told = {what.rstrip("x") for what, _ in pairs if what.startswith(name + " ")}
        for at, byte in enumerate(register):
            for bit in range(8):
                key = f"{name} B{at + 1}b{bit + 1}"
                if bool(byte >> bit & 1) != (key in told):
                    found.append(key)
    return found
