"""The steps of a transaction, one module each, in the order of EMV Book 3, 10 and Book 4, 6.3."""
