"""Master lists: a published one under its anchor; made ones, each wrong in one way; curves that only look like known ones."""

import datetime as dt
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import algos, cms, core
from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID, ObjectIdentifier

from protocol.crypto.native import NativeCrypto
from protocol.errors import ParameterError
from protocol.licence.errors import LicenceError, TrustError, UnsupportedError
from tests.support import needs
from tools import cli
from tools.trust import certificates, keys, masterlist

_USES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip
SIGNED = dt.datetime(2025, 3, 1, tzinfo=dt.UTC)


class Maker:
    """An authority and its list signer; every argument departs from a good list in one way."""

    def __init__(
        self,
        country: str = "UT",
        usage: str = masterlist.MAY_SIGN_LISTS,
        signer_country: str = "",
        years: int = 5,
        ca: bool = True,
        uses: str = "",
        signer_ca: bool = False,
    ) -> None:
        self.key, self.signer_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.authority = self._certificate(country, country, self.key, self.key, True, "", years, ca)
        self.signer = self._certificate(
            signer_country or country, country, self.signer_key, self.key, signer_ca, usage, years, uses=uses
        )

    def _certificate(
        self,
        own: str,
        issuer: str,
        key: Any,
        by: Any,
        ca: bool,
        usage: str,
        years: int,
        rights: bool = True,
        uses: str = "",
    ) -> x509.Certificate:
        def name(code: str, common: str) -> x509.Name:
            return x509.Name(
                [x509.NameAttribute(NameOID.COUNTRY_NAME, code), x509.NameAttribute(NameOID.COMMON_NAME, common)]
            )

        begin = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(own, "TEST CSCA" if ca else "TEST list signer"))
            .issuer_name(name(issuer, "TEST CSCA"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + dt.timedelta(days=365 * years))
            .add_extension(x509.BasicConstraints(ca and rights, None), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        )
        if uses:
            builder = builder.add_extension(x509.KeyUsage(**{**dict.fromkeys(_USES, False), uses: True}), True)
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ObjectIdentifier(usage)]), True)
        return builder.sign(by, hashes.SHA256())

    @property
    def anchor(self) -> bytes:
        return self.authority.public_bytes(serialization.Encoding.DER)

    def make(
        self,
        ders: list[bytes],
        content_type: str = masterlist.MASTER_LIST,
        spoil: bool = False,
        by: Any = None,
        when: Any = SIGNED,
        stated: str = "",
    ) -> bytes:
        """The list over `ders`, signed by the signer (or by `by`) at `when`; `stated`: another content type in the signed attributes."""
        content = core.Sequence.load(_sequence(core.Integer(0).dump() + _set(ders))).dump()
        digest = hashlib.sha256(content).digest()
        attributes = cms.CMSAttributes(
            [
                {"type": "content_type", "values": [stated or content_type]},
                {"type": "message_digest", "values": [digest]},
                {"type": "signing_time", "values": [cms.Time({"utc_time": when})]},
            ]
        )
        signature = (by or self.signer_key).sign(attributes.dump(), ec.ECDSA(hashes.SHA256()))
        if spoil:
            content = content[:-1] + bytes([content[-1] ^ 1])
        signer = asn1.Certificate.load(self.signer.public_bytes(serialization.Encoding.DER))
        info = {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                {"issuer_and_serial_number": {"issuer": signer.issuer, "serial_number": signer.serial_number}}
            ),
            "digest_algorithm": {"algorithm": "sha256"},
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": "sha256_ecdsa"},
            "signature": signature,
        }
        signed = cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [algos.DigestAlgorithm({"algorithm": "sha256"})],
                "encap_content_info": {"content_type": content_type, "content": core.ParsableOctetString(content)},
                "certificates": [signer, asn1.Certificate.load(self.anchor)],
                "signer_infos": [info],
            }
        )
        return cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump()


def _length(count: int) -> bytes:
    if count < 0x80:
        return bytes([count])
    size = (count.bit_length() + 7) // 8
    return bytes([0x80 | size]) + count.to_bytes(size, "big")


def _sequence(body: bytes) -> bytes:
    return b"\x30" + _length(len(body)) + body


def _set(ders: list[bytes]) -> bytes:
    body = b"".join(sorted(ders))
    return b"\x31" + _length(len(body)) + body


def refused(run: Callable[[], Any], code: str) -> None:
    with pytest.raises((ParameterError, LicenceError)) as caught:
        run()
    assert caught.value.code == code


def test_a_good_list_opens_under_its_anchor() -> None:
    maker = Maker()
    listed = masterlist.load(maker.make([maker.anchor]), maker.anchor)
    assert listed.certificates == [maker.anchor] and listed.signed == SIGNED and listed.version == 0


def test_a_malformed_time_or_name_is_a_coded_error() -> None:
    maker = Maker()
    for when in ("250301000000", "259901000000Z", "nonsense"):
        time = core.UTCTime()
        time.contents = when.encode()
        refused(lambda odd=time: masterlist.load(maker.make([maker.anchor], when=odd), maker.anchor), "LIC-060")
    good = maker.make([maker.anchor])
    for name, code in ((b"TEST list signer", "PRM-021"), (b"TEST CSCA", "LIC-060")):
        broken = good.replace(name, b"\xff\xfe" + name[2:])
        refused(lambda odd=broken: masterlist.load(odd, maker.anchor), code)
    refused(lambda: masterlist.load(good, maker.anchor.replace(b"TEST CSCA", b"\xff\xfeST CSCA")), "LIC-060")


def test_a_certificate_with_a_broken_name_is_listed_as_not_usable() -> None:
    maker = Maker()
    broken = maker.anchor.replace(b"TEST CSCA", b"\xff\xfeST CSCA")
    listed = masterlist.load(maker.make([maker.anchor, broken]), maker.anchor)
    rows = [certificates.describe(NativeCrypto(), der) for der in listed.certificates]
    assert sorted(bool(row["unusable"]) for row in rows) == [False, True]
    assert {frozenset(row) for row in rows} == {frozenset(rows[0])}
    assert [row["country"] for row in rows if row["unusable"]] == [""]


def test_a_list_never_vouches_for_itself() -> None:
    forger, real = Maker(), Maker()  # same names, other keys: the forger's own authority lies inside the list
    refused(lambda: masterlist.load(forger.make([forger.anchor]), real.anchor), "PRM-021")


def test_an_anchor_that_is_no_authority_or_of_another_country_is_refused() -> None:
    maker = Maker()
    signer = maker.signer.public_bytes(serialization.Encoding.DER)
    refused(lambda: masterlist.load(maker.make([maker.anchor]), signer), "PRM-021")
    powerless = Maker(ca=False)  # it issued the signer, but may not
    refused(lambda: masterlist.load(powerless.make([powerless.anchor]), powerless.anchor), "PRM-021")
    stray = Maker(signer_country="XX")
    refused(lambda: masterlist.load(stray.make([stray.anchor]), stray.anchor), "PRM-021")


def test_a_signer_without_the_right_or_out_of_time_is_refused() -> None:
    document_signer = Maker(usage="2.23.136.1.1.1")
    refused(lambda: masterlist.load(document_signer.make([document_signer.anchor]), document_signer.anchor), "PRM-022")
    plain = Maker(usage="")
    refused(lambda: masterlist.load(plain.make([plain.anchor]), plain.anchor), "PRM-022")
    late = Maker(years=1)
    refused(lambda: masterlist.load(late.make([late.anchor]), late.anchor), "PRM-022")


def test_a_signer_whose_key_is_for_other_uses_or_an_authority_s_is_refused() -> None:
    sound = Maker(uses="digital_signature")
    assert masterlist.load(sound.make([sound.anchor]), sound.anchor).certificates == [sound.anchor]
    for maker in (
        Maker(uses="crl_sign"),
        Maker(uses="key_cert_sign"),
        Maker(uses="key_encipherment"),
        Maker(signer_ca=True),
    ):
        refused(lambda maker=maker: masterlist.load(maker.make([maker.anchor]), maker.anchor), "PRM-022")


def test_a_list_whose_signature_is_over_another_kind_of_content_is_refused() -> None:
    maker = Maker()
    for stated in ("data", "2.23.136.1.1.1"):
        refused(
            lambda stated=stated: masterlist.load(maker.make([maker.anchor], stated=stated), maker.anchor), "PRM-020"
        )


def test_changed_content_or_a_strangers_signature_is_refused() -> None:
    maker, stranger = Maker(), Maker()
    refused(lambda: masterlist.load(maker.make([maker.anchor], spoil=True), maker.anchor), "PRM-020")
    refused(lambda: masterlist.load(maker.make([maker.anchor], by=stranger.signer_key), maker.anchor), "PRM-020")


@pytest.mark.parametrize("data", [b"", b"\x30\x00", b"\x30\x80", bytes(100), b"-----BEGIN"])
def test_files_that_are_no_list_are_refused(data: bytes) -> None:
    refused(lambda: masterlist.load(data, Maker().anchor), "LIC-060")


def test_signed_data_of_another_kind_is_refused() -> None:
    maker = Maker()
    refused(lambda: masterlist.load(maker.make([maker.anchor], content_type="2.23.136.1.1.1"), maker.anchor), "LIC-060")


def test_every_truncation_is_refused_with_a_code() -> None:
    maker = Maker()
    whole = maker.make([maker.anchor])
    for end in range(0, len(whole), 7):
        with pytest.raises((ParameterError, LicenceError)):
            masterlist.load(whole[:end], maker.anchor)


# curves


def explicit(known: keys.Known, **changes: Any) -> Any:
    """Explicit parameters of a curve, some of them changed."""
    p, a, b, x, y, order, cofactor = known.numbers
    size = known.size
    values = {
        "p": p,
        "a": a,
        "b": b,
        "base": b"\x04" + x.to_bytes(size, "big") + y.to_bytes(size, "big"),
        "order": order,
        "cofactor": cofactor,
    }
    values.update(changes)
    return asn1_keys.ECDomainParameters(
        "specified",
        asn1_keys.SpecifiedECDomain(
            {
                "version": "ecdpVer1",
                "field_id": {"field_type": "prime_field", "parameters": values["p"]},
                "curve": {"a": values["a"].to_bytes(size, "big"), "b": values["b"].to_bytes(size, "big")},
                "base": asn1_keys.ECPoint(values["base"]),
                "order": values["order"],
                "cofactor": values["cofactor"],
            }
        ),
    )


@pytest.mark.parametrize("known", keys.CURVES, ids=lambda known: known.name)
def test_explicit_parameters_count_only_if_they_equal_a_curve_wholly(known: keys.Known) -> None:
    assert keys.curve_of(explicit(known)).name == known.name
    p, a, b, x, y, order, cofactor = known.numbers
    size = known.size
    other_base = b"\x04" + x.to_bytes(size, "big") + (p - y).to_bytes(size, "big")
    for change in (
        {"a": a - 1},
        {"b": b ^ 1},
        {"base": other_base},
        {"order": order - 2},
        {"cofactor": 2},
        {"p": p - 2},
    ):
        with pytest.raises(UnsupportedError):
            keys.curve_of(explicit(known, **change))


def test_the_curves_numbers_are_openssls() -> None:
    for known in keys.CURVES:
        x, y = known.numbers[3:5]
        base = b"\x04" + x.to_bytes(known.size, "big") + y.to_bytes(known.size, "big")
        public = ec.EllipticCurvePublicKey.from_encoded_point(known.curve, base)
        assert ec.derive_private_key(1, known.curve).public_key().public_numbers() == public.public_numbers()


# the published list


def published() -> "tuple[bytes, bytes]":
    """(list, its authority's certificate): the test stands for the person who got the anchor another way."""
    folder = needs.vectors() / "trust"
    data = next(folder.glob("DE_ML*.ml")).read_bytes()
    inside: Any = cms.ContentInfo.load(data)["content"]
    found = [item.chosen for item in inside["certificates"]]
    return data, next(item.dump() for item in found if "csca-germany" in item.subject.human_friendly)


def test_the_published_list_gives_the_three_algerian_authorities(tmp_path: Path) -> None:
    data, anchor = published()
    listed = masterlist.load(data, anchor)
    assert len(listed.certificates) == 588
    algerian = {certificates.fingerprint(der) for der in listed.certificates if certificates.country(der) == "DZ"}
    folder = needs.vectors() / "trust"
    assert algerian == {
        hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("DZ_CSCA_2015.der", "DZ_CSCA_2020.der", "DZ_CSCA_2020_link.der")
    }


def test_a_negative_serial_number_and_a_boolean_of_one_in_the_published_list_are_read() -> None:
    """An Albanian and a Ukrainian authority."""
    data, anchor = published()
    found = []
    for der in masterlist.load(data, anchor).certificates:
        state = certificates.country(der)
        if (state == "AL" and b"\x02\x01\xb2\x30" in der[:20]) or (
            state == "UA" and re.search(rb"\x30[\x03\x06]\x01\x01\x01", der)
        ):
            assert certificates.why_unusable(NativeCrypto(), der) == ""
            found.append(state)
    assert sorted(found) == ["AL", "UA"]


def test_the_published_list_is_refused_under_other_anchors_and_when_changed() -> None:
    data, anchor = published()
    for name in ("AT_CSCA.der", "FR_CSCA.der", "DZ_CSCA_2020.der"):
        refused(lambda der=(needs.vectors() / "trust" / name).read_bytes(): masterlist.load(data, der), "PRM-021")
    changed = bytearray(data)
    changed[len(data) // 2] ^= 1
    with pytest.raises((ParameterError, TrustError)):
        masterlist.load(bytes(changed), anchor)


def test_the_command_makes_a_signed_set_that_a_terminal_takes(tmp_path: Path) -> None:
    data, anchor = published()
    (tmp_path / "list.ml").write_bytes(data)
    (tmp_path / "anchor.der").write_bytes(anchor)
    made = subprocess.run(
        [sys.executable, "-m", "server.keys", str(tmp_path / "keys")], capture_output=True, timeout=60, check=True
    )
    public = bytes.fromhex(json.loads(made.stdout)["set-trust"])
    command = [
        sys.executable,
        "-m",
        "tools.cli",
        "params",
        "import-masterlist",
        str(tmp_path / "list.ml"),
        "--anchor",
        str(tmp_path / "anchor.der"),
    ]
    options = [
        "--country",
        "dz",
        "--out",
        str(tmp_path / "trust.cose"),
        "--key",
        str(tmp_path / "keys" / "set-trust.pem"),
        "--set-version",
        "7",
        "--json",
    ]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == cli.OK, done.stderr
    report = json.loads(done.stdout)
    assert (
        report["certificates"],
        len(report["countries"]),
        report["explicit_parameters"],
        report["explicit_refused"],
        report["unusable"],
    ) == (588, 112, 160, 17, 31)  # the 17 are on brainpoolP512r1
    assert report["set"]["anchors"] == 3 and [row["country"] for row in report["shown"]] == ["DZ"] * 3
    assert _accepted_by_a_terminal(tmp_path, public) == ["DZ/idl"] * 3
    done = subprocess.run(
        command[:-1] + [str(needs.vectors() / "trust" / "AT_CSCA.der")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == cli.BAD_INPUT and "PRM-021" in done.stderr


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_country_that_the_list_does_not_hold_is_told(options: "list[str]", tmp_path: Path) -> None:
    data, anchor = published()
    (tmp_path / "list.ml").write_bytes(data)
    (tmp_path / "anchor.der").write_bytes(anchor)

    def run(country: str) -> "subprocess.CompletedProcess[str]":
        words = ["params", "import-masterlist", "list.ml", "--anchor", "anchor.der", "--country", country, *options]
        command = [sys.executable, "-m", "tools.cli", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)

    done = run("xx")
    assert done.returncode == cli.BAD_INPUT and "PRM-023" in done.stderr and "no certificate of XX" in done.stderr
    assert "588" in done.stdout and (not options or json.loads(done.stdout)["shown"] == [])
    for country in ("DZA", "D", "D1"):
        done = run(country)
        assert done.returncode == cli.BAD_INPUT and "CFG-088" in done.stderr and "two letters" in done.stderr
        assert done.stdout == ""
    assert run("dz").returncode == cli.OK


def _accepted_by_a_terminal(folder: Path, public: bytes) -> list[str]:
    """What the terminal's own parameter store finds in the set."""
    import time

    from drivers.storage_folder import FolderStorage
    from protocol.licence.trust.anchors import TrustSet
    from terminal.parameters import Parameters

    storage = FolderStorage(str(folder / "store"))
    kept = Parameters(storage, NativeCrypto(), lambda role: public)
    now = int(time.time())
    assert kept.offer((folder / "trust.cose").read_bytes(), now) is not None
    return [
        f"{anchor.country}/{anchor.purpose}" for anchor in TrustSet(kept.load("trust", now).body["anchors"]).anchors
    ]
