"""DE55 never outgrows the acquirer's field 55, whatever a set lists and a card gives: what is needed comes first, the rest as it fits."""

from protocol import tlv
from protocol.emv import kernel
from protocol.emv.params import EmvParams
from protocol.errors import ParameterError
from tests.protocol.emv.scripted import APPROVED, PROVISIONAL, Card, aid_entry, body, h, pay
from tests.protocol.emv.scripted import tlv as coded
from tests.support.dual import record

ROOM = 255


def _generous(sizes, kinds=(0x40,)):
    """A card with one unsigned record for each of the objects DF01, DF02 …"""
    card = Card(kinds=kinds)
    card.afl = h("08010101" + "10010200" + f"1801{len(sizes):02X}00")
    for number, size in enumerate(sizes):
        given = coded("70", coded(f"DF{number + 1:02X}", bytes([number]) * size)) + h("9000")
        card.replies[f"READ 3 {number + 1}"] = given
    return card


def _own(count):
    return [0xDF01 + i for i in range(count)]


def _left_out(result):
    return [why for what, why in result.explain if what == "DE55"]


def test_what_does_not_fit_is_left_out_and_the_payment_can_be_sent():
    for kinds, floor, outcome in (((0x40,), 1000000, APPROVED), ((0x80, 0x00), 1, PROVISIONAL)):
        plain = pay(Card(kinds=kinds), body(aid_entry(floor=floor)))[0]
        listed = _own(4) + list(kernel.DE55)
        result, trace = pay(_generous([240, 240, 240, 240], kinds), body(aid_entry(floor=floor), de55=listed))
        assert (result.outcome, result.de55) == (outcome, plain.de55)
        assert [asked[1] for asked in trace.of("online")] == ([plain.de55] if outcome == PROVISIONAL else [])
        assert _left_out(result)[:4] == ["left-out DF01", "left-out DF02", "left-out DF03", "left-out DF04"]
        record("explain", str(result.explain))


def test_the_lists_order_is_kept_and_the_rest_has_what_room_is_left():
    plain = pay(Card(), body())[0].de55
    room = ROOM - len(plain)
    listed = [0xDF01] + list(kernel.DE55) + [0xDF03, 0xDF02, 0xDF04]
    result, _ = pay(_generous([30, room - 33 - 33 - 2, 30, 6]), body(de55=listed))
    held = [tag for tag, _ in tlv.parse(result.de55)]
    assert held == [0xDF01] + [tag for tag, _ in tlv.parse(plain)] + [0xDF03, 0xDF04]
    assert _left_out(result) == ["left-out DF02"]


def test_a_value_that_just_fits_is_kept():
    room = ROOM - len(pay(Card(), body())[0].de55)
    for size, kept in ((room - 43 - 3, True), (room - 43 - 2, False)):
        result, _ = pay(_generous([40, size]), body(de55=list(kernel.DE55) + _own(2)))
        assert result.outcome == APPROVED and (len(result.de55) == ROOM) is kept
        assert _left_out(result) == ([] if kept else ["left-out DF02"])


def _refused(listed):
    try:
        EmvParams(body(de55=listed))
    except ParameterError as error:
        assert error.detail == "de55"
        return error.code
    return None


def test_a_list_that_cannot_fit_or_names_a_tag_twice_is_refused():
    assert _refused([]) is None and _refused(list(kernel.DE55)) is None
    assert _refused([0x9F26, 0x9F10, 0x9F26]) == "PRM-121"
    most = (ROOM - 159) // 4  # what acquirers need takes at most 159 bytes; a tag of three bytes and a length take four
    assert _refused(list(kernel.DE55) + [0xDF8101 + i for i in range(most)]) is None
    assert _refused(list(kernel.DE55) + [0xDF8101 + i for i in range(most + 1)]) == "PRM-121"
    assert _refused([0xDF8101 + i for i in range(ROOM // 4)]) is None
    assert _refused([0xDF8101 + i for i in range(ROOM // 4 + 1)]) == "PRM-121"
