"""Ready-made payment cards by name. A profile is a plain dict, so that a scenario can write one of its own:

    {"scheme": "cib" | "edahabia", "number": 1..9999999   gives the PAN: test BIN, this number, Luhn digit
     "pin": digits (1234), "psn": two digits (01), "expiry": YYMMDD (311231), "effective": YYMMDD (240101), "holder": text
     "risk": "approve"  gives what it is asked for (TC)      "online"  makes an ARQC of every request for a TC
             "decline"  answers AAC                          "limits"  TC within "offline_max" uses and
             "offline_amount" centimes, else ARQC
     "after_unable": "approve" | "decline"   asked for a TC after "unable to go online"
     "oda": "xda" | "cda" | "dda" | "sda" | "none"   "suite": 0x10 | 0x11 and "hash": 2 | 3 of XDA, "ecc_until": YYYYMMDDHHMM
     "fault": "bad-signature" (a copied card: its signed data do not hold) | "bad-certificate" | "altered-record"
              "no-signature" (of XDA)
     "cvm": hex of the CVM rules, "iac_denial"/"iac_online"/"iac_default": hex, "usage": hex of 9F07, "velocity": (9F14, 9F23)
     "pdol": hex, "issuer_authentication": "external" | "gac2", "t0": bool, "pse": bool, "label": text, "priority": 1..15
     "numbered": bool  the application's name (84, 4F) goes on with the card's number
     "state": {name: value} start values of application.State (atc, pin_tries, …)
     "also": [profile …] more applications on the same card}

Everything but "scheme" and "number" may be absent. The CIB-like card has no PDOL, answers in format 1 (tag 80),
checks the issuer by EXTERNAL AUTHENTICATE; the Edahabia-like card has a PDOL, answers in format 2 (tag 77), behaves
as T=0 (61xx, 6Cxx), checks the issuer in the second GENERATE AC. Both want the plaintext offline PIN.
"""

from typing import Any

PROFILES: dict[str, dict[str, Any]] = {
    "cib-approve": {"scheme": "cib", "number": 1, "pin": "1234"},
    "cib-online": {"scheme": "cib", "number": 2, "pin": "2345", "risk": "online"},
    "cib-decline": {"scheme": "cib", "number": 3, "pin": "3456", "risk": "decline"},
    "edahabia-approve": {"scheme": "edahabia", "number": 1, "pin": "4321"},
    "edahabia-online": {"scheme": "edahabia", "number": 2, "pin": "5432", "risk": "online"},
    "edahabia-decline": {"scheme": "edahabia", "number": 3, "pin": "6543", "risk": "decline"},
    "cib-limits": {"scheme": "cib", "number": 10, "risk": "limits", "offline_max": 2, "offline_amount": 1_000_000},
    "cib-last-try": {"scheme": "cib", "number": 11, "state": {"pin_tries": 1}},
    "cib-pin-blocked": {"scheme": "cib", "number": 12, "state": {"pin_tries": 0}},
    "cib-expired": {"scheme": "cib", "number": 13, "expiry": "260131", "effective": "210201"},
    "cib-dda": {"scheme": "cib", "number": 14, "oda": "dda"},
    "cib-sda": {"scheme": "cib", "number": 15, "oda": "sda"},
    "cib-without-oda": {"scheme": "cib", "number": 16, "oda": "none"},
    "cib-xda": {"scheme": "cib", "number": 22, "oda": "xda"},
    "edahabia-xda-online": {"scheme": "edahabia", "number": 25, "oda": "xda", "risk": "online"},
    "cib-copied": {"scheme": "cib", "number": 17, "fault": "bad-signature"},
    "cib-forged": {"scheme": "cib", "number": 18, "fault": "altered-record"},
    "cib-pse": {"scheme": "cib", "number": 19, "pse": True},
    "cib-enciphered-pin": {"scheme": "cib", "number": 20, "cvm": "0403"},
    "two-applications": {
        "scheme": "cib",
        "number": 21,
        "also": [{"scheme": "edahabia", "number": 21, "priority": 2}],
    },
}


def profile(name: str) -> dict[str, Any]:
    """A copy of a ready-made profile, to change. Raises KeyError."""
    return dict(PROFILES[name])
