"""The acquirer's host, simulated: ISO 8583 over TCP, card data opened with the base derivation key, cryptograms
checked.

It is the other side of the server's outbox and imports nothing of server, terminal, drivers or protocol: key
derivation, decryption and cryptograms are computed here with `cryptography`, cbor2 and pyemv. Not a model of any real
host's message set.
"""
