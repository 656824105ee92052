"""Numbers instead of names of numbers, for the device: a constant of a shared module is written out where it is used.

`records.SEQ` costs a microcontroller a name in the table that only grows, an entry in the module's dict and a look-up at each use. The
sources keep the names; in the image the number stands in their place, and the definitions are gone. Taken are names in capitals that
a module of the image binds once, at its top level, to a whole number written in its own file: digits, other such names, and operators on
them. Left alone is what could be reached another way: names that something else binds, that are used inside an f-string, that are
read from an object nobody can know, or that stand as a text somewhere.

Edits are made in place, so that lines keep their numbers.
"""

import ast
import operator
import re
from collections.abc import Mapping

_NAME = re.compile(r"_?[A-Z][A-Z0-9_]*")
_LARGEST = 1 << 30  # larger ones are objects on the heap of a 32-bit device, one for each place that writes them out
_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.LShift: operator.lshift,
    ast.BitOr: operator.or_,
}
Place = tuple[str, str]  # module, name


class Module:
    """One source: its tree, and what its names mean."""

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source
        self.tree = ast.parse(source)
        self.spoilt = _rebound(self.tree)
        self.written = {id(node) for node in _in_formats(self.tree)}

    def meanings(self, modules: frozenset[str]) -> tuple[dict[str, str], dict[str, Place]]:
        """({name here: module}, {name here: (module, name there)}) of the imports that no other binding here hides."""
        whole: dict[str, str] = {}
        single: dict[str, Place] = {}
        hidden = set(self.spoilt)
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    here, inner = alias.asname or alias.name, f"{node.module}.{alias.name}"
                    meant: str | Place = inner if inner in modules else (node.module, alias.name)
                    known = whole.get(here, single.get(here, meant))
                    if known != meant:
                        hidden.add(here)
                    elif isinstance(meant, str):
                        whole[here] = meant
                    else:
                        single[here] = meant
            elif isinstance(node, ast.Import):
                hidden.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        return (
            {here: module for here, module in whole.items() if here not in hidden},
            {here: place for here, place in single.items() if here not in hidden},
        )


def _rebound(tree: ast.Module) -> set[str]:
    """Names that something other than an import or one assignment at the top level binds."""
    once: set[str] = set()
    spoilt: set[str] = set()
    top = {id(name) for _, name, _ in _definitions(tree)}
    for node in ast.walk(tree):
        found: list[str] = []
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            if id(node) in top and node.id not in once:
                once.add(node.id)
            else:
                found = [node.id]
        elif isinstance(node, ast.arg):
            found = [node.arg]
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            found = node.names
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler)):
            found = [node.name or ""]
        spoilt.update(found)
    return spoilt


def _definitions(tree: ast.Module) -> list[tuple[ast.stmt, ast.Name, ast.expr]]:
    """Assignments to one name at the top level."""
    found = []
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found.append((node, node.targets[0], node.value))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            found.append((node, node.target, node.value))
    return found


def _in_formats(tree: ast.Module) -> list[ast.AST]:
    """What stands inside an f-string: its place in the line is not known."""
    return [part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)]


def _value(node: ast.expr, known: Mapping[str, int]) -> int | None:
    """The whole number that an expression is, if it is one."""
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _value(node.operand, known)
        return None if inner is None else -inner
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _value(node.left, known), _value(node.right, known)
        if left is None or right is None or (isinstance(node.op, (ast.LShift, ast.FloorDiv)) and right <= 0):
            return None
        return _OPERATORS[type(node.op)](left, right)
    return None


def _constants(module: Module) -> dict[str, int]:
    found: dict[str, int] = {}
    for _, name, expression in _definitions(module.tree):
        value = _value(expression, found)
        if value is not None and _NAME.fullmatch(name.id) and name.id not in module.spoilt and abs(value) < _LARGEST:
            found[name.id] = value
    return found


def inline(sources: Mapping[str, str]) -> dict[str, str]:
    """{module's dotted name: source} with the constants written out; the same line numbers."""
    modules = {name: Module(name, source) for name, source in sources.items()}
    names = frozenset(modules)
    constants: dict[Place, int] = {}
    for module in modules.values():
        constants.update({(module.name, name): value for name, value in _constants(module).items()})
    meanings = {name: module.meanings(names) for name, module in modules.items()}
    kept: set[Place] = set()
    unknown: set[str] = set()
    edits: dict[str, list[tuple[ast.expr, int]]] = {}
    for name, module in modules.items():
        edits[name] = _uses(module, meanings[name], constants, kept, unknown)
    kept |= {place for place in constants if place[1] in unknown}
    return {
        name: _written(module, meanings[name][1], edits[name], constants.keys() - kept)
        for name, module in modules.items()
    }


def _uses(
    module: Module,
    meanings: tuple[dict[str, str], dict[str, Place]],
    constants: Mapping[Place, int],
    kept: set[Place],
    unknown: set[str],
) -> list[tuple[ast.expr, int]]:
    """Where this module reads constants, with their values. What must stay goes into `kept`, and by name alone into `unknown`."""
    whole, single = meanings
    found: list[tuple[ast.expr, int]] = []
    for node in ast.walk(module.tree):
        place: Place | None = None
        if isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.value.id in whole:
                place = (whole[node.value.id], node.attr)
            elif _NAME.fullmatch(node.attr):
                unknown.add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            own = (module.name, node.id)
            place = single.get(node.id, own)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _NAME.fullmatch(node.value):
            unknown.add(node.value)
        elif isinstance(node, ast.ImportFrom):
            hidden = {alias.name for alias in node.names if (alias.asname or alias.name) not in single}
            kept.update((node.module or "", name) for name in hidden)
        if place not in constants:
            continue
        assert isinstance(node, (ast.Attribute, ast.Name)) and place is not None
        if id(node) in module.written or node.lineno != node.end_lineno or not isinstance(node.ctx, ast.Load):
            kept.add(place)
        else:
            found.append((node, constants[place]))
    return found


def _written(module: Module, single: Mapping[str, Place], uses: list[tuple[ast.expr, int]], gone: "set[Place]") -> str:
    """The source with the numbers written out, and without what nobody needs any more."""
    lines = [line.encode() for line in module.source.split("\n")]
    ends = [(node, name, value) for node, name, value in _definitions(module.tree) if (module.name, name.id) in gone]
    dropped = {id(part) for node, _, _ in ends for part in ast.walk(node)}
    changes = [(_span(node), _number(value)) for node, value in uses if id(node) not in dropped]
    changes += [(_span(node), b"0") for node, _, _ in ends]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom):
            stay = [a for a in node.names if single.get(a.asname or a.name) not in gone]
            if len(stay) < len(node.names):
                changes.append((_span(node), _import(node.module or "", stay)))
    for (line, column, last, end), new in sorted(changes, reverse=True):
        before, after = lines[line - 1][:column], lines[last - 1][end:]
        if line == last:
            lines[line - 1] = before + new + after
        else:
            lines[line - 1] = before + new
            lines[line : last - 1] = [b""] * (last - 1 - line)
            lines[last - 1] = after
    written = b"\n".join(lines).decode()
    ast.parse(written)
    return written


def _span(node: ast.expr | ast.stmt) -> tuple[int, int, int, int]:
    assert node.end_lineno is not None and node.end_col_offset is not None
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


def _number(value: int) -> bytes:
    return b"%d" % value if value >= 0 else b"(%d)" % value


def _import(module: str, names: list[ast.alias]) -> bytes:
    if not names:
        return b"pass"
    return (
        f"from {module} import {', '.join(f'{a.name} as {a.asname}' if a.asname else a.name for a in names)}".encode()
    )
