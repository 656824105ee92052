"""What nobody on the device calls stays out of its image: functions, classes and methods that only a host or a test uses.

A definition is left out if its name is said nowhere else in the image's sources: not as a name, an attribute or an imported name, and not as
a text (which may name something too). Annotations say nothing: the device does not evaluate them. Methods stay where names are put together
(`getattr`), and those that MicroPython calls by itself. What only such a definition needed goes with it. Lines keep their numbers.
"""

import ast
from collections import Counter
from collections.abc import Mapping

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_ENTRY = "main"
_OF_MICROPYTHON = ("ioctl", "readblocks", "writeblocks", "readinto")  # of streams and block devices


def prune(sources: Mapping[str, str]) -> dict[str, str]:
    """The sources by their names, without the definitions that none of them needs."""
    trees = {name: ast.parse(text) for name, text in sources.items()}
    lines = {name: text.split("\n") for name, text in sources.items()}
    said = sum((_said(tree) for tree in trees.values()), Counter[str]())
    while True:
        gone = 0
        for name, tree in trees.items():
            for body in _bodies(tree):
                unused = [node for node in body if isinstance(node, _DEFINITIONS) and _unused(node, said)]
                for node in unused:
                    said -= _said(node)
                    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                    assert node.end_lineno is not None
                    lines[name][first - 1 : node.end_lineno] = [""] * (node.end_lineno - first + 1)
                    body.remove(node)
                gone += len(unused)
        if not gone:
            return {name: "\n".join(text) for name, text in lines.items()}


def _bodies(tree: ast.Module) -> "list[list[ast.stmt]]":
    """The module's statements, and those of its classes unless names are put together in it; of a class, one statement has to stay."""
    bodies = [tree.body]
    if not any(isinstance(node, ast.Name) and node.id == "getattr" for node in ast.walk(tree)):
        classes = [node.body for node in tree.body if isinstance(node, ast.ClassDef)]
        bodies += [body for body in classes if not isinstance(body[0], _DEFINITIONS)]
    return bodies


def _unused(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, said: Counter[str]) -> bool:
    """Whether nothing but the definition itself says its name."""
    if node.name == _ENTRY or node.name.startswith("__") or node.name in _OF_MICROPYTHON:
        return False
    return said[node.name] - _said(node)[node.name] <= 0


def _said(tree: ast.AST) -> Counter[str]:
    """How often each name is said in a tree."""
    found: Counter[str] = Counter()
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name):
            found[node.id] += 1
        elif isinstance(node, ast.Attribute):
            found[node.attr] += 1
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found[node.value] += 1
        for field, value in ast.iter_fields(node):
            if field not in ("annotation", "returns"):
                waiting += [
                    part for part in (value if isinstance(value, list) else [value]) if isinstance(part, ast.AST)
                ]
    return found
