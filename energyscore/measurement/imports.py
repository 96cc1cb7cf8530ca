"""Importing large libraries without the garbage collector."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the garbage collector from what is imported, now and later.

    Large libraries make a million objects that stay. The collector would look through them again
    and again: for a fifth of the time that they take to import, and for half a second before
    every run that is measured. No model may be loaded meanwhile, or its memory might never be
    freed; one that was given up before is freed first.
    """
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
