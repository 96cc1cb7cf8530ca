"""`energyscore compare`: what changed between two sets of measurements."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from energyscore.cli.options import FORMAT, Every, Scale

if TYPE_CHECKING:
    from energyscore.judge.compare import Comparison


_LONELY = (
    "Results of one task, model and reasoning mode belong together; to compare two models, name "
    "one result on each side and add --allow model."
)


def compare(
    before: Annotated[
        Path, typer.Argument(metavar="A", help="Before: a result, a baseline, or a folder of them.")
    ],
    after: Annotated[Path, typer.Argument(metavar="B", help="After: the same.")],
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIFFERENCE",
            help="Compare in spite of this difference, such as power_limit or model. Repeatable.",
        ),
    ] = None,
    scale: Scale = None,
    every: Every = False,
    form: Annotated[Literal["table", "json", "markdown"], FORMAT] = "table",
) -> None:
    """Compare energies: ratio with its 95% interval, significance, Wh, percent and stars.

    Results of one task, model and reasoning mode belong together; one with one are compared in any
    case. Unlike ones (GPU, power limit, precision, batch, dataset, task version, method, ...) are
    refused. The interval and p stand on the runs (Welch, of the logarithms of the means).

    Exit status: 0 compared, 2 some are unlike or nothing is in both, 3 some have no energy.

    Examples:
      energyscore compare before.json after.json

      energyscore compare results-a results-b --allow power_limit --format markdown
    """
    from energyscore.base.text import json_text
    from energyscore.cli.console import say_note, write_data
    from energyscore.judge.comparability import check_allowed
    from energyscore.judge.compare import compare as compare_results
    from energyscore.judge.sources import load_rated
    from energyscore.publish.comparison import notes_on, to_markdown

    allowed = check_allowed(allow or ())
    comparison = compare_results(
        load_rated([before], scale, every=every, note=say_note),
        load_rated([after], scale, every=every, note=say_note),
        allowed,
    )
    if form == "table":
        _show(comparison)
    elif form == "json":
        print(json_text(comparison.model_dump_json(indent=2)))
    else:
        write_data(to_markdown(comparison))
    status = comparison.exit_status
    if status:
        from energyscore.base.errors import UnsupportedError, UsageError

        bad = [pair for pair in comparison.pairs if pair.refused or pair.reason]
        notes = [notes_on(pair)[0] for pair in bad]
        names = {point.name: None for pair in comparison.pairs for point in pair.refused}
        remedy = " ".join(f"--allow {name}" for name in names)
        message = "; ".join(notes) or "no result of the one has a counterpart in the other"
        lonely = "" if comparison.pairs else _LONELY
        kind = UsageError if status == 2 else UnsupportedError
        raise kind(f"{message}.", f"To compare all the same: {remedy}." if remedy else lonely)


def _show(comparison: "Comparison") -> None:
    from energyscore.cli.console import show_notes, show_table
    from energyscore.publish.comparison import COLUMNS, cells_of, notes_of

    shown = [pair for pair in comparison.pairs if pair.rows]
    for task in dict.fromkeys(pair.task for pair in shown):
        rows = [cells_of(pair, row) for pair in shown for row in pair.rows if pair.task == task]
        show_table(f"{task}: energy per 1,000 queries, ratio after / before", COLUMNS, rows)
    show_notes(notes_of(comparison))
