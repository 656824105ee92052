"""Raw records and officers' approvals as the recomputation reads them: one whose content is not what its columns say, or that does not decode, is
named and left out, and stops nothing.
"""

import hashlib
from typing import Any

from protocol import cbor
from protocol import records as r
from protocol.errors import FormatError
from server import codes
from server.store import tables as t
from server.wire import envelope

_RAW = t.raw.c
COLUMNS = (_RAW.device, _RAW.epoch, _RAW.seq, _RAW.kind, _RAW.hash, _RAW.record)
"""What a row must have to be read."""


VERDICT = ("device", "epoch", "intent", "number", "amount", "seq", "branches", "stands")
DECISION = ("device", "epoch", "kind", "seq", "number", "collected", "scheme", "untaken", "payments", "undoes")
"""What an approval says from its key 1 on, and its row by these names (`server.office.branches`, `server.office.decisions`)."""


class Records:
    """Reads rows of COLUMNS and approvals; `wrong` names those that were not to be read, each once."""

    def __init__(self) -> None:
        self._wrong: dict[str, None] = {}

    @property
    def wrong(self) -> list[str]:
        """In words, in the order in which they were met."""
        return list(self._wrong)

    def read(self, row: Any) -> dict[int, Any] | None:
        """The record of a row; None if it is not to be read. What is as it was when its hash was taken has the fields of its kind."""
        data, record = bytes(row.record), None
        try:
            record = cbor.decode(data)
            which = [record[key] for key in (r.DEVICE, r.EPOCH, r.SEQ, r.KIND)]
        except (FormatError, KeyError, TypeError):
            which = None
        if which == [row.device, row.epoch, row.seq, row.kind] and hashlib.sha256(data).digest() == bytes(row.hash):
            return record
        why = "does not decode" if record is None else "is not what its row says"
        self._wrong[f"record {row.seq} of epoch {row.epoch} of {row.device} {why}"] = None
        return None

    def approval(self, row: Any, names: tuple[str, ...]) -> tuple[Any, ...] | None:
        """What the second officer has signed, in the order of `names` (VERDICT or DECISION), of a row with these columns and the approval; None if it
        is not to be read.
        """
        body: Any = None
        said: tuple[Any, ...] = ()
        try:
            body = cbor.decode(envelope.parse(bytes(row.approval)).payload)
            said = tuple(body[key] for key in range(1, len(names) + 1))
        except (FormatError, codes.RefusedError, KeyError, TypeError, IndexError, UnicodeDecodeError):
            said = ()
        kept = tuple(row._mapping[name] for name in names)
        if said == kept and all(type(one) is type(other) for one, other in zip(said, kept, strict=True)):
            return said
        about = ", ".join(f"{name} {value}" for name, value in zip(names[:5], kept[:5], strict=True))
        why = "does not decode" if body is None else "is not what its row says"
        self._wrong[f"the officers' approval about {about} {why}"] = None
        return None
