"""Getting into a licence chip and talking to it in secret: keys, BAC, PACE, secure messaging, proofs that the chip is no copy."""
