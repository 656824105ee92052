"""The reader against the simulated licence chips, through the generator directly: verdicts, quirks, cards pulled out."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from protocol import records
from protocol.crypto.native import NativeCrypto
from protocol.crypto.pure import PureCrypto
from protocol.errors import CardRemovedError
from protocol.licence import dg1, mrz
from protocol.licence.errors import AccessError, ReadError
from protocol.licence.reader import LicenceReading, Resume, read_licence
from protocol.licence.trust.anchors import TrustSet
from sim.cards.licence import build, mrz_lines, profile
from sim.cards.licence.people import PEOPLE
from sim.pki import Pki, make_pki

TODAY = "20250611"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


def random_bytes() -> Callable[[int], bytes]:
    state = [0]

    def take(count: int) -> bytes:
        state[0] += 1
        return hashlib.shake_128(bytes([state[0]])).digest(count)

    return take


def drive(machine: Any, card: Any, pull_at: int = 0, log: "list[bytes] | None" = None) -> LicenceReading:
    """Step the machine against the card; at the `pull_at`-th command the card is gone."""
    sent, answer = 0, None
    while True:
        try:
            request = machine.send(answer)
        except StopIteration as end:
            return end.value
        if request[0] != "apdu":
            assert request[0] != "progress" or 0 < request[2] <= request[3]
            answer = None
            continue
        sent += 1
        if sent == pull_at:
            card.power_off()
            machine.throw(CardRemovedError("the card left"))
            raise AssertionError("the machine kept the error")
        answer = card.respond(request[1])
        if log is not None:
            log.append(request[1])


def start(who: str, pki: Pki, trust: "TrustSet | None" = None, **options: Any) -> Any:
    crypto = options.pop("crypto", None) or NativeCrypto()
    parsed = mrz.parse(mrz_lines(PEOPLE[who]))
    anchors = TrustSet(pki.anchors()) if trust is None else trust
    return read_licence(crypto, parsed, random_bytes(), anchors, options.pop("today", TODAY), **options)


def read(name: str, pki: Pki, **options: Any) -> LicenceReading:
    given = profile(name)
    return drive(start(given["person"], pki, **options), build(given, pki))


@pytest.mark.parametrize("name", ["amina", "karim", "yacine", "nadia", "standard"])
def test_genuine_licences_are_data_genuine_chip_not_proven(name: str, pki: Pki) -> None:
    result = read(name, pki)
    person = PEOPLE[profile(name)["person"]]
    assert result.verdict == records.VERDICT_DATA_GENUINE
    assert result.findings == [] and result.altered_groups == [] and result.covered == [1, 11]
    assert result.access == "BAC"
    assert result.dg1 is not None and result.dg11 is not None
    assert (result.dg1["number"], result.dg1["surname"], result.dg1["given_names"]) == (
        person.number,
        person.surname,
        person.given_names,
    )
    assert [(row["category"], row["issue"], row["expiry"]) for row in result.dg1["categories"]] == list(
        person.categories
    )
    assert (result.dg11["surname_ar"], result.dg11["given_names_ar"]) == (person.surname_ar, person.given_names_ar)
    assert dg1.category_valid(result.dg1, "b", TODAY) and not dg1.category_valid(result.dg1, "D", TODAY)


def test_digests_are_those_of_the_files_on_the_chip(pki: Pki) -> None:
    given = profile("amina")
    card = build(given, pki)
    result = drive(start("amina", pki, groups=(1, 2, 3, 11), portrait=True), card)
    files = card.content.files
    for tag, short in ((0x61, 1), (0x6B, 2), (0x6C, 3), (0x65, 4), (0x6D, 11), (0x77, 0x1D)):
        assert result.files[tag] == hashlib.sha256(files[short]).digest()
    assert result.sod_sha256 == result.files[0x77]
    assert bytes(result.portrait or b"") == files[4]
    assert result.data[2]["sex"] == PEOPLE["amina"].sex
    result.forget()
    assert result.dg1 is None and result.portrait is None and result.data == {}


def test_a_portrait_is_hashed_without_being_kept(pki: Pki) -> None:
    result = read("amina", pki, groups=(1, 4, 11))
    assert result.portrait is None and 4 in result.covered


@pytest.mark.parametrize(
    ("name", "verdict", "altered", "findings"),
    [
        ("altered", records.VERDICT_ALTERED, [1], ["LIC-214"]),
        ("altered-names", records.VERDICT_ALTERED, [11], ["LIC-214"]),
        ("unknown-issuer", records.VERDICT_UNKNOWN_ISSUER, [], ["LIC-228"]),
        ("expired", records.VERDICT_DATA_GENUINE, [], ["LIC-201"]),
        ("unlisted-group", records.VERDICT_DATA_GENUINE, [], ["LIC-210"]),
        ("swapped-sod", records.VERDICT_ALTERED, [1, 11], ["LIC-214"]),
    ],
)
def test_verdicts(name: str, verdict: int, altered: "list[int]", findings: "list[str]", pki: Pki) -> None:
    result = read(name, pki)
    assert (result.verdict, result.altered_groups) == (verdict, altered)
    for code in findings:
        assert code in result.findings
    if name == "unlisted-group":
        assert result.covered == [1] and ("LIC-210", 11) in result.details


def test_a_licence_signed_outside_the_private_key_period_says_so_and_stays_genuine(pki: Pki) -> None:
    result = read("retired-signer", pki)
    assert result.verdict == records.VERDICT_DATA_GENUINE and "LIC-221" in result.findings


def test_an_anchor_of_another_country_or_purpose_does_not_count(pki: Pki) -> None:
    der = pki.csca.der
    for anchors in (
        [],
        [{"country": "FR", "purpose": "idl", "cert": der}],
        [{"country": "DZ", "purpose": "mrtd", "cert": der}],
    ):
        result = read("amina", pki, trust=TrustSet(anchors))
        assert result.verdict == records.VERDICT_UNKNOWN_ISSUER
        assert ("LIC-229" if anchors else "LIC-228") in result.findings
    spoilt = der[:-1] + bytes([der[-1] ^ 1])  # an anchor's own signature is not what it is trusted for
    assert read("amina", pki, trust=TrustSet([{"country": "DZ", "purpose": "idl", "cert": spoilt}])).verdict == (
        records.VERDICT_DATA_GENUINE
    )
    assert read("amina", pki, trust=TrustSet([{"country": "DZ", "purpose": "idl", "cert": der[:-1]}])).verdict == (
        records.VERDICT_UNKNOWN_ISSUER
    )


def test_a_wrong_mrz_is_refused_with_its_code(pki: Pki) -> None:
    with pytest.raises(AccessError) as caught:
        read("wrong-mrz", pki)
    assert caught.value.code == "LIC-021"


@pytest.mark.parametrize("quirk", [0x6987, 0x6882, 0x6988])
@pytest.mark.parametrize("at", [1, 2, 3, 7, 11, 14])
def test_a_lost_channel_is_rebuilt_and_the_reading_goes_on(quirk: int, at: int, pki: Pki) -> None:
    given = {**profile("nadia"), "quirks": {"lose_channel_at": at, "lose_with": quirk}}
    result = drive(start("nadia", pki, groups=(1, 4, 11)), build(given, pki))
    assert (result.verdict, result.findings) == (records.VERDICT_DATA_GENUINE, [])


def test_a_channel_lost_in_the_portrait_resumes_where_it_was(pki: Pki) -> None:
    given = {**profile("amina"), "quirks": {"lose_channel_at": 60}}
    log: "list[bytes]" = []
    whole = drive(start("amina", pki, groups=(1, 4, 11)), build(given, pki), log=log)
    plain: "list[bytes]" = []
    drive(start("amina", pki, groups=(1, 4, 11)), build(profile("amina"), pki), log=plain)
    assert whole.verdict == records.VERDICT_DATA_GENUINE
    assert (
        len(log) - len(plain) == 5
    )  # the lost command, SELECT, GET CHALLENGE, EXTERNAL AUTHENTICATE, the file made current


@pytest.mark.parametrize("over", ["6C", "6282", "short"])
@pytest.mark.parametrize("chunk", [0, 100, 240])
def test_every_way_of_ending_a_file_is_survived(over: str, chunk: int, pki: Pki) -> None:
    given = {**profile("karim"), "quirks": {"over_read": over, "chunk": chunk}}
    result = drive(start("karim", pki, groups=(1, 4, 11)), build(given, pki))
    assert result.verdict == records.VERDICT_DATA_GENUINE and result.covered == [1, 4, 11]


def test_a_card_pulled_at_any_command_leaves_cleanly_and_can_be_read_afresh_or_resumed(pki: Pki) -> None:
    card = build(profile("amina"), pki)
    log: "list[bytes]" = []
    crypto = NativeCrypto()
    drive(start("amina", pki, crypto=crypto), card, log=log)
    for at in range(1, len(log) + 1):
        resume = Resume()
        with pytest.raises(CardRemovedError):
            drive(start("amina", pki, resume=resume), card, pull_at=at)
        again: "list[bytes]" = []
        assert drive(start("amina", pki, resume=resume), card, log=again).verdict == records.VERDICT_DATA_GENUINE
        assert len(again) <= len(log) + 1
        card.power_off()
    assert drive(start("amina", pki), card).verdict == records.VERDICT_DATA_GENUINE


def test_a_resumed_portrait_is_not_read_twice_and_another_chip_is_noticed(pki: Pki) -> None:
    card = build(profile("amina"), pki)
    log: "list[bytes]" = []
    drive(start("amina", pki, groups=(1, 11, 4)), card, log=log)
    card.power_off()
    resume = Resume()
    with pytest.raises(CardRemovedError):
        drive(start("amina", pki, groups=(1, 11, 4), resume=resume), card, pull_at=len(log) - 2)
    again: "list[bytes]" = []
    result = drive(start("amina", pki, groups=(1, 11, 4), resume=resume), card, log=again)
    assert result.verdict == records.VERDICT_DATA_GENUINE and result.covered == [1, 4, 11]
    assert len(again) < 30 < len(log)
    other = build(profile("swapped-sod"), pki)
    with pytest.raises(ReadError) as caught:
        drive(start("amina", pki, resume=resume), other)
    assert caught.value.code == "LIC-033"
    assert resume.reads == {}


def test_pure_python_reads_the_same(pki: Pki) -> None:
    result = read("karim", pki, crypto=PureCrypto())
    assert (result.verdict, result.findings) == (records.VERDICT_DATA_GENUINE, [])


def test_the_commands_are_few(pki: Pki) -> None:
    card = build(profile("standard"), pki)
    log: "list[bytes]" = []
    drive(start("amina", pki), card, log=log)
    files = card.content.files
    chunks = sum(-(-len(files[short]) // 240) for short in (0x1E, 0x1D, 1, 11))
    assert len(log) == 4 + chunks  # EF.CardAccess asked for, SELECT, GET CHALLENGE, EXTERNAL AUTHENTICATE


@pytest.mark.parametrize("file", [1, 11, 0x1D, 0x1E])
@pytest.mark.parametrize("how", ["cut", "long", "huge", "tag", "empty", "gone"])
def test_truncated_oversized_and_missing_files_never_look_genuine(file: int, how: str, pki: Pki) -> None:
    card = build({**profile("standard")}, pki)
    data = card.content.files[file]
    if how == "gone":
        del card.content.files[file]
    else:
        changed = {
            "cut": data[:-3],
            "long": _longer(data),
            "huge": data[:1] + b"\x83\xff\xff\xff",
            "tag": b"\x7e" + data[1:],
        }
        card.content.files[file] = changed.get(how, b"\x60\x00")
    result = drive(start("amina", pki), card)
    if file == 0x1E:
        assert "LIC-212" in result.findings
    elif file == 11:
        unread = {"gone": records.VERDICT_DATA_GENUINE, "huge": records.VERDICT_DATA_GENUINE}
        unread["cut"] = unread["long"] = records.VERDICT_NOT_VERIFIED  # nothing was compared
        assert result.verdict == unread.get(how, records.VERDICT_ALTERED) and result.dg11 is None
        assert ("LIC-213" if how in unread else "LIC-214") in result.findings
    elif how in ("gone", "cut", "long"):
        assert result.verdict == records.VERDICT_UNREADABLE
    elif how == "huge":
        assert result.verdict == (records.VERDICT_UNREADABLE if file == 1 else records.VERDICT_NOT_VERIFIED)
    else:
        assert result.verdict == records.VERDICT_ALTERED


def _longer(data: bytes) -> bytes:
    """The same content under a length that is 300 too large."""
    head = 2 if data[1] < 0x80 else 2 + (data[1] & 0x7F)
    return data[:1] + b"\x82" + (len(data) - head + 300).to_bytes(2, "big") + data[head:]


def test_any_flipped_byte_of_the_sod_is_noticed(pki: Pki) -> None:
    from protocol.licence import files
    from protocol.licence.trust import passive

    crypto = NativeCrypto()
    card = build(profile("amina"), pki)
    sod = card.content.files[0x1D]
    reads = {}
    for group in (1, 11):
        reads[group] = files.FileRead(crypto, group)
        reads[group].take(card.content.files[group])
    accepted = 0
    for at in range(4, len(sod)):
        changed = sod[:at] + bytes([sod[at] ^ 0x41]) + sod[at + 1 :]
        judged = passive.Judgement()
        parsed = passive.parse_sod(changed, judged)
        if parsed is not None:
            passive.compare(parsed, reads, [1, 11], judged)
            passive.judge_signer(crypto, parsed, TrustSet(pki.anchors()), "DZ", "20220310", TODAY, judged)
        if passive.verdict(judged, passive.NOT_OFFERED) == records.VERDICT_DATA_GENUINE:
            accepted += 1
    assert accepted <= 20  # CMS versions and the list of digest algorithms are not signed; nothing else may be changed
