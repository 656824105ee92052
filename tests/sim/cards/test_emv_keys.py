"""The card's cryptography gives the numbers of pyemv, through different code; published examples: tests/sim/acquirer/test_arqc_vectors.py."""

import os

import pyemv

from sim.cards.emv import keys
from sim.cards.emv.personalise import number


def test_random_inputs_give_what_pyemv_gives():
    for turn in range(40):
        issuer, atc, data, arqc, csu = os.urandom(16), os.urandom(2), os.urandom(turn), os.urandom(8), os.urandom(4)
        pan = number("99999901", turn)
        master = keys.icc_master_key(issuer, pan, "01")
        assert master == pyemv.kd.derive_icc_mk_a(issuer, pan, "01") == pyemv.kd.derive_icc_mk_b(issuer, pan, "01")
        session = keys.session_key(master, atc)
        assert session == pyemv.kd.derive_common_sk(master, atc + bytes(6))
        assert keys.mac(session, data) == pyemv.ac.generate_ac(session, data, pyemv.ac.PaddingType.EMV, 8)
        assert keys.arpc(session, arqc, csu) == pyemv.ac.generate_arpc_2(session, arqc, csu)
        assert keys.script_session_key(master, atc) == pyemv.kd.derive_visa_sm_sk(master, atc)


def test_test_numbers_pass_the_luhn_check():
    for index in (1, 2, 999, 1234567):
        pan = number("99999902", index)
        digits = [int(digit) for digit in pan]
        doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
        assert len(pan) == 16
        assert (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
