"""The card's 3DES cryptography, computed with `cryptography` (EMV 4.4 Book 2, annexes A1.2, A1.3, A1.4, and clause 8.2.2).

Each function names the pyemv function that must give the same number; tests/sim/cards/test_emv_keys.py compares them.
"""

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes


def _ecb(key: bytes, data: bytes) -> bytes:
    expanded = key * 3 if len(key) == 8 else key + key[:8]
    worker = Cipher(TripleDES(expanded), modes.ECB()).encryptor()  # noqa: S305  single blocks
    return worker.update(data) + worker.finalize()


def _cbc(key: bytes, data: bytes) -> bytes:
    worker = Cipher(TripleDES(key * 3), modes.CBC(bytes(8))).encryptor()
    return worker.update(data) + worker.finalize()


def xor(a: bytes, b: bytes) -> bytes:
    """Byte by byte, equal lengths."""
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def odd(key: bytes) -> bytes:
    """The key with odd parity in every byte."""
    return bytes(b ^ 1 if b.bit_count() % 2 == 0 else b for b in key)


def icc_master_key(issuer_key: bytes, pan: str, psn: str) -> bytes:
    """Option A (A1.4.1): the last 16 digits of PAN and sequence number. pyemv.kd.derive_icc_mk_a."""
    digits = bytes.fromhex((pan + psn)[-16:].rjust(16, "0"))
    return odd(_ecb(issuer_key, digits + xor(digits, b"\xff" * 8)))


def session_key(master: bytes, atc: bytes) -> bytes:
    """The common session key (A1.3.1) for an application cryptogram: R = ATC and six zero bytes. pyemv.kd.derive_common_sk."""
    left = atc + b"\xf0" + bytes(5)
    right = atc + b"\x0f" + bytes(5)
    return odd(_ecb(master, left + right))


def script_session_key(master: bytes, atc: bytes) -> bytes:
    """The session key of script MACs: the ATC into the left half, its complement into the right. pyemv.kd.derive_visa_sm_sk."""
    return odd(xor(master, bytes(6) + atc + bytes(6) + xor(atc, b"\xff\xff")))


def mac(key: bytes, data: bytes) -> bytes:
    """ISO/IEC 9797-1 algorithm 3 with padding method 2, 8 bytes (A1.2.1). pyemv.ac.generate_ac with PaddingType.EMV."""
    padded = data + b"\x80" + bytes(-(len(data) + 1) % 8)
    chained = _cbc(key[:8], padded[:-8])[-8:] if len(padded) > 8 else bytes(8)
    return _ecb(key, xor(chained, padded[-8:]))


def arpc(key: bytes, arqc: bytes, csu: bytes, proprietary: bytes = b"") -> bytes:
    """The 4-byte response cryptogram, method 2 (8.2.2). pyemv.ac.generate_arpc_2."""
    return mac(key, arqc + csu + proprietary)[:4]
