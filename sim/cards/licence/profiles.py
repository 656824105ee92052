"""Ready-made licences by name. A profile is a plain dict, so that a scenario can write one of its own; only "person" must be there:

  person       name in people.PEOPLE, or a Person          encoding      "eu": EU 383/2012 instead of the Algerian layout
  signer       name in sim.pki.signers.SIGNERS             sod           {argument of sim.pki.sod.build: value}
  quirks       {field of card.Quirks: value}               portrait_bytes most bytes of the portrait's JPEG (16000)
  mrz          another person whose MRZ opens the chip     rare_groups   DG6 to DG9 and DG12 too
  sod_of       another person whose SOD was copied here    unlisted      groups that are present but not in the SOD
  portrait_kind "jpeg", "progressive" or "jp2"
abilities
  pace         ["GM brainpoolP256r1 AES-128" …]            can           digits; then PACE takes them too
  bac          False: no basic access control              atr_info      bytes of EF.ATR/INFO
  active       {key: "RSA-1024" | curve, hash, held}       announces_extended  in the ATR
  agreement    {domain, suite, key_id, standardised, held} (held: "own", "other" = a clone's own key, "none")
  mapping      the same: a key of its own for CAM, in EF.CardSecurity alone; card_security {signer, kind, damage} or None = no such file
  keeps_channel False: selecting the master file ends the channel
after signing
  alter        {group: "category" | "name" | "bit" …}      damage        {file: see attacks.damaged}
  strip        groups taken off the chip and EF.COM        hide          groups taken off EF.COM only
  card_access  False: EF.CardAccess removed                card_access_is other bytes for it
  pace_fault   see proof.pace                              knows_pace    False: offered but the commands are unknown
"""

from typing import Any

_GM = "GM brainpoolP256r1 AES-128"
_CAM = "CAM brainpoolP256r1 AES-128"
_AA: dict[str, Any] = {"key": "RSA-1024", "hash": "sha1"}
_CA: dict[str, Any] = {"suite": "AES-128"}

FIELD: dict[str, dict[str, Any]] = {
    "amina": {"person": "amina"},
    "karim": {"person": "karim", "quirks": {"bac_first": 0x6300}},
    "yacine": {"person": "yacine", "quirks": {"bac_first": 0x6982, "lose_channel_at": 6}},
    "nadia": {"person": "nadia", "quirks": {"over_read": "6282", "bac_first": 0x63CF}},
    "saliha": {"person": "saliha"},
    "standard": {
        "person": "amina",
        "quirks": {"select_then_read_fails": False, "over_read": "short", "chunk": 0, "extended": True},
    },
    "strict": {"person": "amina", "quirks": {"chunk": 0, "strict": True, "over_read": "short"}},
    "extended": {
        "person": "amina",
        "announces_extended": True,
        "quirks": {"select_then_read_fails": False, "over_read": "short", "chunk": 0, "extended": True, "strict": True},
    },
    "extended-small": {
        "person": "amina",
        "announces_extended": True,
        "atr_info": bytes.fromhex("7F660802020400 02020400".replace(" ", "")),
        "quirks": {"over_read": "short", "chunk": 0, "extended": True, "strict": True, "most": 1000},
    },
    "rich": {"person": "karim", "rare_groups": True},
    "expired": {"person": "omar"},
}
"""Licences as they are met: quirks, lengths, more groups."""

PROVING: dict[str, dict[str, Any]] = {
    "active-rsa-sha1": {"person": "amina", "active": _AA},
    "active-rsa-sha256": {"person": "amina", "active": {"key": "RSA-1536", "hash": "sha256"}},
    "active-rsa-2048": {
        "person": "amina",
        "active": {"key": "RSA-2048", "hash": "sha512"},
        "quirks": {"extended": True},
        "announces_extended": True,
    },
    "active-p256": {"person": "amina", "active": {"key": "P-256", "hash": "sha256"}},
    "active-brainpool-sha1": {"person": "amina", "active": {"key": "brainpoolP256r1", "hash": "sha1"}},
    "active-p384": {"person": "amina", "active": {"key": "P-384", "hash": "sha384"}},
    "agreement-3des": {"person": "amina", "agreement": {"suite": "3DES"}},
    "agreement-aes128": {"person": "amina", "agreement": _CA},
    "agreement-aes256": {"person": "amina", "agreement": {"domain": "P-384", "suite": "AES-256", "key_id": 5}},
    "agreement-standardised": {"person": "amina", "agreement": {"domain": "P-256", "standardised": True, "key_id": 1}},
    "agreement-dh": {"person": "amina", "agreement": {"domain": "RFC5114", "suite": "3DES"}},
    "agreement-dh-aes": {"person": "amina", "agreement": {"domain": "RFC5114", "suite": "AES-128", "key_id": 2}},
    "both-proofs": {"person": "amina", "active": _AA, "agreement": _CA},
    "pace-gm": {"person": "amina", "pace": [_GM]},
    "pace-gm-p256": {"person": "amina", "pace": ["GM P-256 AES-128"]},
    "pace-gm-aes256": {"person": "amina", "pace": ["GM brainpoolP384r1 AES-256"]},
    "pace-gm-3des": {"person": "amina", "pace": ["GM P-256 3DES"]},
    "pace-gm-dh": {"person": "amina", "pace": ["GM RFC5114 AES-128"]},
    "pace-im": {"person": "amina", "pace": ["IM brainpoolP256r1 AES-128"]},
    "pace-im-p256": {"person": "amina", "pace": ["IM P-256 AES-256"]},
    "pace-im-dh": {"person": "amina", "pace": ["IM RFC5114 AES-128"]},
    "pace-cam": {"person": "amina", "pace": [_CAM], "agreement": _CA},
    "pace-cam-own": {"person": "amina", "pace": [_CAM], "agreement": _CA, "mapping": {}},
    "pace-cam-other-curve": {"person": "amina", "pace": [_CAM], "agreement": {"domain": "P-384"}, "mapping": {}},
    "pace-cam-alone": {"person": "amina", "pace": [_CAM], "mapping": {}, "group14_silent": True},
    "pace-two": {"person": "amina", "pace": ["GM P-256 AES-128", _GM]},
    "pace-only": {"person": "amina", "pace": [_GM], "bac": False},
    "pace-can": {"person": "amina", "pace": [_GM], "can": "314159", "bac": False},
    "pace-everything": {"person": "amina", "pace": [_GM], "active": _AA, "agreement": _CA, "can": "314159"},
    "pace-unknown-curve": {"person": "amina", "pace": ["GM brainpoolP320r1 AES-128"], "knows_pace": False},
    "eu": {"person": "claire", "encoding": "eu", "signer": "foreign"},
    "eu-active": {"person": "claire", "encoding": "eu", "signer": "foreign", "active": _AA},
    "eu-pace": {"person": "claire", "encoding": "eu", "signer": "foreign", "pace": [_GM], "can": "99XX00042"},
}
"""Licences that open by PACE or prove that they are no copy."""

FALSE: dict[str, dict[str, Any]] = {
    "altered": {"person": "karim", "alter": {1: "category"}},
    "altered-name": {"person": "karim", "alter": {1: "name"}},
    "altered-names": {"person": "nadia", "alter": {11: "bit"}},
    "altered-portrait": {"person": "nadia", "alter": {4: "bit"}},
    "unknown-issuer": {"person": "yacine", "signer": "unknown"},
    "impostor-issuer": {"person": "yacine", "signer": "impostor"},
    "foreign-issuer": {"person": "yacine", "signer": "foreign"},
    "foreign-issuer-posing": {"person": "yacine", "signer": "foreign-posing"},
    "retired-signer": {"person": "amina", "signer": "retired"},
    "revoked-signer": {"person": "amina", "signer": "revoked"},
    "wrong-mrz": {"person": "amina", "mrz": "karim"},
    "swapped-sod": {"person": "amina", "sod_of": "karim"},
    "unlisted-group": {"person": "amina", "unlisted": (11,)},
    "hidden-group": {"person": "amina", "hide": (11,)},
    "clone-active-other": {"person": "amina", "active": {**_AA, "held": "other"}},
    "clone-active-none": {"person": "amina", "active": {**_AA, "held": "none"}},
    "clone-active-p256": {"person": "amina", "active": {"key": "P-256", "held": "other"}},
    "clone-active-swapped": {"person": "amina", "active": _AA, "alter": {13: "bit"}},
    "clone-active-stripped": {"person": "amina", "active": _AA, "strip": (13,)},
    "clone-active-hidden": {"person": "amina", "active": {**_AA, "held": "none"}, "hide": (13,)},
    "clone-agreement-other": {"person": "amina", "agreement": {**_CA, "held": "other"}},
    "clone-agreement-none": {"person": "amina", "agreement": {**_CA, "held": "none"}},
    "clone-agreement-3des": {"person": "amina", "agreement": {"suite": "3DES", "held": "other"}},
    "clone-agreement-dh": {"person": "amina", "agreement": {"domain": "RFC5114", "suite": "3DES", "held": "other"}},
    "clone-agreement-stripped": {"person": "amina", "agreement": _CA, "strip": (14,)},
    "clone-both-stripped": {"person": "amina", "active": _AA, "agreement": _CA, "strip": (13, 14)},
    "clone-half": {"person": "amina", "active": _AA, "agreement": {**_CA, "held": "other"}},
    "clone-cam": {"person": "amina", "pace": [_CAM], "agreement": {**_CA, "held": "other"}},
    "clone-cam-own": {
        "person": "amina",
        "pace": [_CAM],
        "agreement": {**_CA, "held": "other"},
        "mapping": {"held": "other"},
    },
    "clone-cam-silent": {"person": "amina", "pace": [_CAM], "agreement": _CA, "pace_fault": "no-proof"},
    "pace-refused": {"person": "amina", "pace": [_GM], "pace_fault": "refuse"},
    "pace-unknown-commands": {"person": "amina", "pace": [_GM], "knows_pace": False},
    "pace-false-token": {"person": "amina", "pace": [_GM], "pace_fault": "token"},
    "pace-reflected": {"person": "amina", "pace": [_GM], "pace_fault": "reflect"},
    "pace-off-curve": {"person": "amina", "pace": [_GM], "pace_fault": "point"},
    "pace-short-nonce": {"person": "amina", "pace": [_GM], "pace_fault": "nonce"},
    "pace-missing-object": {"person": "amina", "pace": [_GM], "pace_fault": "silent"},
    "pace-broken-off": {"person": "amina", "pace": [_GM], "pace_fault": "break"},
    "pace-wrong-mrz": {"person": "amina", "pace": [_GM], "mrz": "karim"},
    "pace-hidden": {"person": "amina", "pace": [_GM], "agreement": _CA, "card_access": False},
    "pace-garbled-access": {"person": "amina", "pace": [_GM], "card_access_is": bytes.fromhex("310530030601")},
}
"""Licences that are not what they say, or chips that cheat."""

PROFILES: dict[str, dict[str, Any]] = {**FIELD, **PROVING, **FALSE}


def profile(name: str) -> dict[str, Any]:
    """A copy of a ready-made profile, to change. Raises KeyError."""
    return dict(PROFILES[name])
