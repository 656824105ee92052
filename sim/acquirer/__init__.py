"""The acquirer's host, simulated: ISO 8583 over TCP, card data opened with the base derivation key, cryptograms
checked.

It is the other side of the server's outbox and imports nothing of server, terminal, drivers or protocol: key
derivation, decryption and cryptograms are computed here with `cryptography`, cbor2 and pyemv. Not a model of any real
host's message set.
"""

import warnings

from cryptography.utils import CryptographyDeprecationWarning

# pyemv takes TripleDES from where `cryptography` 48 will no longer have it, and says so at every cryptogram; the versions are pinned, and this is the
# only warning of it that is not heard.
warnings.filterwarnings("ignore", r".*TripleDES", CryptographyDeprecationWarning, r"pyemv\.")
