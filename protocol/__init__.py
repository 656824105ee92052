"""What crosses a wire or is kept: codecs and sans-I/O machines (no I/O, no clock, no randomness)."""
