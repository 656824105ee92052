"""Licences without a chip that vouches: the menu, paper and foreign ones, a chip given up; category driven and wanted numbers."""

from protocol import records as r
from protocol.crypto.pure import PureCrypto
from protocol.errors import CardRemovedError
from protocol.licence import mrz
from protocol.licence.errors import AccessError, WrongMrzError
from protocol.licence.files import FileRead
from protocol.licence.reader import Resume
from terminal.flows import ask, licence
from terminal.flows.fine import TRANSITIONS, Fine
from terminal.flows.licence import document
from tests.support.dual import raises
from tests.support.hasty import Hasty
from tests.support.parts import CountingElement, HandClock

WANTED = "A12345678"


class Face:
    """Shows nothing; gives the listed keys and keeps which screens were shown."""

    lang = "fr"

    def __init__(self, keys):
        self.keys = list(keys)
        self.shown = []

    async def show(self, screen, **fields):
        self.shown.append((screen, fields))

    async def key(self, timeout_ms=None):
        return self.keys.pop(0) if self.keys else None

    def forget(self):
        pass

    def screens(self):
        return [screen for screen, _ in self.shown]


class Limits:
    """A signed set whose list of wanted numbers has one entry."""

    def items(self, name):
        return [PureCrypto().sha256(WANTED.encode())[:8]] if name == "hot_licences" else []


class Ports:
    """What these flows touch."""

    def __init__(self):
        self.crypto = PureCrypto()
        self.se = CountingElement()
        self.scanner = None
        self.pictures = None


class Journal:
    """Keeps what was appended, and which screens had been shown by then."""

    def __init__(self, face):
        self.face = face
        self.records = []

    async def append(self, kind, body):
        self.records.append((kind, body, self.face.screens()))


class Terminal:
    """The part of a terminal that these flows use; `keys` are what the officer presses, in order."""

    def __init__(self, *keys):
        self.face = Face(keys)
        self.ports = Ports()
        self.journal = Journal(self.face)
        self.clock = HandClock(1750000000)  # 15 June 2025

    def now(self):
        return self.clock.utc

    def parameter(self, kind):
        assert kind == "limits"
        return Limits()


def dg1(*categories):
    rows = [{"category": name, "issue": issue, "expiry": expiry} for name, issue, expiry in categories]
    return {"number": "A87654321", "categories": rows}


async def _asked(scan, *keys):
    """What is typed by these keys, and how many digits were said to be missing, drawing by drawing."""
    terminal = Terminal(*keys)
    text = await ask.digits(terminal, "mrz_entry", 9, 9, scan=scan, field="number")
    return text, [fields["missing"] for _, fields in terminal.face.shown]


async def test_ok_on_an_incomplete_entry_says_how_many_digits_are_missing():
    for scan in (False, True):
        keys = list("12345678") + ["ok", "9", "ok"]
        assert await _asked(scan, *keys) == ("123456789", [0] * 9 + [1, 0])
        assert await _asked(scan, "ok", "1", "cancel") == (None, [0, 9, 0])


async def test_where_there_is_no_menu_key_the_upper_arrow_opens_the_other_documents():
    for key in ("menu", "up"):
        assert await _asked(True, "1", key) == ("menu", [0, 0])


async def test_the_menu_leads_to_paper_foreign_can_and_back():
    for keys, following, kind in (
        (("2",), "document", "paper"),
        (("3",), "document", "foreign"),
        (("cancel",), "identify", ""),
    ):
        fine = Fine(Terminal(*keys))
        assert await document.menu(fine.t, fine) == following and fine.document == kind
        assert following in TRANSITIONS["identify"] + ("identify",)
    fine = Fine(Terminal("1", "3", "1", "4", "1", "5", "9", "ok"))
    assert await document.menu(fine.t, fine) == "read"
    assert (fine.mrz.kind, fine.mrz.number) == ("CAN", "314159")


async def test_the_number_of_an_eu_licence_serves_as_can_typed_or_scanned():
    long = "9912345678"
    fine = Fine(Terminal("1", *long, "ok"))
    assert await document.menu(fine.t, fine) == "read" and (fine.mrz.kind, fine.mrz.number) == ("CAN", long)
    fine = Fine(Terminal("1", "1", "2", "3", "ok", "cancel", "cancel"))
    assert await document.menu(fine.t, fine) == "identify" and fine.mrz is None

    class Scanner:
        texts = ["no number!", "99xx00042"]

        async def read_scan(self, timeout_ms):
            return self.texts.pop(0)

    terminal = Terminal("1", "ok")  # a scan of something else is shown as an error, OK asks again
    terminal.ports.scanner = Scanner()
    fine = Fine(terminal)
    assert await document.menu(terminal, fine) == "read" and (fine.mrz.kind, fine.mrz.number) == ("CAN", "99XX00042")
    assert terminal.face.screens() == ["document_menu", "can_entry", "error", "can_entry"]


async def test_the_category_driven_is_chosen_over_pages_and_kept():
    fine = Fine(Terminal("4", "down", "2", "cancel"))
    assert await document.menu(fine.t, fine) == "identify"
    assert fine.vehicle == document.CATEGORIES[6] == "BE"
    assert fine.t.face.shown[-1] == ("document_menu", {"vehicle": "BE"})


async def test_the_menu_key_opens_the_menu_and_comes_back_to_the_numbers_typed():
    terminal = Terminal("menu", "cancel", "cancel")
    assert await Fine(terminal)._identify() == "end"
    assert terminal.face.screens() == ["mrz_entry", "document_menu", "mrz_entry"]
    assert await Fine(Terminal("menu", "3"))._identify() == "document"


async def test_a_paper_licence_is_recorded_as_not_verified_before_it_is_shown():
    terminal = Terminal("1", "2", "3", "4", "ok", "ok")
    fine = Fine(terminal)
    fine.document = "paper"
    assert await fine._document() == "plate"
    kind, body, shown = terminal.journal.records[0]
    assert kind == r.LICENCE_READ and len(terminal.journal.records) == 1
    assert (body[r.VERDICT], body[r.FINDINGS], body[r.REASON]) == (r.VERDICT_NOT_VERIFIED, [], "paper")
    assert len(body[r.LICENCE_TOKEN]) == 8 and "licence_verdict" not in shown
    fields = terminal.face.shown[-1][1]
    assert (fields["verdict"], fields["number"], fields["portrait"]) == (7, "1234", False)
    assert fine.driver["report"] == {"number": "1234", "document": "paper"}


async def test_a_cancelled_number_leads_back_and_records_nothing():
    terminal = Terminal("1", "cancel")
    fine = Fine(terminal)
    fine.document = "foreign"
    assert await fine._document() == "identify" and terminal.journal.records == []


async def _reading(keys, failures, scan=""):
    """Run `_read` of a fine whose reading fails so often; (following state, fine, terminal)."""
    terminal = Terminal(*keys)
    fine = Fine(terminal)
    fine.mrz = Fine._mrz({"scan": scan} if scan else {"number": "123456784", "birth": "8503116", "expiry": "2804110"})
    terminal.read_with = []
    left = list(failures)

    async def read(t, mrz, resume, vehicle, with_portrait):
        terminal.read_with.append((mrz.kind, mrz.number))
        if left:
            raise left.pop(0)
        return {"verdict": 2, "findings": [], "dg1": {}, "dg11": {}, "picture": None, "vehicle": vehicle, "report": {}}

    kept = licence.read
    licence.read = read
    try:
        return await fine._read(), fine, terminal
    finally:
        licence.read = kept


async def test_a_chip_that_stays_unreadable_is_recorded_so_and_the_case_goes_on():
    torn = CardRemovedError("gone")
    following, fine, terminal = await _reading(("ok", "cancel", "ok", "ok"), [torn, torn])
    assert following == "plate"
    assert terminal.face.screens() == ["error", "error", "licence_unreadable", "licence_verdict"]
    body = terminal.journal.records[0][1]
    assert (body[r.VERDICT], body[r.REASON]) == (r.VERDICT_UNREADABLE, "CRD-003")
    assert fine.driver["report"] == {"number": "A12345678", "birth": "850311"}


async def test_giving_up_the_case_records_nothing():
    following, _, terminal = await _reading(("cancel", "cancel"), [CardRemovedError("gone")])
    assert following == "end" and terminal.journal.records == []


async def test_a_torn_reading_goes_on_and_leaves_one_record():
    following, _, terminal = await _reading(("ok", "ok", "ok"), [CardRemovedError("gone"), CardRemovedError("gone")])
    assert following == "plate" and len(terminal.journal.records) == 1
    assert terminal.journal.records[0][1][r.VERDICT] == 2


async def test_a_chip_that_refuses_the_numbers_leads_back_to_them():
    following, _, terminal = await _reading(("ok",), [WrongMrzError("no", detail=0x6300)])
    assert following == "identify" and terminal.journal.records == []


async def test_a_chip_without_a_password_of_the_scanned_line_is_opened_with_the_number_in_it():
    scan = "D1FRA299XX00042<<<<<<<<<<<<<<"
    scan += mrz.check_digit(scan)
    missing = AccessError("no such password", "LIC-023", detail=0x6A88)
    following, _, terminal = await _reading(("ok",), [missing], scan)
    assert following == "plate" and terminal.read_with == [("EU", "99XX00042"), ("CAN", "99XX00042")]
    assert "error" not in terminal.face.screens()
    following, _, terminal = await _reading(("cancel", "cancel"), [missing, missing], scan)
    assert following == "end" and len(terminal.read_with) == 2


def test_the_category_driven_is_a_finding_when_missing_or_not_valid():
    terminal = Terminal()
    held = dg1(("B", "20180412", "20280411"), ("C", "20180412", "20230411"), ("C1(E)", "20180412", "20280411"))
    for vehicle, findings in (("B", []), ("C", ["LIC-202"]), ("D", ["LIC-202"]), ("C1E", []), ("BE", ["LIC-202"])):
        assert licence.remarks(terminal, held, "", vehicle) == findings, vehicle
    assert licence.remarks(terminal, dg1(("BE", "", "")), "", "BE") == []
    assert licence.remarks(terminal, dg1(("B", "20260101", "")), "", "B") == ["LIC-202"]


def test_a_wanted_number_is_a_finding_whatever_was_read():
    terminal = Terminal()
    held = dg1(("B", "", ""))
    assert licence.remarks(terminal, held, "", "B") == []
    assert licence.remarks(terminal, held, WANTED, "B") == ["LIC-205"]  # printed, whatever the chip says
    held["number"] = "A 12345678"
    assert licence.remarks(terminal, held, "", "B") == ["LIC-205"]
    assert licence.remarks(terminal, None, WANTED, "B") == ["LIC-205"]


async def test_the_portrait_is_shown_on_request_and_its_absence_is_said():
    terminal = Terminal("down", "cancel", "up", "ok", "ok")
    driver = {
        "verdict": 2,
        "findings": [],
        "dg1": {},
        "dg11": {},
        "picture": "portrait.unable",
        "proven": True,
        "vehicle": "B",
    }
    assert await licence.show_verdict(terminal, driver)
    assert terminal.face.screens() == [
        "licence_verdict",
        "licence_portrait",
        "licence_verdict",
        "licence_portrait",
        "licence_verdict",
    ]
    assert terminal.face.shown[1][1] == {"picture": "portrait.unable", "proven": True}


def test_a_terminal_without_a_decoder_says_so():
    class Made:
        given = ""

        def result(self):
            return self.given

    resume = Resume()
    assert licence.portrait(resume) == "portrait.unable"
    resume.picture = Made()
    assert licence.portrait(resume) == "portrait.absent"
    for group in (4, 6):
        state = FileRead(PureCrypto(), group, keep=False)
        resume.reads = {group: state}
        state.take(bytes((state.tag, 2, 1)))
        assert licence.portrait(resume) == "portrait.absent"
        state.take(b"\x02")
        for given, shown in (
            ("broken", "portrait.broken"),
            ("unable", "portrait.unable"),
            ((8, 1, b"\xff"), (8, 1, b"\xff")),
        ):
            resume.picture.given = given
            assert licence.portrait(resume) == shown


def test_a_number_that_is_no_can_is_refused():
    from protocol.errors import MrzError

    raises(MrzError, mrz.from_can, "12345")


class Scanner:
    """Gives the texts that were scanned, unless they are dropped."""

    def __init__(self, *texts):
        self.texts = list(texts)

    async def read_scan(self, timeout_ms):
        return self.texts.pop(0) if self.texts else None

    async def discard(self):
        self.texts = []


async def test_a_scan_left_over_from_the_last_driver_is_not_taken_for_the_next():
    left_over = "DLDZAA123456784<<<<<<<<<<<<<<<\n8503111M2804119DZA<<<<<<<<<<<4\nBENALI<<MOHAMED<<<<<<<<<<<<<<<"
    terminal = Terminal("cancel")
    terminal.ports.scanner = Scanner(left_over)
    fine = Fine(terminal)
    assert await fine._identify() == "end" and fine.mrz is None
    assert terminal.face.screens() == ["mrz_entry"]


async def test_a_verdict_is_seen_by_whoever_answers_it_also_behind_the_portrait():
    driver = {
        "verdict": r.VERDICT_ALTERED,
        "findings": ["LIC-201"],
        "dg1": {},
        "dg11": {},
        "picture": (8, 1, b"x"),
        "proven": False,
    }
    driver["vehicle"] = "B"
    terminal = Terminal("down", "cancel", "cancel")
    terminal.face = Hasty(terminal.face)
    assert not await licence.show_verdict(terminal, driver)
    terminal.face.saw("licence_verdict", "licence_portrait")
    assert terminal.face.told == ["licence_verdict", "licence_portrait", "licence_verdict"]
