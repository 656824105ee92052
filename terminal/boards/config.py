"""The board's wiring, read from a JSON file: which device path, reader name or link each port is on. Both runtimes.

    {"store": …, "language": "fr",
     "display": "tcp:127.0.0.1:5001", "keypad": "tcp:…", "scanner": "tcp:…", "diagnostic": "tcp:…", "secure_element": "tcp:…",
     "printer": "tty:/dev/pts/4" | "tcp:…", "licence_reader": READER, "payment_reader": READER, "server": "tls:host:port",
     "server_ca": path of the CA's certificate (DER), "server_name": the name in the server's certificate}

"server" may be "tcp:host:port" where the link never leaves the machine: then nothing is enciphered.

READER is "pcsc:NAME", "link:host:port", or a PN532 on a serial line, "pn532:tty:PATH" or "pn532:tcp:host:port"; readers with the same
PN532 share its antenna.

Optional: "contactless_reader": READER, "indicator" (its lights, a serial line), "scanner", "language", and "trace": a file to which
the explanation of every payment is appended (`drivers.diagnostic_file`).
"""

import json

from drivers.late_reader import LateReader
from protocol.errors import ConfigError

PAYMENT_RATE = 106  # kbit/s: the one that EMV Contactless Book D has
LICENCE_RATE = 424  # the most that a PN532 can do

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


def secured(wiring: dict, tls):  # noqa: ANN001, ANN201 - the board's Tls class; Tls or None
    """How the link to the server is secured, by the wiring. Raises ConfigError CFG-041, CFG-044."""
    if kind(wiring["server"])[0] != "tls":
        return None
    for name in ("server_ca", "server_name"):
        if not isinstance(wiring.get(name), str):
            raise ConfigError("the board's wiring lacks " + name, "CFG-041", "add it to the wiring file", name)
    try:
        with open(wiring["server_ca"], "rb") as file:
            return tls(file.read(), wiring["server_name"])
    except (OSError, ValueError):
        raise ConfigError("the pinned CA's certificate cannot be read", "CFG-044", "provision it anew") from None


def address(value: str) -> "tuple[str, int]":
    """(host, port) of "tcp:host:port", "tls:host:port" or "link:host:port". Raises ConfigError CFG-042."""
    parts = value.split(":")
    if len(parts) != 3 or not all([c in "0123456789" for c in parts[2] or "-"]) or not 0 < int(parts[2]) < 65536:
        raise ConfigError("not a host and a port: " + value, "CFG-042", "write tcp:host:port")
    return parts[1], int(parts[2])


def antenna(value: str, made: dict, uart, rate: int, late: bool = False):  # noqa: ANN001, ANN201 - CardReader
    """The reader "pn532:LINE", None if `value` names another kind; `made` keeps what readers of one chip share.

    `uart` opens a serial line by its wiring, `rate` is the fastest bit rate in kbit/s. `late`: the driver is in memory only while it is used.
    """
    head, line = kind(value)
    if head != "pn532":
        return None
    if line not in made:
        made[line] = uart(line)

    def build():  # noqa: ANN202 - CardReader
        from drivers.pn532.link import Link
        from drivers.pn532.reader import Pn532Reader

        return Pn532Reader(Link(made[line]), rate)

    if late:
        return LateReader(build, "pn532")
    from drivers.pn532.link import Link
    from drivers.pn532.reader import Pn532Reader

    if not isinstance(made[line], Link):
        made[line] = Link(made[line])
    return Pn532Reader(made[line], rate)
