"""Reports of a gate: known by how they begin, so that no old verdict is taken for a new one."""

import contextlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from energyscore.base.errors import UsageError
from energyscore.base.files import is_dir, is_file
from energyscore.base.writing import check_outputs

_REPORT = re.compile(
    rb"""\{\s*"gate_version"|## \S+ Energy gate (pass|fail|invalid|undecided):"""
    rb"""|<\?xml[^>]*>\s*<testsuites name="energyscore gate" """
    rb"""|\[\s*\{\s*"name":[^\n]*\s*"unit": "Wh per 1,000 queries","""
)


def check_reports(outputs: Mapping[str, Path], inputs: Iterable[Path]) -> None:
    """Refuse reports in places that would lose something; only an earlier report is replaced.

    Raises:
        UsageError: naming the option, the file and what is wrong with it.
    """
    for option, file in outputs.items():
        if not is_dir(file.parent):
            raise UsageError(
                f"{option} {file}: there is no folder {file.parent}.", "Make it, or name another."
            )
    check_outputs(outputs, inputs, is_report)


def remove_reports(files: Iterable[Path]) -> None:
    """Remove earlier reports: where this gate comes to no verdict, theirs is not taken for it."""
    for file in files:
        if is_report(file):
            with contextlib.suppress(OSError):
                file.unlink()


def is_report(file: Path) -> bool:
    """Whether a file is a report that a gate wrote."""
    if not is_file(file):
        return False
    try:
        with file.open("rb") as opened:
            head = opened.read(4096)
    except OSError:
        return False
    return _REPORT.match(head) is not None
