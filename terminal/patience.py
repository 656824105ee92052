"""When to try the network again unasked: exponential, with jitter (design §4), and never before the server's "later".

Time is counted in idle rounds (`ROUND_S` each), since the clock may jump. What the officer asks for is tried at once, whatever this says.
"""

from protocol.errors import TasdidError

ROUND_S = 30
_MOST = 4  # the last step waits 7 to 15 rounds: under eight minutes


class Patience:
    """One terminal's. `idle` in every idle round; `failed` or `held` after each attempt."""

    def __init__(self) -> None:
        self._step = 0
        self._rounds = 0  # that pass without an attempt

    def idle(self) -> bool:
        """Whether this round is one to try in."""
        if self._rounds:
            self._rounds -= 1
            return False
        return True

    def failed(self, chance: bytes, error: TasdidError) -> None:
        """The attempt came to nothing. `chance`: a byte at random."""
        later_s = error.detail if error.code == "NET-011" and isinstance(error.detail, int) else 0
        self._step = min(self._step + 1, _MOST)
        most = (1 << self._step) - 1
        least = most >> 1
        self._rounds = max(least + chance[0] % (most - least + 1), (later_s + ROUND_S - 1) // ROUND_S)

    def held(self) -> None:
        """The server was reached and has what it is to have."""
        self._step = self._rounds = 0
