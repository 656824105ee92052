"""From a profile to an application: PAN, records, certificates, action codes, CVM list (EMV 4.4 Book 3 annex A, Book
2 clauses 5 and 6).

File layout (AFL order): SFI 1 record 1: 57, 5F20 (not signed); SFI 2 records 1-2: signed data (PAN, dates, CVM list,
action codes, DOLs); SFI 3 records 1-3: CA index and issuer key parts, issuer certificate, card certificate (or 93 for
SDA).
"""

from pathlib import Path
from typing import Any

from sim.cards.emv import keys
from sim.cards.emv.application import Application, State
from sim.cards.tlv import tlv
from sim.pki import Pki, ecc, rsa
from sim.pki.schemes import CA_INDEX, CERTIFICATE_EXPIRES, RID, Issuer, MasterKeys

SCHEMES = {
    "cib": {"aid": RID + b"\x01", "label": "CIB TEST", "pdol": "", "gpo_format": 1, "t0": False, "exponent": 3},
    "edahabia": {
        "aid": RID + b"\x02",
        "label": "EDAHABIA TEST",
        "pdol": "9F1A02 9F3303 9F3501",
        "gpo_format": 2,
        "t0": True,
        "exponent": 65537,
    },
}
CDOL1 = "9F0206 9F0306 9F1A02 9505 5F2A02 9A03 9C01 9F3704 9F3501 9F3403"
CDOL2 = "9F0206 9F0306 9F1A02 9505 5F2A02 9A03 9C01 9F3704"
_ODA_BITS = {"xda": 0x80, "cda": 0x21, "dda": 0x20, "sda": 0x40, "none": 0x00}

# Issuer action codes by card behaviour: (denial, online, default). All deny when the cardholder was not verified. Those of
# "online" send "above the floor limit", "random" and "forced" online and, unable to go online, match above the floor limit (so
# that a deferral is possible).
ACTION_CODES = {
    "approve": ("0010800000", "FC50BC0800", "FC50BC0000"),
    "limits": ("0010800000", "FC50BC0800", "FC50BC0000"),
    "online": ("0010800000", "FC50BCF800", "FC50BCA000"),
    "decline": ("0010800000", "FC50BCF800", "FC50BCA000"),
}


def number(scheme_bin: str, index: int) -> str:
    """A 16-digit test PAN: BIN, seven digits of `index`, Luhn digit (ISO/IEC 7812-1)."""
    body = scheme_bin + f"{index:07d}"
    total = 0
    for at, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if at % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return body + str(-total % 10)


def personalise(profile: dict[str, Any], pki: Pki, state_path: Path | str | None = None) -> Application:
    """The application that a profile describes (see `profiles`). Raises KeyError for names that do not exist."""
    scheme = SCHEMES[profile["scheme"]]
    issuer = pki.schemes.issuers[profile["scheme"]]
    pan = number(issuer.bin, profile["number"])
    psn = profile.get("psn", "01")
    authentication = profile.get("issuer_authentication", "external" if profile["scheme"] == "cib" else "gac2")
    oda = profile.get("oda", "cda")
    aip = bytes([_ODA_BITS[oda] | 0x18 | (0x04 if authentication == "external" else 0), 0])
    card_key = pki.schemes.card_key(pan, scheme["exponent"])
    records, afl, dols = _files(profile, issuer, card_key, pan, psn, aip, authentication)
    if oda == "xda":
        afl = _certify_extended(profile, pki, issuer, pan, aip, records)
    risk = profile.get("risk", "approve")
    return Application(
        aid=scheme["aid"] + (bytes.fromhex(pan) if profile.get("numbered") else b""),
        label=profile.get("label", scheme["label"]),
        priority=profile.get("priority", 1),
        pan=pan,
        psn=psn,
        pin=profile.get("pin", "1234"),
        aip=aip,
        afl=afl,
        pdol=bytes.fromhex(profile.get("pdol", scheme["pdol"])),
        cdol1=dols["cdol1"],
        cdol2=dols["cdol2"],
        records=records,
        card_key=card_key,
        master_keys=_card_master_keys(issuer, pan, psn),
        state=State(state_path, **profile.get("state", {})),
        risk=risk,
        after_unable=profile.get("after_unable", "decline" if risk in ("online", "decline") else "approve"),
        offline_max=profile.get("offline_max", 5),
        offline_amount=profile.get("offline_amount", 1_000_000),
        gpo_format=scheme["gpo_format"],
        issuer_authentication=authentication,
        fault=profile.get("fault", ""),
        ecc_key=pki.schemes.ecc_key("card-" + pan[-8:], profile.get("suite", ecc.P256)) if oda == "xda" else None,
    )


def _files(
    profile: dict[str, Any], issuer: Issuer, card_key: rsa.RsaKey, pan: str, psn: str, aip: bytes, authentication: str
) -> tuple[dict[tuple[int, int], bytes], bytes, dict[str, bytes]]:
    """(records by SFI and number, application file locator, CDOLs)."""
    oda = profile.get("oda", "cda")
    dols = {
        "cdol1": bytes.fromhex(CDOL1),
        "cdol2": bytes.fromhex("8A02" + ("9108" if authentication == "gac2" else "") + CDOL2),
    }
    signed = _signed_records(profile, pan, psn, dols)
    static = b"".join(signed) + aip
    records = {(1, 1): tlv(0x70, *_holder(profile, pan))}
    for at, body in enumerate(signed):
        records[2, at + 1] = tlv(0x70, body)
    for at, body in enumerate(_certificates(profile, issuer, card_key, pan, "none" if oda == "xda" else oda, static)):
        records[3, at + 1] = tlv(0x70, body)
    if profile.get("fault") == "altered-record":  # a forger's expiry date, under the genuine signature
        records[2, 1] = records[2, 1].replace(tlv(0x5F24, _expiry(profile)), tlv(0x5F24, bytes.fromhex("491231")))
    last = max(record for sfi, record in records if sfi == 3) if oda not in ("none", "xda") else 0
    afl = bytes.fromhex("08010100 10010202") + (bytes([0x18, 1, last, 0]) if last else b"")
    return records, afl, dols


def _card_master_keys(issuer: Issuer, pan: str, psn: str) -> MasterKeys:
    source = issuer.master_keys
    return MasterKeys(*(keys.icc_master_key(key, pan, psn) for key in (source.ac, source.smi, source.smc)))


def _expiry(profile: dict[str, Any]) -> bytes:
    return bytes.fromhex(profile.get("expiry", "311231"))


def _holder(profile: dict[str, Any], pan: str) -> list[bytes]:
    """Track 2 equivalent (service code 221: chip, online-capable) and cardholder name."""
    track = f"{pan}D{_expiry(profile).hex()[:4]}22100000000000"
    return [
        tlv(0x57, bytes.fromhex(track + "F" * (len(track) % 2))),
        tlv(0x5F20, profile.get("holder", "TEST/CARD").encode("ascii")),
    ]


def _signed_records(profile: dict[str, Any], pan: str, psn: str, dols: dict[str, bytes]) -> list[bytes]:
    denial, online, default = ACTION_CODES[profile.get("risk", "approve")]
    cvm = profile.get("cvm", "42030103" if profile["scheme"] == "cib" else "0103")
    first = [
        tlv(0x5A, bytes.fromhex(pan)),
        tlv(0x5F34, bytes.fromhex(psn)),
        tlv(0x5F24, _expiry(profile)),
        tlv(0x5F25, bytes.fromhex(profile.get("effective", "240101"))),
        tlv(0x5F28, bytes.fromhex("0012")),
        tlv(0x9F07, bytes.fromhex(profile.get("usage", "AB00"))),
        tlv(0x9F08, bytes.fromhex("0001")),
        tlv(0x9F42, bytes.fromhex("0012")),
        tlv(0x8E, bytes(8) + bytes.fromhex(cvm)),
    ]
    second = [
        tlv(0x9F0D, bytes.fromhex(profile.get("iac_default", default))),
        tlv(0x9F0E, bytes.fromhex(profile.get("iac_denial", denial))),
        tlv(0x9F0F, bytes.fromhex(profile.get("iac_online", online))),
        tlv(0x8C, dols["cdol1"]),
        tlv(0x8D, dols["cdol2"]),
        tlv(0x9F49, bytes.fromhex("9F3704")),
        tlv(0x9F4A, b"\x82"),
    ]
    if "velocity" in profile:
        lower, upper = profile["velocity"]
        second += [tlv(0x9F14, bytes([lower])), tlv(0x9F23, bytes([upper]))]
    return [b"".join(first), b"".join(second)]


def _certificates(
    profile: dict[str, Any], issuer: Issuer, card_key: rsa.RsaKey, pan: str, oda: str, static: bytes
) -> list[bytes]:
    """The bodies of the records of SFI 3; none for a card without offline data authentication."""
    if oda == "none":
        return []
    certificate = issuer.certificate
    bodies = [
        tlv(0x8F, bytes([CA_INDEX])) + tlv(0x9F32, certificate.exponent) + tlv(0x92, certificate.remainder),
        tlv(0x90, certificate.signed),
    ]
    if oda == "sda":
        return [*bodies, tlv(0x93, rsa.sign_static(issuer.key, b"\xda\xc0", static))]
    own = rsa.certify_icc(issuer.key, card_key, pan, CERTIFICATE_EXPIRES, profile["number"].to_bytes(3, "big"), static)
    signed = own.signed
    if profile.get("fault") == "bad-certificate":
        signed = signed[:40] + bytes([signed[40] ^ 1]) + signed[41:]
    return [*bodies, tlv(0x9F46, signed) + tlv(0x9F47, own.exponent) + tlv(0x9F48, own.remainder)]


def _certify_extended(
    profile: dict[str, Any], pki: Pki, issuer: Issuer, pan: str, aip: bytes, records: dict[tuple[int, int], bytes]
) -> bytes:
    """The certificates of XDA into SFI 3 (Book 2, Table 34); the application file locator. Certified: the signed records, AIP, AID, PDOL."""
    suite = profile.get("suite", ecc.P256)
    scheme = SCHEMES[profile["scheme"]]
    authority, bank = pki.schemes.ecc_key("ca", suite), pki.schemes.ecc_key("issuer-" + issuer.name, suite)
    index = pki.schemes.ecc_capk(suite)["index"]
    assert isinstance(index, int)
    identifier = bytes.fromhex((issuer.bin + "FF")[:10])
    until = profile.get("ecc_until", "203812312359")
    signed = ecc.certify_issuer(authority, RID, index, bank, identifier, until[:8], b"\x00\x00\x01")
    pdol = bytes.fromhex(profile.get("pdol", scheme["pdol"]))
    bodies = [records[2, at][2 if records[2, at][1] < 0x80 else 3 :] for at in (1, 2)]
    if profile.get("fault") == "altered-record":  # what the issuer certified was another date
        bodies = [body.replace(tlv(0x5F24, bytes.fromhex("491231")), tlv(0x5F24, _expiry(profile))) for body in bodies]
    certified = b"".join(bodies) + tlv(0x82, aip) + tlv(0x9F06, scheme["aid"]) + (tlv(0x9F38, pdol) if pdol else b"")
    card = pki.schemes.ecc_key("card-" + pan[-8:], suite)
    serial = profile["number"].to_bytes(6, "big")
    own = ecc.certify_card(bank, card, until, serial, certified, profile.get("hash", 2))
    if profile.get("fault") == "bad-certificate":
        own = own[:40] + bytes([own[40] ^ 1]) + own[41:]
    records[3, 1] = tlv(0x70, tlv(0x8F, bytes([index])), tlv(0x90, signed))
    records[3, 2] = tlv(0x70, tlv(0x9F46, own))
    return bytes.fromhex("08010100 10010202 18010200")
