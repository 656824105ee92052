"""The licence machine's elliptic-curve requests (`protocol.licence.curves`), answered by the secure element.

An ATECC608B takes about a tenth of a second for each, whatever the processor: a microcontroller in Python takes seconds, a Linux
handheld less than a millisecond. Which one has to do it is the board's to say (`Ports.curves_in_element`).
"""

from drivers.contracts.secure_element import SLOT_EPHEMERAL


class Curves:
    """Handlers for one reading; `se` None: every request is answered None, so that the machine does the work itself."""

    def __init__(self, se) -> None:  # noqa: ANN001 - SecureElement or None
        self._se = se
        self._made = False
        self.handlers = {"ec_verify": self._verify, "ec_key": self._key, "ec_agree": self._agree}

    async def _verify(self, public, digest, signature):  # noqa: ANN001, ANN202
        return None if self._se is None else await self._se.verify(public, digest, signature)

    async def _key(self):  # noqa: ANN202
        if self._se is None:
            return None
        self._made = True
        return await self._se.generate_key(SLOT_EPHEMERAL)

    async def _agree(self, point):  # noqa: ANN001, ANN202
        return await self._se.ecdh(SLOT_EPHEMERAL, point)

    async def forget(self) -> None:
        """Put another key over the reading's: who has this terminal and a recording cannot ask for its secrets again."""
        if self._made:
            self._made = False
            await self._se.generate_key(SLOT_EPHEMERAL)
