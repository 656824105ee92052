"""Ready-made licences by name. A profile is a plain dict, so that a scenario can write one of its own:

    {"person": name in people.PEOPLE, or a Person
     "signer": "dz" | "retired" | "unknown"        who signs the SOD "quirks": {field of card.Quirks: value} "alter":
     {number of a data group: "category" | "bit"}   changed after signing: a category added to DG1, or the last bit of
     the file "portrait_bytes": most bytes of the portrait's JPEG (default 16000) "mrz": another person whose MRZ
     opens the chip (a card whose print does not belong to its chip) "sod_of": another person whose SOD was copied
     onto this chip "unlisted": numbers of groups that are present but not in the SOD}

Everything but "person" may be absent.
"""

from typing import Any

PROFILES: dict[str, dict[str, Any]] = {
    "amina": {"person": "amina"},
    "karim": {"person": "karim", "quirks": {"bac_first": 0x6300}},
    "yacine": {"person": "yacine", "quirks": {"bac_first": 0x6982, "lose_channel_at": 6}},
    "nadia": {"person": "nadia", "quirks": {"over_read": "6282", "bac_first": 0x63CF}},
    "standard": {
        "person": "amina",
        "quirks": {"select_then_read_fails": False, "over_read": "short", "chunk": 0, "extended": True},
    },
    "expired": {"person": "omar"},
    "altered": {"person": "karim", "alter": {1: "category"}},
    "altered-names": {"person": "nadia", "alter": {11: "bit"}},
    "unknown-issuer": {"person": "yacine", "signer": "unknown"},
    "retired-signer": {"person": "amina", "signer": "retired"},
    "wrong-mrz": {"person": "amina", "mrz": "karim"},
    "swapped-sod": {"person": "amina", "sod_of": "karim"},
    "unlisted-group": {"person": "amina", "unlisted": (11,)},
}


def profile(name: str) -> dict[str, Any]:
    """A copy of a ready-made profile, to change. Raises KeyError."""
    return dict(PROFILES[name])
