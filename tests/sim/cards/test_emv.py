"""The simulated payment cards, command by command, against EMV's text and pyemv."""

import hashlib
import json

import pyemv
import pytest

from sim.cards import emv
from sim.cards.emv import pin
from sim.cards.tlv import read, tlv
from sim.pki.schemes import RID
from tests.sim.cards.payment_terminal import VALUES, Terminal
from tests.sim.pki import made

CIB, EDAHABIA = RID + b"\x01", RID + b"\x02"
AAC, TC, ARQC = 0x00, 0x40, 0x80
BOTH = pytest.mark.parametrize("scheme", ["cib", "edahabia"])


def start(name: str, **changes) -> Terminal:
    """A fresh card of a profile, selected, its records read."""
    profile = {**emv.profile(name), **changes}
    terminal = Terminal(emv.build(profile, made.shared()))
    ca = made.shared().schemes.ca
    terminal.ca = (int.from_bytes(ca.modulus, "big"), 3)
    return terminal.open(CIB if profile["scheme"] == "cib" else EDAHABIA)


def host(terminal: Terminal) -> pyemv.cvn.VisaCVN18:
    """The issuer's side, by pyemv alone."""
    app = terminal.card.application
    keys = made.shared().schemes.issuer_of(app.pan).master_keys
    return pyemv.cvn.VisaCVN18(keys.ac, keys.smi, keys.smc, app.pan, app.psn)


def cryptogram_by_pyemv(terminal: Terminal, answer: dict[int, bytes], **changes: bytes) -> bytes:
    values = {**VALUES, **{int(name[1:], 16): value for name, value in changes.items()}}
    return host(terminal).generate_ac(
        *(values[tag] for tag in (0x9F02, 0x9F03, 0x9F1A, 0x95, 0x5F2A, 0x9A, 0x9C, 0x9F37)),
        terminal.data[0x82], answer[0x9F36], answer[0x9F10],
    )  # fmt: skip


def test_selection_by_partial_name_next_occurrence_and_absent_pse():
    card = emv.build(emv.profile("two-applications"), made.shared())
    terminal = Terminal(card)
    assert terminal.send("00A40400", b"1PAY.SYS.DDF01")[1] == 0x6A82
    labels = []
    for p2 in ("00", "02"):
        data, status = terminal.send(f"00A404{p2}", RID)
        assert status == 0x9000
        terminal.keep(data)
        labels.append(terminal.data[0x50])
    assert labels == [b"CIB TEST", b"EDAHABIA TEST"]
    assert terminal.send("00A40402", RID)[1] == 0x6A82
    assert terminal.send("00A40400", EDAHABIA)[1] == 0x9000
    assert terminal.send("00A40400", bytes.fromhex("A000000003"))[1] == 0x6A82


def test_pse_lists_the_applications():
    terminal = Terminal(emv.build(emv.profile("cib-pse"), made.shared()))
    assert terminal.select(b"1PAY.SYS.DDF01") == 0x9000
    directory, status = terminal.send("00B2010C")
    assert status == 0x9000
    assert tlv(0x4F, CIB) in directory
    assert terminal.send("00B2020C")[1] == 0x6A83


@BOTH
def test_records_hold_what_a_kernel_needs(scheme):
    terminal = start(f"{scheme}-approve")
    needed = (0x57, 0x5A, 0x5F24, 0x5F28, 0x5F34, 0x82, 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x94, 0x9F07, 0x9F0D, 0x9F0E, 0x9F0F,
              0x9F32, 0x9F46, 0x9F47, 0x9F4A)  # fmt: skip
    assert not [hex(tag) for tag in needed if tag not in terminal.data]
    assert terminal.data[0x5A].hex() == terminal.card.application.pan
    assert terminal.data[0x57].hex().startswith(terminal.card.application.pan + "d3112221")
    assert terminal.data[0x82][0] & 0x21 == 0x21


@BOTH
def test_offline_approval_carries_a_signed_tc_that_pyemv_recomputes(scheme):
    terminal = start(f"{scheme}-approve")
    assert terminal.send("00200080", pin.block(terminal.card.application.pin), le=False)[1] == 0x9000
    answer = terminal.generate(TC)
    assert answer[0x9F27] == b"\x40"
    assert 0x9F26 not in answer, "with CDA the cryptogram is inside the signature"
    block = terminal.recover(answer[0x9F4B], *terminal.dynamic_key())
    assert (block[:4], block[-1:]) == (b"\x6a\x05\x01\x26", b"\xbc")
    assert block[-21:-1] == hashlib.sha1(block[1:-21] + VALUES[0x9F37]).digest()
    assert block[4] == 8
    cid, cryptogram, digest = block[13:14], block[14:22], block[22:42]
    assert cid == answer[0x9F27]
    assert cryptogram == cryptogram_by_pyemv(terminal, answer)
    objects = b"".join(tlv(tag, value) for tag, value in read(terminal.last_response) if tag != 0x9F4B)
    assert digest == hashlib.sha1(terminal.pdol_data + terminal.cdol1_data + objects).digest()
    assert answer[0x9F10][4] == 0x80 | 0x10 | 0x04, "first TC, second not requested, PIN verified"
    assert terminal.send("80AE4000", terminal.dol(0x8D))[1] == 0x6985


@BOTH
def test_online_card_turns_tc_into_arqc_and_follows_the_issuer(scheme):
    terminal = start(f"{scheme}-online")
    answer = terminal.generate(TC, cda=False)
    assert answer[0x9F27] == b"\x80"
    assert answer[0x9F26] == cryptogram_by_pyemv(terminal, answer)
    csu = b"\x00\x80\x00\x00"
    issuer = host(terminal).generate_arpc(answer[0x9F26], answer[0x9F36], csu) + csu
    if scheme == "cib":
        assert terminal.send("00820000", issuer, le=False)[1] == 0x9000
        assert terminal.send("00820000", issuer, le=False)[1] == 0x6985, "once only"
    second = terminal.generate(TC, dol=0x8D, cda=False, t8A=b"00", t91=issuer)
    assert second[0x9F27] == b"\x40"
    assert second[0x9F26] == cryptogram_by_pyemv(terminal, second, t8A=b"00")
    assert terminal.send("80CA9F13")[0] == tlv(0x9F13, answer[0x9F36])


@BOTH
@pytest.mark.parametrize("wrong", ["mac", "csu"])
def test_a_wrong_issuer_answer_never_becomes_a_tc(scheme, wrong):
    terminal = start(f"{scheme}-online")
    answer = terminal.generate(ARQC, cda=False)
    csu = b"\x00\x80\x00\x00" if wrong == "mac" else bytes(4)
    issuer = host(terminal).generate_arpc(answer[0x9F26], answer[0x9F36], csu) + csu
    if wrong == "mac":
        issuer = bytes([issuer[0] ^ 1]) + issuer[1:]
    if scheme == "cib":
        assert terminal.send("00820000", issuer, le=False)[1] == (0x6300 if wrong == "mac" else 0x9000)
    assert terminal.generate(TC, dol=0x8D, cda=False, t8A=b"00", t91=issuer)[0x9F27] == b"\x00"


def test_decline_card_gives_an_aac_without_signature():
    terminal = start("cib-decline")
    answer = terminal.generate(TC)
    assert answer[0x9F27] == b"\x00"
    assert answer[0x9F26] == cryptogram_by_pyemv(terminal, answer)


@pytest.mark.parametrize(("after", "kind"), [("approve", b"\x40"), ("decline", b"\x00")])
def test_unable_to_go_online_is_decided_by_the_profile(after, kind):
    terminal = start("edahabia-online", after_unable=after)
    terminal.generate(TC)
    answer = terminal.generate(TC, dol=0x8D, t8A=b"Y3")
    assert answer[0x9F27] == kind
    assert answer[0x9F10][4] & 0x01


def test_offline_limits_of_the_card_send_it_online():
    card = emv.build(emv.profile("cib-limits"), made.shared())
    kinds = []
    for _ in range(3):
        card.power_on()
        kinds.append(Terminal(card).open(CIB).generate(TC, cda=False)[0x9F27])
    assert kinds == [b"\x40", b"\x40", b"\x80"]


def test_transaction_counter_steps_at_each_start_and_is_told():
    card = emv.build(emv.profile("cib-approve"), made.shared())
    for expected in (1, 2, 3):
        card.power_on()
        terminal = Terminal(card).open(CIB)
        assert terminal.send("80CA9F36")[0] == tlv(0x9F36, expected.to_bytes(2, "big"))


def test_pin_tries_run_down_survive_power_and_restart_and_recover(tmp_path):
    path = tmp_path / "card.json"
    profile = emv.profile("cib-approve")
    wrong, right = pin.block("9999"), pin.block("1234")
    card = emv.build(profile, made.shared(), path)
    terminal = Terminal(card).open(CIB)
    assert terminal.send("80CA9F17")[0] == tlv(0x9F17, b"\x03")
    assert terminal.send("00200080", wrong, le=False)[1] == 0x63C2
    card.power_off()
    card = emv.build(profile, made.shared(), path)
    terminal = Terminal(card).open(CIB)
    assert terminal.send("80CA9F17")[0] == tlv(0x9F17, b"\x02")
    assert terminal.send("00200080", right, le=False)[1] == 0x9000
    assert terminal.send("80CA9F17")[0] == tlv(0x9F17, b"\x03")
    for left in (2, 1, 0):
        assert terminal.send("00200080", wrong, le=False)[1] == 0x63C0 | left
    assert terminal.send("00200080", right, le=False)[1] == 0x6983
    assert json.loads(path.read_text())["pin_tries"] == 0
    assert "1234" not in path.read_text()


def test_enciphered_pin_is_bound_to_the_challenge():
    terminal = start("cib-enciphered-pin")
    modulus, exponent = terminal.dynamic_key()
    challenge, status = terminal.send("00840000")
    assert (len(challenge), status) == (8, 0x9000)
    plain = b"\x7f" + pin.block("1234") + challenge + bytes(128 - 17)
    sealed = pow(int.from_bytes(plain, "big"), exponent, modulus).to_bytes(128, "big")
    assert terminal.send("00200088", sealed, le=False)[1] == 0x9000
    assert terminal.send("00200088", sealed, le=False)[1] == 0x6984, "the challenge is used up"
    assert terminal.send("80CA9F17")[0] == tlv(0x9F17, b"\x03")


@BOTH
def test_internal_authenticate_signs_the_unpredictable_number(scheme):
    terminal = start(f"{scheme}-approve")
    data, status = terminal.send("00880000", VALUES[0x9F37])
    assert status == 0x9000
    terminal.keep(data)
    signed = data[3:] if data[0] == 0x80 else terminal.data[0x9F4B]
    block = terminal.recover(signed, *terminal.dynamic_key())
    assert block[:4] == b"\x6a\x05\x01\x09"
    assert block[-21:-1] == hashlib.sha1(block[1:-21] + VALUES[0x9F37]).digest()


def test_a_copied_card_signs_wrongly_and_a_forged_one_breaks_its_certificate():
    terminal = start("cib-copied")
    block = terminal.recover(terminal.generate(TC)[0x9F4B], *terminal.dynamic_key())
    assert block[-1:] != b"\xbc"
    with pytest.raises(AssertionError):
        start("cib-forged").dynamic_key()


def test_static_signature_of_an_sda_card_recovers():
    terminal = start("cib-sda")
    issuer = made.shared().schemes.issuers["cib"].key
    block = terminal.recover(terminal.data[0x93], int.from_bytes(issuer.modulus, "big"), 3)
    assert block[:5] == b"\x6a\x03\x01\xda\xc0"
    assert block[-21:-1] == hashlib.sha1(block[1:-21] + terminal.static + terminal.data[0x82]).digest()


def test_issuer_scripts_change_the_card_only_with_a_right_mac():
    terminal = start("cib-online", state={"pin_tries": 0})
    answer = terminal.generate(ARQC, cda=False)
    header = bytes.fromhex("8424000008")
    tag = host(terminal).generate_command_mac(header, tag_9f26=answer[0x9F26], tag_9f36=answer[0x9F36])
    assert terminal.send("84240000", bytes(8), le=False)[1] == 0x6988
    assert terminal.send("84240000", tag, le=False)[1] == 0x9000
    assert terminal.send("80CA9F17")[0] == tlv(0x9F17, b"\x03")
    tag = host(terminal).generate_command_mac(
        bytes.fromhex("841E000008"), tag_9f26=answer[0x9F26], tag_9f36=answer[0x9F36]
    )
    assert terminal.send("841E0000", tag, le=False)[1] == 0x9000
    assert Terminal(terminal.card).select(CIB) == 0x6283


def test_t0_card_announces_lengths():
    card = emv.build(emv.profile("edahabia-approve"), made.shared())
    select = b"\x00\xa4\x04\x00\x06" + EDAHABIA
    answer = card.respond(select)
    assert answer[0] == 0x61
    fci = card.respond(b"\x00\xc0\x00\x00" + answer[1:])
    assert (fci[0], fci[-2:]) == (0x6F, b"\x90\x00")
    assert card.respond(b"\x00\xc0\x00\x00" + answer[1:]) == b"\x69\x85"
    card.respond(bytes.fromhex("80A80000078305001220B8C822"))
    answer = card.respond(b"\x00\xb2\x01\x14\x00")
    assert answer[0] == 0x6C
    assert card.respond(b"\x00\xb2\x01\x14" + answer[1:])[0] == 0x70


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("80A8000002830000", 0x6985),  # before SELECT
        ("00B2011400", 0x6985),
        ("80AE4000", 0x6985),
        ("0020008008241234FFFFFFFFFF", 0x6985),
        ("80CA9F3600", 0x6985),
        ("00200080", 0x6985),
        ("90A8000002830000", 0x6E00),
        ("00F00000", 0x6D00),
        ("00A40400FF00", 0x6700),
    ],
)
def test_commands_out_of_order_or_malformed_are_refused(command, status):
    card = emv.build(emv.profile("cib-approve"), made.shared())
    assert card.respond(bytes.fromhex(command)) == status.to_bytes(2, "big")


def test_wrong_lengths_and_parameters_after_selection_are_refused():
    terminal = start("cib-approve")
    for header, data, status in (
        ("80AE4000", b"short", 0x6700),
        ("80AEC000", terminal.dol(0x8C), 0x6A86),
        ("00880000", b"abc", 0x6700),
        ("00200081", bytes(8), 0x6A86),
        ("80CA9F4F", b"", 0x6A88),
        ("00B20914", b"", 0x6A83),
        ("80A80000", b"\x83\x00", 0x6985),
    ):
        assert terminal.send(header, data)[1] == status, header


def test_every_profile_builds():
    for name in emv.PROFILES:
        assert emv.build(emv.profile(name), made.shared()).applications
    with pytest.raises(KeyError):
        emv.build({"scheme": "nobody", "number": 1}, made.shared())
    with pytest.raises(KeyError):
        emv.build({"scheme": "cib", "number": 1, "state": {"unheard_of": 1}}, made.shared()).application.state.update(
            x=1
        )
