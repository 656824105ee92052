"""Words for functions that a device's compiler turns into machine code, and that CPython runs as they stand.

`@micropython.viper` is a word of MicroPython's compiler, not an object: with it, `mpy-cross -march=…` compiles a function of whole numbers and
words of memory to the board's own instructions, thirty times as fast as bytecode. What such a function may hold: up to four arguments, numbers
that fit 31 bits and a sign, `ptr8`, `ptr16` and `ptr32` for the bytes, half words and words of a buffer (`array` of "B", "H" and "I", or bytes).
An index is not checked there: the caller vouches for it. `tasdid image build --arch none` leaves the decorator out, for a board whose
compiler has no such word.
"""

from typing import Any

ptr8 = ptr16 = ptr32 = Any


class micropython:  # noqa: N801 - the compiler's word
    """What the decorators are where nothing is compiled."""

    @staticmethod
    def viper(function: Any) -> Any:
        """The function as it is."""
        return function
