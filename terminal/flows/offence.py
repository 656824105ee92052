"""Choosing the offence from the signed tariff in force; amounts and points are never typed."""

from protocol.errors import ParameterError
from terminal.flows import ask

PER_PAGE = 5


async def choose(t) -> "tuple[dict, int] | None":  # noqa: ANN001 - Terminal
    """(tariff line, tariff version), or None when cancelled. Raises ParameterError when no tariff is in force."""
    tariff = t.parameter("tariff")
    count = 0
    for _ in tariff.items("lines"):
        count += 1
    pages = (count + PER_PAGE - 1) // PER_PAGE
    page = 0
    while True:
        shown = _page(tariff, page)
        await t.face.show(
            "offence_list",
            lines=shown,
            index=-1,
            page=page + 1,
            pages=pages,
        )
        key = await t.face.key(ask.IDLE_MS)
        if key is None or key == "cancel":
            return None
        if key == "down":
            page = (page + 1) % pages
        elif key == "up":
            page = (page - 1) % pages
        elif key.isdigit() and 1 <= int(key) <= len(shown):
            line = shown[int(key) - 1]
            if line["payable"]:
                return line, tariff.version
            await ask.acknowledge(t, "message", key="msg.court")


def _page(tariff, page: int) -> list:  # noqa: ANN001 - ParameterSet
    """The lines of one page; the rest of the tariff stays in storage."""
    shown = []
    for index, line in enumerate(tariff.items("lines")):
        if index >= (page + 1) * PER_PAGE:
            break
        if index >= page * PER_PAGE:
            shown.append(line)
    return shown


async def line_of(t, code: str, case) -> dict:  # noqa: ANN001
    """The wording of an open case's offence; amount and points stay those of the case, whatever the tariff says now."""
    line = {"code": code, "ar": code, "fr": code, "en": code}
    try:
        for found in t.parameter("tariff").items("lines"):
            if found["code"] == code:
                line = dict(found)
    except ParameterError:
        pass  # the case's own figures are enough to go on; the wording falls back to the code
    line["amount"] = case.amount
    line["points"] = case.points
    return line
