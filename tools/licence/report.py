"""One reading as a JSON-able report: verdict, findings, groups with their state, data, how the chip was opened and proved."""

from typing import Any

from protocol import records
from protocol.licence.errors import LicenceError
from protocol.licence.profile import COM, SOD, SOD_TAG, name_of
from protocol.licence.reader import LicenceReading
from protocol.licence.trust import passive
from tools.licence import offline, words

ORDER = (COM, SOD, *range(1, 15))


def of(reading: LicenceReading, files: dict[int, bytes]) -> dict[str, Any]:
    """The report of a reading; `files` {short identifier: content} of what was read or loaded."""
    announced = [words.group_name(group) for group in offline.announced(files)]
    return {
        "verdict": _verdict(reading.verdict, reading.altered_groups, _note(reading, announced)),
        "believed": reading.verdict in words.BELIEVED,
        "findings": words.findings(list(reading.details)),  # pyright: ignore[reportArgumentType]
        "altered": [words.group_name(group) for group in reading.altered_groups],
        "access": reading.access,
        "chip": reading.chip,
        "announced": announced,
        "groups": {name_of(file): _group(reading, file, files[file]) for file in ORDER if file in files},
        "data": {name_of(group): _printable(reading.data[group]) for group in sorted(reading.data)},
    }


def unreadable(error: LicenceError) -> dict[str, Any]:
    """The report of a licence of which nothing can be said but why."""
    return {
        "verdict": _verdict(records.VERDICT_UNREADABLE, []),
        "believed": False,
        "findings": [{"code": error.code, "meaning": error.message, "detail": _small(error.detail)}],
        "altered": [], "access": "", "chip": "", "announced": [], "groups": {}, "data": {},
    }  # fmt: skip


def _verdict(number: int, altered: list[int], note: str = "") -> dict[str, Any]:
    return {"number": number, "words": words.verdict(number, altered), "note": note or words.NOTES.get(number, "")}


def _note(reading: LicenceReading, announced: list[str]) -> str:
    """What the verdict's usual note would say wrongly or not at all: why an issuer is unknown, why a chip is not proven; else ""."""
    details = dict(reversed(reading.details))  # the first of each code
    if reading.verdict == records.VERDICT_UNKNOWN_ISSUER:
        if "LIC-217" in details:
            country = details["LIC-217"]
            return words.COUNTRY.format(country) if country else words.NO_COUNTRY
        if "LIC-234" in details:
            return words.NO_CERTIFICATE
        if "LIC-237" in details:
            return words.BAD_CERTIFICATE
        return words.NOT_FOR_DOCUMENTS if ("LIC-233", "signer") in reading.details and "LIC-228" not in details else ""
    if reading.verdict == records.VERDICT_NOT_VERIFIED and "LIC-239" in details:
        return words.IN_PART
    if reading.verdict != records.VERDICT_DATA_GENUINE or reading.chip != passive.UNTESTED:
        return ""  # genuine data without a proof of the chip, though the SOD announces one
    text = f"{words.ANNOUNCED} ({', '.join(announced)}), "
    if reading.access != offline.ACCESS:
        return text + words.NOT_SUPPORTED
    gone = [str(detail) for code, detail in reading.details if code in ("LIC-241", "LIC-243")]
    return text + words.NOT_IN_FILES + (f"; {words.NOT_DUMPED} {', '.join(gone)}" if gone else "")


def _group(reading: LicenceReading, file: int, content: bytes) -> dict[str, Any]:
    broken = ("LIC-239", name_of(SOD) if file == SOD else file) in reading.details
    if file == COM:
        state = "not signed by its nature"
    elif broken:
        state = "not whole"
    elif file == SOD:
        state = "altered" if 0 in reading.altered_groups else "read" if SOD_TAG in reading.files else "empty"
    elif file in reading.altered_groups:
        state = "altered"
    elif file in reading.covered:
        state = "signed" if reading.verdict in words.BELIEVED else "matches the SOD"
    else:
        state = "not covered by the SOD"
    digest = reading.files.get(_tag(file))
    return {"bytes": len(content), "state": state, "sha256": digest.hex() if digest else None}


def _printable(value: Any) -> Any:
    """Decoded fields as JSON holds them; bytes by their number only."""
    if isinstance(value, dict):
        return {key: _printable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_printable(item) for item in value]
    return f"{len(value)} bytes" if isinstance(value, (bytes, bytearray, memoryview)) else value


def _tag(file: int) -> int:
    from protocol.licence.profile import tag_of

    return tag_of(file)


def _small(detail: object) -> object:
    return f"{detail:04X}" if isinstance(detail, int) else detail if isinstance(detail, str) else None
