"""TLS 1.2 and 1.3 towards the one server, by MicroPython's `tls` (mbedTLS). MicroPython only; `drivers.tls_native` is its twin.

The one CA whose certificate is given is trusted and no other; the name is checked against the certificate. mbedTLS keeps
its buffers (about 40 KB while a connection is open) outside the heap of objects.
"""

import tls

from drivers.contracts.small import Tls

_MBEDTLS = -0x1000  # error numbers of mbedTLS are below; those of the operating system above
_CUT = (
    -0x7280,
    -0x7880,
)  # MBEDTLS_ERR_SSL_CONN_EOF, MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY: the line ended, no stranger spoke


class MbedTls(Tls):
    """`authority` is the CA's certificate, DER; `name` is the server's, as its certificate says."""

    def __init__(self, authority: bytes, name: str) -> None:
        self.name = name
        context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        context.verify_mode = tls.CERT_REQUIRED  # type: ignore[attr-defined] - the stubs lack it
        context.load_verify_locations(authority)
        self.context = context

    def trouble(self, error: Exception):  # noqa: ANN201 - NetworkError or None
        """What a failed handshake means; None if the error is none of TLS."""
        from drivers import tls_troubles as told

        if isinstance(error, ValueError):  # mbedtls_x509_crt_verify_info, in words
            text = str(error)
            if "expired" in text or "future" in text:
                return told.trouble(told.OUT_OF_DATE)
            return told.trouble(told.OTHER_NAME if "CN" in text else told.NOT_OURS)
        number = error.args[0] if isinstance(error, OSError) and error.args else 0
        if isinstance(number, int) and number < _MBEDTLS and number not in _CUT:
            return told.trouble(told.NOT_SPOKEN)
        return None
