"""`tasdid receipt`: what a receipt's QR code says, and whether a terminal of ours said it.

    tasdid receipt verify "TSD1:…"             the code's text, as a phone reads it
    tasdid receipt verify --png receipt.png    a picture or scan of the receipt

Keys: JSON {device id: public key as 130 hex digits, or a list of such} (what the server gives under /api/receipt-keys), or a folder of such files;
var/cpython/receipt-keys.json (made by `make run`) unless told otherwise. Exit codes: 0 the signature holds (read the outcome: a
provisional receipt is genuine and *not yet paid*), 1 it does not hold or the key is unknown, 2 bad input, 3 no key list.
"""

import json
from pathlib import Path
from typing import Any

import typer

from protocol import claim, claim_reader, records
from protocol.claim_reader import Claim
from protocol.errors import ConfigError, CryptoError, FormatError
from tools.house.errors import MissingPart
from tools.house.paths import ROOT

DEFAULT_KEYS = ROOT / "var" / "cpython" / "receipt-keys.json"
OUTCOMES = {
    claim.OUTCOME_NOTICE: "notice",
    records.OUTCOME_APPROVED: "approved",
    records.OUTCOME_PROVISIONAL: "provisional",
    records.OUTCOME_DECLINED: "declined",
    records.OUTCOME_INTERRUPTED: "interrupted",
}
SENTENCES = {
    claim.OUTCOME_NOTICE: "NOT PAID: a notice with its 10-day document",
    records.OUTCOME_APPROVED: "PAID",
    records.OUTCOME_PROVISIONAL: "NOT YET PAID: provisional, the bank has not answered and may refuse",
    records.OUTCOME_DECLINED: "NOT PAID: the card or the bank refused",
    records.OUTCOME_INTERRUPTED: "NOT PAID: the operation was cut, nothing was taken",
}

app = typer.Typer(no_args_is_help=True, help="Read and verify the signed code of a receipt.")


@app.callback()
def receipt() -> None:
    """Read and verify the signed code of a receipt."""


@app.command()
def verify(
    text: str = typer.Argument("", help="The text of the QR code, beginning with TSD1:"),
    png: Path | None = typer.Option(None, "--png", help="A picture of the receipt to read the code from."),
    keys: Path = typer.Option(DEFAULT_KEYS, "--keys", help="JSON list of public keys, or a folder of such files."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    """Verify a receipt's code and say what it means. Exit codes: 0 genuine, 1 not, 2 bad input, 3 no key list."""
    if not text and png is None:
        raise ConfigError(
            "there is no code to verify", "CFG-061", "give the code's text, or a picture of it with --png"
        )
    if text and png is not None:
        raise ConfigError("give either the code's text or --png, not both", "CFG-061", "leave one of them out")
    verdict = examine(text or read_code(png or Path()), load_keys(keys))
    if as_json:
        print(json.dumps(verdict, ensure_ascii=False))
    else:
        print("\n".join(in_words(verdict)))
    if not verdict["valid"]:
        raise typer.Exit(1)


def read_code(picture: Path) -> str:
    """The text of the receipt's code in a picture. ConfigError CFG-062 for no picture, ClaimError FMT-070 for no such code."""
    import zxingcpp
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(picture) as image:
            grey = image.convert("L")
    except (OSError, UnidentifiedImageError) as error:
        raise ConfigError("the picture cannot be read", "CFG-062", "give a PNG or JPEG file") from error
    codes = [code.text for code in zxingcpp.read_barcodes(grey)]
    wanted = [code for code in codes if code.startswith(claim.PREFIX)]
    if len(wanted) != 1:
        found = f"{len(wanted)} receipts' codes" if wanted else "no receipt's code"
        raise claim.ClaimError(f"there is {found} in the picture", hint="show one code, sharp and whole")
    return wanted[0]


def load_keys(source: Path) -> dict[str, list[bytes]]:
    """Public keys by device id, of a terminal whose key was changed all of them. MissingPart CFG-063 if there is no list, ConfigError CFG-064 if
    one is malformed.
    """
    files = sorted(source.glob("*.json")) if source.is_dir() else [source]
    found: dict[str, list[bytes]] = {}
    for file in files:
        try:
            entries = json.loads(file.read_text("utf-8"))
            for device, said in entries.items():
                found[device] = [bytes.fromhex(key) for key in (said if isinstance(said, list) else [said])]
        except FileNotFoundError as error:
            raise MissingPart("CFG-063", "there is no key list", f"give --keys, or start the server: {file}") from error
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise ConfigError("a key list is malformed", "CFG-064", f"fetch it again: {file}") from error
    if not found:
        raise MissingPart("CFG-063", "the key list is empty", "give --keys FILE or a folder with key lists")
    return found


def examine(text: str, keys: dict[str, list[bytes]]) -> dict[str, Any]:
    """What the code says and whether to believe it: a JSON-able object. FormatError if it is no receipt's code."""
    from protocol.crypto.native import NativeCrypto

    said = _parsed(text.strip("\r\n\t"))
    verdict = _verdict(said, "CRY-070", "the terminal is not in the key list")
    for public in keys.get(said.kid, []):
        try:
            claim_reader.claim_verify(NativeCrypto(), text.strip("\r\n\t"), public)
        except CryptoError as error:
            verdict = _verdict(said, error.code, error.message)
        else:
            return _verdict(said, None, None)
    return verdict


def _parsed(text: str) -> Claim:
    """The claim in a code. FormatError, with the reader's own code: it is none, or what begins as one does not hold together."""
    try:
        return claim_reader.claim_parse(text)
    except FormatError as error:
        if not text.startswith(claim.PREFIX):
            raise
        words = f"the receipt's code is damaged or altered ({error.message})"
        hint = "scan it anew from the paper; if it stays so, do not rely on this receipt"
        raise FormatError(words, error.code, hint, error.detail) from error


def _verdict(said: Claim, code: str | None, reason: str | None) -> dict[str, Any]:
    return {
        "valid": code is None,
        "code": code,
        "reason": reason,
        "outcome": OUTCOMES[said.outcome] if code is None else None,
        "meaning": said.meaning if code is None else None,
        "settled": code is None and said.meaning == claim_reader.PAID,
        "sentence": SENTENCES[said.outcome] if code is None else "NOT GENUINE: do not rely on this receipt",
        "amount": said.amount,
        "currency": "DZD",
        "date": said.date,
        "pv": said.pv,
        "terminal": said.kid,
        "token": said.token.hex(),
    }


def in_words(verdict: dict[str, Any]) -> list[str]:
    """The verdict as lines for a person; the outcome first."""
    dinars, centimes = divmod(verdict["amount"], 100)
    grouped = f"{dinars:,}".replace(",", " ")
    date = verdict["date"]
    lines = [verdict["sentence"]]
    if not verdict["valid"]:
        lines.append(f"why       {verdict['code']} {verdict['reason']}")
        lines.append("what it claims, unproven:")
    lines.append(f"amount    {grouped},{centimes:02d} DA")
    lines.append(f"date      {date[6:]}/{date[4:6]}/{date[:4]}")
    lines.append(f"report    {verdict['pv']}")
    lines.append(f"terminal  {verdict['terminal']}")
    if verdict["valid"]:
        lines.append("The signature proves who issued it, not that nothing was reversed since.")
    return lines
