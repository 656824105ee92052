"""What the page's actions refuse, with codes of their own.

ActionError    SIM  an action of the page that cannot be done now, or is not as documented in docs/page.md
"""

from starlette.responses import JSONResponse

from protocol.errors import TasdidError

STATUS = {
    "SIM-002": 404, "SIM-004": 404, "SIM-009": 404, "SIM-010": 405, "SIM-008": 403,
    "SIM-003": 409, "SIM-005": 409, "SIM-007": 409, "SIM-006": 502,
}  # fmt: skip


class ActionError(TasdidError):
    """SIM-001 the request's body is not as documented; SIM-002 no such card; SIM-003 the terminal is off; SIM-004 no such piece of
    paper; SIM-005 too many keys wait; SIM-006 the server does not answer; SIM-007 the reader does not take the card; SIM-008 the
    request comes from another site; SIM-009 no such call; SIM-010 a call by a method that it does not take.
    """

    code = "SIM-001"
    hint = "see docs/page.md"


def answer(error: TasdidError) -> JSONResponse:
    """What a call that is refused gives back."""
    body = {"code": error.code, "message": error.message, "hint": error.hint}
    return JSONResponse(body, STATUS.get(error.code, 400))
