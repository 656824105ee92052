"""Hints stay on the host: what to do about an error is said on the device by its catalogue (`terminal/face/errors.yaml`), by the error's code
and in the officer's language. The English hint in `SomeError("what happened", CODE, "what to do")` is for who reads a program's output.

Edits are made in place, so that lines keep their numbers.
"""

import ast
import re

_CODE = re.compile(r"[A-Z]{3}-[0-9]{3}")


def without_hints(source: str) -> str:
    """The source with None in the place of each hint that is written out behind a code, as the third argument of a call."""
    lines = source.split("\n")
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    hints = [node.args[2] for node in nodes if len(node.args) > 2 and _is_code(node.args[1]) and _is_text(node.args[2])]
    for hint in sorted(hints, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        assert hint.end_lineno is not None and hint.end_col_offset is not None
        head = lines[hint.lineno - 1].encode()[: hint.col_offset].decode()
        tail = lines[hint.end_lineno - 1].encode()[hint.end_col_offset :].decode()
        span = hint.end_lineno - hint.lineno
        lines[hint.lineno - 1 : hint.end_lineno] = (
            [head + "None" + ("" if span else tail)] + [""] * (span - 1) + ([tail] if span else [])
        )
    return "\n".join(lines)


def _is_code(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(_CODE.fullmatch(node.value))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
