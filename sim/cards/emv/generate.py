"""GENERATE AC: card risk management, the cryptogram, CDA (EMV 4.4 Book 3 clause 6.5.5 and 9, Book 2 clauses 6.6 and 8).

Issuer application data (9F10), 7 bytes: 06, key index 01, cryptogram version 12 (18 decimal), card verification
results (03 and 3 bytes):
  byte 1  b8-7 second GENERATE AC (00 AAC, 01 TC, 10 not requested), b6-5 first (00 AAC, 01 TC, 10 ARQC), b4 issuer
  authentication failed,
          b3 offline PIN verified by the card, b2 offline PIN failed, b1 unable to go online
  byte 2  b8 last online transaction not completed, b7 PIN tries exceeded, b6 offline counters exceeded, b5 new card, b3 issuer
          authentication not performed after online authorisation
  byte 3  b8-5 script commands processed, b4 a script command failed, b2 dynamic authentication performed
"""

import hashlib
from dataclasses import dataclass, field

from sim.cards.emv import keys
from sim.cards.emv.application import AUTHENTICATED_FORMAT, Application
from sim.cards.tlv import split_dol, tlv
from sim.pki import rsa

AAC, TC, ARQC = 0x00, 0x40, 0x80
APPROVE_ONLINE = 0x80  # byte 2 of the card status update: the issuer approves
_CDA_WANTED = 0x10
_XDA_WANTED = 0x08
_ODA_WANTED = 0x18
_UNABLE = (b"Y3", b"Z3")


@dataclass
class Transaction:
    """What the card remembers between GET PROCESSING OPTIONS and the end of the transaction."""

    pdol_data: bytes = b""
    cdol1_data: bytes = b""
    cdol_values: dict[int, bytes] = field(default_factory=dict)
    first: int | None = None
    second: int | None = None
    arqc: bytes = b""
    pin_done: bool = False
    pin_failed: bool = False
    dynamic_done: bool = False
    issuer: str = ""  # "", "good" or "bad"
    issuer_approves: bool = False
    unable: bool = False


def arqc_input(values: dict[int, bytes], aip: bytes, atc: bytes, iad: bytes) -> bytes:
    """What the cryptogram covers: 9F02 9F03 9F1A 95 5F2A 9A 9C 9F37 (as sent in CDOL1 or CDOL2), 82, 9F36, 9F10;
    values only.
    """
    tags = [int(tag, 16) for tag in AUTHENTICATED_FORMAT.split()]
    return b"".join(values[tag] for tag in tags) + aip + atc + iad


def check_issuer(app: Application, txn: Transaction, data: bytes) -> bool:
    """Tag 91: response cryptogram (4 bytes, method 2), card status update (4 bytes), 0 to 8 bytes more."""
    key = keys.session_key(app.master_keys.ac, app.state.atc)
    good = len(data) >= 8 and keys.arpc(key, txn.arqc, data[4:8], data[8:]) == data[:4]
    txn.issuer = "good" if good else "bad"
    txn.issuer_approves = good and bool(data[5] & APPROVE_ONLINE)
    return good


def decide_first(app: Application, txn: Transaction, wanted: int, amount: int) -> int:
    """Card risk management: a card may go from TC to ARQC to AAC, never the other way."""
    if wanted == AAC or app.risk == "decline" or app.state["application_blocked"]:
        return AAC
    if wanted == TC and (app.risk == "online" or (app.risk == "limits" and _over_limits(app, amount))):
        return ARQC
    return wanted


def decide_second(app: Application, txn: Transaction, wanted: int) -> int:
    """After going online: what the issuer says, if it is the issuer; unable to go online: as personalised."""
    if wanted == AAC:
        return AAC
    if txn.unable:
        return TC if app.after_unable == "approve" else AAC
    return TC if txn.issuer_approves else AAC


def _over_limits(app: Application, amount: int) -> bool:
    return app.state["offline_count"] >= app.offline_max or app.state["offline_total"] + amount > app.offline_amount


def first(app: Application, txn: Transaction, p1: int, data: bytes) -> bytes | None:
    """The first GENERATE AC's response data; None if the data do not fit CDOL1."""
    values = split_dol(app.cdol1, data)
    if values is None:
        return None
    txn.cdol1_data, txn.cdol_values = data, values
    amount = int(values[0x9F02].hex())
    txn.first = decide_first(app, txn, p1 & 0xC0, amount)
    response, cryptogram = _answer(app, txn, txn.first, p1, data)
    if txn.first == ARQC:
        txn.arqc = cryptogram
        app.state.update(online_unfinished=True)
    elif txn.first == TC:
        app.state.update(
            offline_count=app.state["offline_count"] + 1, offline_total=app.state["offline_total"] + amount
        )
    return response


def second(app: Application, txn: Transaction, p1: int, data: bytes) -> bytes | None:
    """The second GENERATE AC's response data; None if the data do not fit CDOL2."""
    values = split_dol(app.cdol2, data)
    if values is None:
        return None
    txn.cdol_values = {**txn.cdol_values, **values}
    txn.unable = values[0x8A] in _UNABLE
    if 0x91 in values and not txn.unable:
        check_issuer(app, txn, values[0x91])
    txn.second = decide_second(app, txn, p1 & 0xC0)
    response, _ = _answer(app, txn, txn.second, p1, txn.cdol1_data + data)
    if txn.issuer == "good":
        app.state.update(
            last_online_atc=app.state["atc"], offline_count=0, offline_total=0, online_unfinished=False, script_count=0
        )
    return response


def verification_results(app: Application, txn: Transaction) -> bytes:
    """The card verification results as this transaction stands (3 bytes, see the module's docstring)."""
    state = app.state
    one = {None: 0x80, AAC: 0x00, TC: 0x40}[txn.second] | {AAC: 0x00, TC: 0x10, ARQC: 0x20, None: 0}[txn.first]
    one |= 0x08 * (txn.issuer == "bad") | 0x04 * txn.pin_done | 0x02 * txn.pin_failed | 0x01 * txn.unable
    two = 0x80 * (state["online_unfinished"] and txn.second is None) | 0x40 * (state["pin_tries"] == 0)
    two |= 0x20 * _over_limits(app, 0) | 0x10 * (state["last_online_atc"] == 0)
    two |= 0x04 * (txn.second is not None and not txn.unable and txn.issuer == "")
    three = (min(state["script_count"], 15) << 4) | 0x08 * bool(state["script_failed"]) | 0x02 * txn.dynamic_done
    return bytes([one, two, three])


def _answer(app: Application, txn: Transaction, kind: int, p1: int, sent: bytes) -> tuple[bytes, bytes]:
    """(response data, cryptogram). With CDA the cryptogram travels inside the signed data (Book 2, 6.6.1)."""
    extended = p1 & _ODA_WANTED == _XDA_WANTED and app.xda
    signs = p1 & _ODA_WANTED == _CDA_WANTED and app.cda and kind != AAC
    txn.dynamic_done = txn.dynamic_done or signs or extended
    atc = app.state.atc
    iad = b"\x06\x01\x12\x03" + verification_results(app, txn)
    covered = arqc_input(txn.cdol_values, app.aip, atc, iad)
    cryptogram = keys.mac(keys.session_key(app.master_keys.ac, atc), covered)
    cid, counter, data = tlv(0x9F27, bytes([kind])), tlv(0x9F36, atc), tlv(0x9F10, iad)
    if extended:
        return _extended(app, txn, sent, (cid, counter, tlv(0x9F26, cryptogram), data)), cryptogram
    if not signs:
        if app.gpo_format == 1:
            return tlv(0x80, bytes([kind]) + atc + cryptogram + iad), cryptogram
        return tlv(0x77, cid, counter, tlv(0x9F26, cryptogram), data), cryptogram
    digest = hashlib.sha1(txn.pdol_data + sent + cid + counter + data).digest()  # noqa: S324  the standard's hash
    dynamic = b"\x08" + app.extra["rng"](8) + bytes([kind]) + cryptogram + digest
    signed = rsa.sign_dynamic(app.card_key, dynamic, txn.cdol_values[0x9F37])
    if app.fault == "bad-signature":
        signed = signed[:-1] + bytes([signed[-1] ^ 1])
    return tlv(0x77, cid, counter, tlv(0x9F4B, signed), data), cryptogram


def _extended(app: Application, txn: Transaction, sent: bytes, objects: tuple[bytes, ...]) -> bytes:
    """The answer under an XDA signature (Book 2, 12.5.2, Table 37): over '15', PDOL and CDOL1 data, or CDOL2 data alone, and the answer."""
    before = txn.pdol_data + sent if txn.second is None else sent[len(txn.cdol1_data) :]
    if app.ecc_key is None or app.fault == "no-signature":
        return tlv(0x77, *objects)
    signed = app.ecc_key.sign(b"\x15" + before + b"".join(objects))
    if app.fault == "bad-signature":
        signed = signed[:-1] + bytes([signed[-1] ^ 1])
    return tlv(0x77, *objects, tlv(0x9F4B, b"\x15" + signed))
