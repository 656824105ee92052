"""What a reading proved, in words and as JSON. The verdicts are worded once, here; an unproven chip is never called genuine."""

from typing import Any

from protocol import records
from protocol.licence import __doc__ as licence_doc
from protocol.licence.profile import name_of
from tools import plain

VERDICTS = {
    records.VERDICT_GENUINE: "data and chip genuine",
    records.VERDICT_DATA_GENUINE: "data genuine, chip not proven",
    records.VERDICT_ALTERED: "altered",
    records.VERDICT_UNKNOWN_ISSUER: "unknown issuer",
    records.VERDICT_CLONE: "clone suspected",
    records.VERDICT_UNREADABLE: "chip unreadable",
    records.VERDICT_NOT_VERIFIED: "not verified",
}
NOTES = {
    records.VERDICT_DATA_GENUINE: "a copied chip would look the same",
    records.VERDICT_UNKNOWN_ISSUER: "no trust anchor of this country and purpose vouches for the signer",
    records.VERDICT_CLONE: "the signed data announce a proof that this chip did not give",
}
IN_PART = "a file that the SOD lists is not whole, so that its hash cannot be compared"
NO_COUNTRY = "the licence does not say which country it is from, so that no trust anchor can vouch for it"
COUNTRY = "country {} is not known, so that no trust anchor can vouch for it"
NO_CERTIFICATE = "the signer's certificate was not found in the SOD, so that nothing can vouch for the signature"
BAD_CERTIFICATE = "the signer's certificate in the SOD cannot be used, so that nothing can vouch for the signature"
NOT_FOR_DOCUMENTS = "the signer's certificate is not one for signing documents"
ANNOUNCED = "the SOD announces that the chip can prove itself"
NOT_IN_FILES = "which files cannot show: read the chip to tell it from a copy"
NOT_DUMPED = "as on a copied chip, neither the files nor EF.COM have"
NOT_SUPPORTED = "in a way that is not supported here: a copied chip would look the same"
BELIEVED = (records.VERDICT_GENUINE, records.VERDICT_DATA_GENUINE)


def _meanings() -> dict[str, str]:
    """Code → meaning, from the list that `protocol.licence` keeps."""
    found = {}
    for line in (licence_doc or "").splitlines():
        code, _, text = line.strip().partition("  ")
        if code.startswith("LIC-") and text:
            found[code] = text.strip()
    return found


MEANINGS = _meanings()


def group_name(number: int) -> str:
    """ "DG1" …, and the security object for 0."""
    return "EF.SOD" if number == 0 else name_of(number)


def verdict(number: int, altered: list[int]) -> str:
    """The verdict in words; an alteration names its groups."""
    text = VERDICTS[number]
    if number == records.VERDICT_ALTERED:
        text += ": " + ", ".join(group_name(group) for group in altered)
    return text


def _detail(code: str, detail: object) -> object:
    if isinstance(detail, bool) or not isinstance(detail, int):
        return detail if isinstance(detail, str) else None
    if code in ("LIC-210", "LIC-211", "LIC-213", "LIC-214", "LIC-215", "LIC-238", "LIC-239"):
        return group_name(detail)
    return f"{detail:04X}"


def findings(details: "list[tuple[str, Any]]") -> list[dict[str, Any]]:
    """[{code, meaning, detail}] of a reading's findings; group numbers by name, status words in hex."""
    return [
        {"code": code, "meaning": MEANINGS.get(code, ""), "detail": _detail(code, detail)} for code, detail in details
    ]


def in_words(report: dict[str, Any]) -> list[str]:
    """A report (see `report.of`) as lines for a person, the verdict first; whatever the licence says steers no screen."""
    return [plain.line(line) for line in _lines(report)]


def _lines(report: dict[str, Any]) -> list[str]:
    lines = [report["verdict"]["words"]]
    if report["verdict"]["note"]:
        lines.append(f"  ({report['verdict']['note']})")
    for finding in report["findings"]:
        place = f" [{finding['detail']}]" if finding["detail"] else ""
        lines.append(f"  {finding['code']} {finding['meaning']}{place}")
    lines.append("")
    for name, group in report["groups"].items():
        lines.append(f"{name:7} {group['bytes']:6} bytes  {group['state']}")
    for group, fields in report["data"].items():
        lines.append("")
        lines.append(f"{group}{'' if report['groups'].get(group, {}).get('state') == 'signed' else ' (unproven)'}")
        lines += [f"  {key:14} {_value(value)}" for key, value in fields.items() if value]
    return lines


def _value(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(
            _category(row) if isinstance(row, dict) and "category" in row else _plain(row) for row in value
        )
    return str(value)


def _plain(row: object) -> str:
    """Whatever else a group holds in rows: "tag 24321: 14 bytes", "kind 2, format jpeg"."""
    if isinstance(row, dict):
        return ", ".join(f"{key} {value}" for key, value in row.items())
    return " ".join(str(item) for item in row) if isinstance(row, list) else str(row)


def _category(row: dict[str, str]) -> str:
    """One line of DG1: "B 2018-04-12 to 2028-04-11", or a restriction code with sign and value."""
    text = row["category"]
    if row["issue"] or row["expiry"]:
        text += f" {_date(row['issue'])} to {_date(row['expiry'])}"
    extra = "".join(row.get(key, "") for key in ("code", "sign", "value"))
    return f"{text} code {extra}" if extra else text


def _date(text: str) -> str:
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 else "?"
