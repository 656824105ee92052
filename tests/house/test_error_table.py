"""Every error code is listed, and means one thing."""

import re

from tools.house.error_table import PACKAGES, TARGET, gather, table
from tools.house.paths import ROOT


def test_the_page_of_errors_is_current():
    assert TARGET.read_text() == table(), "run: python -m tools.house.error_table"


QUOTED = re.compile(r"""["'](?!AES|SHA)([A-Z]{3}-\d{3}|H(?:-[A-Z]+){2})["' ]""")


def test_every_code_that_is_written_anywhere_has_a_row_with_words():
    """By its quotation marks alone: whatever the page's maker makes of it."""
    rows = dict(re.findall(r"^\| ([A-Z0-9-]+) \| (.*) \| [^|]* \|$", TARGET.read_text(), re.MULTILINE))
    written = {
        code
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for code in QUOTED.findall(path.read_text())
    }
    assert len(written) > 350 and written <= rows.keys(), sorted(written - rows.keys())
    wordless = [code for code, text in rows.items() if not re.search(r"[a-z]{2}", text) or "(see the module)" in text]
    assert wordless == [], wordless


def test_what_the_pages_calls_refuse_is_listed():
    documented = set(re.findall(r"SIM-\d{3}", (ROOT / "docs" / "page.md").read_text()))
    assert documented == {code for code in gather() if code.startswith("SIM-")}


def test_a_code_of_a_class_of_errors_is_not_shared_by_strangers():
    """Server, simulator, tools and device each keep to their own numbers of CFG."""
    for code, entry in gather().items():
        if code.startswith("CFG-"):
            homes = {module.split(".")[0] for module in entry["modules"]} - {"protocol"}
            homes = {"device" if home in ("terminal", "drivers") else home for home in homes}
            assert len(homes) <= 1 or homes <= {"sim", "tools"}, (code, entry["modules"])
