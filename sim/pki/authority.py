"""`Pki`: everything that the simulated cards and hosts need of keys, in one folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sim.pki import files, signers, states
from sim.pki.schemes import Schemes
from sim.pki.states import Holder


class Made(dict[str, Holder]):
    """Certificate holders by name, made when one is first asked for. KeyError for a name that nobody knows."""

    def __init__(self, make: Callable[[str], Holder]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, name: str) -> Holder:
        made = self[name] = self._make(name)
        return made


class Pki:
    """CSCAs, licence signers and payment schemes of one folder. With `make`, what is missing is generated and stored.

    `authorities` and `signers` by name (states.AUTHORITIES, signers.SIGNERS): those that worlds need are made at once, the rest on
    first use even by `load_pki`.
    """

    def __init__(self, folder: Path | str, make: bool) -> None:
        self.folder = Path(folder)
        self.authorities = Made(lambda name: states.load_csca(self.folder, name, make or name not in _AT_ONCE))
        self.signers = Made(self._signer)
        self._make = make
        for name in _AT_ONCE:
            self.authorities[name]
        for name in signers.AT_ONCE:
            self.signers[name]
        self.schemes = Schemes(self.folder / "schemes", make)

    @property
    def csca(self) -> Holder:
        """The authority that the sample trust set names."""
        return self.authorities["csca"]

    def anchors(self, *names: str) -> list[dict[str, object]]:
        """The body of the signed set "trust": each authority bound to its country and purpose; the CSCA alone without names."""
        return [
            {"country": states.AUTHORITIES[name].country, "purpose": "idl", "cert": self.authorities[name].der}
            for name in names or ("csca",)
        ]

    def chip_key(self, name: str, generate: Callable[[], Any]) -> Any:
        """A chip's private key by name, made on first use and kept: RSA keys take long to make."""
        return files.key(self.folder / "chips" / f"{name}.key.pem", generate)

    def _signer(self, name: str) -> Holder:
        csca = self.authorities[signers.SIGNERS[name].authority]
        return signers.load_signer(self.folder, name, csca, self._make or name not in signers.AT_ONCE)


_AT_ONCE = ("csca", "csca-unknown")


def make_pki(folder: Path | str) -> Pki:
    """Make (once) and load the test authorities of `folder`; the second time it only loads."""
    return Pki(folder, make=True)


def load_pki(folder: Path | str) -> Pki:
    """Load them; FileNotFoundError if `make_pki` never ran there. Card keys are still made on first use."""
    return Pki(folder, make=False)
