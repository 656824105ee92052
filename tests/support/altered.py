"""Every value of a parsed JSON changed in turn: what a test of published numbers must notice."""

import copy
from collections.abc import Iterator
from typing import Any

Path = tuple[Any, ...]


def places(node: Any, path: Path = ()) -> Iterator[Path]:
    """The path of every value, names and list positions."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else None
    if inner is None:
        yield path
        return
    for name, value in inner:
        yield from places(value, (*path, name))


def at(whole: Any, path: Path) -> Any:
    """The value there."""
    for name in path:
        whole = whole[name]
    return whole


def altered(whole: Any, path: Path, last: bool = True, decimal: bool = False) -> Any:
    """A copy with the value at `path` changed: the first or last digit of a text, a bit of it that is no parity bit of a DES key; a number by one.

    `decimal`: a digit of the text stays one. An empty text gets a byte.
    """
    other = copy.deepcopy(whole)
    node, old = at(other, path[:-1]), at(whole, path)
    if isinstance(old, int):
        node[path[-1]] = old + 1
    elif not old:
        node[path[-1]] = "01"
    else:
        where = len(old) - 1 if last else 0
        node[path[-1]] = old[:where] + _digit(old, where, decimal) + old[where + 1 :]
    return other


def _digit(old: str, where: int, decimal: bool) -> str:
    if decimal:
        return chr(ord(old[where]) ^ 1)
    if not all(c in "0123456789ABCDEF" for c in old):
        return "x"
    return f"{int(old[where], 16) ^ 2:X}"
