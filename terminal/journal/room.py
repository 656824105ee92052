"""How much of the storage is free, and what that still allows (design §3: sales stop before the journal can fail)."""

from protocol import records as r
from protocol.errors import JournalError, RiskError

RESERVE = 131072  # bytes kept free so that what was begun can be ended, and a hundred results chained
WARNING = 3 * RESERVE  # from here on the officer is told: more than a shift of 40 fines before sales stop
LAST = RESERVE // 2  # from here on nobody logs in before all is acknowledged: there is always room for a session
SPARE = 4 * RESERVE  # with less room than this the oldest acknowledged segments go before their time, down to `FLOOR`
STARTS = (r.NOTICE, r.PAYMENT_INTENT)  # kinds that begin something; refused when the reserve is reached
VISITS = (r.SHIFT_OPENED, r.LOGIN)  # kinds that come again and again without a sale; refused where it is crowded
ROOM_OK, ROOM_LOW, ROOM_NONE, ROOM_UNKNOWN = 0, 1, 2, 3
_EVERY = 8  # questions between two looks at the free space


class Room:
    """The room on one storage, counted at times only: littlefs walks all of its blocks to count them."""

    def __init__(self, storage) -> None:  # noqa: ANN001 - the contract
        self._storage = storage
        self._until = 0
        self.seen = 0  # bytes free when it was last counted; below 0 they could not be

    def state(self, look: bool = False) -> int:
        """ROOM_OK, ROOM_LOW (warn the officer), ROOM_NONE or ROOM_UNKNOWN (no new sale). Counts at times only, or when told to."""
        if look or self._until <= 0:
            try:
                self.seen = max(0, self._storage.free_bytes())
            except JournalError:  # littlefs that cannot count takes no record either; what is there can still be sent
                self.seen = -1
            self._until = _EVERY
        self._until -= 1
        if self.seen < RESERVE:
            return ROOM_UNKNOWN if self.seen < 0 else ROOM_NONE
        return ROOM_LOW if self.seen < WARNING else ROOM_OK

    def changed(self) -> None:
        """Something was deleted: count when asked next."""
        self._until = 0

    def uncounted(self) -> bool:
        """Whether it is ROOM_UNKNOWN now: what is there is sent, and nothing written that can be left out."""
        return self.state(True) == ROOM_UNKNOWN

    def require(self, least: int = RESERVE) -> None:
        """RiskError RSK-005 where fewer bytes than `least` are free now, RSK-015 where nobody can count them."""
        self.state(True)
        if self.seen < least:
            raise self.refusal()

    def short(self) -> bool:
        """Whether what is old goes early; never because nobody can count."""
        self.state(True)
        return 0 <= self.seen < SPARE

    def crowded(self, unsent: bool) -> bool:
        """Whether a record of one more boot or log-in would take the room that a session needs; `unsent`: there is something to send."""
        self.state(True)
        return self.seen < (LAST if unsent else LAST // 2)

    def refusal(self) -> RiskError:
        """Why nothing new begins: RSK-005, or RSK-015 where nobody can count."""
        if self.seen < 0:
            return RiskError("the storage's free space cannot be counted", "RSK-015", "synchronise; call a technician")
        return RiskError(
            "the terminal's storage is nearly full", "RSK-005", "synchronise before the next case", "flash"
        )
