"""EF.COM and the data groups: both encodings of DG1, both orders of dates, Arabic names; refusals."""

from protocol import tlv
from protocol.licence import dg1, dg11, groups, profile
from protocol.licence.errors import GroupError
from tests.support.dual import raises


def lv(text):
    data = text.encode()
    return bytes((len(data),)) + data


def compact(
    birth="19850101", issue="20200131", expiry="20300130", rows=(b"B;20180412;20280411;;;",), count=None, tail=b""
):
    fields = (
        lv("TESTÉ")
        + lv("AMINE")
        + bytes.fromhex(birth + issue + expiry)
        + b"DZA"
        + lv("ALGER")
        + lv("A12345678")
        + tail
    )
    inner = tlv.encode(0x02, bytes((len(rows) if count is None else count,)))
    for row in rows:
        inner += tlv.encode(0x87, row)
    return tlv.encode(0x61, tlv.encode(0x5F1F, fields) + tlv.encode(0x7F63, inner))


def test_compact_encoding_with_text_dates():
    found = dg1.parse(compact(rows=(b"B;20180412;20280411;;;", b"C1;12042018;11042028;01;<;120")))
    assert (found["surname"], found["given_names"], found["number"]) == ("TESTÉ", "AMINE", "A12345678")
    assert (found["birth"], found["issue"], found["expiry"]) == ("19850101", "20200131", "20300130")
    assert (found["country"], found["authority"]) == ("DZA", "ALGER")
    assert found["categories"][0] == {
        "category": "B",
        "issue": "20180412",
        "expiry": "20280411",
        "code": "",
        "sign": "",
        "value": "",
    }
    second = found["categories"][1]
    assert (second["issue"], second["expiry"], second["code"], second["sign"], second["value"]) == (
        "20180412",
        "20280411",
        "01",
        "<",
        "120",
    )


def test_dates_may_come_day_first_and_categories_in_bcd():
    row = b"B;" + bytes.fromhex("12042018") + b";" + bytes.fromhex("11042028") + b";;;"
    found = dg1.parse(compact("01011985", "31012020", "30012030", (row,)))
    assert (found["birth"], found["issue"], found["expiry"]) == ("19850101", "20200131", "20300130")
    assert found["categories"][0]["issue"] == "20180412" and found["categories"][0]["expiry"] == "20280411"


def test_a_date_is_one_in_one_order_only():
    for raw, text in (
        ("20111009", "20111009"),
        ("09102011", "20111009"),
        ("20112012", "20121120"),
        ("19850000", "19850000"),
        ("99991231", "99991231"),
        ("31129999", "99991231"),
        ("00000000", ""),
    ):
        assert dg1.date_text(bytes.fromhex(raw)) == dg1.date_text(raw.encode()) == text
    for bad in ("2011100a", "99999999", "20131399", "99990101"):
        raises(GroupError, dg1.date_text, bytes.fromhex(bad))
    for bad in (b"", b"2011100", b"2011 009", b"\x20\x11"):
        raises(GroupError, dg1.date_text, bad)


def test_eu_encoding():
    fields = (
        tlv.encode(0x5F03, b"NLD")
        + tlv.encode(0x5F04, b"TEST")
        + tlv.encode(0x5F05, b"EVA")
        + tlv.encode(0x5F06, bytes.fromhex("01011985"))
        + tlv.encode(0x5F07, "Zürich".encode())
        + tlv.encode(0x5F0A, bytes.fromhex("31012020"))
        + tlv.encode(0x5F0B, bytes.fromhex("30012030"))
        + tlv.encode(0x5F0C, b"RDW")
        + tlv.encode(0x5F0E, b"1234567890")
    )
    body = tlv.encode(0x5F01, b"e1") + tlv.encode(0x5F02, fields)
    body += tlv.encode(0x7F63, tlv.encode(0x02, b"\x00"))
    found = dg1.parse(tlv.encode(0x61, body))
    assert (found["country"], found["surname"], found["number"]) == ("NLD", "TEST", "1234567890")
    assert (found["birth"], found["issue"], found["birthplace"]) == ("19850101", "20200131", "Zürich")
    assert found["categories"] == []
    for missing, key in ((b"\x5f\x0e", "number"), (b"\x5f\x06", "birth"), (b"\x5f\x03", "country")):
        odd = dg1.parse(tlv.encode(0x61, tlv.encode(0x5F02, fields.replace(missing, b"\x5f\x70"))))
        assert odd["unread"] == [key] and odd[key] == "" and odd["surname"] == "TEST" and odd["expiry"] == "20300130"
    raises(GroupError, dg1.parse, tlv.encode(0x61, tlv.encode(0x5F02, tlv.encode(0x5F70, b"?"))))


def test_malformed_dg1_is_refused():
    good = compact()
    for bad in (
        b"",
        good[:-1],
        good + b"\x00\x01",
        b"\x62" + good[1:],
        compact(tail=b"\x01"),
        tlv.encode(0x61, b""),
        tlv.encode(0x61, tlv.encode(0x5F1F, b"\x05AB")),
        tlv.encode(0x61, tlv.encode(0x5F1F, b"\x02\xff\xfe")),
    ):
        raises(GroupError, dg1.parse, bad)


def test_one_odd_field_of_dg1_does_not_lose_the_others():
    found = dg1.parse(compact(birth="1985010a", expiry="20301340"))
    assert found["unread"] == ["birth", "expiry"] and found["birth"] == found["expiry"] == ""
    assert (found["country"], found["number"], found["issue"]) == ("DZA", "A12345678", "20200131")
    assert "unread" not in dg1.parse(compact(expiry="99991231")) and dg1.parse(compact())["number"] == "A12345678"
    both = (b"B;20180412;20280411", b";;;70")
    for rows, count in ((both, 3), (both + (b"C;2018041;20280411",), 3), (both + (b"C;99999999;20280411",), 3)):
        found = dg1.parse(compact(rows=rows, count=count))
        assert found["unread"] == ["categories"] and [row["category"] for row in found["categories"]] == ["B", ""]
        assert found["surname"] == "TESTÉ"
    assert dg1.parse(compact(rows=(b"B;a;b;c;d;e;f",)))["unread"] == ["categories"]
    broken = compact()[:-3] + b"\xff\xff\xff"
    assert dg1.parse(broken)["unread"] == ["categories"] and dg1.parse(broken)["country"] == "DZA"


def test_a_restriction_of_every_category_names_none():
    found = dg1.parse(compact(rows=(b"B;20220310;20320309", b";;;70")))
    assert "unread" not in found and found["categories"][1] == {
        "category": "",
        "issue": "",
        "expiry": "",
        "code": "70",
        "sign": "",
        "value": "",
    }


def test_latin_fields_are_utf_8_or_else_iso_8859_1():
    assert groups.text("MODÈLE".encode()) == "MODÈLE" == groups.text(b"MOD\xc8LE")
    assert groups.text(b" \xc9\xff\0 ") == "Éÿ"
    name = lv("TESTÉ")
    found = dg1.parse(compact().replace(name, b"\x06TEST\xc9 "))
    assert found["surname"] == "TESTÉ" and found["country"] == "DZA" and "unread" not in found


def test_characters_that_would_steer_a_screen_are_replaced():
    for steering in ("\x1b", "\x00", "\n", "\x7f", "\x9b", "\u202e", "\u2066", "\u2028"):
        assert groups.text(("A" + steering + "[2JB").encode()) == "A\ufffd[2JB"
    assert groups.text(b"A\x9b2J\x85B") == "A\ufffd2J\ufffdB"
    assert groups.text("كريم\u200f".encode()) == "كريم\u200f"


def test_a_category_is_valid_on_its_days_only():
    found = dg1.parse(compact(rows=(b"B;20180412;20280411;;;", b"C (E);;;;;")))
    assert dg1.category_valid(found, "b", "20180412") and dg1.category_valid(found, "B", "20280411")
    assert not dg1.category_valid(found, "B", "20180411") and not dg1.category_valid(found, "B", "20280412")
    assert dg1.category_valid(found, "C(E)", "20990101") and not dg1.category_valid(found, "D", "20200101")


def test_a_row_of_restrictions_neither_grants_nor_hides_its_category():
    restricted = b"B;;;01.06"
    for rows in ((restricted, b"B;20180412;20280411"), (b"B;20180412;20280411", restricted)):
        found = dg1.parse(compact(rows=rows))
        assert dg1.category_valid(found, "B", "20200101") and not dg1.category_valid(found, "B", "20290101")
    renewed = dg1.parse(compact(rows=(b"B;20080412;20180411", b"B;20180412;20280411")))
    assert dg1.category_valid(renewed, "B", "20200101") and not dg1.category_valid(renewed, "B", "20290101")
    assert dg1.category_valid(dg1.parse(compact(rows=(restricted,))), "B", "20290101")


def test_a_row_of_restrictions_does_not_grant_a_category_whose_date_cannot_be_read():
    restricted, other = b"B;;;01.06", b"C;20180412;20280411"
    for dated in (b"b ;2018041;20280411", b"B;20180412;99999999", b"B;20180412;20281340;;;", b"B;a;b;c;d;e;f"):
        for rows in ((restricted, dated, other), (dated, other, restricted)):
            found = dg1.parse(compact(rows=rows))
            assert found["unread"] == ["categories"] and found["left_out"] == ["B"]
            assert not dg1.category_valid(found, "B", "20200101") and dg1.category_valid(found, "C", "20200101")
    renewed = dg1.parse(compact(rows=(b"B;2018041;20280411", restricted, b"B;20180412;20280411")))
    assert dg1.category_valid(renewed, "B", "20200101") and not dg1.category_valid(renewed, "B", "20290101")
    many = dg1.parse(compact(rows=(restricted,) * dg1.MAX_CATEGORIES + (b"B;20180412;20280411",)))
    assert len(many["categories"]) == dg1.MAX_CATEGORIES and not dg1.category_valid(many, "B", "20290101")


def test_arabic_names_in_dg11():
    content = tlv.encode(
        0x6D,
        tlv.encode(profile.ARABIC_SURNAME, "حداد".encode())
        + tlv.encode(profile.ARABIC_GIVEN_NAMES, "كريم".encode())
        + tlv.encode(0x5F60, b"?"),
    )
    assert dg11.parse(content) == {"surname_ar": "حداد", "given_names_ar": "كريم", "blood_group": ""}
    odd = tlv.encode(profile.ARABIC_SURNAME, b"\xc3") + tlv.encode(profile.BLOOD_GROUP, b"O+")
    assert dg11.parse(tlv.encode(0x6D, odd)) == {
        "surname_ar": "",
        "given_names_ar": "",
        "blood_group": "O+",
        "unread": ["surname_ar"],
    }


def test_common_data_lists_groups():
    assert groups.common_data(bytes.fromhex("600b5f010201005c04616b6d99")) == ("0100", [1, 2, 11])
    assert groups.common_data(bytes.fromhex("60145F0104303130365F36063034303030305C026175"))[0] == "0106"
    for bad in (b"", b"\x60\x00", b"\x60\x05\x5f\x01\x02\x01\x00", b"\x61\x03\x5c\x01\x61"):
        raises(GroupError, groups.common_data, bad)


def test_a_picture_is_found_by_its_first_bytes():
    assert groups.portrait_image(b"\x65\x05\x89\xff\xd8\xff\xe0") == ("jpeg", 3, 7)
    assert groups.portrait_image(b"xx\xff\x4f\xff\x51")[0] == "jp2"
    raises(GroupError, groups.portrait_image, b"\x65\x02no")


def test_tags_and_numbers_belong_together():
    for group in range(1, 15):
        assert profile.group_of(profile.tag_of(group)) == group
    assert profile.group_of(0x77) == 0 and profile.group_of(0x5F1F) == 0
    assert profile.two_letters("DZA") == "DZ" and profile.two_letters("D") == "DE" and profile.two_letters("XXX") == ""
    assert profile.two_letters("FR") == "FR" and profile.two_letters("") == ""


def test_every_state_of_iso_3166_and_doc_9303_is_known():
    for three, two in (
        ("UKR", "UA"),
        ("SRB", "RS"),
        ("CHN", "CN"),
        ("SGP", "SG"),
        ("AFG", "AF"),
        ("ZWE", "ZW"),
        ("MAR", "MA"),
    ):
        assert profile.two_letters(three) == two
    for three, two in (
        ("RKS", "KS"),
        ("UNO", "UN"),
        ("EUE", "EU"),
        ("GBD", "GB"),
        ("dza", "DZ"),
        ("D  ", "DE"),
        ("d", "DE"),
    ):
        assert profile.two_letters(three) == two
    for unknown in ("ABC", "ZZZ", "DZAA", "É", "ÉAA", "É1", "1A", "   ", "UAU", "AUA"):
        assert profile.two_letters(unknown) == ""
