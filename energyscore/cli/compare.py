"""`energyscore compare`: what changed between two sets of measurements."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from energyscore.cli.options import FORMAT, RESULTS, Every, Explain, Scale

if TYPE_CHECKING:
    from energyscore.judge.compare import Comparison


def compare(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="A B...",
            help="What is compared: each a result, a baseline, a folder of them, or a model with "
            "results in ./results. The first is held against each of the others.",
            show_default=False,
        ),
    ],
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIFFERENCE",
            help="Compare in spite of this difference, such as power_limit. Repeatable.",
        ),
    ] = None,
    scale: Scale = None,
    every: Every = False,
    explain: Explain = False,
    form: Annotated[Literal["table", "json", "markdown"], FORMAT] = "table",
) -> None:
    """Compare energies: which needs less, how many times less, and how sure that is.

    Two models are compared where each side is of one. Otherwise results of one task, model and
    reasoning mode belong together. Unlike ones (GPU, power limit, precision, batch, dataset, task
    version, method, ...) are refused. The interval and p stand on the runs (Welch, of the
    logarithms of the means).

    Exit status: 0 compared, 2 some are unlike or nothing is in both, 3 some have no energy.

    Examples:
      energyscore compare org/a org/b

      energyscore compare before.json after.json

      energyscore compare results-a results-b --allow power_limit --format markdown
    """
    from energyscore.base.errors import UsageError
    from energyscore.base.text import json_text
    from energyscore.cli.console import say_note, write_data
    from energyscore.judge.comparability import check_allowed
    from energyscore.judge.compare import compare_all
    from energyscore.judge.sources import load_rated
    from energyscore.publish.comparison import to_markdown

    if len(paths) < 2:
        raise UsageError(f"Only {paths[0]} is named.", "Name two or more to compare.")
    allowed = check_allowed(allow or ())
    places = [_place_of(path) for path in paths]
    first, *others = [load_rated([place], scale, every=every, note=say_note) for place in places]
    comparison = compare_all(first, others, allowed)
    if form == "table":
        _show(comparison, explain=explain)
    elif form == "json":
        print(json_text(comparison.model_dump_json(indent=2)))
    else:
        write_data(to_markdown(comparison))
    _complain(comparison)


def _place_of(path: Path) -> Path:
    """The path itself; where there is none, the folder of the results of a model of that name."""
    from energyscore.base.files import is_dir, is_file

    if is_file(path) or is_dir(path) or not is_dir(RESULTS):
        return path
    name = str(path).replace(":", "/")
    found = [
        folder
        for folder in RESULTS.glob("*/*")
        if name in (folder.name, f"{folder.parent.name}/{folder.name}")
    ]
    return found[0] if len(found) == 1 else path


def _complain(comparison: "Comparison") -> None:
    """Raise where a pair could not be compared; each reason is said here and only here."""
    from energyscore.base.errors import UnsupportedError, UsageError
    from energyscore.publish.comparison import refusals

    if not comparison.exit_status:
        return
    names = {point.name: None for pair in comparison.pairs for point in pair.refused}
    remedy = " ".join(f"--allow {name}" for name in names)
    message = "; ".join(refusals(comparison))
    if not comparison.pairs:
        message = "no result of the one has a counterpart in the other"
    lonely = "" if comparison.pairs else _LONELY
    kind = UsageError if comparison.exit_status == 2 else UnsupportedError
    raise kind(f"{message}.", f"To compare all the same: {remedy}." if remedy else lonely)


_LONELY = (
    "Results of one task, model and reasoning mode belong together; to compare two models, name "
    "the folder or file of one on each side."
)


def _show(comparison: "Comparison", *, explain: bool) -> None:
    from energyscore.cli.console import show_notes, show_table
    from energyscore.publish.comparison import cells_of, columns_of, end_of
    from energyscore.publish.table_end import left_to_explain

    columns = columns_of(comparison)
    shown = [pair for pair in comparison.pairs if pair.rows]
    for task in dict.fromkeys(pair.task for pair in shown):
        rows = [
            cells_of(pair, row)[: len(columns)]
            for pair in shown
            for row in pair.rows
            if pair.task == task
        ]
        show_table(f"{task}: energy per 1,000 queries, ratio after / before", columns, rows)
    end = end_of(comparison)
    show_notes([*end.lines(explain=explain), *([] if explain else left_to_explain([end]))])
