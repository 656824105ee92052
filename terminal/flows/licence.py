"""Reading the driver's licence chip, and showing what was proved."""

from protocol import records as r
from protocol.licence import reader as licence_reader
from protocol.licence.trust.anchors import TrustSet
from terminal import localtime
from terminal.flows import ask
from terminal.flows.drive import drive

_WAIT_MS = 60000
_RANDOM = 192  # bytes fetched from the secure element before the session: a few mutual authentications and the chip's proof


async def read(t, mrz, resume):  # noqa: ANN001, ANN201 - Terminal, Mrz, Resume → dict
    """Wait for the card, read and judge it; `resume` carries what a torn reading had.

    Returns plain data: verdict, findings, dg1 and dg11 (maps, maybe empty), report (what the law needs in a report). Raises CardError,
    LicenceError, ParameterError.
    """
    trust = TrustSet(t.parameter("trust").body["anchors"])
    stock = bytearray()
    while len(stock) < _RANDOM:
        stock.extend(await t.ports.se.random(32))
    reader = t.ports.licence_reader
    await t.face.show("licence_present")
    await reader.wait_for_card(_WAIT_MS)
    await reader.connect()

    async def progress(name, done, total) -> None:  # noqa: ANN001
        await t.face.show("licence_progress", file=name, done=done, total=total)

    try:
        machine = licence_reader.read_licence(
            t.ports.crypto, mrz, _Stock(stock).take, trust, localtime.yyyymmdd(t.now()), groups=(1, 11), resume=resume
        )
        reading = await drive(reader, machine, {"progress": progress})
    finally:
        await reader.disconnect()
    return {
        "verdict": reading.verdict,
        "findings": list(reading.findings),
        "dg1": reading.dg1 or {},
        "dg11": reading.dg11 or {},
        "report": report_data(reading),
    }


class _Stock:
    """Random bytes drawn beforehand, each given out once."""

    def __init__(self, stock: bytearray) -> None:
        self._stock = stock
        self._at = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes; an empty stock raises IndexError rather than repeat."""
        if self._at + count > len(self._stock):
            raise IndexError("random stock used up")
        self._at += count
        return bytes(self._stock[self._at - count : self._at])


async def show_verdict(t, driver: dict) -> bool:  # noqa: ANN001
    """Show names, number and verdict; True to go on."""
    dg1 = driver["dg1"]
    dg11 = driver["dg11"]
    return await ask.acknowledge(
        t,
        "licence_verdict",
        verdict=driver["verdict"],
        name_ar=(dg11.get("surname_ar", "") + " " + dg11.get("given_names_ar", "")).strip(),
        name_lat=(dg1.get("surname", "") + " " + dg1.get("given_names", "")).strip(),
        number=dg1.get("number", ""),
        expiry=dg1.get("expiry", ""),
        categories=" ".join([c["category"] for c in dg1.get("categories", ())]),
        findings=driver["findings"],
    )


def report_data(reading) -> dict:  # noqa: ANN001
    """What the law needs of the driver in a report (PV)."""
    if reading.verdict == r.VERDICT_UNREADABLE or not reading.dg1:
        return {}
    out = {}
    for key in ("number", "surname", "given_names", "birth", "authority"):
        if key in reading.dg1:
            out[key] = reading.dg1[key]
    return out
