"""`tasdid params`: make, sign, show and check parameter sets; import ICAO master lists as trust anchors.

    tasdid params import-masterlist LIST.ml --anchor csca-germany.der --country DZ
    tasdid params import-masterlist LIST.ml --anchor csca-germany.der --country DZ --out trust.cose --key set-trust.pem
    tasdid params show trust.cose
    tasdid params check trust.cose --key set-trust.pub.pem
    tasdid params sign body.json --kind limits --set-version 3 --key set-limits.pem --out limits.cose

Exit codes: 0 it worked; 1 a signature does not hold or a set is not in force; 2 bad input, or a list without this country.
"""

import datetime as dt
import json
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from protocol.errors import ConfigError, ParameterError
from tools import plain

app = typer.Typer(no_args_is_help=True, help="Make, sign, show and check parameter sets.")

AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object")]
Key = Annotated[Path | None, typer.Option(help="private key (PEM, P-256) of the set's role")]
Version = Annotated[
    int, typer.Option("--set-version", help="version of the set; today's date as a number if not given", min=0)
]
Days = Annotated[int, typer.Option(help="days of validity from now", min=1, max=3660)]


@app.callback()
def params() -> None:
    """Make, sign, show and check parameter sets."""


@app.command("import-masterlist")
def import_masterlist(
    file: Annotated[Path, typer.Argument(help="the master list (.ml)")],
    anchor: Annotated[Path, typer.Option(help="certificate of the authority above the list's signer, got out of band")],
    country: Annotated[str, typer.Option(help="only this country (two letters)")] = "",
    purpose: Annotated[str, typer.Option(help="what the anchors shall vouch for")] = "idl",
    crl: Annotated[
        list[Path] | None, typer.Option(help="revocation list of one of these authorities, to go into the set")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="write a signed set of the listed anchors")] = None,
    key: Key = None,
    version: Version = 0,
    days: Days = 366,
    as_json: AsJson = False,
) -> None:
    """Verify a master list under an out-of-band anchor, show what it holds, and make a signed trust set of one country."""
    from protocol.crypto.native import NativeCrypto
    from protocol.licence.trust.anchors import LICENCE
    from tools.trust import certificates, masterlist, sets

    if country and not (len(country) == 2 and country.isascii() and country.isalpha()):
        raise ConfigError("--country takes two letters", "CFG-088", "Algeria is DZ, not DZA")
    if purpose != LICENCE:
        raise ConfigError("--purpose takes idl only", "CFG-088", "no terminal asks an anchor for anything else")
    if out is not None and (key is None or not country):
        raise ConfigError("--out needs --key and --country", "CFG-088", "a trust set binds one country's anchors")
    ders = certificates.load(anchor)
    if len(ders) != 1:
        raise ConfigError("--anchor holds several certificates", "CFG-083", "give the one above the list's signer")
    listed = masterlist.load(sets.read(file), ders[0])
    crypto = NativeCrypto()
    rows = [(der, certificates.describe(crypto, der)) for der in listed.certificates]
    chosen = [(der, row) for der, row in rows if not country or row["country"] == country.upper()]
    report = {
        "signed": listed.signed.isoformat(), "signer": listed.signer, "anchor_sha256": listed.anchor_sha256,
        "certificates": len(rows), "countries": dict(sorted(Counter(row["country"] for _, row in rows).items())),
        "explicit_parameters": sum(row["explicit_parameters"] for _, row in rows),
        "explicit_refused": sum(row["explicit_parameters"] and not row["curve_on_terminal"] for _, row in rows),
        "unusable": sum(bool(row["unusable"]) for _, row in rows),
        "country": country.upper(), "shown": [row for _, row in chosen],
    }  # fmt: skip
    if out is not None and key is not None:
        body = _trust_body(chosen, country.upper(), purpose, crl or [])
        report["set"] = {**_signed(body, out, key, version, days), "left_out": len(chosen) - len(body["anchors"])}
    print(plain.as_json(report)) if as_json else _tell_list(report)
    if country and not chosen:
        raise ParameterError(
            f"the list holds no certificate of {country.upper()}",
            "PRM-023",
            "without --country it says whose it holds",
            country,
        )


def _trust_body(chosen: list[Any], country: str, purpose: str, lists: list[Path]) -> dict[str, Any]:
    """The usable anchors of one country and their revocation lists.

    ParameterError PRM-023 if there is no anchor, PRM-024 if none of them signed a list.
    """
    from protocol.crypto.native import NativeCrypto
    from protocol.licence.trust import x509
    from protocol.licence.trust.anchors import TrustSet
    from tools.trust import certificates

    body: dict[str, Any] = {
        "anchors": [{"country": country, "purpose": purpose, "cert": der} for der, row in chosen if not row["unusable"]]
    }
    if not body["anchors"]:
        raise ParameterError(
            "the list holds no usable anchor of this country", "PRM-023", "see the list without --out", country
        )
    for path in lists:
        der = certificates.revocation_list(path)
        trust = TrustSet(body["anchors"], [der])
        if not any(trust.lists(NativeCrypto(), x509.parse(anchor.der), country, purpose) for anchor in trust.anchors):
            raise ParameterError(
                f"none of the anchors signed {path.name}", "PRM-024", "give the list of this country's authority"
            )
        body.setdefault("crls", []).append(der)
    return body


def _signed(body: dict[str, Any], out: Path, key: Path, version: int, days: int) -> dict[str, Any]:
    """Sign and write the set; what was made."""
    from tools.trust import sets

    now = int(time.time())
    number = version or int(dt.datetime.now(dt.UTC).strftime("%Y%m%d"))
    message = sets.sign(sets.private_key(key), "trust", number, now, days, now, body)
    _write(out, message)
    made = {"anchors": len(body["anchors"]), "crls": len(body.get("crls", ())), "bytes": len(message)}
    return {"file": out.name, "version": number, **made}


def _write(out: Path, message: bytes) -> None:
    try:
        out.write_bytes(message)
    except OSError as error:
        raise ConfigError(
            f"{out.name} cannot be written ({error.strerror})", "CFG-085", "choose another --out", error.errno
        ) from error


def _tell_list(report: dict[str, Any]) -> None:
    print(plain.line(f"signed    {report['signed']} by {report['signer']}"))
    print(f"anchor    SHA-256 {report['anchor_sha256']}: issued the signer")
    print(f"holds     {report['certificates']} certificates of {len(report['countries'])} countries")
    print(
        f"explicit  {report['explicit_parameters']} keys with explicit curve parameters, "
        f"{report['explicit_refused']} of them on a curve that a terminal does not have"
    )
    print(f"unusable  {report['unusable']} of all certificates cannot be used on a terminal")
    if not report["country"]:
        print(
            plain.line("countries " + " ".join(f"{name or '?'}:{count}" for name, count in report["countries"].items()))
        )
    for row in report["shown"] if report["country"] else [row for row in report["shown"] if row["unusable"]]:
        print("\n" + plain.line(f"{row['country']}  {row['subject']}"))
        key = row["curve"] or f"{row['key']} {row['bits'] or ''}"
        print(f"    {row['kind']}, {key}{', explicit' if row['explicit_parameters'] else ''}, serial {row['serial']}")
        until = f", signs until {row['private_key_until']}" if row["private_key_until"] else ""
        print(f"    valid {row['not_before']} to {row['not_after']}{until}")
        print(f"    SHA-256 {row['sha256']}")
        if row["unusable"]:
            print(f"    NOT USABLE: {row['unusable']}")
    made = report.get("set")
    if made:
        print(
            f"\n{made['file']}: version {made['version']}, {made['anchors']} anchors, {made['bytes']} bytes, "
            f"{made['left_out']} left out"
        )


@app.command()
def show(file: Annotated[Path, typer.Argument(help="a signed set (.cose)")], as_json: AsJson = False) -> None:
    """Show what a signed set holds. Its signature is not checked: see `check`."""
    from tools.trust import sets

    found = sets.open_set(sets.read(file))
    facts = _facts(found)
    if as_json:
        print(plain.as_json({**facts, "body": sets.printable(found.body)}))
        return
    anchors = sets.trust_body(found.body)[0] if found.kind == "trust" else []
    print(
        f"{facts['kind']} version {facts['version']}, valid {facts['valid_from']} to {facts['valid_to']}, issued {facts['issued']}"
    )
    print("signature not checked here")
    for name, value in found.body.items():
        print(plain.line(f"  {name}: {f'{len(value)} entries' if isinstance(value, list) else value}"))
    _tell_anchors(anchors)


def _tell_anchors(anchors: list[dict[str, Any]]) -> None:
    from protocol.crypto.native import NativeCrypto
    from tools.trust import certificates

    for entry in anchors:
        row = certificates.describe(NativeCrypto(), entry["cert"])
        print(
            plain.line(
                f"    {entry['country']}/{entry['purpose']}  {row['subject']}  serial {row['serial']}  until {row['not_after']}"
            )
        )


def _facts(found: Any) -> dict[str, Any]:
    def when(seconds: int) -> str:
        return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d")

    return {
        "kind": found.kind, "version": found.version, "valid_from": when(found.valid_from), "valid_to": when(found.valid_to),
        "issued": when(found.issued),
    }  # fmt: skip


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="a signed set (.cose)")],
    key: Annotated[Path, typer.Option(help="public key (PEM) that it must hold under")],
    as_json: AsJson = False,
) -> None:
    """Check a set's signature and dates. Exit codes: 0 in force, 1 not, 2 bad input."""
    from tools.trust import sets

    found = sets.open_set(sets.read(file))
    now = int(time.time())
    state = "signature does not hold"
    if sets.holds(found, sets.public_point(key)):
        state = sets.state(found, now)
    report = {**_facts(found), "state": state}
    print(json.dumps(report) if as_json else f"{found.kind} version {found.version}: {state}")
    if state != sets.IN_FORCE:
        raise typer.Exit(1)


@app.command()
def sign(
    body: Annotated[Path, typer.Argument(help='the body, JSON or YAML; {"hex": "…"} or {"file": "…"} for bytes')],
    kind: Annotated[str, typer.Option(help="tariff, emv, trust, officers or limits")],
    out: Annotated[Path, typer.Option(help="the file to write")],
    key: Annotated[Path, typer.Option(help="private key (PEM, P-256) of the set's role")],
    version: Version = 0,
    days: Days = 366,
) -> None:
    """Sign a parameter set. What the body says is the editor's responsibility; anchors must at least be laid out as such."""
    from tools.trust import sets

    now = int(time.time())
    number = version or int(dt.datetime.now(dt.UTC).strftime("%Y%m%d"))
    given = sets.body_from(body)
    if kind == "trust":
        sets.trust_body(given)
    message = sets.sign(sets.private_key(key), kind, number, now, days, now, given)
    _write(out, message)
    print(f"{out.name}: {kind} version {number}, {len(message)} bytes")
