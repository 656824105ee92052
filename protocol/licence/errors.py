"""The licence chip's errors; meanings of the codes are in `protocol.licence`.

LicenceError (protocol.errors)   LIC-001
├── MrzError (protocol.errors)   LIC-010, LIC-011
├── AccessError                  LIC-020 … LIC-024
├── ReadError                    LIC-030 … LIC-033
├── MessagingError               LIC-040
│   └── ChannelEnded             LIC-041
├── GroupError                   LIC-050
└── TrustError                   LIC-060
    └── UnsupportedError         LIC-061
        └── OtherContentError
"""

from protocol.errors import LicenceError


class AccessError(LicenceError):
    """The chip does not let us in; `detail` may be the status word."""

    code = "LIC-020"
    hint = "hold the licence still and try again"


class WrongMrzError(AccessError):
    """The chip refuses the keys made from this MRZ."""

    code = "LIC-021"
    hint = "compare number, date of birth and date of expiry with the card"


class ReadError(LicenceError):
    """A file cannot be read; `detail` names the file or status word."""

    code = "LIC-031"
    hint = "hold the licence still and try again"


class MessagingError(LicenceError):
    """A secured answer is not authentic or malformed; the channel is dead."""

    code = "LIC-040"
    hint = "hold the licence still and try again"


class ChannelEnded(MessagingError):
    """The chip answered outside the secure channel; `detail` is the status word, which nobody vouches for."""

    code = "LIC-041"


class GroupError(LicenceError):
    """A data group is not laid out as its standard says; `detail` names the part."""

    code = "LIC-050"


class TrustError(LicenceError):
    """A security object or certificate is malformed; `detail` names the part."""

    code = "LIC-060"


class UnsupportedError(TrustError):
    """An algorithm or curve that this terminal cannot verify; `detail` is the object identifier."""

    code = "LIC-061"


class OtherContentError(UnsupportedError):
    """Signed data whose content is of a kind that is not known here; `detail` is the object identifier."""
