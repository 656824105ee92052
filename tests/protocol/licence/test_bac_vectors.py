"""Basic access control and 3DES secure messaging, step by step as ICAO 9303-11 appendix D prints them."""

from protocol import pack
from protocol.crypto.pure import PureCrypto
from protocol.licence import channel, mrz
from protocol.licence.access import bac, keys
from protocol.licence.access.messaging import SecureChannel
from protocol.licence.errors import AccessError, ChannelEnded, MessagingError, WrongMrzError
from tests.support.dual import raises, record, vectors


def h(text):
    return bytes.fromhex(text)


def load():
    return vectors("icao9303.json")["bac"]


def test_keys_are_derived_with_parity():
    data, crypto = load(), PureCrypto()
    seed = h(data["kdf"]["k_seed"])
    for name, counter in (("enc", keys.ENC), ("mac", keys.MAC)):
        case = data["kdf"][name]
        assert crypto.sha1(seed + h(case["counter"])) == h(case["sha1"])
        assert keys.adjust_parity(h(case["ka_unadjusted"] + case["kb_unadjusted"])) == h(case["ka"] + case["kb"])
        assert keys.derive(crypto, seed, counter, keys.DES3) == h(case["ka"] + case["kb"])
    case = data["basic_access_keys"]
    assert crypto.sha1(case["mrz_information"].encode()) == h(case["sha1"])
    seed = keys.document_seed(crypto, case["mrz_information"].encode())
    assert seed == h(case["k_seed"])
    assert keys.derive(crypto, seed, keys.ENC, keys.DES3) == h(case["k_enc"])
    assert keys.derive(crypto, seed, keys.MAC, keys.DES3) == h(case["k_mac"])


def test_mutual_authentication_sends_the_published_commands():
    data, crypto = load(), PureCrypto()
    case = data["mutual_auth"]
    information = data["basic_access_keys"]["mrz_information"]
    parsed = mrz.from_fields(
        information[:9], information[9], information[10:16], information[16], information[17:23], information[23]
    )
    given = [h(case["rnd_ifd"]), h(case["k_ifd"])]
    machine = bac.establish(crypto, parsed.bac_key_input, lambda n: given.pop(0))
    assert next(machine) == ("apdu", h(case["get_challenge_command"]))
    word, command = machine.send(h(case["get_challenge_response"]))
    assert word == "apdu" and command == h(case["external_authenticate_command"])
    record("external authenticate", command)
    channel = finish(machine, h(case["external_authenticate_response"]))
    assert channel.counter == h(case["ssc"])
    assert (channel._enc, channel._mac) == (h(case["ks_enc"]), h(case["ks_mac"]))


def finish(machine, answer):
    try:
        machine.send(answer)
    except StopIteration as end:
        return end.value
    raise AssertionError("the machine went on")


def test_steps_of_mutual_authentication():
    data, crypto = load(), PureCrypto()
    case, k = data["mutual_auth"], data["basic_access_keys"]
    sent = bac.authentication_data(
        crypto, h(k["k_enc"]), h(k["k_mac"]), h(case["rnd_ifd"]), h(case["rnd_ic"]), h(case["k_ifd"])
    )
    assert sent == h(case["cmd_data"]) == h(case["e_ifd"]) + h(case["m_ifd"])
    k_ic = bac.chip_key(
        crypto, h(k["k_enc"]), h(k["k_mac"]), h(case["resp_data"]), h(case["rnd_ifd"]), h(case["rnd_ic"])
    )
    assert k_ic == h(case["k_ic"])
    seed = pack.xor(h(case["k_ifd"]), k_ic)
    assert seed == h(case["session_k_seed"])
    assert keys.derive(crypto, seed, keys.ENC, keys.DES3) == h(case["ks_enc"])
    assert keys.derive(crypto, seed, keys.MAC, keys.DES3) == h(case["ks_mac"])
    plain = h(case["rnd_ifd"]) + h(case["rnd_ic"]) + h(case["k_ifd"])
    assert plain == h(case["s"]) == crypto.des3_cbc_decrypt(h(k["k_enc"]), bytes(8), sent[:32])
    assert crypto.des3_cbc_decrypt(h(k["k_enc"]), bytes(8), h(case["e_ic"])) == h(case["r"])
    assert crypto.retail_mac(h(k["k_mac"]), keys.pad(h(case["e_ic"]), 8)) == h(case["m_ic"])


def test_an_answer_that_does_not_bring_both_challenges_back_is_not_authentic():
    """The MAC may be right: whoever has the keys of the MRZ could play an older answer."""
    data, crypto = load(), PureCrypto()
    case, k = data["mutual_auth"], data["basic_access_keys"]
    enc, mac, rnd_ifd, rnd_ic = h(k["k_enc"]), h(k["k_mac"]), h(case["rnd_ifd"]), h(case["rnd_ic"])
    for at in (None, 0, 7, 8, 15, 16):
        plain = bytearray(h(case["r"]))
        if at is not None:
            plain[at] ^= 1
        cipher = crypto.des3_cbc_encrypt(enc, bytes(8), bytes(plain))
        answer = cipher + crypto.retail_mac(mac, keys.pad(cipher, 8))
        if at in (None, 16):  # the chip's own part may be anything
            assert bac.chip_key(crypto, enc, mac, answer, rnd_ifd, rnd_ic) == bytes(plain[16:])
        else:
            error = raises(AccessError, bac.chip_key, crypto, enc, mac, answer, rnd_ifd, rnd_ic)
            assert error.code == "LIC-022", at


class Plain:
    """A channel that protects nothing."""

    def wrap(self, command):
        return command

    def unwrap(self, answer):
        return answer[:-2], 0x9000

    def close(self):
        pass


def test_each_new_channel_of_chip_authentication_has_to_prove_itself():
    chip = channel.Chip(PureCrypto(), None, None)
    for _ in range(2):
        chip.replace(Plain())
        assert not chip.proven and chip.awaited
        finish(send(chip), b"\x90\x00")
        assert chip.proven and not chip.awaited


def send(chip):
    machine = chip.send(b"\x00\xb0\x9e\x00\x04")
    next(machine)
    return machine


def test_secure_messaging_as_published():
    data, crypto = load(), PureCrypto()
    auth = data["mutual_auth"]
    channel = SecureChannel(crypto, h(auth["ks_enc"]), h(auth["ks_mac"]), int(auth["ssc"], 16))
    whole = b""
    for case in data["secure_messaging"]:
        assert channel.counter == h(case["ssc_before"])
        wrapped = channel.wrap(h(case["unprotected_command"]))
        record(case["name"], wrapped)
        assert channel.counter == h(case["ssc_command"])
        assert wrapped == h(case["protected_command"])
        plain, status = channel.unwrap(h(case["protected_response"]))
        assert channel.counter == h(case["ssc_response"])
        assert plain == h(case["decrypted_response_data"]) and status == int(case["sw"], 16)
        whole += plain
    assert whole == h(data["ef_com"])


def test_steps_of_a_protected_command_are_the_printed_ones():
    data, crypto = load(), PureCrypto()
    auth = data["mutual_auth"]
    enc, mac = h(auth["ks_enc"]), h(auth["ks_mac"])
    for case in data["secure_messaging"]:
        channel = SecureChannel(crypto, enc, mac, int(case["ssc_before"], 16))
        wrapped = channel.wrap(h(case["unprotected_command"]))
        body, checksum = wrapped[5:-11], wrapped[-11:-1]
        padded = keys.pad(wrapped[:4], 8)
        assert checksum == h(case["do8e"]) == b"\x8e\x08" + h(case["cc"])
        assert padded == h(case["cmd_header_padded"])
        assert body == h(case["do87"] or "") + h(case["do97"] or "")
        assert padded + body == h(case["m"])
        assert keys.pad(channel.counter + padded + body, 8) == h(case["n"])
        assert channel.checksum(padded + body) == h(case["cc"])
        record(case["name"], channel.checksum(padded + body))
        if case["do87"]:
            hidden = body[3 : 2 + body[1]]
            assert hidden == h(case["encrypted_data"])
            assert crypto.des3_cbc_decrypt(enc, bytes(8), hidden) == h(case["data_padded"])
            assert keys.pad(h(case["unprotected_command"])[5:7], 8) == h(case["data_padded"])


def test_steps_of_a_protected_answer_are_the_printed_ones():
    data = load()
    auth = data["mutual_auth"]
    for case in data["secure_messaging"]:
        # the counter of the answer: what `checksum` covers then is K, whose padding the channel adds
        channel = SecureChannel(PureCrypto(), h(auth["ks_enc"]), h(auth["ks_mac"]), int(case["ssc_response"], 16))
        covered = h(case["protected_response"])[:-12]
        assert keys.pad(channel.counter + covered, 8) == h(case["k"])
        assert channel.checksum(covered) == h(case["response_cc"]) == h(case["protected_response"])[-10:-2]


def fresh(case):
    auth = load()["mutual_auth"]
    channel = SecureChannel(PureCrypto(), h(auth["ks_enc"]), h(auth["ks_mac"]), int(case["ssc_before"], 16))
    channel.wrap(h(case["unprotected_command"]))
    return channel


def test_a_changed_bit_anywhere_in_an_answer_kills_the_channel():
    case = load()["secure_messaging"][2]
    answer = h(case["protected_response"])
    for at in range(len(answer)):
        for bit in (1, 0x80):
            bad = bytearray(answer)
            bad[at] ^= bit
            channel = fresh(case)
            raises(MessagingError, channel.unwrap, bytes(bad))
            assert not channel.alive
            raises(MessagingError, channel.wrap, b"\0\xb0\0\0\4")


def test_a_cut_or_lengthened_answer_is_refused():
    case = load()["secure_messaging"][1]
    answer = h(case["protected_response"])
    for length in range(len(answer)):
        if length != 2:
            raises(MessagingError, fresh(case).unwrap, answer[:length])
    raises(MessagingError, fresh(case).unwrap, answer[:-2] + b"\x99\x02\x90\x00\x90\x00")
    raises(MessagingError, fresh(case).unwrap, answer + b"\x90\x00")


def test_an_answer_in_clear_ends_the_channel_and_says_which():
    case = load()["secure_messaging"][1]
    for status in (0x9000, 0x6987, 0x6882, 0x6988):
        channel = fresh(case)
        error = raises(ChannelEnded, channel.unwrap, bytes((status >> 8, status & 255)))
        assert error.detail == status and not channel.alive


def test_data_that_were_not_asked_for_are_refused():
    case = load()["secure_messaging"][0]
    auth = load()["mutual_auth"]
    crypto = PureCrypto()
    channel = fresh(case)
    counter = bytes(h(case["ssc_command"])[:-1]) + bytes((h(case["ssc_command"])[-1] + 1,))
    cipher = crypto.des3_cbc_encrypt(h(auth["ks_enc"]), bytes(8), b"data\x80\0\0\0")
    body = b"\x87\x09\x01" + cipher + b"\x99\x02\x90\x00"
    mac = crypto.retail_mac(h(auth["ks_mac"]), keys.pad(counter + body, 8))
    assert raises(MessagingError, channel.unwrap, body + b"\x8e\x08" + mac + b"\x90\x00").detail == "data"


def test_a_chip_that_refuses_or_lies_in_the_key_agreement_is_told_apart():
    data, crypto = load(), PureCrypto()
    case = data["mutual_auth"]
    information = data["basic_access_keys"]["mrz_information"].encode()

    def run(*answers):
        given = [h(case["rnd_ifd"]), h(case["k_ifd"])]
        machine = bac.establish(crypto, information, lambda n: given.pop(0))
        next(machine)
        for answer in answers:
            machine.send(answer)

    challenge, answer = h(case["get_challenge_response"]), h(case["external_authenticate_response"])
    for status in (b"\x63\x00", b"\x63\xcf", b"\x69\x82"):
        assert raises(WrongMrzError, run, challenge, status).code == "LIC-021"
    assert raises(AccessError, run, b"\x6d\x00").code == "LIC-020"
    for at in (0, 31, 32, 39):
        bad = bytearray(answer)
        bad[at] ^= 1
        assert raises(AccessError, run, challenge, bytes(bad)).code == "LIC-022"
    assert raises(AccessError, run, challenge, answer[:-3] + b"\x90\x00").code == "LIC-022"


def test_padding_is_strict():
    assert keys.pad(b"", 8) == b"\x80" + bytes(7) and keys.pad(bytes(8), 8) == bytes(8) + b"\x80" + bytes(7)
    assert keys.unpad(b"ab\x80\0") == b"ab" and keys.unpad(b"\x80") == b""
    for bad in (b"", bytes(8), b"abc", b"\x80" + bytes(16), b"\x01\0"):
        assert keys.unpad(bad) is None
