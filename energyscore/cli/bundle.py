"""`energyscore bundle`: results as a submission, in one zip."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from energyscore.cli import app

if TYPE_CHECKING:
    from energyscore.result import Result


@app.command()
def bundle(
    paths: Annotated[
        list[Path], typer.Argument(help="Result files, or folders of them.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE.zip", help="Where to write it.")
    ] = Path("submission.zip"),
    attest: Annotated[
        bool,
        typer.Option(
            "--attest",
            help="Give the three attestations without being asked, in scripts: that all of it "
            "may be published, that nothing was changed or left out, and that the model is the "
            "one that is named.",
        ),
    ] = False,
    allow_unofficial: Annotated[
        bool,
        typer.Option(
            "--allow-unofficial",
            help="Take results too that do not hold the official protocol; the submission says in "
            "which points.",
        ),
    ] = False,
    every: Annotated[
        bool,
        typer.Option("--all", help="Take older results of the same measurement too."),
    ] = False,
) -> None:
    """Put results together as a submission: with raw records, logs, hashes and attestations.

    `energyscore verify` checks it, with code of its own.

    Examples:
      energyscore bundle results -o submission.zip

      energyscore bundle results --attest --allow-unofficial -o submission.zip
    """
    from energyscore import rating
    from energyscore.console import message_console
    from energyscore.errors import UsageError
    from energyscore.export.bundle import MOST_BYTES, Submitted, to_bundle, why_not_official
    from energyscore.scales import DEFAULT_SCALE
    from energyscore.store import load_results, write_atomically
    from energyscore.task import load_tasks

    loaded = load_results(paths)
    if not every:
        newest = {id(result) for result in rating.latest_only(result for _, result in loaded)}
        loaded = [(path, result) for path, result in loaded if id(result) in newest]
    stars = rating.rate([result for _, result in loaded], DEFAULT_SCALE)
    tasks = load_tasks()
    entries = []
    for (path, result), rated in zip(loaded, stars, strict=True):
        points = why_not_official(result, tasks)
        if points and not allow_unofficial:
            raise UsageError(
                f"{path} is not official: {', '.join(points)}.",
                "Leave it out, or add --allow-unofficial: the submission then says so.",
            )
        content = _read(path)
        raw = None if result.raw is None else _read_raw(path, result)
        entries.append(Submitted(result, content, raw, rated, points))
    _attest(given=attest)
    data = to_bundle(entries)
    if len(data) > MOST_BYTES:
        raise UsageError(
            f"The submission would have {len(data):,} bytes; {MOST_BYTES:,} are read at most.",
            "Make several of fewer results.",
        )
    write_atomically(out, data)
    unofficial = [entry for entry in entries if entry.not_official]
    note = f", {len(unofficial)} of them not official" if unofficial else ""
    message_console().print(
        f"{len(entries)} result{'s' * (len(entries) != 1)}{note}, {len(data):,} bytes. "
        f"Check it: energyscore verify {out}",
        soft_wrap=True,
        markup=False,
    )
    print(out)


def _read(path: Path) -> bytes:
    from energyscore.errors import ResultError

    try:
        return path.read_bytes()
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {error.strerror}.") from error


def _read_raw(path: Path, result: "Result") -> bytes:
    """The raw record beside a result, as it was when the result was written."""
    import hashlib

    from energyscore.errors import ResultError

    assert result.raw is not None
    file = path.parent / result.raw.file
    data = _read(file)
    if hashlib.sha256(data).hexdigest() != result.raw.sha256:
        raise ResultError(
            f"{file} is not the raw record that {path.name} was written with.",
            "Put the original back, or measure again.",
        )
    return data


def _attest(*, given: bool) -> None:
    """Have the three attestations given, one by one.

    Raises:
        UsageError: when one is not, or when nobody is there to be asked.
    """
    from energyscore.errors import UsageError
    from energyscore.export.bundle import ATTESTATIONS

    if given:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            "A submission needs three attestations: "
            + " ".join(f"({n}) {text}" for n, text in enumerate(ATTESTATIONS.values(), 1)),
            "Where all of them hold, add --attest; on a terminal you are asked for each.",
        )
    for text in ATTESTATIONS.values():
        if not typer.confirm(f"{text} Do you attest to that?", err=True):
            raise UsageError(
                f"You did not attest to this, so no submission was written: {text}",
                "A submission needs all three.",
            )
