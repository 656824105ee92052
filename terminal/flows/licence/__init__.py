"""Reading the driver's licence chip, and showing what was proved. Licences without a readable chip: `licence.document`."""

from drivers.contracts.picture import BROKEN, UNABLE
from protocol import records as r
from protocol.licence import reader as licence_reader
from protocol.licence.errors import ReadError
from protocol.licence.profile import EU_PORTRAIT_GROUP, PORTRAIT_GROUP
from protocol.licence.trust.anchors import TrustSet
from terminal import localtime
from terminal.flows import ask
from terminal.flows.drive import drive
from terminal.flows.licence.element import Curves

PICTURE_WIDTH, PICTURE_HEIGHT = 112, 144
_WORDS = {UNABLE: "portrait.unable", BROKEN: "portrait.broken"}
_PORTRAITS = (PORTRAIT_GROUP, EU_PORTRAIT_GROUP)  # a reading has one of them
_WAIT_MS = 60000
_RANDOM = 224  # bytes drawn from the secure element before the session: PACE over 256 bits and both proofs leave _LEAST
_LEAST = 96  # bytes there whenever the machine goes on: more than it takes at once (74 for a scalar of P-521)


async def read(t, mrz, resume, vehicle: str, with_portrait: bool = True):  # noqa: ANN001, ANN201 - Terminal, Mrz, Resume → dict
    """Wait for the card, read and judge it; `resume` carries what a torn reading had, `vehicle` is the category driven ("B").

    Returns plain data: verdict, findings, dg1 and dg11 (maps, maybe empty), picture (see `portrait`), proven (whether its group is
    signed), report (what the law needs in a report). A DG11 that a believed SOD does not list is left out: anybody may have put it
    there. Raises CardError, LicenceError, ParameterError.
    """
    kept = t.parameter("trust").body
    trust = TrustSet(kept["anchors"], kept.get("crls", ()))
    kept = None
    stock = _Stock(t.ports.se)
    await stock.fill(_RANDOM)
    reader = t.ports.licence_reader
    await t.face.show("licence_present")
    await ask.card(t, reader, _WAIT_MS)
    atr = await reader.connect()
    pictures = t.ports.pictures if with_portrait else None
    if pictures is not None and resume.picture is None:
        resume.picture = pictures.begin(PICTURE_WIDTH, PICTURE_HEIGHT)

    shown = [""]

    async def progress(name, done, total) -> None:  # noqa: ANN001
        step = name + str(done * 4 // total)
        if step != shown[0]:  # drawing for every chunk would take longer than reading it
            shown[0] = step
            await t.face.show("licence_progress", file=name, done=done, total=total)

    machine = licence_reader.read_licence(
        t.ports.crypto, mrz, stock.take, trust, localtime.yyyymmdd(t.now()), groups=(1, 11) if pictures is None else (1, 11, PORTRAIT_GROUP),
        resume=resume, atr=atr, room=t.ports.answer_room if reader.extended_length else 0, hold=t.ports.file_room,
    )  # fmt: skip
    curves = Curves(t.ports.se if t.ports.curves_in_element else None)
    curves.handlers["progress"] = progress
    try:
        reading = await drive(reader, machine, curves.handlers, stock.top_up)
    finally:
        machine.close()  # whatever went wrong: no session key stays
        await reader.disconnect()
        await curves.forget()
    believed = reading.verdict in (r.VERDICT_GENUINE, r.VERDICT_DATA_GENUINE)
    return {
        "verdict": reading.verdict,
        "findings": list(reading.findings) + remarks(t, reading.dg1, mrz.number, vehicle),
        "dg1": reading.dg1 or {},
        "dg11": reading.dg11 if reading.dg11 and (11 in reading.covered or not believed) else {},
        "picture": portrait(resume),
        "proven": believed and bool([group for group in _PORTRAITS if group in reading.covered]),
        "vehicle": vehicle,
        "report": report_data(reading),
    }


def remarks(t, dg1, number: str, vehicle: str) -> list:  # noqa: ANN001
    """The findings that need more than the chip: LIC-202 the category driven, LIC-205 the signed list of wanted numbers.

    The list is `hot_licences` of the signed limits: the first eight bytes of SHA-256 over each number. It is read in storage, entry
    by entry; `number` as printed and the chip's are both looked for.
    """
    found = []
    if dg1:
        from protocol.licence.dg1 import category_valid

        today = localtime.yyyymmdd(t.now())
        printed = (
            vehicle[:-1] + "(E)" if len(vehicle) > 1 and vehicle[-1] == "E" else vehicle
        )  # BE is B(E) on older cards
        if not (category_valid(dg1, vehicle, today) or category_valid(dg1, printed, today)):
            found.append("LIC-202")
    marks = []
    for name in (number, dg1["number"] if dg1 else ""):
        if name:
            marks.append(t.ports.crypto.sha256(name.replace(" ", "").upper().encode())[:8])
    for entry in t.parameter("limits").items("hot_licences"):
        if entry in marks:
            found.append("LIC-205")
            break
    return found


def portrait(resume):  # noqa: ANN001, ANN201
    """(width, height, 1-bit rows) for the screen; else the key of the words that say why there is none."""
    if resume.picture is None:
        return "portrait.unable"
    for group in _PORTRAITS:
        state = resume.reads.get(group)
        if state is not None and state.complete:
            found = resume.picture.result()
            return _WORDS[found] if isinstance(found, str) else found
    return "portrait.absent"


class _Stock:
    """Random bytes drawn ahead, because the machine takes them without waiting for the secure element; each is given out once."""

    def __init__(self, se) -> None:  # noqa: ANN001 - SecureElement
        self._se = se
        self._held = bytearray(_RANDOM)
        self._count = 0

    async def fill(self, least: int) -> None:
        """Draw until `least` bytes are there, at most _RANDOM."""
        while self._count < least:
            drawn = await self._se.random(min(32, _RANDOM - self._count))
            self._held[self._count : self._count + len(drawn)] = drawn
            self._count += len(drawn)

    async def top_up(self) -> None:
        """What the machine may take before it asks for anything."""
        await self.fill(_LEAST)

    def take(self, count: int) -> bytes:
        """`count` bytes that nobody had before; ReadError LIC-031 rather than fewer or the same again."""
        if count > self._count:
            raise ReadError("more random bytes are needed at once than were drawn", detail=count)
        self._count -= count
        taken = bytes(self._held[self._count : self._count + count])
        self._held[self._count : self._count + count] = bytes(count)
        return taken


def held(row: dict) -> str:
    """A category as the officer sees it: its restrictions (code, sign, value) in brackets, "B[01.06]"."""
    codes = row.get("code", "") + row.get("sign", "") + row.get("value", "")
    return row["category"] + "[" + codes + "]" if codes else row["category"]


async def show_verdict(t, driver: dict) -> bool:  # noqa: ANN001
    """Show names, number and verdict, the portrait on ▲ or ▼; True to go on."""
    dg1 = driver["dg1"]
    dg11 = driver["dg11"]
    fields = {
        "verdict": driver["verdict"],
        "name_ar": (dg11.get("surname_ar", "") + " " + dg11.get("given_names_ar", "")).strip(),
        "name_lat": (dg1.get("surname", "") + " " + dg1.get("given_names", "")).strip(),
        "number": dg1.get("number", ""),
        "expiry": dg1.get("expiry", ""),
        "categories": " ".join([held(c) for c in dg1.get("categories", ())]),
        "vehicle": driver["vehicle"],
        "portrait": driver["picture"] is not None,
        "findings": driver["findings"],
    }
    while True:
        key = await ask.answer(t, "licence_verdict", ("up", "down"), **fields)
        if key in ("ok", "cancel", None):
            return key == "ok"
        if driver["picture"] is not None:
            await ask.acknowledge(t, "licence_portrait", picture=driver["picture"], proven=driver["proven"])


def report_data(reading) -> dict:  # noqa: ANN001
    """What the law needs of the driver in a report (PV)."""
    if reading.verdict == r.VERDICT_UNREADABLE or not reading.dg1:
        return {}
    out = {}
    for key in ("number", "surname", "given_names", "birth", "authority"):
        if key in reading.dg1:
            out[key] = reading.dg1[key]
    return out
