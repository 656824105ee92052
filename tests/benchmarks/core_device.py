"""Device half of tests/benchmarks/core.py: runs one piece of work out of the image and prints its time in microseconds."""

import gc
import time


def _p256():
    from protocol.crypto import ec

    public = bytes.fromhex(  # RFC 6979 A.2.5, message "sample"
        "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
        + "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
    )
    digest = bytes.fromhex("af2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf")
    signature = bytes.fromhex(
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
        + "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    )
    return lambda: ec.verify("P-256", public, digest, signature) is True


def _p384():
    from protocol.crypto import ec

    base = ec.multiply("P-384", b"\x01", None)
    return lambda: ec.verify("P-384", base, b"\x07" * 48, b"\x55" * 96) is False


def _p384_full():
    """The same as on a terminal: 150 KB of objects alive, the collector as often as `terminal.phases` has it."""
    gc.threshold(12288)
    alive = [bytes(134) for _ in range(1000)]
    work = _p384()
    return lambda: len(alive) == 1000 and work()


def _des():
    from protocol.crypto.pure import PureCrypto

    crypto = PureCrypto()
    key, iv, chunk = bytes(range(16)), bytes(8), bytes(240)

    def work():  # 16,384 bytes as a reader gets them: 240-byte chunks, each checked and deciphered
        total = 0
        while total < 16384:
            piece = chunk[: min(240, 16384 - total)]
            crypto.retail_mac(key, piece)
            crypto.des3_cbc_decrypt(key, iv, piece)
            total += len(piece)
        return total == 16384

    return work


def _cbor():
    from protocol import cbor

    record = {1: 1, 2: "TSD-000001", 3: 1, 4: 123456, 5: bytes(32), 6: 123456, 7: 4096, 8: 2500000000, 9: 1790000000}
    record.update({10: 1, 11: 9, 12: 4711, 13: "16-SR-001", 20: 42, 21: "PV-2026-000042", 31: 123455, 32: bytes(7)})
    record.update({29: 1, 30: "Y1", 33: "1234", 34: "CIB TEST", 35: bytes(5), 36: 64, 37: bytes(8), 38: 300})
    record.update({24: 500000, 39: "123456", 40: bytes(32), 41: bytes(8), 47: bytes(16), 54: "RN1 PK 12 Blida"})
    data = cbor.encode(record)
    return lambda: len(cbor.decode(data)) == len(record)


def _sha512():
    from protocol.crypto.sha2_64 import Sha512

    data = bytes(3072)

    def work():
        state = Sha512()
        state.update(data)
        return len(state.digest()) == 64

    return work


def _sign1():
    from protocol import cose
    from protocol.crypto.pure import PureCrypto

    crypto = PureCrypto()
    public = crypto.ec_multiply("P-256", b"\x02")
    protected, _ = cose.sign1_prepare({1: -7}, bytes(1000))
    data = cose.sign1_assemble(protected, {4: b"k"}, bytes(1000), b"\x01" * 64)

    def work():
        try:
            cose.sign1_verify(crypto, cose.sign1_parse(data), public)
        except cose.CoseVerifyError:
            return True
        return False

    return work


WORK = {
    "p256": _p256,
    "p384": _p384,
    "p384-full": _p384_full,
    "des": _des,
    "cbor": _cbor,
    "sha512": _sha512,
    "sign1": _sign1,
}


def main(arguments):
    """`main([name, rounds])`: do the work so often and print the mean time and the heap in use before."""
    work = WORK[arguments[0]]()
    rounds = int(arguments[1])
    assert work()
    gc.collect()
    live = gc.mem_alloc()
    began = time.ticks_us()
    for _ in range(rounds):
        if not work():
            return 1
    print(time.ticks_diff(time.ticks_us(), began) // rounds, live)
    return 0
