"""The streams of the command line: nobody who stops reading them changes what a command does.

A reader that leaves (`energyscore rate results | head -1`) has seen enough: what else is written is
dropped, without a word, and the command goes on to its end. So its exit status is what it would
have been, and a gate's is its verdict: not 1, which is a gate that failed, nor that of a killed
process, which would hide a verdict.
"""

import io
import os
import sys
from typing import Any


class _Patient(io.FileIO):
    """A stream that drops what nobody reads any more."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            # Also for processes that inherit it, and for what Python writes at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            return len(data)


def prepare_streams() -> None:
    """Closed streams swallow what is said, and characters that one cannot show become `?`."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
        elif stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            setattr(sys, name, _patient(stream))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _patient(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Patient(stream.fileno(), "wb", closefd=False)),
        encoding=stream.encoding,
        errors="replace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
