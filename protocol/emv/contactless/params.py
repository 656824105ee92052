"""The contactless part of the signed set "emv": its list "contactless", one entry a combination of AID and kernel.

    {"contactless": [{… an entry of "aids", see `protocol.emv.params` …,
        "kernel": 2 | 3, "limit": uint centimes, "cvm_limit": uint centimes (0), "offline": bool (False),
        "extended": bool (False: extended selection, 9F29),
        "ttq": bstr 4 (kernel 3, 9F66: 37 20 40 80), "cvm_capability": bstr 1 (kernel 2, DF8118: 60),
        "no_cvm_capability": bstr 1 (kernel 2, DF8119: 08), "configuration": bstr 1 (kernel 2, DF811B: 30),
        "device_limit": uint centimes (kernel 2: the limit where the cardholder's own device verifies, as "limit"),
        "rrp": {"min_grace": uint (20), "max_grace": uint (50), "accuracy": uint (300), "threshold": uint 0..100 (50),
                "command_ms10": uint (18), "response_ms10": uint (24)} (kernel 2, the defaults when absent; units of 100 µs, accuracy likewise),
        "torn_lifetime_s": uint (300), "torn_records": uint (1)}]}

`floor` is the contactless floor limit, `limit` the contactless transaction limit (an amount at or above it is not taken contactless),
`cvm_limit` the amount at or above which the cardholder must be verified. `offline`: whether a TC may be asked for at all. An empty or
absent list means that this terminal takes no contactless card. Everything else of the set is the contact kernel's.
"""

from protocol.emv.params import AidParams, EmvParams, _bytes, _flag, _list, _uint
from protocol.errors import ParameterError

_AT_MOST = 0xFFFFFFFF
KERNELS = (2, 3)
TTQ = b"\x37\x20\x40\x80"
"""EMV mode, contact chip, online PIN, signature, data authentication when online too; offline PIN on the contact chip; cardholder verification by
the device; fDDA version 01. No magnetic stripe, no issuer update: the kernel has neither (Book C-3, annex A.2)."""


class Combination(AidParams):
    """One AID on one kernel."""

    def __init__(self, entry: dict) -> None:
        AidParams.__init__(self, entry)
        self.kernel = _uint(entry, "kernel", 255)
        if self.kernel not in KERNELS:
            raise ParameterError("no such contactless kernel", "PRM-121", detail="kernel")
        self.limit = _uint(entry, "limit", _AT_MOST)
        self.device_limit = _uint(entry, "device_limit", _AT_MOST, self.limit)
        self.cvm_limit = _uint(entry, "cvm_limit", _AT_MOST, 0)
        self.offline = _flag(entry, "offline", False)
        self.extended = _flag(entry, "extended", False)
        self.ttq = _bytes(entry, "ttq", 4, 4, TTQ)
        self.cvm_capability = _bytes(entry, "cvm_capability", 1, 1, b"\x60")
        self.no_cvm_capability = _bytes(entry, "no_cvm_capability", 1, 1, b"\x08")
        self.configuration = _bytes(entry, "configuration", 1, 1, b"\x30")
        self.torn_lifetime_s = _uint(entry, "torn_lifetime_s", 0xFFFF, 300)
        self.torn_records = _uint(entry, "torn_records", 8, 1)
        rrp = entry.get("rrp", {})
        if not isinstance(rrp, dict):
            raise ParameterError("EMV parameter is no map", "PRM-124", detail="rrp")
        self.rrp = {
            name: _uint(rrp, name, 0xFFFF, default)
            for name, default in (
                ("min_grace", 20),
                ("max_grace", 50),
                ("accuracy", 300),
                ("threshold", 50),
                ("command_ms10", 18),
                ("response_ms10", 24),
            )
        }


class ContactlessParams(EmvParams):
    """The whole set; `combinations` beside what the contact kernel uses. Raises ParameterError."""

    def __init__(self, body: dict) -> None:
        EmvParams.__init__(self, body)
        self.combinations = [Combination(entry) for entry in _list(body, "contactless", (dict,))]
