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
CODE = re.compile(r"(?!AES|SHA)[A-Z]{3}-\d{3}|H(-[A-Z]+){2}")
LISTED = re.compile(r"\s+([A-Z]{3}-\d{3})\s{2,}(\S.*)")
SAID = re.compile(r"([A-Z]{3}-\d{3})(?:: | \(?)([a-z][^,;.)]*)")
_INTRO = """# Error codes

Every error has a code that an officer can read out on the phone; those that begin with H are of the set-up of a developer's machine. Codes are
never reused. Made by `python -m tools.house.error_table`; a test keeps it current and whole. What the screen says, in three languages, is in
`terminal/face/errors.yaml`.

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
    said: dict[str, str] = {}  # for those that have no note either
    spelt: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            source = path.read_text()
            tree = ast.parse(source)
            module = path.relative_to(root).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
            for code, text in [*_named(tree, source.splitlines()), *_listed(tree)]:
                if not CODE.search(text):
                    notes.setdefault(code, text)
            for code, text in _said(tree):
                said.setdefault(code, text)
            for code, text in _codes(tree):
                found[code]["modules"].add(module)
                if text:
                    found[code]["texts"].add(text)
            for code, text in _spelt(tree):
                spelt[code].append((module, text))
    for code in spelt.keys() - found.keys():  # it is no argument of a call: returned, or a row of a table
        for module, text in spelt[code]:
            found[code]["modules"].add(module)
            found[code]["texts"].add(text)
    for code, entry in found.items():
        words = {text for text in entry["texts"] if " " in text.strip()}
        entry["texts"] = words or {*filter(None, [notes.get(code) or said.get(code)])} or entry["texts"]
    return found


def literals(tree: ast.Module) -> list[str]:
    """The string constants of a module but its docstrings; of f-strings the whole, fields left out."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    every = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.Constant, ast.JoinedStr)) and id(node) not in docs | parts
    ]
    return [text_of(node) for node in every]


def _spelt(tree: ast.Module):
    """(code, what follows) of each text that is a code or begins with one."""
    for text in literals(tree):
        begun = CODE.match(text)
        if begun and text[begun.end() : begun.end() + 1] in ("", " "):
            yield begun[0], text[begun.end() + 1 :]


def _codes(tree: ast.Module):
    """(code, what is said of it there, or nothing) of every mention."""
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for item in node.body:
                if (
                    isinstance(item, ast.Assign)
                    and isinstance(item.value, ast.Constant)
                    and CODE.fullmatch(str(item.value.value))
                ):
                    code, doc = str(item.value.value), (ast.get_docstring(node) or "").split("\n")[0].split(";")[0]
                    yield code, doc.removeprefix(code + " ")
        elif isinstance(node, ast.Call):
            yield from _raised(node, constants)
        elif (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant)
            and CODE.fullmatch(str(node.value.value))
        ):
            yield str(node.value.value), ""


def _raised(node: ast.Call, constants: dict[str, str]):
    """The codes of a call, with the words before them; where none are, and it is no error that is made (its hint follows), those behind."""
    values = [*node.args, *(keyword.value for keyword in node.keywords)]
    names = [constants.get(v.id, "") if isinstance(v, ast.Name) else text_of(v) for v in values]
    of = getattr(node.func, "attr", getattr(node.func, "id", ""))
    for at, code in enumerate(names):
        if CODE.fullmatch(code):
            before, behind = (
                [name for name in part if name and not CODE.fullmatch(name)] for part in (names[:at], names[at:])
            )
            texts = before or (behind if at == 0 or not of.endswith("Error") else [])
            yield code, texts[0] if texts else ""


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


def _said(tree: ast.Module):
    """What docstrings say of a code in passing: "RSK-008 one card's offline total"."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            for code, text in SAID.findall(" ".join((ast.get_docstring(node) or "").split())):
                yield code, text.strip()


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
