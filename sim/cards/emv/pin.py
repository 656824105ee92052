"""VERIFY: the offline PIN, plaintext or enciphered (EMV 4.4 Book 3 clause 6.5.12, Book 2 clause 7).

The block is ISO 9564-1 format 2: 2, length, digits, filled with F to 8 bytes.
"""

from sim.cards import base
from sim.cards.emv.application import PIN_TRIES, Application
from sim.cards.emv.generate import Transaction

PLAINTEXT = 0x80
ENCIPHERED = 0x88


def block(digits: str) -> bytes:
    """The format 2 block of 4 to 12 digits."""
    return bytes.fromhex(f"2{len(digits):X}{digits}".ljust(16, "F"))


def verify(app: Application, txn: Transaction, kind: int, data: bytes, challenge: bytes) -> bytes | int:
    """Empty data for a right PIN, else a status: 63Cx with x tries left, 6983 when there is none, 6984 on bad use,
    6A80, 6700.
    """
    if kind == ENCIPHERED:
        opened = _decipher(app, data)
        if len(challenge) != 8 or opened[:1] != b"\x7f" or opened[9:17] != challenge:
            return 0x6984
        given = opened[1:9]
    elif kind == PLAINTEXT:
        given = data
    else:
        return base.WRONG_P1P2
    if len(given) != 8:
        return base.WRONG_LENGTH
    if app.state["pin_tries"] == 0:
        txn.pin_done, txn.pin_failed = True, True
        return base.BLOCKED
    txn.pin_done = True
    txn.pin_failed = given != block(app.pin)
    if not txn.pin_failed:
        app.state.update(pin_tries=PIN_TRIES)
        return b""
    app.state.update(pin_tries=app.state["pin_tries"] - 1)
    return 0x63C0 | app.state["pin_tries"]


def _decipher(app: Application, data: bytes) -> bytes:
    """RSA with the card's own key, which serves for PIN encipherment too; empty if the length is wrong."""
    return app.card_key.sign(data) if len(data) == app.card_key.size else b""
