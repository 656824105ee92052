"""Where things lie on a licence chip (ISO/IEC 18013-2 annex C; the Algerian layout read in the field, domain facts in docs).

Group numbers are 1 to 14 and equal their short file identifier and the last byte of their file identifier. The tags inside the
Algerian DG11 are not published (?): ARABIC_* below are the profile's own, to be replaced when the authority tells them.
"""

ISO_AID = b"\xa0\x00\x00\x02\x48\x02\x00"
EU_AID = b"\xa0\x00\x00\x04\x56\x45\x44\x4c\x2d\x30\x31"

COM, SOD, CARD_ACCESS = 0x1E, 0x1D, 0x1C  # short file identifiers besides the groups'
AA_GROUP, CA_GROUP, PORTRAIT_GROUP, EU_PORTRAIT_GROUP = 13, 14, 4, 6
ATR_INFO = 0x01  # EF.ATR/INFO in the master file, where identifiers are its own
CARD_SECURITY = (
    0x9D  # EF.CardSecurity there: 1D with the bit that READ BINARY sets, since the application's 1D is EF.SOD
)
LAST_GROUP = 14
TAGS = b"\x61\x6b\x6c\x65\x67\x75\x63\x76\x70\x62\x6d\x71\x6f\x6e"  # of DG1 … DG14
COM_TAG, SOD_TAG, CARD_SECURITY_TAG = 0x60, 0x77, 0x30

ARABIC_SURNAME, ARABIC_GIVEN_NAMES, BLOOD_GROUP = 0x5F50, 0x5F51, 0x5F52  # (?)

HOLD_LIMIT = 8192  # largest file kept whole where there is not the memory for more
STREAM_LIMIT = 0x40000  # largest file hashed as it comes
PLAIN_REACH = 0x8000  # bytes of a file that READ BINARY B0 reaches: 15 bits of offset (ISO/IEC 7816-4 section 7.2.2)


def tag_of(file: int) -> int:
    """The tag that a file begins with; `file` is a short identifier."""
    if file == COM:
        return COM_TAG
    if file == SOD:
        return SOD_TAG
    if file == CARD_SECURITY:
        return CARD_SECURITY_TAG
    return TAGS[file - 1]


def group_of(tag: int) -> int:
    """The number of the group with this tag, 0 if there is none."""
    return TAGS.find(bytes((tag,))) + 1 if 0 <= tag <= 255 else 0


def name_of(file: int) -> str:
    """ "EF.COM", "EF.SOD", "EF.CardSecurity" or "DG1" …, for progress and details."""
    if file == COM:
        return "EF.COM"
    if file == CARD_SECURITY:
        return "EF.CardSecurity"
    return "EF.SOD" if file == SOD else "DG" + str(file)


def two_letters(country: str) -> str:
    """The two-letter code of a state given by three letters (or by two, which are returned), "" if not known."""
    if len(country) == 2:
        return country.upper() if "A" <= country.upper()[0] <= "Z" and "A" <= country.upper()[1] <= "Z" else ""
    from protocol.licence import states

    return states.two_letters(country)
