"""A 58 mm ESC/POS receipt printer, byte by byte: the other side of the wire of `drivers.escpos`.

`EscPosPrinter` (engine) is the part; `PtyLink` and `TcpLink` (links) put it behind a pty or a TCP port. Everything is this
package's own: the parser, the paper, the fonts' cells and the status bytes share no code with the driver they check. python-escpos,
which nobody here wrote, prints on it too (tests/sim/parts).
"""

from sim.parts.escpos.engine import EscPosPrinter
from sim.parts.escpos.links import PtyLink, TcpLink
from sim.parts.escpos.paper import DOTS, Strip

__all__ = ["DOTS", "EscPosPrinter", "PtyLink", "Strip", "TcpLink"]
