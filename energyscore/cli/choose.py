"""`energyscore choose`: which model is enough, and what it saves. Needs neither a GPU nor torch."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from energyscore.cli.options import (
    FORMAT,
    Explain,
    MaxLatency,
    MaxQualityLoss,
    MinQuality,
    Paths,
    QualityFrom,
    QualityMetric,
    TaskOf,
    required,
)

if TYPE_CHECKING:
    from energyscore.judge.choose import Choice


def choose(
    paths: Paths,
    task: TaskOf = None,
    min_quality: MinQuality = None,
    max_quality_loss: MaxQualityLoss = None,
    max_latency: MaxLatency = None,
    max_ttft: Annotated[
        str | None,
        required(
            metavar="200ms",
            help="The most time to the first token that 90 of 100 queries take, with its unit.",
        ),
    ] = None,
    max_energy: Annotated[
        str | None,
        required(
            metavar="2Wh",
            help="The most energy of 1,000 queries, with its unit.",
        ),
    ] = None,
    min_throughput: Annotated[
        str | None,
        required(
            metavar="500tokens/s",
            help="The least output tokens/s, or queries/s, that it does.",
        ),
    ] = None,
    quality_metric: QualityMetric = None,
    quality_from: QualityFrom = None,
    explain: Explain = False,
    form: Annotated[Literal["table", "json", "csv", "markdown"], FORMAT] = "table",
) -> None:
    """Choose a model: which meets your requirements with the least energy, and what it saves.

    The candidates are results of one task, of one machine and one set of queries. The table tells
    which of them lie on the front of energy and quality: dominated, not dominated, undecided. Each
    load of a server is a candidate.

    Exit status: 0 one is recommended, 1 none meets the requirements, 2 they are not comparable,
    3 a figure that decides is missing.

    Examples:
      energyscore choose results

      energyscore choose results --min-quality 0.9 --max-latency 500ms

      energyscore choose results --max-latency 500ms --max-ttft 200ms

      energyscore choose results --max-quality-loss 2% --quality-from results_2026.json
    """
    from energyscore.cli.console import say_note, write_data
    from energyscore.judge import choose as judge
    from energyscore.judge.contenders import candidates_of
    from energyscore.judge.reported_quality import with_reported
    from energyscore.judge.requirements import requirements_of
    from energyscore.judge.sources import load_rated
    from energyscore.publish.choice import to_csv, to_json, to_markdown

    asked = requirements_of(
        min_quality, max_quality_loss, max_latency, max_energy, min_throughput, max_ttft
    )
    entries = load_rated(paths, baselines=False, note=say_note)
    candidates = candidates_of(entries, task, None if quality_from else quality_metric)
    if quality_from:
        candidates = with_reported(candidates, quality_from, quality_metric, say_note)
    choice = judge.choose(candidates, asked)
    if form == "table":
        _show(choice, explain=explain)
    else:
        write_data({"json": to_json, "csv": to_csv, "markdown": to_markdown}[form](choice))
    raise typer.Exit(choice.exit_status)


def _show(choice: "Choice", *, explain: bool) -> None:
    from energyscore.cli.console import show_line, show_notes, show_table
    from energyscore.publish import family
    from energyscore.publish.choice import columns_of, rows_of
    from energyscore.publish.choice_words import answer, end_of
    from energyscore.publish.table_end import left_to_explain

    task = choice.judged[0].candidate.entry.result.task.id
    show_table(f"{task}: which model to choose", columns_of(choice), rows_of(choice))
    for line in answer(choice):
        show_line(line)
    for one in choice.families:
        show_table(family.title_of(one), family.COLUMNS, family.rows_of(one))
        for line in family.words_of(one):
            show_line(line)
    end = end_of(choice)
    show_notes([*end.lines(explain=explain), *([] if explain else left_to_explain([end]))])
