"""Two officers of the back office, each with a key: whoever proposes or approves in a simulation signs with one of these."""

from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from server.keys import point
from server.office import signing

FIRST, SECOND = 2001, 2002


class Officers:
    """Their keys, and the public ones as the centre has them."""

    @cached_property
    def _keys(self) -> dict[int, ec.EllipticCurvePrivateKey]:
        return {number: ec.derive_private_key(number, ec.SECP256R1()) for number in (FIRST, SECOND)}

    @cached_property
    def office(self) -> signing.Office:
        """What the centre checks signatures with."""
        return signing.Office({number: point(key.public_key()) for number, key in self._keys.items()})

    def sign(self, number: int, kind: str, payload: dict[int, Any]) -> bytes:
        """A decision of officer `number`."""
        return signing.decide(self._keys[number], number, kind, payload)


def another(number: int) -> int:
    """The other officer."""
    return SECOND if number == FIRST else FIRST
