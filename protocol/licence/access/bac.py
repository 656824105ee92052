"""Basic access control (ICAO Doc 9303-11 section 4.3; BAP configuration 1 of ISO/IEC 18013-3 is the same with another seed).

`establish` is a machine: it yields ("apdu", command), is sent the answer, and returns a SecureChannel.
"""

from typing import TYPE_CHECKING

from protocol import pack
from protocol.licence.access import keys
from protocol.licence.access.messaging import SecureChannel
from protocol.licence.errors import AccessError, WrongMrzError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from protocol.crypto import Crypto

    Bytes = bytes | bytearray | memoryview

GET_CHALLENGE = b"\x00\x84\x00\x00\x08"
ZERO_IV = b"\0\0\0\0\0\0\0\0"


def authentication_data(
    crypto: "Crypto", enc: "Bytes", mac: "Bytes", rnd_ifd: "Bytes", rnd_ic: "Bytes", k_ifd: "Bytes"
) -> bytes:
    """The 40 bytes of EXTERNAL AUTHENTICATE: E(RND.IFD | RND.IC | K.IFD) and its MAC."""
    cipher = crypto.des3_cbc_encrypt(enc, ZERO_IV, bytes(rnd_ifd) + bytes(rnd_ic) + bytes(k_ifd))
    return cipher + crypto.retail_mac(mac, keys.pad(cipher, 8))


def chip_key(crypto: "Crypto", enc: "Bytes", mac: "Bytes", answer: "Bytes", rnd_ifd: "Bytes", rnd_ic: "Bytes") -> bytes:
    """K.IC out of the chip's 40 bytes, after their MAC and both challenges were compared; AccessError LIC-022 otherwise."""
    wrong = AccessError("the chip's answer in the key agreement is not authentic", "LIC-022")
    if len(answer) != 40 or not pack.ct_equal(crypto.retail_mac(mac, keys.pad(answer[:32], 8)), answer[32:]):
        raise wrong
    plain = crypto.des3_cbc_decrypt(enc, ZERO_IV, answer[:32])
    if not (pack.ct_equal(plain[:8], rnd_ic) and pack.ct_equal(plain[8:16], rnd_ifd)):
        raise wrong
    return plain[16:]


def session(crypto: "Crypto", k_ifd: "Bytes", k_ic: "Bytes", rnd_ifd: "Bytes", rnd_ic: "Bytes") -> SecureChannel:
    """The channel that both sides now share."""
    seed = pack.xor(k_ifd, k_ic)
    enc = keys.derive(crypto, seed, keys.ENC, keys.DES3)
    mac = keys.derive(crypto, seed, keys.MAC, keys.DES3)
    return SecureChannel(crypto, enc, mac, pack.int_from(bytes(rnd_ic[4:8]) + bytes(rnd_ifd[4:8])))


def establish(
    crypto: "Crypto", key_input: "Bytes", rnd: "Callable[[int], bytes]"
) -> "Generator[tuple, bytes, SecureChannel]":
    """Run BAC once; `rnd(n)` gives n random bytes (24 are asked for).

    WrongMrzError (LIC-021, `detail` = status word) if the chip refuses; AccessError LIC-020 if it has no challenge,
    LIC-022 if its answer is not authentic.
    """
    seed = keys.document_seed(crypto, key_input)
    enc = keys.derive(crypto, seed, keys.ENC, keys.DES3)
    mac = keys.derive(crypto, seed, keys.MAC, keys.DES3)
    challenge = yield ("apdu", GET_CHALLENGE)
    if len(challenge) != 10 or pack.rd16(challenge, 8) != 0x9000:
        status = pack.rd16(challenge, len(challenge) - 2) if len(challenge) >= 2 else 0
        if status == 0x6982:
            raise WrongMrzError("the chip refuses access", detail=status)
        raise AccessError("the chip gives no challenge", detail=status)
    rnd_ic = challenge[:8]
    rnd_ifd, k_ifd = rnd(8), rnd(16)
    data = authentication_data(crypto, enc, mac, rnd_ifd, rnd_ic, k_ifd)
    answer = yield ("apdu", b"\x00\x82\x00\x00\x28" + data + b"\x28")
    status = pack.rd16(answer, len(answer) - 2) if len(answer) >= 2 else 0
    if status != 0x9000:
        raise WrongMrzError("the chip refuses the keys made from this MRZ", detail=status)
    k_ic = chip_key(crypto, enc, mac, answer[:-2], rnd_ifd, rnd_ic)
    return session(crypto, k_ifd, k_ic, rnd_ifd, rnd_ic)
