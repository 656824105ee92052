"""Prints what the licence's P-256 work costs on CPython: by `cryptography`, in pure Python, and through the secure element's stand-in.

    .venv/bin/tasdid bench licence_curves [--json]

Milliseconds, the best of a few runs: processor time, and for the stand-in wall time over the loopback. It computes with
`cryptography`: its figure is the link's and the seam's, never the real part's. MicroPython's verification is in `tasdid bench core`.
An ATECC608B's own time is its data sheet's, about a tenth of a second for each of Verify, GenKey and ECDH: where the board's
processor is faster than that, `Ports.curves_in_element` is False.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from drivers.contracts.secure_element import SLOT_EPHEMERAL
from drivers.secure_element_link import LinkSecureElement
from drivers.uart_link import LinkUart
from protocol.crypto.native import NativeCrypto
from protocol.crypto.pure import PureCrypto
from sim.parts import secure_element

ROUNDS = 7
DIGEST = bytes(range(32))


def inputs() -> "tuple[bytes, bytes, bytes]":
    """(public key, signature over DIGEST, scalar)."""
    key = ec.generate_private_key(ec.SECP256R1())
    numbers = key.public_key().public_numbers()
    public = b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    r, s = utils.decode_dss_signature(key.sign(DIGEST, ec.ECDSA(utils.Prehashed(hashes.SHA256()))))
    return public, r.to_bytes(32, "big") + s.to_bytes(32, "big"), (12345 << 200 | 6789).to_bytes(32, "big")


def best(work: "Callable[[], object]") -> float:
    """Milliseconds of processor time of the best run."""
    spent = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return round(min(spent) * 1000, 3)


def here(crypto: Any, public: bytes, signature: bytes, scalar: bytes) -> "dict[str, float]":
    return {
        "verify": best(lambda: crypto.ecdsa_verify("P-256", public, DIGEST, signature)),
        "key": best(lambda: (crypto.forget(), crypto.ec_multiply("P-256", scalar))),
        "agree": best(lambda: crypto.ec_shared("P-256", scalar, public)),
    }


async def stand_in(public: bytes, signature: bytes) -> "dict[str, float]":
    """The same through the driver and the stand-in's link."""
    with tempfile.TemporaryDirectory() as folder:
        state = secure_element.SecureElementState.create(Path(folder) / "se.json", {}, {})
        server = await secure_element.serve(secure_element.SecureElementModel(state))
        uart = LinkUart("127.0.0.1", server.sockets[0].getsockname()[1])
        part = LinkSecureElement(uart)
        out: "dict[str, float]" = {}
        for name, work in (
            ("verify", lambda: part.verify(public, DIGEST, signature)),
            ("key", lambda: part.generate_key(SLOT_EPHEMERAL)),
            ("agree", lambda: part.ecdh(SLOT_EPHEMERAL, public)),
        ):
            spent = []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                assert await work()
                spent.append(time.perf_counter() - began)
            out[name] = round(min(spent) * 1000, 3)
        server.close()
        uart.close()
        await asyncio.sleep(0.05)  # the stand-in sees the line end
        return out


def measure() -> "list[dict[str, Any]]":
    """One row for each way of doing it."""
    public, signature, scalar = inputs()
    return [
        {"by": "cryptography", **here(NativeCrypto(), public, signature, scalar)},
        {"by": "pure Python", **here(PureCrypto(), public, signature, scalar)},
        {"by": "stand-in over the loopback", **asyncio.run(stand_in(public, signature))},
    ]


def main(arguments: "list[str] | None" = None) -> int:
    """Print a line of text, or of JSON, for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true", help="one line of JSON for each way")
    parser.add_argument("--no-device", action="store_true", help="nothing to leave out here")
    options = parser.parse_args(arguments)
    for row in measure():
        if options.json:
            print(json.dumps(row))
        else:
            print(f"{row['by']}: verify {row['verify']} ms, key pair {row['key']} ms, agreement {row['agree']} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
