"""Signed, versioned, dated parameter sets: tariff, emv, trust, officers, limits (design §6).

A set is COSE_Sign1 (ES256) under the key of its kind; payload {1: kind, 2: version, 3: valid from, 4: valid to, 5: issued, 6: body}. A lower
version is refused, a future one waits in `params/KIND.next` until its date, an expired one stops sales. The one in force is in `params/KIND`.

PRM-002 signature, PRM-003 content, PRM-004 older version, PRM-005 expired, PRM-006 absent, PRM-007 not yet valid.
"""

from protocol import cbor, cose
from protocol.errors import CryptoError, FormatError, ParameterError
from protocol.sync import TYPE_SET

KINDS = ("tariff", "emv", "trust", "officers", "limits")
_HINT = "synchronise to get a good one; selling goes on only with a valid set"


class ParameterSet:
    """One verified set."""

    def __init__(self, payload: dict, blob: bytes) -> None:
        self.kind: str = payload[1]
        self.version: int = payload[2]
        self.valid_from: int = payload[3]
        self.valid_to: int = payload[4]
        self.body: dict = payload[6]
        self.blob = blob


class Parameters:
    """The device's sets. `key_of(role)` gives pinned public keys."""

    def __init__(self, storage, crypto, key_of) -> None:  # noqa: ANN001 - contracts
        self._storage = storage
        self._crypto = crypto
        self._key_of = key_of

    def check(self, blob: bytes, kind: "str | None" = None) -> ParameterSet:
        """Verify a set. Raises ParameterError PRM-002 (signature) or PRM-003 (content)."""
        try:
            sign1 = cose.sign1_parse(blob)
            payload = cbor.decode(sign1.payload)
            found = payload[1]
            if found not in KINDS or (kind is not None and found != kind):
                raise ParameterError("parameter set of an unexpected kind", "PRM-003", _HINT)
            cose.sign1_verify(self._crypto, sign1, self._key_of("set-" + found), expected_content_type=TYPE_SET + "/" + found)
        except CryptoError:
            raise ParameterError("the signature of a parameter set is wrong", "PRM-002", _HINT, kind) from None
        except (FormatError, KeyError, TypeError, IndexError):
            raise ParameterError("a parameter set is malformed", "PRM-003", _HINT, kind) from None
        return ParameterSet(payload, bytes(blob))

    def load(self, kind: str, now: int) -> ParameterSet:
        """The set in force at `now`. Raises ParameterError."""
        self._promote(kind, now)
        name = "params/" + kind
        if self._storage.size(name) < 0:
            raise ParameterError("a parameter set is absent", "PRM-006", _HINT, kind)
        found = self.check(self._storage.read(name), kind)
        if now < found.valid_from:
            raise ParameterError("a parameter set is not valid yet", "PRM-007", _HINT, kind)
        if now > found.valid_to:
            raise ParameterError("a parameter set has expired", "PRM-005", _HINT, kind)
        return found

    def offer(self, blob: bytes, now: int) -> "ParameterSet | None":
        """Take a set that arrived: keep it if it is newer. Returns it when it is in force now, None when it waits or is already here.

        Raises ParameterError: PRM-002, PRM-003, PRM-004.
        """
        found = self.check(blob)
        current = self._version("params/" + found.kind, found.kind)
        if found.version < current:
            raise ParameterError("a parameter set is older than the one in force", "PRM-004", "nothing to do", found.kind)
        if found.version == current:
            return None
        if found.valid_from > now:
            self._storage.replace("params/" + found.kind + ".next", found.blob)
            return None
        self._storage.replace("params/" + found.kind, found.blob)
        return found

    def versions(self) -> dict:
        """{kind: version} of what is kept and verifies."""
        out = {}
        for kind in KINDS:
            version = self._version("params/" + kind, kind)
            if version:
                out[kind] = version
        return out

    def _version(self, name: str, kind: str) -> int:
        if self._storage.size(name) < 0:
            return 0
        try:
            return self.check(self._storage.read(name), kind).version
        except ParameterError:
            return 0

    def _promote(self, kind: str, now: int) -> None:
        name = "params/" + kind + ".next"
        if self._storage.size(name) < 0:
            return
        waiting = self.check(self._storage.read(name), kind)
        if waiting.valid_from <= now:
            self._storage.replace("params/" + kind, waiting.blob)
            self._storage.remove(name)
