"""`energyscore verify`: checks a submission with code of its own."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from energyscore.base.errors import UsageError
from energyscore.base.files import is_file, read_file
from energyscore.base.units import counted
from energyscore.cli.options import Format

if TYPE_CHECKING:
    from energyscore.verify.findings import Verification


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="The submission.")],
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as failures.")] = False,
    form: Format = "table",
) -> None:
    """Check a submission: recompute every figure from its raw data, hold it against the rules.

    Shares no code with what measures and rates. Nothing is unpacked to disk. Exit status: 0
    valid, 1 not acceptable, 2 not a submission.

    Examples:
      energyscore verify submission.zip

      energyscore verify submission.zip --strict --format json
    """
    from energyscore.verify.archive import MOST_BYTES
    from energyscore.verify.checker import verify as examine
    from energyscore.verify.findings import verdict_to_json

    if not is_file(file):
        raise UsageError(f"{file} is not a file.", "Name the zip that `energyscore bundle` wrote.")
    verdict = examine(read_file(file, MOST_BYTES + 1), strict=strict)
    if form == "json":
        sys.stdout.write(verdict_to_json(verdict))
    else:
        _show(file, verdict)
    raise typer.Exit(verdict.exit_code)


def _show(file: Path, verdict: "Verification") -> None:
    from energyscore.cli.console import show_line, show_table

    failed = list(dict.fromkeys(one.check for one in verdict.findings if one.level == "failed"))
    warned = sum(one.level == "warning" for one in verdict.findings)
    because = f": {', '.join(failed)}" if failed else ""
    warnings = f"; {counted(warned, 'warning')}" if warned else ""
    show_line(f"{file}: {verdict.status}{because}{warnings}.")
    show_table("", ("check", "", "of", "what was found"), _rows(verdict))


def _rows(verdict: "Verification") -> list[tuple[str, str, str, str]]:
    """One row for all results that a check holds for, or has nothing of; one for each problem."""
    rows = []
    for check in dict.fromkeys(one.check for one in verdict.findings):
        found = [one for one in verdict.findings if one.check == check]
        for level in ("ok", "not applicable"):
            fine = [one.where for one in found if one.level == level]
            if fine:
                of = counted(len(fine), "result") if len(fine) > 1 else fine[0]
                rows.append((check, level, of, ""))
        rows += [
            (check, one.level, one.where, one.message)
            for one in found
            if one.level in ("warning", "failed")
        ]
    return rows
