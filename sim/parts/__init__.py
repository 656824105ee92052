"""Models of parts: each speaks its real part's bytes and shares no code with the driver it is there to check."""
