"""TLS 1.2 and 1.3 towards the one server, by CPython's `ssl` (OpenSSL). CPython only; `drivers.tls_mbed` is its twin.

The one CA whose certificate is given is trusted and no other; the name is checked against the certificate (RFC 9525).
"""

import ssl

from drivers import tls_troubles
from drivers.contracts.small import Tls

_OUT_OF_DATE = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_OTHER_NAME = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH


class NativeTls(Tls):
    """`authority` is the CA's certificate, DER; `name` is the server's, as its certificate says."""

    def __init__(self, authority: bytes, name: str) -> None:
        self.name = name
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # requires a certificate and checks the name
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.load_verify_locations(cadata=authority)

    def trouble(self, error: Exception) -> "Exception | None":
        """What a failed handshake means; None if the error is none of TLS."""
        if isinstance(error, ssl.SSLCertVerificationError):
            if error.verify_code in _OUT_OF_DATE:
                return tls_troubles.trouble(tls_troubles.OUT_OF_DATE)
            named = error.verify_code in _OTHER_NAME
            return tls_troubles.trouble(tls_troubles.OTHER_NAME if named else tls_troubles.NOT_OURS)
        return tls_troubles.trouble(tls_troubles.NOT_SPOKEN) if isinstance(error, ssl.SSLError) else None
