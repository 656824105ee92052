"""The board's wiring, read from a JSON file: which device path, reader name or link each port is on. Both runtimes.

    {"store": …, "language": "fr",
     "display": "tcp:127.0.0.1:5001", "keypad": "tcp:…", "scanner": "tcp:…", "diagnostic": "tcp:…", "secure_element": "tcp:…",
     "printer": "tty:/dev/pts/4" | "tcp:…", "licence_reader": "pcsc:NAME" | "link:host:port", "payment_reader": …, "server": "tcp:host:port"}

Optional: "scanner", "language", and "trace": a file to which the explanation of every payment is appended (`drivers.diagnostic_file`).
"""

import json

from protocol.errors import ConfigError

FIELDS = (
    "store",
    "display",
    "keypad",
    "diagnostic",
    "secure_element",
    "printer",
    "licence_reader",
    "payment_reader",
    "server",
)


def load(path: str) -> dict:
    """Read and check the wiring. Raises ConfigError CFG-040 (unreadable), CFG-041 (a field is missing)."""
    try:
        with open(path) as file:
            found = json.load(file)  # law: json-loads every field is checked below
    except (OSError, ValueError):
        raise ConfigError("the board's wiring file cannot be read", "CFG-040", "write it anew", path) from None
    for name in FIELDS:
        if not isinstance(found.get(name), str):
            raise ConfigError("the board's wiring lacks " + name, "CFG-041", "add it to the wiring file", name)
    return found


def kind(value: str) -> "tuple[str, str]":
    """("tcp", "host:port") of "tcp:host:port"."""
    head, _, rest = value.partition(":")
    return head, rest


def address(value: str) -> "tuple[str, int]":
    """(host, port) of "tcp:host:port" or "link:host:port". Raises ConfigError CFG-042."""
    parts = value.split(":")
    if len(parts) != 3 or not parts[2].isdigit():
        raise ConfigError("not a host and a port: " + value, "CFG-042", "write tcp:host:port")
    return parts[1], int(parts[2])
