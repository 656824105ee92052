"""How a simulated chip opens by PACE and proves that it is no copy: computed with `cryptography`, python-ecdsa and plain `pow`."""
