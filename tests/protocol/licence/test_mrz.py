"""The MRZ, read and keyed: every check digit is tested and the wrong field is named."""

from protocol.errors import MrzError
from protocol.licence import mrz
from protocol.licence.errors import AccessError, WrongMrzError
from tests.support.dual import raises, record, vectors

ONE, TWO, THREE = "DLDZAA123456782<<<<<<<<<<<<<<<", "8501017M3012318DZA<<<<<<<<<<<?", "TEST<<AMINE<<<<<<<<<<<<<<<<<<<"


def algerian():
    """A well-formed Algerian TD1 as three lines, its digits computed here by the plain formula."""
    one = ONE[:14] + digit(ONE[5:14]) + ONE[15:]
    two = TWO[:6] + digit(TWO[:6]) + "M" + TWO[8:14] + digit(TWO[8:14]) + TWO[15:29]
    return [one, two + digit(one[5:30] + two[0:7] + two[8:15] + two[18:29]), THREE]


def digit(text):
    total = 0
    for i in range(len(text)):
        code = ord(text[i])
        total += (0 if text[i] == "<" else code - 48 if code < 58 else code - 55) * (7, 3, 1)[i % 3]
    return str(total % 10)


def change(lines, line, at):
    """The lines with the digit at a place replaced by the next one."""
    text = lines[line]
    new = str((int(text[at]) + 1) % 10)
    return [(text[:at] + new + text[at + 1 :]) if i == line else lines[i] for i in range(3)]


def test_published_mrz_give_their_key_input_once_the_two_misprinted_composites_are_mended():
    for case in vectors("icao9303.json")["bac"]["mrz"]:
        lines = list(case["lines"])
        printed, computed = case["composite_check_digit_printed"], case["composite_check_digit_computed"]
        if printed != computed:
            assert raises(MrzError, mrz.parse, "\n".join(lines), "").detail == "composite"
            lines[1] = lines[1][:-1] + computed
        assert raises(MrzError, mrz.parse, "\n".join(lines)).code == "LIC-011"
        result = mrz.parse("\n".join(lines), "")
        record(case["format"], result.bac_key_input)
        assert result.bac_key_input == case["mrz_information"].encode()
        assert result.kind == case["format"]
        assert result.number == case["document_number"].replace("<", "")
        assert (result.birth, result.expiry) == (case["date_of_birth"], case["date_of_expiry"])
        assert result.country == "UTO"
        for field in ("document_number", "date_of_birth", "date_of_expiry"):
            assert mrz.check_digit(case[field]) == case[field + "_check_digit"], field
        keyed = case["document_number"] + case["document_number_check_digit"] + case["date_of_birth"]
        keyed += case["date_of_birth_check_digit"] + case["date_of_expiry"] + case["date_of_expiry_check_digit"]
        assert keyed.encode() == result.bac_key_input


def test_an_algerian_td1_is_read_with_line_ends_of_any_kind_or_none():
    lines = algerian()
    for text in ("\n".join(lines), "\r\n".join(lines) + "\r\n", "".join(lines), "\n".join(lines).lower()):
        result = mrz.parse(text)
        assert (result.kind, result.country, result.number) == ("TD1", "DZA", "A12345678")
        assert result.bac_key_input == (lines[0][5:15] + lines[1][0:7] + lines[1][8:15]).encode()


def test_each_wrong_field_is_named():
    lines = algerian()
    for line, at, field in ((0, 8, "number"), (0, 14, "number"), (1, 3, "birth"), (1, 6, "birth"), (1, 10, "expiry")):
        assert raises(MrzError, mrz.parse, "\n".join(change(lines, line, at))).detail == field
    assert raises(MrzError, mrz.parse, "\n".join(change(lines, 1, 14))).detail == "expiry"
    assert raises(MrzError, mrz.parse, "\n".join(change(lines, 1, 29))).detail == "composite"
    assert raises(MrzError, mrz.parse, lines[0][:-1] + "\n" + lines[1] + "\n" + lines[2]).detail == "line1"
    assert raises(MrzError, mrz.parse, lines[0] + "\n" + lines[1][:-2] + "é7\n" + lines[2]).detail == "line2"
    assert raises(MrzError, mrz.parse, lines[0] + "\n" + lines[1] + "\n" + lines[2] + "<").detail == "line3"


def test_keyed_fields_give_the_same_key_input_as_the_lines():
    lines = algerian()
    keyed = mrz.from_fields("A12345678", lines[0][14], lines[1][0:6], lines[1][6], lines[1][8:14], lines[1][14])
    assert keyed.bac_key_input == mrz.parse("\n".join(lines)).bac_key_input
    assert keyed.kind == "keyed" and keyed.number == "A12345678"


def test_a_wrong_keyed_field_is_named():
    good = ["A12345678", digit("A12345678"), "850101", digit("850101"), "301231", digit("301231")]
    mrz.from_fields(*good)
    for at, field in ((1, "number"), (3, "birth"), (5, "expiry")):
        bad = list(good)
        bad[at] = str((int(bad[at]) + 1) % 10)
        assert raises(MrzError, mrz.from_fields, *bad).detail == field
        bad[at] = ""
        assert raises(MrzError, mrz.from_fields, *bad).detail == field
    for at, value, field in (
        (0, "A1234567é", "number"),
        (0, "A123456789", "number"),
        (0, "", "number"),
        (2, "851301", "birth"),
    ):
        bad = list(good)
        bad[at] = value
        assert raises(MrzError, mrz.from_fields, *bad).detail == field
    bad = list(good)
    bad[4], bad[5] = "301200", digit("301200")
    assert raises(MrzError, mrz.from_fields, *bad).detail == "expiry"


def test_a_short_number_is_padded_and_presumed_birth_dates_are_accepted():
    keyed = mrz.from_fields("L898902C", "3", "690000", digit("690000"), "940623", "6")
    assert keyed.bac_key_input[:10] == b"L898902C<3" and keyed.number == "L898902C"


def test_only_the_letters_of_ascii_are_folded():
    """Upper case of the others may be one of them, or two: another number than the one typed."""
    for odd in ("\u00df\u00df\u00df\u00df\u00df\u00df", "1234\u00df6", "\ufb01234567", "12345\u017f", "12345\u0131"):
        assert raises(MrzError, mrz.from_can, odd).message == "number: holds a character that no access number has"
    keyed = "A1234\u017f678", "0", "900101", "0", "300101", "0"
    assert raises(MrzError, mrz.from_fields, *keyed).message == "number: holds a character that no MRZ has"
    lines = algerian()
    lines[2] = lines[2].replace("S", "\u017f", 1)
    assert raises(MrzError, mrz.parse, "\n".join(lines)).message == "line3: holds a character that no MRZ has"
    assert mrz.from_can("abcdef").number == "ABCDEF"


def test_the_algerian_number_is_a_letter_and_eight_digits():
    assert mrz.algerian_number("a1234 5678") == "A12345678"
    for bad in ("B12345678", "A1234567", "A1234567X", "", "A123456789"):
        assert raises(MrzError, mrz.algerian_number, bad).detail == "number"


def test_a_one_line_mrz_uses_its_middle_as_key_input():
    line = "D1NLD1234567890ABCDEFGH<<<<<<"
    line += digit(line)
    result = mrz.parse(line)
    assert result.kind == "EU" and result.bac_key_input == line[1:29].encode()
    assert raises(MrzError, mrz.parse, line[:-1] + str((int(line[-1]) + 1) % 10)).detail == "line1"


def test_identity_cards_passports_and_visas_are_no_licences_whatever_their_digits():
    lines = algerian()
    for begin in ("I<DZA", "P<DZA", "IDDZA", "ACDZA", "CRDZA", "V<DZA", "AUDZA", "<<DZA"):
        for last in (lines[1], lines[1][:-1] + "?"):
            changed = [begin + lines[0][5:], last, lines[2]]
            error = raises(MrzError, mrz.parse, "\n".join(changed))
            assert (error.code, error.detail) == ("LIC-011", "line1"), begin
            assert raises(MrzError, mrz.parse, "".join(changed).lower()).code == "LIC-011"
    for begin in ("DLDZA", "D<DZA", "D1FRA", "DPUTO", "DLD<<"):
        result = mrz.parse("\n".join([begin + lines[0][5:], lines[1], lines[2]]))
        assert (result.number, result.country) == ("A12345678", begin[2:].replace("<", ""))


def test_two_lines_are_a_licence_only_if_they_begin_so():
    two = "A12345678" + digit("A12345678") + "DZA" + "850101" + digit("850101") + "M" + "301231" + digit("301231")
    two += "<" * 7
    two += digit(two[0:10] + two[13:20] + two[21:35])
    for begin, licence in (("DLDZA", True), ("IDDZA", False), ("V<DZA", False)):
        one = begin + "TEST<<AMINE" + "<" * 20
        if licence:
            assert mrz.parse(one + "\n" + two).number == "A12345678"
        else:
            assert raises(MrzError, mrz.parse, one + "\n" + two).code == "LIC-011"


def test_another_number_of_lines_is_refused():
    for text in ("", "\n\n", "A\nB\nC\nD"):
        assert raises(MrzError, mrz.parse, text).code == "LIC-011"


def test_the_number_in_one_line_is_the_other_password_only_where_the_chip_has_none_of_the_line():
    def line(text):
        return text + mrz.check_digit(text)

    dutch = mrz.parse(line("D1NLD25123456789ABCDEFGHIJKLM"))
    other = mrz.parse(line("D1FRA299XX00042<<<<<<<<<<<<<<"))
    assert (dutch.number, other.number) == ("5123456789", "99XX00042")
    missing = AccessError("no such password", "LIC-023", detail=0x6A88)
    found = mrz.other_password(other, missing)
    assert (found.kind, found.bac_key_input) == ("CAN", b"99XX00042")
    for error in (AccessError("refused", "LIC-023", detail=0x6300), WrongMrzError("wrong", detail=0x6A88)):
        assert mrz.other_password(other, error) is None
    assert mrz.other_password(found, missing) is None
    assert mrz.other_password(mrz.parse(line("D1FRA2AB<<<<<<<<<<<<<<<<<<<<<")), missing) is None


def test_what_scanners_put_around_an_mrz_is_trimmed():
    lines = algerian()
    plain = mrz.parse("\n".join(lines))
    for text in (
        "\t\r\n".join(lines) + "\t",
        "\ufeff" + "\n".join(lines),
        "\x02" + "\r\n".join(lines) + "\r\n\x03",
        "\ufeff\x02\t" + "".join(lines) + "\t\x03\r\n",
        "\x02\ufeff" + "\r".join(lines) + "\r\x03\0",
        "\0\x02\ufeff" + "\t".join(lines) + "\t\0\x03\0\0",
        "\r" + "\r\r".join(lines) + "\r",
        "\x03\r".join(lines) + "\x03",
        "\r\n\x02".join([""] + lines),
        "\r\ufeff".join([""] + lines) + "\ufeff",
    ):
        assert mrz.parse(text).bac_key_input == plain.bac_key_input
    for text in ("\n".join(lines).replace("A", "A\t", 1), "\n".join(lines).replace("A", "A\x02", 1)):
        assert raises(MrzError, mrz.parse, text).detail == "line1", "only what is around"
    for text in ("\ufeff\x02314159\x03\r\n", "\x02\ufeff314159\r\0", "\0\t314159\x03\0"):
        assert mrz.from_can(text).bac_key_input == b"314159"
    for text in ("314\x00159", "314\t159", "314\x02159", "314\ufeff159"):
        assert raises(MrzError, mrz.from_can, text).detail == "number"
    for text in ("", "\0", "\x02\ufeff\x03", "\t\r\0"):
        assert raises(MrzError, mrz.parse, text).detail == "lines"


def test_an_access_number_has_six_to_sixteen_characters_and_its_error_says_which_is_wrong():
    assert mrz.from_can("a" * 16).number == "A" * 16 and mrz.from_can("12 34 56").number == "123456"
    assert raises(MrzError, mrz.from_can, "12345").message == "number: needs six characters or more"
    assert raises(MrzError, mrz.from_can, "1" * 17).message == "number: has more than sixteen characters"
    line = "D1FRA2" + "A" * 18 + "<<<<<"
    found = mrz.other_password(mrz.parse(line + digit(line)), AccessError("none", "LIC-023", detail=0x6A88))
    assert found.number == "A" * 18, "a line's number is its state's own"
