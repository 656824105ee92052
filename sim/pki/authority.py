"""`Pki`: everything that the simulated cards and hosts need of keys, in one folder."""

from pathlib import Path

from sim.pki import states
from sim.pki.schemes import Schemes


class Pki:
    """CSCAs, licence signers and payment schemes of one folder. With `make`, what is missing is generated and stored."""

    def __init__(self, folder: Path | str, make: bool) -> None:
        self.folder = Path(folder)
        self.csca = states.load_csca(self.folder, "csca", make)
        unknown = states.load_csca(self.folder, "csca-unknown", make)
        self.signers = {
            name: states.load_signer(self.folder, name, unknown if name == "unknown" else self.csca, make)
            for name in states.PERIODS
        }
        self.schemes = Schemes(self.folder / "schemes", make)

    def anchors(self) -> list[dict[str, object]]:
        """The body of the signed set "trust": the CSCA bound to its country and purpose."""
        return [{"country": "DZ", "purpose": "idl", "cert": self.csca.der}]


def make_pki(folder: Path | str) -> Pki:
    """Make (once) and load the test authorities of `folder`; the second time it only loads."""
    return Pki(folder, make=True)


def load_pki(folder: Path | str) -> Pki:
    """Load them; FileNotFoundError if `make_pki` never ran there. Card keys are still made on first use."""
    return Pki(folder, make=False)
