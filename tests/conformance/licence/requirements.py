"""What a terminal that reads licence chips must do: the conformance list.

Each requirement is named, has its source, and at least one test that says with `@meets(...)` that it is about it; `test_list.py`
sees to that. Sources: ISO = ISO/IEC 18013-2/-3, ICAO = Doc 9303-10/-11/-12, EU = Regulation (EU) 383/2012, RFC 5280, RFC 5652,
field = met on licences in use, project = decided here (domain facts and the meaning of verdicts).
"""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T", bound=Callable[..., object])

REQUIREMENTS: dict[str, str] = {
    # access
    "LA-01": "Basic access control opens the chip with the MRZ, and what follows is secured (ICAO 9303-11 4.3, 9.8)",
    "LA-02": "A first BAC refused with 6300, 63CF or 6982 is tried once more after selecting again (field)",
    "LA-03": "An MRZ of another card is refused as LIC-021 after at most two attempts (ICAO 9303-11 4.3)",
    "LA-04": "PACE is used where EF.CardAccess offers one: GM, IM, CAM, curves and finite field, 3DES and AES (ICAO 9303-11 4.4)",
    "LA-05": "A failed PACE ends the reading as LIC-023; BAC is never tried after it (ICAO 9303-11 4.2, project)",
    "LA-06": "A CAN opens by PACE; a chip without PACE answers a CAN with LIC-024 (ICAO 9303-11 4.4.2)",
    "LA-07": "PACE that this terminal cannot run leads to BAC and the finding LIC-245 (project)",
    "LA-08": "PACE in the signed DG14 that EF.CardAccess hides is the finding LIC-246 (ICAO 9303-11 9.2.8)",
    "LA-09": "A malformed EF.CardAccess is LIC-024, without BAC (project)",
    "LA-10": "An EU licence opens by its AID and one-line MRZ (EU annex I, ISO 18013-3 annex B)",
    "LA-11": "After access no command goes in clear; a lost channel is opened with new random numbers (ICAO 9303-11 9.8)",
    "LA-12": "A wrong password of PACE is LIC-021, without BAC (ICAO 9303-11 4.4)",
    "LA-14": "EF.CardAccess is read in every way that other files are: no more than is there, SELECT EF, SELECT MF (ISO 7816-4, field)",
    "LA-15": "What fills EF.CardAccess up behind its object, and a length that is not the shortest, hide no PACE (ISO 7816-4, field)",
    "LA-13": "Channels are rebuilt a bounded number of times, each with fresh randomness; then the reading ends (project)",
    # reading
    "LR-01": "Files are read by short identifier, then READ BINARY; neither SELECT EF nor instruction B1 is needed (field)",
    "LR-02": "6Cxx, 6282 and short answers end a file where it ends (ISO 7816-4, field)",
    "LR-03": "A channel lost at any command (6987, 6882, 6988) is rebuilt and the file goes on where it stopped (field)",
    "LR-04": "Extended length is used where announced, within EF.ATR/INFO's sizes and the terminal's room (ISO 7816-4 12.1.1.9)",
    "LR-05": "Without announcement or room no extended command is sent; the largest chunk that works is learnt once",
    "LR-06": "DG1 in both encodings and date orders, DG11 in Arabic, categories with dates, presumed births (ISO, EU, field)",
    "LR-07": "DG2 to DG9 and DG12 are decoded where present (ISO 18013-2 annex C)",
    "LR-08": "The portrait comes whole and last: DG4, or DG6 of an EU licence",
    "LR-20": "A group that breaks off, or whose length cannot be told, has no hash to compare: LIC-239, never genuine and not altered (project)",
    "LR-09": "Truncated, oversized, indefinite, empty and missing files never look genuine (project)",
    "LR-10": "Progress is told per file and only grows",
    "LR-11": "A card pulled at any command leaves no session; the next reading authenticates and reads nothing twice",
    "LR-14": "The portrait is decoded as it comes and shown; a kind that the terminal cannot decode is said to be not shown (project)",
    "LR-15": "A length refused in clear ends the channel and is learnt from; announced extended length that does not work is given up",
    "LR-18": "Files of any size up to 256 KB are read, by instruction B1 beyond 32 KB; one that cannot be read or kept accuses nobody (ISO 7816-4)",
    "LR-13": "A chip that gives its files in crumbs ends the reading (project)",
    "LR-16": "Latin text is UTF-8 or ISO 8859-1; one field that cannot be read loses no other, least of all the country (ISO 18013-2, EU)",
    "LR-17": "A file that the chip refuses in whatever way is a finding; without EF.SOD or DG1 the chip is unreadable (project)",
    "LR-19": "A size that the chip never gave yet and refuses with any word is no refusal of the file: fewer bytes are tried, each size once (field)",
    "LR-12": "Another chip after an interruption is LIC-033 (project)",
    # belief
    "LB-01": "RSA PKCS#1 v1.5, RSASSA-PSS and ECDSA (NIST, brainpool), SHA-224 to SHA-512, are verified (ICAO 9303-12 4.4)",
    "LB-02": "SHA-1, of the signature or of the groups, is verified and is the finding LIC-225 (project)",
    "LB-03": "Validity and private-key periods of signer and authority, and the authority's key usage, are findings, not verdicts (ICAO 9303-12 7.1)",
    "LB-04": "An anchor vouches for its own country and purpose only (project)",
    "LB-05": "A signer of no anchor is unknown issuer, whatever names it uses (ICAO 9303-11 5.1)",
    "LB-06": "A changed group is altered, and named (ICAO 9303-11 5.1)",
    "LB-07": "A SOD of another licence is altered in every group",
    "LB-08": "A group that the SOD does not list is not covered (LIC-210)",
    "LB-09": "A group that the SOD lists and EF.COM hides is still read (LIC-211)",
    "LB-10": "A revoked signer is LIC-224, an old list LIC-226; a list not of the authority counts for nothing (RFC 5280 5)",
    "LB-11": "Explicit curve parameters count only if they equal a known curve wholly (RFC 5480 2.1.1, project)",
    "LB-12": "Expired licences, and chips that differ from the print, are findings beside the verdict (project)",
    "LB-13": "Altered goes before unknown issuer, and that before clone (project)",
    "LB-16": "A list speaks by the issuer's name: any trusted key of that authority may have signed it (RFC 5280 6.3.3, ICAO 9303-12)",
    "LB-17": "Of several signers one that is trusted suffices; a SOD in which nothing was shown to be altered is not altered (RFC 5652 5.3)",
    "LB-18": "An authority, or a key for other purposes only, signs no document (ICAO 9303-12 7.1, RFC 5280 4.2.1.12)",
    "LB-19": "Every state of ISO 3166-1 is known; a country that is not is said to be (LIC-217) (ICAO 9303-3 5)",
    "LB-20": "A security object under its older content types counts; another type is not verified, not altered (field)",
    "LB-21": "A list may have a distribution point about signers; one in the authority's name that cannot be used is LIC-236 (RFC 5280 5.2.5)",
    "LB-22": "A signer's certificate as states encode them is read; a malformed one is an unknown issuer, LIC-237, not altered (field)",
    "LB-24": "A signer's certificate without key usage is the finding LIC-233 beside the verdict (ICAO 9303-12 7.1.1)",
    "LB-23": "A signer whose list of document types has no driving licence is the finding LIC-233 (ICAO 9303-12 7.1.1)",
    "LB-15": "A name or portrait that a believed SOD does not list is not shown as if it were signed (project)",
    "LB-14": "A SOD that is absent or breaks off is unreadable, one that is no signed object in any form altered (project)",
    "LB-25": "The wrapper around what is signed may be in BER; what is signed counts byte for byte, in DER (RFC 5652 5.1, 5.4)",
    # proof
    "LP-01": "Active authentication with RSA (ISO 9796-2, SHA-1 to SHA-512) and ECDSA proves the chip (ICAO 9303-11 6.1)",
    "LP-02": "Chip authentication with ECDH and DH, 3DES and AES, proves the chip (ICAO 9303-11 6.2)",
    "LP-03": "Chip-authentication mapping proves the chip (ICAO 9303-11 4.4.3.5)",
    "LP-04": "An announced proof with an absent or wrong key is clone suspected (project)",
    "LP-05": "DG13 or DG14 taken off chip and EF.COM, yet in the SOD, is clone suspected (LIC-241, LIC-243)",
    "LP-06": "An exchanged key group is altered",
    "LP-07": "Where two proofs are announced and one fails, the chip is a suspected clone",
    "LP-08": "A chip that announces neither is data genuine, chip not proven (project)",
    "LP-09": "A DG14 without a key for chip authentication announces none",
    "LP-11": "A signature too large for a short answer is asked for with extended length where the card has it; then no length excuses a refusal",
    "LP-12": "Where DG14 holds several keys, a key goes with the protocol that names its number, and the mapping with the key of its curve",
    "LP-13": "Where a chip finds fault with a length (6Cxx, 6700), its own is asked for before anything is concluded (field)",
    "LP-14": "The mapping's key is in DG14 or in a believed EF.CardSecurity; else chip authentication decides (ICAO 9303-11 9.2.11)",
    "LP-15": "A chip that refuses active authentication before chip authentication is asked again after it (project)",
    "LP-16": "A key for chip authentication too long for a short command needs extended length; a card that lacks it is no clone (project)",
    "LP-17": "Where no hash is named for ECDSA, each is tried; its signature may be r | s or DER (ICAO 9303-11 6.1, field)",
    "LP-18": "An announced DG13 or DG14 that the chip refuses, in the channel or in clear, is clone suspected (project)",
    "LP-19": "Nothing that the SOD does not list has a say in a proof, and no verdict depends on where a card was pulled (project)",
    "LP-20": "An active authentication that stays refused is clone suspected, also beside a key that this terminal cannot use (project)",
    "LP-10": "A channel lost during a proof is no clone; each challenge is fresh",
    # outside the process
    "LX-01": "Strangers reach the simulated chip through pcscd and decode its answers (opensc-tool, openssl)",
    "LX-02": "The reader gives the same result through pcscd as in the process",
    "LX-04": "P-256 work goes to the secure element where the board says so, and changes no verdict (ATECC608B data sheet)",
    "LX-03": "Recorded readings replay on 32-bit MicroPython: the same commands, verdict and findings",
}

MET: dict[str, list[str]] = {}


def meets(*names: str) -> Callable[[T], T]:
    """Mark a test as being about requirements. Raises KeyError for a name that is not on the list."""

    def mark(function: T) -> T:
        for name in names:
            if name not in REQUIREMENTS:
                raise KeyError(name)
            MET.setdefault(name, []).append(function.__name__)  # type: ignore[attr-defined]
        return function

    return mark
