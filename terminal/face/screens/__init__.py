"""What each screen looks like: a function per screen that lays out a sheet from its fields.

`drawer(screen)` finds it; the modules are only loaded when one of their screens is shown for the first time.
"""

from typing import TYPE_CHECKING

from protocol.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from terminal.face.sheet import Sheet

CASE = (
    "mrz_entry", "licence_present", "licence_progress", "licence_verdict", "plate_entry", "offence_list", "acknowledge",
    "licence_hand",
)  # fmt: skip
DOCUMENT = (
    "document_menu", "can_entry", "document_number", "category_list", "licence_unreadable", "licence_portrait",
)  # fmt: skip
PAYMENT = (
    "pay_choice", "card_present", "card_choose", "card_pin", "card_busy", "card_remove", "outcome", "printing", "interrupted",
    "card_message", "signature",
)  # fmt: skip
VOID = ("void_confirm", "void_result", "abandon_reason")


def drawer(screen: str) -> "Callable[[Sheet, dict], None]":
    """The function `(sheet, fields)` that lays out a screen. Raises ConfigError CFG-054 for an unknown one."""
    if screen in CASE:
        from terminal.face.screens import case as module
    elif screen in DOCUMENT:
        from terminal.face.screens import document as module
    elif screen in PAYMENT:
        from terminal.face.screens import payment as module
    elif screen in VOID:
        from terminal.face.screens import void as module
    else:
        from terminal.face.screens import officer as module
    found = getattr(module, screen, None)
    if found is None:
        raise ConfigError("no such screen: " + screen, "CFG-054", "report it", screen)
    return found
