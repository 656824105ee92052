"""Text from cards, certificates and files on a person's terminal: nothing in it may steer the screen.

Control characters (C0, DEL, C1) and those that turn or break lines are written as escapes, in plain lines as in JSON.
"""

import json
import re
from typing import Any

_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def line(text: str) -> str:
    """One line to print: `\\x1b` or `\\u202e` stands for what would steer the screen."""
    return _STEERING.sub(
        lambda found: f"\\x{ord(found[0]):02x}" if ord(found[0]) < 0x100 else f"\\u{ord(found[0]):04x}", text
    )


def as_json(value: Any) -> str:
    """One JSON document on one line, letters as they are, steering characters as JSON's own escapes."""
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))
