"""Anchors out of what a person names: certificates (DER, PEM), a signed set "trust", or a folder of such files and of .crl files.

Whoever names a certificate vouches for it: it becomes an anchor for licences of its own country. A set's signature is checked
where its key is given, and said to be unchecked where it is not.
"""

import time
from pathlib import Path

from protocol.errors import ConfigError, ParameterError
from protocol.licence.trust.anchors import LICENCE, Anchor, TrustSet
from tools.trust import certificates, sets

ENDINGS = (".der", ".cer", ".crt", ".pem", ".cose", ".crl")


def anchors(source: "Path | None", key: "Path | None" = None) -> "tuple[TrustSet, list[str]]":
    """(trust, remarks). ConfigError CFG-083, CFG-085, CFG-086 (nothing there); ParameterError PRM-011, and PRM-005 or PRM-007 for a set that
    is not in force now, whatever day a licence is judged for: no terminal would use it."""
    if source is None:
        return TrustSet([]), ["no --trust given: the issuer will be unknown"]
    try:
        files = (
            sorted(path for path in source.iterdir() if path.suffix.lower() in ENDINGS) if source.is_dir() else [source]
        )
    except OSError as error:
        raise ConfigError(
            f"{source} cannot be read ({error.strerror})", "CFG-085", "check the path", error.errno
        ) from error
    if not files:
        raise ConfigError(f"{source} holds no trust anchor", "CFG-086", "expected: " + " ".join(ENDINGS))
    found: list[Anchor] = []
    remarks: list[str] = []
    lists: list[bytes] = []
    for path in files:
        ending = path.suffix.lower()
        if ending == ".crl":
            lists.append(certificates.revocation_list(path))
        else:
            found += _set(path, key, remarks, lists) if ending == ".cose" else _certificates(path)
    return TrustSet(found, lists), remarks


def _certificates(path: Path) -> list[Anchor]:
    if not path.is_file():
        raise ConfigError(f"{path} is not there", "CFG-085", "check the path")
    made = []
    for der in certificates.load(path):
        country = certificates.country(der)
        if not country:
            raise ConfigError(f"{path.name} names no country", "CFG-083", "an anchor is bound to one country")
        made.append(Anchor(country, LICENCE, der))
    return made


def _set(path: Path, key: "Path | None", remarks: list[str], lists: list[bytes]) -> list[Anchor]:
    opened = sets.open_set(sets.read(path))
    if opened.kind != "trust":
        raise ParameterError(
            "a signed set of another kind than trust", "PRM-011", "give the set of trust anchors", opened.kind
        )
    if key is None:
        remarks.append(f"{path.name}: signature not checked (no --trust-key)")
    elif not sets.holds(opened, sets.public_point(key)):
        raise ParameterError("signature of the parameter set does not hold", "PRM-011", "get the set again", "trust")
    sets.must_be_in_force(opened, int(time.time()))
    anchors, revoked = sets.trust_body(opened.body)
    lists += revoked
    return TrustSet(anchors).anchors
