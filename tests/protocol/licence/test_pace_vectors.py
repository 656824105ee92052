"""PACE step by step as ICAO 9303-11 appendices G, H and I print it; active authentication's block of appendix F."""

from protocol import pack
from protocol.crypto.pure import PureCrypto
from protocol.der import Der
from protocol.licence.access import active, domains, keys, offers, pace
from protocol.licence.errors import AccessError, WrongMrzError
from protocol.licence.trust import algorithms
from tests.support.dual import raises, record, vectors

P256R1 = 13  # standardised number of brainpoolP256r1


def h(text):
    return bytes.fromhex(text)


def load(name):
    return vectors("icao9303.json")[name]


def point(text):
    return b"\x04" + h(text)


def finish(machine, answer):
    try:
        machine.send(answer)
    except StopIteration as end:
        return end.value
    raise AssertionError("the machine went on")


def run_apdus(case, order, size):
    """Drive the machine with the published private keys; every command must be the published one."""
    crypto = PureCrypto()
    offer = offers.offers(b"\x31" + bytes((len(h(case["pace_info"])),)) + h(case["pace_info"]))[0]
    given = [pack.be(int(case[step]["terminal_private"], 16) - 1, size + 8) for step in ("map", "key_agreement")]
    machine = pace.establish(crypto, offer, case["mrz_information"].encode(), pace.BY_MRZ, lambda n: given.pop(0))
    request = next(machine)
    for at in range(len(case["apdus"])):
        step = case["apdus"][at]
        assert request == ("apdu", h(step["c"])), "command " + str(at)
        answer = h(step["r"]) + (b"\x90\x00" if step.get("sw_not_printed_in_source") else b"")
        if at == len(case["apdus"]) - 1:
            return finish(machine, answer)
        request = machine.send(answer)
    return None


def check_channel(agreed, case):
    assert (agreed.channel._enc, agreed.channel._mac) == (h(case["ks_enc"]), h(case["ks_mac"]))
    assert agreed.channel.counter == bytes(16)
    record("ks_enc", agreed.channel._enc)


def test_generic_mapping_on_a_curve():
    case = load("pace_gm_ecdh")
    crypto = PureCrypto()
    assert crypto.sha1(case["mrz_information"].encode()) == h(case["k"])
    key = pace.password_key(crypto, case["mrz_information"].encode(), pace.BY_MRZ, keys.AES128)
    assert key == h(case["k_pi"])
    assert pace.decrypt_nonce(crypto, key, keys.AES128, h(case["nonce_z"])) == h(case["nonce_s"])
    domain = domains.domain(crypto, P256R1)
    step = case["map"]
    assert domain.multiply(h(step["terminal_private"]), None) == point(step["terminal_public"])
    shared = domain.multiply(h(step["terminal_private"]), point(step["chip_public"]))
    assert shared == point(step["shared_secret_h"])
    base = domain.map_generic(h(case["nonce_s"]), shared)
    assert base == point(step["mapped_generator"])
    step = case["key_agreement"]
    assert domain.multiply(h(step["terminal_private"]), base) == point(step["terminal_public"])
    assert domain.secret(h(step["terminal_private"]), point(step["chip_public"])) == h(step["shared_secret"])
    check_channel(run_apdus(case, domain.order, 32), case)


def test_tokens_are_over_the_other_sides_key():
    for name, tag in (
        ("pace_gm_ecdh", 0x86),
        ("pace_im_ecdh", 0x86),
        ("pace_cam_ecdh", 0x86),
        ("pace_gm_dh", 0x84),
        ("pace_im_dh", 0x84),
    ):
        case = load(name)
        crypto = PureCrypto()
        for who in ("ifd", "ic"):
            # the public key is the last object of the printed input
            whole = h(case["auth_token_input_" + who])
            public = whole[-65:] if tag == 0x86 else whole[-128:]
            found = pace.token(crypto, h(case["ks_mac"]), keys.AES128, h(case["oid_bytes"]), tag, public)
            assert found == h(case["t_" + who]), name + " " + who


def test_generic_mapping_in_a_finite_field():
    case = load("pace_gm_dh")
    domain = domains.FieldDomain()
    agreed = run_apdus(case, domain.order, 20)
    check_channel(agreed, case)
    step = case["map"]
    shared = domain.multiply(h(step["terminal_private"]), h(step["chip_public"]))
    assert shared == h(step["shared_secret_h"])
    assert domain.map_generic(h(case["nonce_s"]), shared) == pack.be(int(step["mapped_generator"], 16), 128)


def check_integrated(case, domain, width):
    crypto = PureCrypto()
    assert pace.decrypt_nonce(crypto, h(case["k_pi"]), keys.AES128, h(case["nonce_z"])) == h(case["nonce_s"])
    spread = pace.spread(crypto, h(case["nonce_s"]), h(case["nonce_t"]), keys.AES128, domain.field_bits)
    assert spread == h(case["pseudo_random_r"])
    prime = int(case["domain_parameters"]["p"], 16)
    reduced = pack.be(pack.int_from(spread) % prime, width // (1 if domain.token_tag == 0x84 else 2))
    assert reduced == h(case["rp"])
    assert domain.map_integrated(reduced) == domain.map_integrated(spread)
    base = domain.map_integrated(spread)
    lead = b"\x04" if width == 64 else b""
    assert base == lead + pack.be(int(case["mapped_generator"], 16), width)
    public = domain.multiply(h(case["terminal_private"]), base)
    assert public == lead + pack.be(int(case["terminal_public"], 16), width)
    secret = domain.secret(h(case["terminal_private"]), lead + pack.be(int(case["chip_public"], 16), width))
    assert secret == h(case["shared_secret"])
    assert keys.derive(crypto, secret, keys.ENC, keys.AES128) == h(case["ks_enc"])
    assert keys.derive(crypto, secret, keys.MAC, keys.AES128) == h(case["ks_mac"])


def test_integrated_mapping_on_a_curve():
    check_integrated(load("pace_im_ecdh"), domains.domain(PureCrypto(), P256R1), 64)


def test_integrated_mapping_in_a_finite_field():
    check_integrated(load("pace_im_dh"), domains.FieldDomain(), 128)


def test_integrated_mapping_as_a_conversation():
    case = load("pace_im_ecdh")
    crypto = PureCrypto()
    offer = offers.Offer(h(case["oid_bytes"]), P256R1)
    given = [h(case["nonce_t"]), pack.be(int(case["terminal_private"], 16) - 1, 40)]
    # the example gives no MRZ, only the key: a machine whose password key is the printed one
    real, pace.password_key = pace.password_key, lambda *rest: h(case["k_pi"])
    try:
        machine = pace.establish(crypto, offer, b"", pace.BY_MRZ, lambda n: given.pop(0))
        next(machine)
        machine.send(b"\x90\x00")
        machine.send(h("7C128010" + case["nonce_z"] + "9000"))
        machine.send(h("7C0282009000"))
        request = machine.send(h("7C43844104" + case["chip_public"] + "9000"))
        assert request[1][-9:-1] == h(case["t_ifd"])
        check_channel(finish(machine, h("7C0A8608" + case["t_ic"] + "9000")), case)
    finally:
        pace.password_key = real


def test_the_constants_of_the_integrated_mapping_are_the_printed_ones():
    case = load("pace_im_prf_constants")
    crypto = PureCrypto()
    for name, cipher, size in (("128", keys.AES128, 16), ("256", keys.AES256, 32)):
        c0, c1 = h(case[name]["c0"]), h(case[name]["c1"])
        nonce, other = bytes(range(size)), bytes(range(32, 32 + size))
        first = crypto.aes_cbc_encrypt(other, bytes(16), nonce)
        second = crypto.aes_cbc_encrypt(first, bytes(16), c0)
        expected = crypto.aes_cbc_encrypt(first, bytes(16), c1) + crypto.aes_cbc_encrypt(second, bytes(16), c1)
        assert pace.spread(crypto, nonce, other, cipher, 16 * size - 64) == expected
        record(name, expected)


def test_the_mapping_before_chip_authentication():
    case = load("pace_cam_ecdh")
    domain = domains.domain(PureCrypto(), P256R1)
    step = case["map"]
    shared = domain.multiply(h(step["terminal_private"]), point(step["chip_public"]))
    assert shared == point(step["shared_secret_h"])
    assert shared == domain.multiply(h(step["chip_private"]), point(step["terminal_public"]))
    base = domain.map_generic(h(case["nonce_s"]), shared)
    assert base == point(step["mapped_generator"])
    step = case["key_agreement"]
    private = pack.be(int(step["chip_private"], 16) % domain.order, 32)  # printed larger than the order
    assert domain.multiply(private, base) == point(step["chip_public"])
    assert domain.secret(h(step["terminal_private"]), point(step["chip_public"])) == h(step["shared_secret"])


def test_chip_authentication_mapping_proves_the_chip():
    case = load("pace_cam_ecdh")
    crypto = PureCrypto()
    agreed = run_apdus(case, 0, 32)
    check_channel(agreed, case)
    info = case["chip_authentication"]
    assert agreed.proof == h(info["decrypted_chip_authentication_data"])
    assert crypto.aes_ecb_encrypt(h(case["ks_enc"]), b"\xff" * 16) == h(info["iv"])
    assert agreed.chip_map_key == point(info["pk_map_ic"])
    fields = Der(h(info["chip_authentication_public_key_info"])).enter()
    fields.oid()
    key = algorithms.read_public_key(fields)
    assert (key.curve, key.point) == ("brainpoolP256r1", point(info["chip_ca_public_key"]))
    assert crypto.ec_multiply(key.curve, agreed.proof, key.point) == agreed.chip_map_key


def test_a_chip_that_cheats_or_refuses_is_told_apart():
    case = load("pace_gm_ecdh")
    offer = offers.Offer(h(case["oid_bytes"]), P256R1)
    answers = [h(step["r"]) for step in case["apdus"]]

    def run(changed):
        given = [pack.be(int(case[step]["terminal_private"], 16) - 1, 40) for step in ("map", "key_agreement")]
        machine = pace.establish(
            PureCrypto(), offer, case["mrz_information"].encode(), pace.BY_MRZ, lambda n: given.pop(0)
        )
        next(machine)
        for at in range(len(answers)):
            machine.send(changed.get(at, answers[at]))

    assert raises(WrongMrzError, run, {4: b"\x63\x00"}).code == "LIC-021"
    for at, answer in (
        (0, b"\x6a\x80"),
        (1, b"\x69\x85"),
        (1, h("7C0280009000")),
        (2, answers[2][:-4] + b"\x00\x00\x90\x00"),
        (2, h("7C039000")),
        (2, b""),
        (3, h("7C4384") + h(case["apdus"][3]["c"])[8:-1] + b"\x90\x00"),
        (4, answers[4][:-3] + b"\x00\x90\x00"),
        (4, h("7C009000")),
    ):
        assert raises(AccessError, run, {at: answer}).code == "LIC-023", (at, answer)


def test_offers_are_chosen_by_what_runs_here():
    crypto = PureCrypto()
    infos = (
        h("300d060804007f0007020202020102") + h(load("pace_gm_dh")["pace_info"]) + h(load("pace_gm_ecdh")["pace_info"])
    )
    found = offers.offers(b"\x31" + bytes((len(infos),)) + infos)
    assert [(item.mapping, item.domain) for item in found] == [(1, 0), (2, 13)]
    chosen = pace.choose(crypto, found)
    assert chosen is not None and chosen.mapping == offers.GENERIC and chosen.cipher == keys.AES128
    unknown = offers.Offer(h(load("pace_gm_ecdh")["oid_bytes"]), 14)
    assert pace.choose(crypto, [unknown]) is None and pace.choose(crypto, []) is None
    assert raises(AccessError, offers.offers, b"\x30\x00").code == "LIC-024"


def test_the_command_of_active_authentication():
    """With a key of the vector's size, the challenge goes out as printed; the signature belongs to another key and is refused."""
    case = load("active_authentication")

    class Chip:
        crypto, room, channel, announces_extended = PureCrypto(), 0, None, False

        def random(self, count):
            assert count == 8
            return h(case["rnd_ifd"])

        def send(self, command):
            return (yield ("apdu", command)), 0x9000

    modulus = b"\xd3" + bytes(range(1, 127)) + b"\x8d"
    key = der(
        0x30,
        der(0x30, h("06092A864886F70D0101010500")),
        der(3, b"\0", der(0x30, der(2, b"\0", modulus), h("0203010001"))),
    )
    machine = active.run(Chip(), der(0x6F, key), None)
    assert next(machine) == ("apdu", h(case["internal_authenticate_command"]))
    try:
        machine.send(h(case["signature"]))
    except StopIteration as end:
        assert end.value is False


def der(tag, *parts):
    from protocol.der import wrap

    return wrap(tag, b"".join(parts))


def test_the_block_of_active_authentication():
    case = load("active_authentication")
    crypto = PureCrypto()
    challenge = h(case["rnd_ifd"])
    assert challenge == h(case["m2"]) and h(case["m1"]) + h(case["m2"]) == h(case["m"])
    assert crypto.sha1(h(case["m"])) == h(case["digest"])
    assert h(case["f"]) == b"\x6a" + h(case["m1"]) + h(case["digest"]) + h(case["trailer"])
    assert len(h(case["f"])) == len(h(case["signature"])) == case["modulus_bits"] // 8 == 128
    assert (
        case["public_key"] is None
    )  # so the signature itself cannot be opened: test_chip_proof opens others' signatures
    assert active.block_holds(crypto, h(case["f"]), challenge)
    assert not active.block_holds(crypto, h(case["f"]), b"\0" * 8)
    for at in (0, 5, 110, 127):
        bad = bytearray(h(case["f"]))
        bad[at] ^= 1
        assert not active.block_holds(crypto, bytes(bad), challenge)
