"""The tags that a set lists for DE55: apart from the parameters, since sets that leave the list to the kernel need none of it in memory."""

from protocol.emv import chip_data, tags
from protocol.errors import ParameterError

MOST_DE55 = 255  # bytes of BER-TLV in field 55 of ISO 8583
_LONGEST = {tags.IAD: 32, tags.DF_NAME: 16}


def check(listed: "list[int]") -> None:
    """PRM-121 where a tag stands twice, or where they cannot fit into field 55 even with the least that cards give."""
    whole = dict(chip_data.PLACES)
    room = MOST_DE55
    for at, tag in enumerate(listed):
        if not 0 < tag <= 0xFFFFFF or tag in listed[:at]:
            raise ParameterError("EMV parameter missing or out of range", "PRM-121", detail="de55")
        room -= len(tags.name(tag)) // 2 + 1 + (whole.get(tag, 0) or _LONGEST.get(tag, 0))
    if room < 0:
        raise ParameterError("the chip data listed do not fit into field 55", "PRM-121", detail="de55")
