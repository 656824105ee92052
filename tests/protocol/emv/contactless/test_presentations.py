"""A card presented again, another card, the next application, a recovered cryptogram: the explanation is of what decided, and of nothing else."""

from protocol.emv import explain
from protocol.emv.kernel import Result
from tests.protocol.emv.contactless import scripted_c2, scripted_tap
from tests.protocol.emv.contactless.scripted_c2 import PROMPT
from tests.protocol.emv.contactless.scripted_tap import PPSE, fci, tap
from tests.protocol.emv.scripted import AID, APPROVED, DECLINED, OTHER_AID, PROVISIONAL, h, tlv
from tests.support.dual import record

SLOW = 2000
ODD, UNUSUAL = (
    h("000A07D00018"),
    18 + 24 + 500,
)  # a card that may take 200 ms, and one that takes 50: a question for its bank (B5b4)
TC, ARQC, AAC = 0x40, 0x80, 0x00
EXPIRED = {"5F24": h("260131"), "5F25": h("210201")}


def untraced(result):
    """Bits of TVR and TSI without a line, and lines of a bit that is not set."""
    told = [what for what, _ in result.explain if what[:4] in ("TVR ", "TSI ")]
    found = []
    for name, register in (("TVR", result.tvr), ("TSI", result.tsi)):
        for at in range(len(register)):
            for bit in range(8):
                key = name + " B" + str(at + 1) + "b" + str(bit + 1)
                if bool(register[at] >> bit & 1) != (key in told):
                    found.append(key)
    return found


def judge(result):
    """The result; every line about a bit is about one that is set."""
    assert isinstance(result, Result)
    assert untraced(result) == [], (result.tvr.hex(), result.explain)
    for what, _ in result.explain:
        if what[:4] in ("TAC-", "IAC-"):
            assert "TVR " + what.split(" ")[1] in [told for told, _ in result.explain], result.explain
    return result


class Two:
    """A card with applications, each a scripted card of Kernel 2 or 3, or one of them alone; the first has priority."""

    def __init__(self, *cards):
        self.names = (AID, OTHER_AID)[: len(cards)]
        self.cards = cards
        self.chosen = cards[0]

    def transmit(self, command):
        if command[1] != 0xA4:
            return self.chosen.transmit(command)
        name = bytes(command[5 : 5 + command[4]])
        if name == PPSE:
            entries = b""
            for at in range(len(self.names)):
                kernel = b"\x02" if isinstance(self.cards[at], scripted_c2.Card2) else b"\x03"
                entries += tlv("61", tlv("4F", self.names[at]) + tlv("87", bytes([at + 1])) + tlv("9F2A", kernel))
            return fci(PPSE, tlv("BF0C", entries))
        self.chosen = self.cards[list(self.names).index(name)]
        return fci(name, tlv("50", b"CIB TEST") + tlv("9F38", self.chosen.pdol))


def card2(kind=None, aip="1981", **how):
    return scripted_c2.Card2(kind, aip, **how)


def combinations(limit=3000000, other=3000000, **how):
    both = []
    for make in (scripted_c2.combination, scripted_tap.combination):
        both.append(make(limit=limit, **how))
        both.append(make(aid=OTHER_AID, limit=other, **how))
    return scripted_tap.body(*both)


def torn(card, name, before=False):
    card.torn = (name, before)
    return card


def test_an_expired_card_that_was_torn_leaves_no_line_on_the_next_card():
    for before in (True, False):
        first = torn(card2(TC, fields=dict(EXPIRED)), "GAC", before)
        other = card2(ARQC, fields={"5F34": h("02")})
        result = judge(tap(Two(first), combinations(), again=(Two(other),), elapsed=(PROMPT, PROMPT))[0])
        assert result.tvr == h("0000000002") and ("TORN", "remembered 9F51") in result.explain
        assert explain.decided(result.explain) != "B2b7"


def test_a_card_that_was_slow_once_and_is_quick_later_is_not_said_to_want_its_bank():
    card = torn(card2(fields={"9F0F": bytes(5)}, relay=ODD), "GAC", True)
    result = judge(tap(Two(card), combinations(), again=(Two(card),), elapsed=(UNUSUAL, PROMPT))[0])
    assert result.outcome == APPROVED and explain.decided(result.explain) == ""


def test_a_recovered_cryptogram_is_explained_by_what_it_was_asked_with():
    for lost in ("GAC", "RECOVER"):
        card = torn(card2(fields={"9F0F": bytes(5)}, relay=ODD), "GAC")
        times = (UNUSUAL, PROMPT, PROMPT)
        cards = (Two(card), Two(card))
        if lost == "RECOVER":
            kept = card.transmit

            def transmit(command, card=card, kept=kept):
                if command[1] == 0xD0 and not card.names.count("RECOVER"):
                    card.torn = ("RECOVER", True)
                return kept(command)

            card.transmit = transmit
        result = judge(tap(Two(card), combinations(), again=cards, elapsed=times)[0])
        assert card.names.count("GAC") == 1 and result.outcome == PROVISIONAL
        assert ("TAC-ONLINE B5b4", "tvr 95") in result.explain and explain.decided(result.explain) == "B5b4"
        assert (
            result.explain.count(("TORN", "remembered 9F51")) == result.explain.count(("TORN", "recovered 9F26")) == 1
        )
        record(lost, str(result.explain))


def test_an_application_over_its_limit_leaves_nothing_but_why():
    how = scripted_c2.combination(limit=50000, device_limit=1000000)
    result = judge(tap(Two(card2()), scripted_tap.body(how), elapsed=(PROMPT,))[0])
    assert (result.reason, result.tvr) == ("EMV-143", bytes(5)) and (
        "LIMIT",
        "contactless-limit 9F02",
    ) in result.explain


def test_the_next_application_is_explained_and_proven_by_itself():
    for aip in (
        "1981",
        "1980",
    ):  # with relay resistance and without: nothing of the first one's exchange is left to be signed
        parameters = scripted_tap.body(
            scripted_c2.combination(limit=50000, device_limit=1000000), scripted_c2.combination(aid=OTHER_AID)
        )
        result = judge(tap(Two(card2(), card2(aip=aip)), parameters, elapsed=(SLOW, SLOW, SLOW, PROMPT))[0])
        assert (result.outcome, result.aid) == (APPROVED, OTHER_AID), result.explain
        assert explain.decided(result.explain) == ""


def test_a_kernel_3_application_after_one_of_kernel_2_and_the_other_way_round():
    parameters = scripted_tap.body(
        scripted_c2.combination(limit=50000, device_limit=1000000), scripted_tap.combination(aid=OTHER_AID)
    )
    result = judge(tap(Two(card2(), scripted_tap.Tap()), parameters, elapsed=(SLOW, SLOW, SLOW))[0])
    assert (result.outcome, result.kernel, result.tvr) == (APPROVED, 3, bytes(5)), result.explain
    refusing = scripted_tap.Tap(replies={"GPO": h("6985")})
    result = judge(tap(Two(refusing, card2()), combinations(), elapsed=(PROMPT,))[0])
    assert (result.outcome, result.kernel) == (APPROVED, 2) and ("GPO", "refused 6985") in result.explain


def test_what_a_kernel_3_card_said_before_it_left_is_not_said_of_the_next():
    for at in range(1, 7):
        first = scripted_tap.Tap(ARQC, fields=dict(EXPIRED))
        first.removed_at = at
        result = judge(tap(first, again=(scripted_tap.Tap(),))[0])
        assert result.outcome == APPROVED and len([w for w, _ in result.explain if w == "TTQ"]) == 1
        assert [why for what, why in result.explain if why.startswith("card gave")] == ["card gave 40"]


def test_a_phone_that_asks_for_its_holder_is_explained_by_its_second_tap():
    wants, done = tlv("DF4B", h("000300")), tlv("DF4B", h("000000"))
    for first, other in ((wants, done), (wants, wants)):
        result = judge(
            tap(
                Two(card2(extra=first, fields={"9F0F": bytes(5)})),
                combinations(),
                again=(Two(card2(extra=other, fields={"9F0F": bytes(5)})),) if other == done else (None,),
                elapsed=(SLOW, SLOW, SLOW, PROMPT),
            )[0]
        )
        if other == done:
            assert result.outcome == APPROVED and explain.decided(result.explain) == ""
        else:
            assert (result.outcome, result.reason) == (DECLINED, "EMV-141")
