"""Every refusal has words: each code that can be an outcome's reason, each response code, in the explanation and on the officer's screen."""

import json
import re
from pathlib import Path

import pytest
import yaml

from protocol.emv import state, tags
from tests.protocol.emv.scripted import Card, aid_entry, body, pay
from tests.tools.emv.test_emv_cpython import tasdid
from tools.emv import explain, report
from tools.face import strings
from tools.house import error_table
from tools.house.paths import ROOT


def reasons() -> set[str]:
    """The codes that the kernels raise, and those of the terminal's limits and card link: any of them can be an outcome's reason."""
    found = set()
    for code, entry in error_table.gather().items():
        kernel = any(m.startswith(("protocol.emv", "protocol.errors", "terminal")) for m in entry["modules"])
        if kernel and code[:3] == "EMV":
            found.add(code)
    found |= set(re.findall(r'"(RSK-\d{3})" if', (ROOT / "terminal" / "risk.py").read_text()))
    return found | {"CRD-003"}


def test_every_reason_has_words_in_three_languages() -> None:
    codes = reasons()
    assert len(codes) > 24 and "RSK-008" in codes and "EMV-001" in codes
    for code in codes:
        for lang in explain.LANGUAGES:
            said = explain.outcome(code, lang)
            assert code not in said and len(said) > 5, (code, lang, said)


def test_the_officers_screen_has_a_line_for_every_reason_and_response_code() -> None:
    known = strings.load()
    codes = reasons() | {code for code in explain.texts()["outcomes"] if re.fullmatch(r"\d\d", code)}
    for code in codes - {"00", "08", "10", "11"}:  # these approve
        assert f"reason.{code}" in known or f"err.{code}" in known, code


def test_the_officers_screen_has_a_line_for_every_bit_and_rule_that_can_decide() -> None:
    known = strings.load()
    source = "".join(path.read_text() for path in (ROOT / "protocol" / "emv").rglob("*.py"))
    rules = set(re.findall(r'note\("RULE", "([a-z-]+)', source)) - {"deferral", "card-gone"}  # which decide nothing
    bits = {bit for bit in explain.texts()["bits"] if re.fullmatch(r"B\db\dx?", bit)}
    set_somewhere = set(re.findall(r"set_tvr\(state\.([A-Z_]+)", source))
    named = {state.bit_name(getattr(state, name)) for name in set_somewhere}
    assert len(rules) > 6 and len(named) > 20 and named <= bits
    for word in rules | bits:
        assert f"why.{word}" in known, word


def test_a_missing_data_object_is_named_in_explanation_and_trace(tmp_path: Path) -> None:
    result, _ = pay(Card(fields={"5F24": None}), body(aid_entry()))
    assert (result.reason, result.detail) == ("EMV-104", "5F24")
    pairs = list(result.explain)
    for lang in explain.LANGUAGES:
        assert "5F24 Application Expiration Date" in explain.lines(pairs, lang, result.detail)[-1]
        assert "5F24" in explain.decisive(pairs, lang, result.detail)
    trace = tmp_path / "trace.json"
    trace.write_text(json.dumps({"explain": pairs, "tvr": "0000000000", "tsi": "0000", "detail": result.detail}))
    done = tasdid("explain", str(trace), "--lang", "fr")
    assert "donnée obligatoire absente de la carte [5F24 Application Expiration Date]" in done.stdout
    assert report.told({"explain": pairs, "detail": 5}, "en")["lines"]


@pytest.mark.parametrize(
    ("code", "detail", "said"),
    [
        ("EMV-105", "GPO 6985", "[GPO 6985]"),
        ("EMV-106", "82", "[82]"),
        ("EMV-120", "40", "[TC (approval)]"),
        ("EMV-102", "5A 57", "[5A PAN, 57 Track 2 Equivalent Data]"),
        ("STOP", "RSK-008", "[RSK-008 This card’s limit is reached]"),
        ("EMV-104", "x" * 60, "missing on the card"),
    ],
)
def test_a_detail_is_named_as_what_it_is(code: str, detail: str, said: str) -> None:
    assert explain.outcome(code, "en", detail).endswith(said)


def test_every_tag_that_an_error_names_has_a_name() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "protocol" / "emv").rglob("*.py"))
    named = set(re.findall(r'detail="([0-9A-F]{4}|[5-9A-F][0-9A-F])"', source)) - {"6A81"}
    assert len(named) > 8
    assert not named - set(explain.NAMES)
    assert tags.name(tags.EXPIRY) in explain.NAMES


def test_screen_and_explanation_agree_on_the_response_codes() -> None:
    screen = yaml.safe_load((ROOT / "terminal" / "face" / "errors.yaml").read_text())
    told = explain.texts()["outcomes"]
    assert {key[7:] for key in screen if re.fullmatch(r"reason\.\d\d", key)} <= set(told)
