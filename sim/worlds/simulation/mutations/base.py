"""What a broken build is."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Patch = Callable[[], "contextlib.AbstractContextManager[Any]"]


@dataclass(frozen=True)
class Mutation:
    """One broken build: its name, what is wrong with it, and what replaces a function of the real code for the length of a `with`."""

    name: str
    what: str
    patch: Patch


@contextlib.contextmanager
def both(*patches: "contextlib.AbstractContextManager[Any]") -> Iterator[None]:
    """Several patches at once."""
    with contextlib.ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        yield
