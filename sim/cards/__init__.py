"""Simulated cards: byte-level APDU objects that know nothing of the link that carries them.

They compute with `cryptography`, asn1crypto and plain `pow`, never with `protocol`, since they are there to check it.
"""
