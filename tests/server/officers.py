"""Two officers of the back office, with keys of their own."""

from pathlib import Path
from typing import Any

from server.office import signing

FIRST, SECOND = 2001, 2002


class Officers:
    """Enrolled in `folder`; `office` is what the server knows of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for number in (FIRST, SECOND):
            signing.enrol(folder / "office.json", number, folder / f"{number}.pem")
        self.office = signing.Office.load(folder / "office.json")

    def decide(self, number: int, kind: str, payload: dict[int, Any]) -> bytes:
        """An officer's signed decision."""
        return signing.decide(signing.private_key(self.folder / f"{number}.pem"), number, kind, payload)
