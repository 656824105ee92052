"""What nobody on the device calls stays out of its image: functions and classes that only a host or a test uses.

A definition at a module's top level is left out if its name is said nowhere else in the image's sources: not as a name, an attribute or an
imported name, and not as a text (which may name something too). Annotations say nothing: the device does not evaluate them. What only such
a definition needed goes with it. Lines keep their numbers.
"""

import ast
from collections import Counter
from collections.abc import Mapping

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_ENTRY = "main"


def prune(sources: Mapping[str, str]) -> dict[str, str]:
    """The sources by their names, without the definitions that none of them needs."""
    trees = {name: ast.parse(text) for name, text in sources.items()}
    lines = {name: text.split("\n") for name, text in sources.items()}
    said = sum((_said(tree) for tree in trees.values()), Counter[str]())
    while True:
        gone = 0
        for name, tree in trees.items():
            unused = [node for node in tree.body if isinstance(node, _DEFINITIONS) and _unused(node, said)]
            for node in unused:
                said -= _said(node)
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                assert node.end_lineno is not None
                lines[name][first - 1 : node.end_lineno] = [""] * (node.end_lineno - first + 1)
                tree.body.remove(node)
            gone += len(unused)
        if not gone:
            return {name: "\n".join(text) for name, text in lines.items()}


def _unused(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, said: Counter[str]) -> bool:
    """Whether nothing but the definition itself says its name."""
    return node.name != _ENTRY and said[node.name] - _said(node)[node.name] <= 0


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
