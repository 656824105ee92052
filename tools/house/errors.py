"""Errors of the set-up and toolchain code.

    HouseError                 anything below; carries a stable code and what to do
    ├── MissingPart            something the machine lacks (exit code 3 of the command line)
    └── UntrustedDownload      a download whose signature or digest is wrong

They do not live in `protocol.errors`, since the house runs before the project is installed and never on a device.
"""


class HouseError(Exception):
    """A set-up or toolchain failure: `code` is stable, `message` says what went wrong, `remedy` what to do."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(f"{code} {message} — {remedy}")
        self.code = code
        self.message = message
        self.remedy = remedy


class MissingPart(HouseError):
    """Something that the machine lacks: a program, a package, a font."""


class UntrustedDownload(HouseError):
    """A download that neither a trusted signature nor a pinned digest vouches for."""
