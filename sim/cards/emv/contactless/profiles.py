"""Ready-made contactless cards by name; what the words mean is in the package's docstring."""

from typing import Any

PROFILES: dict[str, dict[str, Any]] = {
    "tap-approve": {"scheme": "cib", "number": 41, "kernel": 3, "tap": "approve"},
    "tap-online": {"scheme": "edahabia", "number": 42, "kernel": 3, "tap": "online", "risk": "online"},
    "tap-decline": {"scheme": "cib", "number": 43, "kernel": 3, "tap": "decline", "risk": "decline"},
    "tap-phone": {"scheme": "cib", "number": 44, "kernel": 3, "tap": "online", "verify": "device", "phone": True},
    "tap-switch": {"scheme": "cib", "number": 45, "kernel": 3, "switch": True},
    "tap-signature": {"scheme": "cib", "number": 46, "kernel": 3, "tap": "online", "verify": "signature"},
    "tap-copied": {"scheme": "cib", "number": 47, "kernel": 3, "fault": "bad-signature"},
    "tap-replayed": {"scheme": "cib", "number": 48, "kernel": 3, "fault": "replayed"},
    "tap-stripped": {"scheme": "cib", "number": 49, "kernel": 3, "fault": "stripped"},
    "tap-relayed": {"scheme": "cib", "number": 50, "kernel": 3, "tap": "online", "fault": "qualifiers"},
    "tap-yes": {"scheme": "cib", "number": 51, "kernel": 3, "fault": "tc-anyway"},
    "cda-approve": {"scheme": "cib", "number": 61, "kernel": 2, "tap": "approve"},
    "cda-online": {"scheme": "edahabia", "number": 62, "kernel": 2, "tap": "online", "risk": "online"},
    "cda-decline": {"scheme": "cib", "number": 63, "kernel": 2, "tap": "decline", "risk": "decline"},
    "cda-phone": {"scheme": "cib", "number": 64, "kernel": 2, "verify": "device", "phone": True},
    "cda-relayed": {"scheme": "cib", "number": 65, "kernel": 2, "fault": "slow"},
    "cda-copied": {"scheme": "cib", "number": 66, "kernel": 2, "fault": "bad-signature"},
    "tap-expired": {"scheme": "cib", "number": 52, "kernel": 3, "expiry": "260131", "effective": "210201"},
}


def profile(name: str) -> dict[str, Any]:
    """A copy of a ready-made profile, to change. Raises KeyError."""
    return dict(PROFILES[name])
