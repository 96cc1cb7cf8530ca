"""The boundary to the libraries: whatever they raise at what people gave them becomes one line.

They raise errors of any class: plain `Exception`, errors of other libraries below them, and panics
of code in Rust, which are no `Exception` at all. A list of classes is never complete.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeAlias

from energyscore.base.errors import EnergyScoreError

Explain: TypeAlias = Callable[[BaseException], EnergyScoreError | None]
"""Makes an error of ours from a library's; None: it is to go on as it is."""

_MOST = 300


@contextlib.contextmanager
def library_errors(explain: Explain) -> Iterator[None]:
    """Turn what is raised within into what `explain` makes of it; errors of ours go on as they are.

    Ctrl-C and the end of the process are no errors, and go on too.
    """
    try:
        yield
    except EnergyScoreError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
            raise
        explained = explain(error)
        if explained is None:
            raise
        if explained.__traceback__ is not None:  # one of ours, which the library had wrapped
            raise explained from None
        raise explained from error


_PANIC = "PanicException"
"""What pyo3 makes of a panic in Rust: a class without a module that it could be imported from."""


def said_by(error: BaseException) -> str:
    """What an error says, all its lines in one; its class where it says nothing or a bare name."""
    text = " ".join(str(error).split())
    if len(text) > _MOST:
        text = f"{text[:_MOST].rpartition(' ')[0]} [...]"
    text = text.rstrip(".")
    if text and " " in text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def named(error: BaseException) -> str:
    """The same, with the error's class before it."""
    text = said_by(error)
    name = type(error).__name__
    return text if text.startswith(name) else f"{name}: {text}"
