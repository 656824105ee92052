"""Contract of a 58 mm receipt printer: 384 dots a line, one job at a time, proof of printing where the part offers it."""

DOTS = 384
ROW_BYTES = 48


class PrinterStatus:
    """What the printer says now. Every field is True, False or None (unknown: the printer is silent)."""

    def __init__(
        self, online: object, paper: object, near_end: object, cover_open: object, overheat: object, error: object
    ) -> None:
        self.online = online
        self.paper = paper
        self.near_end = near_end
        self.cover_open = cover_open
        self.overheat = overheat
        self.error = error


class Printer:
    """One printer."""

    async def status(self) -> PrinterStatus:
        """Ask in real time (DLE EOT). Silence is "unknown" (all None), never "paper OK"."""
        raise NotImplementedError

    async def print_job(self, items: object) -> None:
        """Print a job, band by band, and return when the printer has confirmed it.

        `items` is an iterable of tuples:
          ("raster", rows, height)   1-bit rows, 48 bytes each, bit 7 of byte 0 = leftmost dot, 1 = black; height <= 255
          ("feed", dots)             blank dots
          ("qr", text, module_dots)  native QR code, centred, error correction M
          ("cut",)                   feed and cut or tear
        Raises PrinterError: PRN-002 silent, PRN-003 paper out, PRN-004 cover open, PRN-005 overheated, PRN-006 stopped in mid-job
        (`detail` = index of the item in doubt).
        """
        raise NotImplementedError
