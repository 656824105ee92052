"""Stand-in for `typing` on the device: annotations are never evaluated there, so every name may be None."""

TYPE_CHECKING = False


def __getattr__(name):
    return None
