"""One set of test authorities for the whole test session, made in a temporary folder."""

import tempfile
from functools import cache
from pathlib import Path

from sim.pki import Pki, make_pki


@cache
def shared() -> Pki:
    """The session's authorities; do not change what lies in its folder."""
    return make_pki(Path(tempfile.mkdtemp(prefix="tasdid-pki-")))
