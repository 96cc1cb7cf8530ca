"""Where a gate's reports may go: never over what it judges, and no old verdict stays there."""

import contextlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from energyscore.base.errors import UsageError
from energyscore.base.files import is_dir, is_file
from energyscore.results.folder import visible_files

_REMEDY = "Name another file."
_REPORT = re.compile(
    rb"""\{\s*"gate_version"|## \S+ Energy gate (pass|fail|invalid):"""
    rb"""|<\?xml[^>]*>\s*<testsuites name="energyscore gate" """
    rb"""|\[\s*\{\s*"name":[^\n]*\s*"unit": "Wh per 1,000 queries","""
)


def check_outputs(outputs: Mapping[str, Path], inputs: Iterable[Path]) -> None:
    """Refuse reports in places that would lose something, before anything is written.

    Args:
        outputs: the files by their option.
        inputs: what is read: files, and folders of results or baselines, in which only an earlier
            report may be replaced.

    Raises:
        UsageError: naming the option, the file and what is wrong with it.
    """
    read = list(inputs)
    names: dict[Path, str] = {}
    for option, file in outputs.items():
        try:
            place = file.resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise UsageError(f"{option} {file} can be no file.", _REMEDY) from error
        if place in names:
            raise UsageError(f"{names[place]} and {option} name one file, {file}.", _REMEDY)
        names[place] = option
        if is_dir(file):
            raise UsageError(f"{option} {file} is a folder.", "Name a file in it.")
        if not is_dir(file.parent):
            raise UsageError(
                f"{option} {file}: there is no folder {file.parent}.", "Make it, or name another."
            )
        for one in read:
            if _overlaps(place, one):
                raise UsageError(
                    f"{option} {file} would replace a file that is read.",
                    _REMEDY,
                )


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


def _overlaps(place: Path, source: Path) -> bool:
    """Whether writing a file loses something of a source; an earlier report is nothing of it."""
    if not is_dir(source):
        return is_file(source) and source.resolve() == place
    if not place.exists() or is_report(place):
        return False
    # What lies in the folder by a link is read as well.
    linked = (file.resolve() for file in visible_files(source, "*.json"))
    return place.is_relative_to(source.resolve()) or place in linked
