"""Every value of arqc.json, step by step: card keys, session keys, check digits, cryptogram, response, script MAC and PIN change.

Three ways: the acquirer's and the simulated card's own functions where the scheme is theirs (common session key, padding method 2; Visa
script keys), pyemv's building blocks, and pyemv's whole schemes. That no value is left unread is shown by changing each in turn.
"""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from pyemv import ac, cvn, kd, sm, tools

from sim.acquirer import emv, issuer
from sim.cards import base
from sim.cards.emv import keys, scripts
from tests.support import altered, needs

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
h = bytes.fromhex
Case = dict[str, Any]

SCHEMES: dict[str, Any] = {
    "visa_cvn10": cvn.VisaCVN10, "visa_cvn18": cvn.VisaCVN18, "visa_cvn22": cvn.VisaCVN22,
    "mastercard_cvn16": cvn.MasterCardCVN16, "mastercard_cvn17": cvn.MasterCardCVN17,
    "mastercard_cvn20": cvn.MasterCardCVN20, "mastercard_cvn21": cvn.MasterCardCVN21,
}  # fmt: skip
DECIMAL = ("pan", "psn", "pin", "current_pin")
PADDING = {1: ac.PaddingType.VISA, 2: ac.PaddingType.EMV}


def _digits(key: bytes) -> str:
    """Check digits by a plain encryption of zeros, and by pyemv."""
    worker = Cipher(TripleDES(key + key[:8]), modes.ECB()).encryptor()  # noqa: S305  one block
    plain = worker.update(bytes(8))[:2]
    assert tools.key_check_digits(key, 2) == plain
    return plain.hex().upper()


def _masters(case: Case) -> dict[str, bytes]:
    """The card's master keys, by pyemv (options A and B are one for 16 digits) and by the simulated card."""
    found = {}
    for use in ("ac", "smi", "smc"):
        top = h(case["iss_mk_" + use])
        key = keys.icc_master_key(top, case["pan"], case["psn"])
        assert (
            key
            == kd.derive_icc_mk_a(top, case["pan"], case["psn"])
            == kd.derive_icc_mk_b(top, case["pan"], case["psn"])
        )
        assert key.hex().upper() == case["icc_master_keys"][use]
        assert _digits(key) == case["icc_master_keys"]["kcv"][use]
        found[use] = key
    return found


def _session(method: str, master: bytes, atc: bytes, number: bytes) -> bytes:
    """The key of application cryptograms, by its method."""
    if method == "none":
        return master
    if method == "mastercard":
        return kd.derive_common_sk(master, atc + bytes(2) + number)
    assert method == "common"
    assert keys.session_key(master, atc) == kd.derive_common_sk(master, atc + bytes(6))
    return keys.session_key(master, atc)


def _script_key(method: str, master: bytes, atc: bytes, arqc: bytes) -> bytes:
    if method == "common":
        return kd.derive_common_sk(master, arqc)
    assert method == "visa"
    assert keys.script_session_key(master, atc) == kd.derive_visa_sm_sk(master, atc)
    return keys.script_session_key(master, atc)


def _cryptogram(case: Case, masters: dict[str, bytes], scheme: Any) -> bytes:
    given = case["ac_inputs"]
    data = h("".join(given.values()))
    assert data.hex().upper() == case["ac_data"]
    key = _session(case["session_key_method"], masters["ac"], h(given["9F36"]), h(given["9F37"]))
    assert key.hex().upper() == case["sk_ac"] and _digits(key) == case["sk_ac_kcv"]
    value = ac.generate_ac(key, data, PADDING[case["ac_padding_method"]])
    assert value.hex().upper() == case["arqc"]
    named = {name if name in ("cvr", "counters") else "tag_" + name.lower(): h(text) for name, text in given.items()}
    assert scheme.generate_ac(**named) == value
    if case["ac_padding_method"] == 2:
        assert keys.mac(key, data) == value
    if case["session_key_method"] == "common":
        assert emv.cryptogram(h(case["iss_mk_ac"]), case["pan"], int(case["psn"]), _tags(case)) == value
    return value


def _tags(case: Case) -> dict[int, bytes]:
    """What the acquirer is told; the card's own data come last, whatever their name."""
    given = case["ac_inputs"]
    tags = {int(name, 16): h(text) for name, text in given.items() if name not in ("cvr", "counters")}
    tags.setdefault(emv.IAD, h(given.get("cvr", "") + given.get("counters", "")))
    return {**tags, emv.CRYPTOGRAM: h(case["arqc"])}


def _response(case: Case, masters: dict[str, bytes], scheme: Any, arqc: bytes) -> None:
    """Method 1: an encryption of cryptogram and code; method 2: a MAC over cryptogram and status update (Book 2, 8.2)."""
    atc, code = h(case["ac_inputs"]["9F36"]), {name: h(text) for name, text in case["arpc_inputs"].items()}
    key = h(case["arpc_key"])
    own = _session(case["session_key_method"], masters["ac"], atc, bytes(4))
    assert key == (masters["ac"] if case["session_key_method"] == "mastercard" else own)
    assert _digits(key) == case["arpc_key_kcv"]
    assert case["arpc_method"] == (1 if "arpc_rc" in code else 2)
    value = ac.generate_arpc_1(key, arqc, code["arpc_rc"]) if "arpc_rc" in code else keys.arpc(key, arqc, code["csu"])
    assert value.hex().upper() == case["arpc"]
    counter = {"tag_9f36": atc} if case["session_key_method"] == "common" else {}
    assert scheme.generate_arpc(tag_9f26=arqc, **counter, **code) == value
    if "csu" in code:
        assert code["csu"] == issuer.REFUSED
        told = issuer.answer(h(case["iss_mk_ac"]), None, case["pan"], int(case["psn"]), _tags(case), False, "")
        assert told == b"\x91\x08" + value + code["csu"]


def _scripts(case: Case, masters: dict[str, bytes], scheme: Any, arqc: bytes) -> None:
    atc, method, header = h(case["ac_inputs"]["9F36"]), case["script_session_key_method"], h(case["script_command"])
    made = {use: _script_key(method, masters[use], atc, arqc) for use in ("smi", "smc")}
    for use, key in made.items():
        assert key.hex().upper() == case["sk_" + use] and _digits(key) == case[f"sk_{use}_kcv"]
    value = sm.generate_command_mac(made["smi"], header + atc + arqc)
    assert value == keys.mac(made["smi"], header + atc + arqc) == scheme.generate_command_mac(header, arqc, atc)
    assert value.hex().upper() == case["script_mac"]
    if method == "visa":
        _obeyed(masters, atc, arqc, header + value)
    for change in case["pin_change"]:
        _pin_change(case, change, masters, made, atc + arqc)
        old = {"current_pin": change["current_pin"]} if "current_pin" in change else {}
        assert scheme.generate_pin_change_command(change["pin"], arqc, atc, **old).hex().upper() == change["command"]


class _State(dict[str, Any]):
    atc = b""


def _obeyed(masters: dict[str, bytes], atc: bytes, arqc: bytes, command: bytes) -> None:
    """The simulated card carries the command out, and none with another MAC."""
    state = _State(script_count=0)
    state.atc = atc
    card: Any = SimpleNamespace(master_keys=SimpleNamespace(smi=masters["smi"]), state=state)
    asked: Any = SimpleNamespace(arqc=arqc)
    whole, spoilt = base.parse(command), base.parse(command[:-1] + bytes([command[-1] ^ 1]))
    assert whole is not None and spoilt is not None
    assert scripts.run(card, asked, whole) == base.OK and state["script_count"] == 1
    assert scripts.run(card, asked, spoilt) == 0x6988 and state["script_count"] == 1


def _pin_change(case: Case, change: Case, masters: dict[str, bytes], made: dict[str, bytes], after: bytes) -> None:
    """The command with the enciphered PIN block and its MAC, from pyemv's pieces (Book 2, 9.2 and 9.3)."""
    visa = case["name"].startswith("visa")
    if visa and ("current_pin" in change or case["script_session_key_method"] == "visa"):
        block = sm.format_vis_pin_block(masters["ac"], change["pin"], change.get("current_pin"))
    else:
        block = sm.format_iso9564_2_pin_block(change["pin"])
    kind = sm.EncryptionType.VISA if visa else sm.EncryptionType.MASTERCARD
    hidden = sm.encrypt_command_data(made["smc"], block, kind)
    header = b"\x84\x24\x00" + bytes([1 if "current_pin" in change else 2, len(hidden) + 8])
    command = header + hidden + sm.generate_command_mac(made["smi"], header + after + hidden)
    assert command.hex().upper() == change["command"]


def reproduce(case: Case) -> None:
    """Everything the case says; an exception if anything of it is otherwise."""
    scheme = SCHEMES[case["name"]](
        h(case["iss_mk_ac"]), h(case["iss_mk_smi"]), h(case["iss_mk_smc"]), case["pan"], case["psn"]
    )
    masters = _masters(case)
    arqc = _cryptogram(case, masters, scheme)
    _response(case, masters, scheme, arqc)
    _scripts(case, masters, scheme, arqc)


def _cases() -> list[Case]:
    return json.loads((needs.vectors() / "arqc.json").read_text())


def test_every_case_is_reproduced() -> None:
    cases = _cases()
    assert sorted(case["name"] for case in cases) == sorted(SCHEMES)
    for case in cases:
        reproduce(case)


def test_no_value_is_left_unread() -> None:
    """Each value changed, at its first digit and at its last, is noticed; but a card key takes only the last 14 digits of such a number."""
    count, unread = 0, []
    for case in _cases():
        for path in altered.places(case):
            count += 1
            for last in (False, True):
                if path == ("pan",) and not last:
                    continue
                try:
                    reproduce(altered.altered(case, path, last, path[-1] in DECIMAL))
                except (AssertionError, KeyError, ValueError, TypeError):
                    continue
                unread.append((case["name"], path, last))
    assert not unread
    assert count == 312
