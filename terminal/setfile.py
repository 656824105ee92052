"""A parameter set where it lies in storage: verified by streaming, its body decoded piece by piece, never held whole.

Layout (RFC 9052 COSE_Sign1, ES256): [protected, {}, payload, signature]; payload {1: kind, 2: version, 3: valid from, 4: valid to, 5: issued,
6: body}. Deterministic CBOR puts the body last. Both runtimes. Signature rules as in `protocol.cose`; judging dates is `terminal.parameters`'.
"""

from protocol import cbor
from protocol.errors import FormatError

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


class SetFile:
    """The set in file `name`. Opening parses the frame; `digest` and `signature` are for the caller to verify."""

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
        self.fields: dict = {}
        self._body = self._read_fields(window, self._payload)

    def _read_fields(self, window: bytes, at: int) -> int:
        """Fields 1 to 5; returns the body's offset in the file."""
        major, count, at = head_of(window, at)
        if major != 5 or count != 6:
            raise FormatError("parameter set without its six fields", "FMT-081")
        for expected in range(1, 7):
            if window[at] != expected:
                raise FormatError("parameter set without its six fields", "FMT-081")
            at += 1
            if expected < 6:
                self.fields[expected], at = cbor.decode_prefix(window, at)
        return at

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

    def body(self) -> dict:
        """The whole body; for small sets."""
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
