"""The law of imports: protocol ← drivers ← terminal; these three import nothing else of ours and run on both runtimes.

`server` may import protocol. In `sim`, only `sim/worlds` joins terminal, server and parts; the rest of sim takes from protocol
nothing but the formats that it must speak, so that it never computes with what it is there to check. Nothing imports `tools`.
Listed exceptions: `exceptions.txt`.
"""

import ast
from typing import NamedTuple

from tools.house.laws.runtimes import SHARED, extra_imports, only_runtime

OURS = ("protocol", "drivers", "terminal", "sim", "server", "tools", "tests")

PURE = {"array", "binascii", "collections", "hashlib", "heapq", "math", "sys"}
"""Standard modules on both runtimes without I/O, clock or randomness: what `protocol` may use."""

COMMON = PURE | {"asyncio", "errno", "gc", "io", "json", "os", "random", "select", "socket", "time"}
"""Standard modules on both runtimes: what `drivers` may use. (`re` and `struct` differ silently and are left out.)"""

APPLICATION = COMMON - {"random", "select", "socket"}
"""What `terminal` may use: randomness and sockets reach it through a driver."""

STANDARD = {"protocol": PURE, "drivers": COMMON, "terminal": APPLICATION}

SIM_FORMATS = {"apdu", "base45", "cbor", "errors", "pack", "records", "sync", "tlv", "wire"}
"""Modules of protocol that say how bytes lie on a wire and compute nothing that a simulated part has to check."""


class Breach(NamedTuple):
    """One import that breaks the law: file, line, what is imported, and which rule."""

    path: str
    line: int
    module: str
    rule: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} imports {self.module}: {self.rule}"


def breaches(path: str, source: str) -> list[Breach]:
    """Every breach in one file; `path` is relative to the project root, with slashes."""
    package = path.split("/")[0]
    found = []
    for line, module, type_only in _imports(path, ast.parse(source)):
        rule = _rule_broken(path, package, module, type_only)
        if rule:
            found.append(Breach(path, line, module, rule))
    return found


def _rule_broken(path: str, package: str, module: str, type_only: bool) -> str:
    top = module.split(".")[0]
    if package not in ("tools", "tests") and top in ("tools", "tests"):
        return f"nothing imports {top}"
    if package in SHARED:
        return _shared_rule(path, package, module, type_only)
    if package == "server" and top in OURS and top not in ("server", "protocol"):
        return "server imports protocol only"
    if package == "sim" and not path.startswith("sim/worlds/"):
        return _sim_rule(module)
    return ""


def _shared_rule(path: str, package: str, module: str, type_only: bool) -> str:
    top = module.split(".")[0]
    if top in OURS:
        return "" if top in SHARED[: SHARED.index(package) + 1] else f"{package} imports only {SHARED} up to itself"
    if type_only or top == "typing" or only_runtime(path) or top in extra_imports(path):
        return ""
    return "" if top in STANDARD[package] else f"{package} runs on both runtimes and may not use it"


def _sim_rule(module: str) -> str:
    top, *rest = module.split(".")
    if top in ("terminal", "drivers", "server"):
        return "in sim only sim/worlds joins terminal, server and parts"
    if top == "protocol" and (rest or [""])[0] not in SIM_FORMATS:
        return "sim takes only formats from protocol, never what it is there to check"
    return ""


def _imports(path: str, tree: ast.AST) -> "list[tuple[int, str, bool]]":
    """Every import as (line, absolute dotted module, under TYPE_CHECKING or not), those inside functions too."""
    found: list[tuple[int, str, bool]] = []
    for node in ast.walk(tree):
        guarded = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        if guarded and isinstance(node, ast.If):
            for inner in node.body:
                inner_nodes = list(ast.walk(inner))
                for part in inner_nodes:
                    part._type_only = True  # pyright: ignore[reportAttributeAccessIssue]
    for node in ast.walk(tree):
        type_only = getattr(node, "_type_only", False)
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name, type_only) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(path, node)
            ours = base.split(".")[0] in OURS
            names = [f"{base}.{alias.name}" for alias in node.names] if ours and "." not in base else [base]
            found += [(node.lineno, name, type_only) for name in names]
        elif isinstance(node, ast.Call) and _dynamic(node.func) and node.args:
            named = node.args[0]
            if isinstance(named, ast.Constant) and isinstance(named.value, str):
                found.append((node.lineno, named.value, type_only))
    return found


def _dynamic(function: ast.expr) -> bool:
    """Whether a call imports by name: __import__ or importlib.import_module."""
    if isinstance(function, ast.Name):
        return function.id in ("__import__", "import_module")
    return isinstance(function, ast.Attribute) and function.attr == "import_module"


def _absolute(path: str, node: ast.ImportFrom) -> str:
    """The dotted name that a (relative) import means."""
    if not node.level:
        return node.module or ""
    package = path.rsplit("/", 1)[0].split("/")
    base = package[: len(package) - node.level + 1]
    return ".".join(base + ([node.module] if node.module else []))
