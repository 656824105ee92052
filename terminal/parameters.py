"""Signed, versioned, dated parameter sets: tariff, emv, trust, officers, limits (design §6).

A set is COSE_Sign1 (ES256) under the key of its kind; payload {1: kind, 2: version, 3: valid from, 4: valid to, 5: issued, 6: body}. A lower
version is refused, a future one waits in `params/KIND.next` until its date, an expired one stops sales. The one in force is in `params/KIND`, or in
`.next` from its date on until the server's time says so too: a clock that leaps ahead takes nothing's place. Of each kind one waits. One that is in
force as it comes stays in `.new` too until the record that says so is there, whatever is cut between.

PRM-002 signature, PRM-003 content, PRM-004 older version, PRM-005 expired, PRM-006 absent, PRM-007 not yet valid.
"""

from protocol import cbor, cose
from protocol import records as r
from protocol.errors import CryptoError, FormatError, JournalError, ParameterError
from protocol.sync import SET_KINDS, TYPE_SET

KINDS = SET_KINDS
_HINT = "synchronise to get a good one; selling goes on only with a valid set"
_CHUNK = 512
_ITEM = 1024  # the largest tariff line, encoded
_SIGNATURE = 66  # bstr head and 64 bytes at the file's end


def head_of(data, at: int) -> "tuple[int, int, int]":  # noqa: ANN001 - bytes-like
    """(major type, argument, offset behind the head) of the CBOR item at `at`; arguments of up to two bytes. Raises FormatError."""
    first = data[at]
    info = first & 31
    if info < 24:
        return first >> 5, info, at + 1
    if info == 24:
        return first >> 5, data[at + 1], at + 2
    if info == 25:
        return first >> 5, (data[at + 1] << 8) | data[at + 2], at + 3
    raise FormatError("parameter set too large", "FMT-081", detail=at)


class ParameterSet:
    """A set where it lies in storage, file `name`: its body is decoded piece by piece when it is asked, never held whole.

    Opening parses the frame; `digest` and `signature` are for the caller to verify. Layout (RFC 9052 COSE_Sign1, ES256): [protected, {}, payload,
    signature]; deterministic CBOR puts the body last. Signature rules as in `protocol.cose`.
    """

    def __init__(self, storage, name: str) -> None:  # noqa: ANN001 - Storage
        self._storage = storage
        self._name = name
        self._size = storage.size(name)
        window = self._at(0, _CHUNK)
        start = 1 if window and window[0] == 0xD2 else 0
        if len(window) < 16 or window[start] != 0x84:
            raise FormatError("not a COSE_Sign1", "FMT-081")
        self.protected_bytes, at = cbor.decode_prefix(window, start + 1)
        unprotected, at = cbor.decode_prefix(window, at)
        major, self._length, self._payload = head_of(window, at)
        if major != 2 or not isinstance(self.protected_bytes, bytes) or unprotected != {}:
            raise FormatError("not a COSE_Sign1", "FMT-081")
        if self._payload + self._length + _SIGNATURE != self._size:
            raise FormatError("parameter set cut short or too long", "FMT-081")
        self.protected = cbor.decode(self.protected_bytes)
        self.signature = self._at(self._size - 64, 64)
        fields, self._body = self._read_fields(window, self._payload)
        self.kind: str = fields[0]
        self.version: int = fields[1]
        self.valid_from: int = fields[2]
        self.valid_to: int = fields[3]

    def _read_fields(self, window: bytes, at: int) -> "tuple[list, int]":
        """(fields 1 to 5, the body's offset in the file)."""
        major, count, at = head_of(window, at)
        if major != 5 or count != 6:
            raise FormatError("parameter set without its six fields", "FMT-081")
        fields = []
        for expected in range(1, 7):
            if window[at] != expected:
                raise FormatError("parameter set without its six fields", "FMT-081")
            at += 1
            if expected < 6:
                value, at = cbor.decode_prefix(window, at)
                fields.append(value)
        return fields, at

    def digest(self, crypto) -> bytes:  # noqa: ANN001 - Crypto
        """SHA-256 of the Sig_structure (RFC 9052 section 4.4)."""
        state = crypto.sha_new("sha256")
        state.update(b"\x84\x6aSignature1")
        state.update(cbor.head(2, len(self.protected_bytes)))
        state.update(self.protected_bytes)
        state.update(b"\x40")
        state.update(cbor.head(2, self._length))
        at = self._payload
        while at < self._payload + self._length:
            piece = self._at(at, min(_CHUNK, self._payload + self._length - at))
            state.update(piece)
            at += len(piece)
        return state.digest()

    @property
    def body(self) -> dict:
        """The whole body, decoded; for small sets."""
        return cbor.decode(self._at(self._body, self._payload + self._length - self._body))

    def items(self, wanted: str):  # noqa: ANN201 - generator
        """Yield the elements of the body's array `wanted` one by one."""
        window = self._at(self._body, _ITEM)
        _, entries, at = head_of(window, 0)
        offset = self._body + at
        for _ in range(entries):
            key, used = cbor.decode_prefix(self._at(offset, _ITEM), 0)
            offset += used
            if key != wanted:
                _, used = cbor.decode_prefix(self._at(offset, _ITEM), 0)
                offset += used
                continue
            _, count, used = head_of(self._at(offset, 8), 0)
            offset += used
            for _ in range(count):
                item, used = cbor.decode_prefix(self._at(offset, _ITEM), 0)
                offset += used
                yield item
            return

    def _at(self, offset: int, count: int) -> bytes:
        buffer = bytearray(max(0, min(count, self._size - offset)))
        if buffer:
            self._storage.read_into(self._name, offset, buffer)
        return bytes(buffer)


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
            found = ParameterSet(self._storage, name)
            if found.kind != kind or found.protected != {1: -7, 3: TYPE_SET + "/" + kind, 4: b"set-" + kind.encode()}:
                raise ParameterError("parameter set of an unexpected kind", "PRM-003", _HINT, kind)
            digest = found.digest(self._crypto)
        except (FormatError, JournalError, KeyError, TypeError, IndexError):
            raise ParameterError("a parameter set is malformed", "PRM-003", _HINT, kind) from None
        mark = digest + bytes(found.signature)
        if self._verified.get(name) != mark:
            if not self._crypto.ecdsa_verify("P-256", self._key_of("set-" + kind), digest, found.signature):
                raise ParameterError("the signature of a parameter set is wrong", "PRM-002", _HINT, kind)
            self._verified[name] = mark
        return found

    def load(self, kind: str, now: int) -> ParameterSet:
        """The set in force at `now`. Raises ParameterError."""
        found = self._due(kind, now)
        if found is None:
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

        It is verified in a file of its own before it takes the place of another. One that waits gives way to a newer one that is in force no later,
        since its day would never come, and to one whose day comes before: later ones are offered again.
        What is in force at once `settle` writes down: call it before the next offer. Raises ParameterError: PRM-002, PRM-003, PRM-004, PRM-120..124.
        """
        kind = kind_of(blob)
        name = "params/" + kind
        offered = name + ".new"
        done = True
        self._storage.replace(offered, blob)
        try:
            found = self.check(offered, kind)
            self._usable(found)
            newest, ahead = self._version(kind), self._kept(kind, ".next")
            waits = found.valid_from > now
            if ahead is not None:
                if not waits and ahead.version <= found.version:
                    self._storage.remove(name + ".next")
                elif waits and ahead.valid_from <= found.valid_from:
                    newest = max(newest, ahead.version)
            if found.version < newest:
                raise ParameterError("a parameter set is older than one that is here", "PRM-004", "nothing to do", kind)
            if found.version == newest:
                return None
            done = waits  # the set may be in its place though writing it fails: `settle` looks
            self._storage.replace(name + (".next" if waits else ""), blob)
        finally:
            if done:
                self._storage.remove(offered)
        return None if waits else self.check(name, kind)

    def _usable(self, found: ParameterSet) -> None:
        """An EMV set that no payment could use, or whose CA keys do not have their check sums, never takes a good one's place. PRM-120..124."""
        if found.kind == "emv":
            from protocol.emv.params import EmvParams

            EmvParams(found.body).check(self._crypto)

    def versions(self) -> dict:
        """{kind: version} of what is kept and verifies; what waits is {"KIND.next": version}."""
        out = {}
        for kind in KINDS:
            for suffix in ("", ".next"):
                found = self._kept(kind, suffix)
                if found is not None:
                    out[kind + suffix] = found.version
        return out

    async def settle(self, journal, now: int, heard: bool) -> None:  # noqa: ANN001 - Journal
        """Write down which sets are in force: of those that came so what is still in `.new`, and those that waited, each once. `heard`: `now` is the
        server's time, so these take the places of those before; the record is first, so that a cut between the two loses none.
        """
        for kind in KINDS:
            name = "params/" + kind
            if self._storage.size(name + ".new") >= 0:
                found = self._kept(kind, ".new")
                if found is not None and found.version == self._version(kind):
                    if journal.room.uncounted() if heard else journal.crowded():
                        continue
                    await self._say(journal, found)
                self._storage.remove(name + ".new")
            found = self._due(kind, now)
            if found is None or journal.crowded():
                continue
            await self._say(journal, found)
            if heard:
                self._storage.replace(name, self._storage.read(name + ".next"))
                self._storage.remove(name + ".next")

    async def _say(self, journal, found: ParameterSet) -> None:  # noqa: ANN001
        if journal.view.sets.get(found.kind) != found.version:
            await journal.append(r.PARAMETERS_APPLIED, {r.SET_KIND: found.kind, r.SET_VERSION: found.version})

    def _kept(self, kind: str, suffix: str) -> "ParameterSet | None":
        name = "params/" + kind + suffix
        try:
            return self.check(name, kind) if self._storage.size(name) >= 0 else None
        except ParameterError:
            return None

    def _version(self, kind: str) -> int:
        found = self._kept(kind, "")
        return 0 if found is None else found.version

    def _due(self, kind: str, now: int) -> "ParameterSet | None":
        """The set that waited and whose day has come, unless what is in its place is newer."""
        found = self._kept(kind, ".next")
        return found if found is not None and found.valid_from <= now and found.version > self._version(kind) else None


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
