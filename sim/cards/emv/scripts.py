"""Issuer script commands with a MAC (EMV 4.4 Book 3 clause 6.5, Book 2 clause 9): block and unblock application,
block card, unblock PIN.

MAC, 8 bytes at the end of the data: over CLA INS P1 P2 Lc, ATC, the transaction's ARQC and the data before the MAC;
key from the script integrity master key (`keys.script_session_key`). pyemv: `VisaCVN18.generate_command_mac(header,
tag_9f26=arqc, tag_9f36=atc, data)`.
"""

from sim.cards import base
from sim.cards.base import Apdu
from sim.cards.emv import keys
from sim.cards.emv.application import PIN_TRIES, Application
from sim.cards.emv.generate import Transaction

APPLICATION_BLOCK, APPLICATION_UNBLOCK, CARD_BLOCK, PIN_UNBLOCK = 0x1E, 0x18, 0x16, 0x24
_CHANGES = {
    APPLICATION_BLOCK: {"application_blocked": True},
    APPLICATION_UNBLOCK: {"application_blocked": False},
    CARD_BLOCK: {"card_blocked": True},
    PIN_UNBLOCK: {"pin_tries": PIN_TRIES},
}


def run(app: Application, txn: Transaction, apdu: Apdu) -> int:
    """Carry out one command; the status word."""
    changes = _CHANGES.get(apdu.ins)
    if changes is None:
        return base.BAD_INS
    if not txn.arqc:
        return base.CONDITIONS
    if len(apdu.data) < 8:
        return base.WRONG_LENGTH
    data, tag = apdu.data[:-8], apdu.data[-8:]
    key = keys.script_session_key(app.master_keys.smi, app.state.atc)
    if keys.mac(key, apdu.header + bytes([len(apdu.data)]) + app.state.atc + txn.arqc + data) != tag:
        app.state.update(script_failed=True)
        return 0x6988
    app.state.update(**changes, script_count=app.state["script_count"] + 1)
    return base.OK
