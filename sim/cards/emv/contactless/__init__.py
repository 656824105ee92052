"""Simulated contactless payment cards: applications for Kernel 2 (`c2`), each an object with `aid`, `label`, `priority`, `kernel`, `fci`,
`reset` and `process`."""
