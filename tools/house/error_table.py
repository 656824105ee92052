"""`docs/errors.md`: every error code, what it means and where it is raised, gathered from the source.

`python -m tools.house.error_table [--check]` writes the page, or says whether it is current.
"""

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path

from tools.house.paths import ROOT

PACKAGES = ("protocol", "drivers", "terminal", "server", "sim", "tools")
TARGET = ROOT / "docs" / "errors.md"
CODE = re.compile(r"(?!AES)[A-Z]{3}-\d{3}")
LISTED = re.compile(r"\s+([A-Z]{3}-\d{3})\s{2,}(\S.*)")
_INTRO = """# Error codes

Every error has a code that an officer can read out on the phone. Codes are never reused. Made by `python -m tools.house.error_table`; a test keeps
it current. What the screen says, in three languages, is in `terminal/face/errors.yaml`.

| code | what happened | raised in |
|---|---|---|
"""


def text_of(node: ast.expr) -> str:
    """The words of a message: a constant, or an f-string with its fields left out."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp):
        return text_of(node.left) + (text_of(node.right) or "…")
    return ""


def gather(root: Path = ROOT) -> dict[str, dict[str, set[str]]]:
    """code → {"texts": messages, "modules": where}."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: {"texts": set(), "modules": set()})
    notes: dict[str, str] = {}  # for those that are raised without words of their own
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            source = path.read_text()
            tree = ast.parse(source)
            constants = {
                target.id: node.value.value
                for node in tree.body
                if isinstance(node, ast.Assign)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
                for target in node.targets
                if isinstance(target, ast.Name)
            }
            module = path.relative_to(root).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
            for code, text in [*_named(tree, source.splitlines()), *_listed(tree)]:
                if not CODE.search(text):
                    notes.setdefault(code, text)
            for code, text in _codes(tree, constants):
                found[code]["modules"].add(module)
                if text:
                    found[code]["texts"].add(text)
    for code, entry in found.items():
        if not entry["texts"] and code in notes:
            entry["texts"].add(notes[code])
    return found


def _codes(tree: ast.Module, constants: dict[str, str]):
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for item in node.body:
                if (
                    isinstance(item, ast.Assign)
                    and isinstance(item.value, ast.Constant)
                    and CODE.fullmatch(str(item.value.value))
                ):
                    yield str(item.value.value), (ast.get_docstring(node) or "").split("\n")[0].split(";")[0]
        elif isinstance(node, ast.Call):
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            names = [constants.get(v.id, "") if isinstance(v, ast.Name) else text_of(v) for v in values]
            codes = [name for name in names if CODE.fullmatch(name)]
            texts = [name for name in names if name and not CODE.fullmatch(name)]
            for code in codes:
                yield code, texts[0] if texts else ""
        elif (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant)
            and CODE.fullmatch(str(node.value.value))
        ):
            yield str(node.value.value), ""


def _named(tree: ast.Module, lines: list[str]):
    """What a constant that is a code says of it: the comment behind it, else its own name."""
    for node in tree.body:
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)):
            continue
        code, target = str(node.value.value), node.targets[0]
        if not CODE.fullmatch(code) or not isinstance(target, ast.Name):
            continue
        comments = [line.partition("  # ")[2] for line in lines[node.lineno - 1 : (node.end_lineno or node.lineno)]]
        yield code, " ".join(filter(None, comments)) or target.id.strip("_").lower().replace("_", " ")


def _listed(tree: ast.Module):
    """The codes in the table of a module's docstring: a code, two spaces, what it means."""
    for line in (ast.get_docstring(tree) or "").splitlines():
        found = LISTED.fullmatch(line)
        if found:
            yield found[1], found[2]


def table(root: Path = ROOT) -> str:
    """The page's text."""
    rows = []
    for code, entry in sorted(gather(root).items()):
        texts = "; ".join(sorted(entry["texts"])) or "(see the module)"
        rows.append(f"| {code} | {texts.replace('|', '/')} | {', '.join(sorted(entry['modules']))} |")
    return _INTRO + "\n".join(rows) + "\n"


def main() -> int:
    """Write the page, or with --check say whether it is current."""
    if "--check" in sys.argv[1:]:
        current = TARGET.exists() and TARGET.read_text() == table()
        print(
            "docs/errors.md is current"
            if current
            else "docs/errors.md is out of date: python -m tools.house.error_table"
        )
        return 0 if current else 1
    TARGET.write_text(table())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
