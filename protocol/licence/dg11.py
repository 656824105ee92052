"""DG11, domestic data: in Algeria the names in Arabic and the blood group. The tags are the profile's own (?), see `profile`."""

from typing import TYPE_CHECKING

from protocol.licence import groups, profile
from protocol.licence.errors import GroupError

if TYPE_CHECKING:
    Bytes = bytes | bytearray | memoryview

_FIELDS = (
    ("surname_ar", profile.ARABIC_SURNAME),
    ("given_names_ar", profile.ARABIC_GIVEN_NAMES),
    ("blood_group", profile.BLOOD_GROUP),
)


def parse(content: "Bytes") -> dict:
    """{surname_ar, given_names_ar, blood_group} of a whole DG11 (with its tag 6D), "" where absent; unknown tags passed over.

    `unread`: the fields that are not UTF-8, if there are any.
    """
    rows = groups.objects(groups.body(content, profile.tag_of(11)), "DG11")
    found = {}
    for key, wanted in _FIELDS:
        found[key] = ""
        for tag, value in rows:
            if tag == wanted:
                try:
                    found[key] = groups.text(value, key)
                except GroupError:
                    found["unread"] = found.get("unread", []) + [key]
    return found
