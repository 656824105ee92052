"""Signed, versioned, dated parameter sets: tariff, emv, trust, officers, limits (design §6).

A set is COSE_Sign1 (ES256) under the key of its kind; payload {1: kind, 2: version, 3: valid from, 4: valid to, 5: issued, 6: body}. A lower
version is refused, a future one waits in `params/KIND.next` until its date, an expired one stops sales. The one in force is in `params/KIND`.

PRM-002 signature, PRM-003 content, PRM-004 older version, PRM-005 expired, PRM-006 absent, PRM-007 not yet valid.
"""

from protocol import cose
from protocol.errors import CryptoError, FormatError, JournalError, ParameterError
from protocol.sync import SET_KINDS, TYPE_SET
from terminal.setfile import SetFile

KINDS = SET_KINDS
_HINT = "synchronise to get a good one; selling goes on only with a valid set"


class ParameterSet:
    """A verified set in storage; `body` and `items` read it when they are asked."""

    def __init__(self, file: SetFile) -> None:
        self._file = file
        self.kind: str = file.fields[1]
        self.version: int = file.fields[2]
        self.valid_from: int = file.fields[3]
        self.valid_to: int = file.fields[4]

    @property
    def body(self) -> dict:
        """The whole body, decoded; for small sets."""
        return self._file.body()

    def items(self, name: str):  # noqa: ANN201 - generator of maps
        """The elements of one array of the body, one by one."""
        return self._file.items(name)


class Parameters:
    """The device's sets. `key_of(role)` gives pinned public keys.

    A set's signature is checked whenever its bytes have changed since it was last checked: each load hashes the file anew.
    """

    def __init__(self, storage, crypto, key_of) -> None:  # noqa: ANN001 - contracts
        self._storage = storage
        self._crypto = crypto
        self._key_of = key_of
        self._verified: "dict[str, bytes]" = {}

    def check(self, name: str, kind: str) -> ParameterSet:
        """Verify the set in file `name`. Raises ParameterError PRM-002 (signature) or PRM-003 (content)."""
        try:
            file = SetFile(self._storage, name)
            found = ParameterSet(file)
            if found.kind != kind or file.protected != {1: -7, 3: TYPE_SET + "/" + kind, 4: b"set-" + kind.encode()}:
                raise ParameterError("parameter set of an unexpected kind", "PRM-003", _HINT, kind)
            digest = file.digest(self._crypto)
        except (FormatError, JournalError, KeyError, TypeError, IndexError):
            raise ParameterError("a parameter set is malformed", "PRM-003", _HINT, kind) from None
        mark = digest + bytes(file.signature)
        if self._verified.get(name) != mark:
            if not self._crypto.ecdsa_verify("P-256", self._key_of("set-" + kind), digest, file.signature):
                raise ParameterError("the signature of a parameter set is wrong", "PRM-002", _HINT, kind)
            self._verified[name] = mark
        return found

    def load(self, kind: str, now: int) -> ParameterSet:
        """The set in force at `now`. Raises ParameterError."""
        self._promote(kind, now)
        name = "params/" + kind
        if self._storage.size(name) < 0:
            raise ParameterError("a parameter set is absent", "PRM-006", _HINT, kind)
        found = self.check(name, kind)
        if now < found.valid_from:
            raise ParameterError("a parameter set is not valid yet", "PRM-007", _HINT, kind)
        if now > found.valid_to:
            raise ParameterError("a parameter set has expired", "PRM-005", _HINT, kind)
        return found

    def offer(self, blob: bytes, now: int) -> "ParameterSet | None":
        """Take a set that arrived: keep it if it is newer. Returns it when it is in force now, None when it waits or is already here.

        It is verified in a file of its own before it takes the place of another. Raises ParameterError: PRM-002, PRM-003, PRM-004, PRM-120..124.
        """
        kind = kind_of(blob)
        offered = "params/" + kind + ".new"
        self._storage.replace(offered, blob)
        try:
            found = self.check(offered, kind)
            self._usable(found)
            current = self._version("params/" + kind, kind)
            if found.version < current:
                raise ParameterError("a parameter set is older than the one in force", "PRM-004", "nothing to do", kind)
            if found.version == current:
                return None
            waits = found.valid_from > now
            self._storage.replace("params/" + kind + (".next" if waits else ""), blob)
        finally:
            self._storage.remove(offered)
        return None if waits else self.check("params/" + kind, kind)

    def _usable(self, found: ParameterSet) -> None:
        """An EMV set that no payment could use, or whose CA keys do not have their check sums, never takes a good one's place. PRM-120..124."""
        if found.kind == "emv":
            from protocol.emv.params import EmvParams

            EmvParams(found.body).check(self._crypto)

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
            return self.check(name, kind).version
        except ParameterError:
            return 0

    def _promote(self, kind: str, now: int) -> None:
        name = "params/" + kind + ".next"
        if self._storage.size(name) < 0:
            return
        if self.check(name, kind).valid_from <= now:
            self._storage.replace("params/" + kind, self._storage.read(name))
            self._storage.remove(name)


def kind_of(blob: bytes) -> str:
    """The kind that a set's protected header names; it is not verified here. Raises ParameterError PRM-003."""
    try:
        content_type = cose.sign1_parse(blob).protected.get(3)
        kind = str(content_type)[len(TYPE_SET) + 1 :]
    except (FormatError, CryptoError, TypeError, KeyError, IndexError):
        raise ParameterError("a parameter set is malformed", "PRM-003", _HINT) from None
    if kind not in KINDS:
        raise ParameterError("parameter set of an unexpected kind", "PRM-003", _HINT)
    return kind
