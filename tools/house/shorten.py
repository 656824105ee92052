"""Fewer names for the device: what stays within a module and parameters that nobody names get a few short names, shared by all modules.

MicroPython keeps every distinct name for ever in a table that doubles when it is full; on a device the table is what memory goes to. Renamed are

1. names bound at module level, if they begin with an underscore or no other module says them (errors keep theirs: people read them),
2. parameters that no call in the shared packages passes by keyword,
3. error codes, which are written as the head of a longer text, because texts up to ten characters become names too,
4. private attributes and methods that only one module touches, through `self`.

Left alone is whatever could be reached another way: other attributes, imported names, names that occur as an attribute or in a class body, names
in nested scopes that bind them again. Edits are made in place, so that lines keep their numbers; columns may move.
"""

import ast
import re
from collections.abc import Iterable
from typing import NamedTuple

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*_FUNCTIONS, ast.Lambda)


class Usage(NamedTuple):
    """What all shared modules together say: names used as keywords in calls, names imported or reached through another object, names of private
    attributes that are touched through `self` alone and in one module alone, and every attribute and text, since a text may name something too.
    """

    keywords: frozenset[str]
    imported: frozenset[str]
    attributes: frozenset[str]
    said: frozenset[str]


def usage_of(sources: Iterable[str]) -> Usage:
    """Read every source once."""
    keywords: set[str] = set()
    imported: set[str] = set()
    homes: dict[str, int] = {}
    shared: set[str] = set()
    said: set[str] = {"main"}
    for number, source in enumerate(sources):
        tree = ast.parse(source)
        said.update(_said(tree))
        inherits = _inherits_elsewhere(tree)
        for name in _members(tree):
            if homes.setdefault(name, number) != number or inherits:
                shared.add(name)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id == "self"):
                shared.add(node.attr)
            if isinstance(node, ast.keyword) and node.arg:
                keywords.add(node.arg)
            elif isinstance(node, (ast.ImportFrom, ast.Import)):
                imported.update(alias.name for alias in node.names)
                imported.update(alias.asname for alias in node.names if alias.asname)
            elif (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id not in ("self", "cls")
            ):
                imported.add(node.attr)
    return Usage(frozenset(keywords), frozenset(imported), frozenset(set(homes) - shared), frozenset(said))


def _said(tree: ast.Module) -> set[str]:
    """Attributes and texts, those of annotations aside: the device does not evaluate them."""
    silent: set[int] = set()
    for node in ast.walk(tree):
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if annotation is not None:
                silent.update(id(part) for part in ast.walk(annotation))
    found = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in silent)
    return found | {node.value for node in texts if isinstance(node.value, str)}


def _members(tree: ast.Module) -> set[str]:
    """Private names used as attributes or bound in class bodies."""
    found = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            found.update(item.name for item in node.body if isinstance(item, _FUNCTIONS))
    return {name for name in found if name.startswith("_") and not name.startswith("__")}


def _inherits_elsewhere(tree: ast.Module) -> bool:
    """Whether a class with private members has a base that may have some too: anything but a contract, an error or a class of this module."""
    own = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    harmless = own | {"Exception", "NamedTuple", "object"}
    for node in tree.body:
        if (
            isinstance(node, ast.ImportFrom)
            and node.module
            and (node.module.startswith("drivers.contracts") or node.module == "protocol.errors")
        ):
            harmless.update(alias.name for alias in node.names)
    bases = [base for node in tree.body if isinstance(node, ast.ClassDef) for base in node.bases]
    return any(not (isinstance(base, ast.Name) and base.id in harmless) for base in bases)


def shorten(source: str, usage: Usage) -> str:
    """The source with fewer distinct names; the same line numbers."""
    tree = ast.parse(source)
    lines = [line.encode() for line in source.split("\n")]
    edits = (
        _module_names(tree, lines, usage) + _parameters(tree, usage) + _codes(tree) + _attributes(tree, lines, usage)
    )
    for line, column, old, new in sorted(set(edits), reverse=True):
        text = lines[line - 1]
        if text[column : column + len(old)] != old.encode():
            raise ValueError(f"line {line}: {old} is not where it should be")
        lines[line - 1] = text[:column] + new.encode() + text[column + len(old.encode()) :]
    shortened = b"\n".join(lines).decode()
    ast.parse(shortened)
    return shortened


Edit = tuple[int, int, str, str]


def _attributes(tree: ast.Module, lines: list[bytes], usage: Usage) -> list[Edit]:
    """Edits for private attributes and methods of this module's classes; none where names are put together at run time."""
    if any(isinstance(node, ast.Name) and node.id in ("getattr", "setattr", "hasattr") for node in ast.walk(tree)):
        return []
    in_bodies = {
        name.id
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for item in node.body
        if isinstance(item, (ast.Assign, ast.AnnAssign))
        for name in ast.walk(item)
        if isinstance(name, ast.Name)
    }
    plain = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names = sorted((_members(tree) & usage.attributes) - in_bodies - plain)
    renamed = {name: f"_s{at}" for at, name in enumerate(names)}
    edits: list[Edit] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in renamed:
            assert node.end_lineno is not None and node.end_col_offset is not None
            edits.append((node.end_lineno, node.end_col_offset - len(node.attr), node.attr, renamed[node.attr]))
        elif isinstance(node, ast.ClassDef):
            for item in node.body:
                if isinstance(item, _FUNCTIONS) and item.name in renamed:
                    found = re.compile(rb"def\s+").search(lines[item.lineno - 1], item.col_offset)
                    assert found is not None
                    edits.append((item.lineno, found.end(), item.name, renamed[item.name]))
    return edits


_CODE = re.compile(r"[A-Z]{3}-\d{3}")


def _codes(tree: ast.Module) -> list[Edit]:
    """Edits that keep error codes out of the table of names; they are only read when something went wrong."""
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    return [
        (node.lineno, node.col_offset, f'"{node.value}"', f'"{node.value}              "[:7]')
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and _CODE.fullmatch(node.value)
        and id(node) not in inside
    ]


def _module_names(tree: ast.Module, lines: list[bytes], usage: Usage) -> list[Edit]:
    """Edits for names that are bound at module level and stay there."""
    bound: dict[str, list[tuple[int, int]]] = {}
    for node in tree.body:
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            head = lines[node.lineno - 1]
            found = re.compile(rb"(def|class)\s+").search(head, len(head[: node.col_offset]))
            assert found is not None
            bound.setdefault(node.name, []).append((node.lineno, found.end()))
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name):
                        bound.setdefault(name.id, [])
    private = [name for name in bound if not name.startswith("__") and (name.startswith("_") or _unsaid(name, usage))]
    kept = _kept(tree) | usage.imported | usage.keywords
    renamed = {name: f"_{at}" for at, name in enumerate(name for name in private if name not in kept)}
    edits = [(line, column, name, renamed[name]) for name in renamed for line, column in bound[name]]
    edits += [
        (n.lineno, n.col_offset, n.id, renamed[n.id])
        for n in ast.walk(tree)
        if isinstance(n, ast.Name) and n.id in renamed
    ]
    return edits


def _unsaid(name: str, usage: Usage) -> bool:
    """Whether a public name is its module's own affair."""
    return name not in usage.said and not name.endswith("Error")


def _kept(tree: ast.Module) -> set[str]:
    """Names that occur in any form that is not a plain name: attributes, class bodies, parameters, global statements, exception names."""
    kept: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            kept.add(node.attr)
        elif isinstance(node, ast.arg):
            kept.add(node.arg)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            kept.update(node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            kept.add(node.name)
        elif isinstance(node, ast.ClassDef):
            kept.update(n.name for n in node.body if isinstance(n, (*_FUNCTIONS, ast.ClassDef)))
            bound = [item for item in node.body if isinstance(item, (ast.Assign, ast.AnnAssign))]
            names = [name for item in bound for name in ast.walk(item) if isinstance(name, ast.Name)]
            kept.update(name.id for name in names if isinstance(name.ctx, ast.Store))
        if isinstance(node, _FUNCTIONS):
            kept.update(n.name for n in ast.walk(node) if isinstance(n, (*_FUNCTIONS, ast.ClassDef)) and n is not node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("_"):
            kept.add(node.value)
    return kept


def _parameters(tree: ast.Module, usage: Usage) -> list[Edit]:
    """Edits for parameters of functions that hold no other scope (nested functions and lambdas are left alone, and what holds them)."""
    edits: list[Edit] = []
    for function in ast.walk(tree):
        if not isinstance(function, _FUNCTIONS):
            continue
        if any(isinstance(node, (*_SCOPES, ast.ClassDef)) for node in ast.walk(function) if node is not function):
            continue
        edits += _of_function(function, usage)
    return edits


def _of_function(function: ast.FunctionDef | ast.AsyncFunctionDef, usage: Usage) -> list[Edit]:
    awkward: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            awkward.update(node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            awkward.add(node.name)
        elif isinstance(node, ast.alias):
            awkward.update((node.name, node.asname or ""))
        elif isinstance(node, ast.comprehension):
            awkward.update(n.id for n in ast.walk(node.target) if isinstance(n, ast.Name))
    arguments = function.args.posonlyargs + function.args.args
    renamed = {
        argument.arg: f"a{at}"
        for at, argument in enumerate(arguments)
        if argument.arg not in usage.keywords | awkward | {"self", "cls"} and not argument.arg.startswith("__")
    }
    taken = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)} | {a.arg for a in arguments}
    renamed = {old: new for old, new in renamed.items() if new not in taken}
    edits = [(a.lineno, a.col_offset, a.arg, renamed[a.arg]) for a in arguments if a.arg in renamed]
    bodies: list[ast.AST] = list(function.body)
    for body in bodies:
        edits += [
            (n.lineno, n.col_offset, n.id, renamed[n.id])
            for n in ast.walk(body)
            if isinstance(n, ast.Name) and n.id in renamed
        ]
    return edits
