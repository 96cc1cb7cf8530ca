"""`energyscore baseline`: results that later ones are compared with."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from energyscore.cli.command import Command
from energyscore.cli.options import Every, Format, Paths

if TYPE_CHECKING:
    from energyscore.judge.baseline import Baseline
    from energyscore.results.result import Result

baseline_app = typer.Typer(
    name="baseline",
    help="Keep results as baselines for `gate`, by hardware, with commit and time.",
    no_args_is_help=True,
)

FOLDER = typer.Option("--dir", help="Folder of the baselines.")
DEFAULT = Path("energy-baseline")


@baseline_app.command(cls=Command)
def save(paths: Paths, folder: Annotated[Path, FOLDER] = DEFAULT, every: Every = False) -> None:
    """Keep results as baselines; one of the same measurement on the same hardware is replaced.

    The commit is that of the working directory's git repository. Invalid results and results
    without energy are left out. Exit status 3 when no result can be a baseline.

    Examples:
      energyscore baseline save results
    """
    from energyscore.base.errors import UnsupportedError
    from energyscore.base.text import terminal_text
    from energyscore.cli.console import say_note
    from energyscore.cli.loading import latest
    from energyscore.judge.baseline import current_commit, save_baselines
    from energyscore.results.names import label_of
    from energyscore.results.store import load_results

    loaded = sorted(load_results(paths), key=lambda entry: entry[1].created_at)
    results = [result for _, result in (loaded if every else latest(loaded, "--all takes all."))]
    saved = save_baselines(folder, results, *current_commit())
    for result, one in zip(results, saved, strict=True):
        name = terminal_text(f"{result.task.id}, {label_of(result)}")
        if one.path is None:
            say_note(f"{name}: no baseline: {one.reason}")
            continue
        done = "replaced" if one.replaced else "saved"
        print(f"{name}: {done} {one.path}{_change(one.before, result)}")
        if one.before and one.before.created_at > result.created_at:
            say_note(f"{name}: what is replaced was measured later than what replaces it")
        if result.score.runs < 2:
            say_note(f"{name}: one run has no interval, so comparisons with it are inconclusive")
    if not any(one.path for one in saved):
        raise UnsupportedError("None of the results can be a baseline.", "See the reasons above.")


@baseline_app.command(name="list", cls=Command)
def list_(folder: Annotated[Path, FOLDER] = DEFAULT, form: Format = "table") -> None:
    """List baselines by hardware and task: model, energy, runs, commit and time.

    If two would look the same, the conditions in which they differ are shown too. JSON has the
    name and the file of each.

    Example:
      energyscore baseline list
    """
    from energyscore.base.units import counted
    from energyscore.cli.console import say, show_json, show_table
    from energyscore.judge.baseline import find_baselines, unlike_conditions
    from energyscore.results.names import label_of

    found = find_baselines(folder)
    if form == "json":
        show_json([_as_json(path, one) for path, one in found])
        return

    unlike = unlike_conditions([one.result for _, one in found])
    rows: dict[str, list[list[str]]] = {}
    for (_, one), points in zip(found, unlike, strict=True):
        result, commit = one.result, one.commit
        at = commit.sha[:8] + " (dirty)" * bool(commit.dirty) if commit else "none"
        cells = [label_of(result), _energy(result), str(result.score.runs), at]
        rows.setdefault(f"{result.hardware}, {result.task.id}", []).append(
            [*cells, one.saved_at[:16].replace("T", " "), *([points] if any(unlike) else [])]
        )
    columns = ("model", "energy / 1,000 queries", "runs", "commit", "saved (UTC)")
    for place, (title, cells_of) in enumerate(rows.items()):
        print("\n" * bool(place), end="")
        conditions = ["conditions"] if any(unlike) else []
        show_table(title, (*columns, *conditions), cells_of)
    count = counted(len(found), "baseline")
    say(f"{count} in {folder}. `energyscore baseline show MODEL` shows one.")


def _as_json(path: Path, baseline: "Baseline") -> dict[str, object]:
    from energyscore.judge.comparability import conditions_of
    from energyscore.results.names import label_of

    result, score = baseline.result, baseline.result.score
    return {
        "name": path.stem,
        "file": str(path),
        "hardware": result.hardware,
        "task": result.task.id,
        "model": label_of(result),
        "gpu_wh_per_1k_queries": score.gpu_wh_per_1k_queries,
        "system_wh_per_1k_queries": score.system_wh_per_1k_queries,
        "system_method": score.system_method,
        "runs": score.runs,
        "measured_at": result.created_at,
        "saved_at": baseline.saved_at,
        "commit": baseline.commit.model_dump() if baseline.commit else None,
        "revision": result.model.revision,
        "conditions": conditions_of(result),
    }


def _energy(result: "Result") -> str:
    from energyscore.judge.figures import headline_of
    from energyscore.publish.wording import energy_of

    one = headline_of(result)
    return energy_of(one.energy_wh, one.basis, estimated=one.estimated) if one else "none"


def _change(before: "Result | None", after: "Result") -> str:
    """What a baseline was and is, where it replaces one that can be read."""
    if before is None:
        return ""
    was, now = (f"{_energy(one)}, {one.created_at}" for one in (before, after))
    return f": {was} -> {now}"


@baseline_app.command(cls=Command)
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Its name or the beginning of it, its model or task, or its file."
        ),
    ],
    folder: Annotated[Path, FOLDER] = DEFAULT,
) -> None:
    """Show one baseline whole, as JSON: commit, time, environment and all runs.

    Example:
      energyscore baseline show org/model
    """
    import sys

    from energyscore.base.text import json_text
    from energyscore.judge.baseline import find_baseline

    found = find_baseline(name, folder)[1]
    sys.stdout.write(json_text(found.model_dump_json(indent=2)) + "\n")
