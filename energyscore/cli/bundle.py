"""`energyscore bundle`: results as a submission, in one zip."""

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from energyscore.base.errors import ResultError, UsageError, sentence
from energyscore.base.files import read_file, real_path
from energyscore.base.units import counted
from energyscore.cli.options import Paths

if TYPE_CHECKING:
    from energyscore.publish.bundle import Submitted
    from energyscore.results.result import Result


def bundle(
    paths: Paths,
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
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is no submission.")
    ] = False,
) -> None:
    """Bundle results into a submission (ZIP with raw data, logs, checksums and attestations).

    All measurements in PATHS are taken, older and invalid ones too: nothing is selected. What
    `energyscore verify` would not accept, with code of its own, is not written.

    Examples:
      energyscore bundle results -o submission.zip

      energyscore bundle results --attest --allow-unofficial -o submission.zip
    """
    from energyscore.base.writing import write_atomically
    from energyscore.cli.console import say
    from energyscore.publish import wording
    from energyscore.publish.bundle import MOST_BYTES, MOST_RESULTS, to_bundle
    from energyscore.results.latest import set_aside, without_copies
    from energyscore.results.store import load_results

    _check_place(out, force=force)
    loaded = without_copies(load_results(paths))
    _check_size(len(loaded), MOST_RESULTS, "results")
    entries = _entries(loaded, allow_unofficial=allow_unofficial)
    data = to_bundle(entries)
    _check_size(len(data), MOST_BYTES, "bytes")
    _check_acceptable(data)
    if others := [one.result for one in set_aside(loaded)]:
        say(f"note: the submission holds {wording.set_aside(others)} too.")
    _attest(given=attest)
    write_atomically(out, data)
    unofficial = sum(bool(entry.not_official) for entry in entries)
    note = f", {unofficial} of them not official" if unofficial else ""
    size = f"{counted(len(entries), 'result')}{note}, {len(data):,} bytes"
    say(f"{size}. Check it: energyscore verify {out}")
    print(out)


def _check_size(size: int, most: int, unit: str) -> None:
    if size > most:
        message = f"The submission would have {size:,} {unit}; {most:,} are read at most."
        raise UsageError(message, "Make several of fewer results.")


def _check_place(out: Path, *, force: bool) -> None:
    """Refuse a name that is not a submission's, and to replace another kind of file."""
    from energyscore.publish.bundle import MOST_BYTES
    from energyscore.verify.archive import read_archive
    from energyscore.verify.findings import NotASubmission
    from energyscore.verify.manifest import read_manifest

    if out.suffix.lower() != ".zip":
        raise UsageError(f"{out} does not end in .zip.", "A submission is a zip file.")
    if not out.exists():
        return
    if not out.is_file():
        raise UsageError(f"{out} is no file.", "Name another one with -o.")
    try:
        if not force:
            read_manifest(read_archive(read_file(out, MOST_BYTES + 1)))
    except NotASubmission:
        raise UsageError(
            f"{out} is there already, and is no submission.",
            "Name another file with -o, or add --force to replace it.",
        ) from None


def _entries(loaded: "list[tuple[Path, Result]]", *, allow_unofficial: bool) -> "list[Submitted]":
    """The results with their files and stars."""
    from energyscore.judge.rating import rate
    from energyscore.protocol.scales import DEFAULT_SCALE
    from energyscore.protocol.task import load_tasks
    from energyscore.publish.bundle import Submitted, why_not_official

    tasks, entries = load_tasks(), []
    ratings = rate([result for _, result in loaded], DEFAULT_SCALE)
    for (path, result), rating in zip(loaded, ratings, strict=True):
        points = why_not_official(result, tasks)
        if result.of_function:
            raise UsageError(f"{path} is of a function, and no task's.", "Leave it out.")
        if points and not allow_unofficial:
            raise UsageError(
                f"{path} is not official: {', '.join(points)}.",
                "Leave it out, or add --allow-unofficial: the submission then says so.",
            )
        raw = _read_raw(path, result)
        entries.append(Submitted(result, read_file(path), raw, rating, points))
    return entries


def _read_raw(path: Path, result: "Result") -> bytes | None:
    """The raw record beside a result, as it was when the result was written."""
    if result.raw is None:
        return None
    file = real_path(path).parent / result.raw.file
    if not file.exists():
        raise ResultError(
            f"{file} is missing: the raw record that {path.name} names.",
            "Bundle the folder that `energyscore run` wrote, or put the raw record back.",
        )
    data = read_file(file)
    if hashlib.sha256(data).hexdigest() != result.raw.sha256:
        raise ResultError(
            f"{file} is not the raw record that {path.name} was written with.",
            "Put the original back, or measure again.",
        )
    return data


def _check_acceptable(data: bytes) -> None:
    """Have the checker look at it before anybody vouches for it."""
    from energyscore.verify.checker import verify

    failed = [one for one in verify(data).findings if one.level == "failed"]
    if failed:
        first = failed[0]
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        where = f" of {first.where}" if first.where else ""
        said = f"`energyscore verify` would refuse it: {first.check}{where}: {first.message}{more}"
        raise ResultError(
            sentence(said), "Nothing was written. Restore the result as it was, or measure again."
        )


def _attest(*, given: bool) -> None:
    """Have the three attestations given, one by one."""
    from energyscore.publish.bundle import ATTESTATIONS

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
