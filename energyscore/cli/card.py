"""`energyscore card`: results for a model card. Needs neither a GPU nor torch."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from energyscore.base.errors import InvalidResult, ResultError, UsageError, sentence
from energyscore.base.files import is_file, read_file
from energyscore.base.units import counted
from energyscore.cli.options import Among, Model, Paths, Scale, Task

if TYPE_CHECKING:
    from energyscore.judge.rating import RatedResult

_CARD_SUFFIXES = ("", ".md", ".markdown", ".mdx", ".txt")


def card(
    paths: Paths,
    write: Annotated[
        Path | None,
        typer.Option(
            help="The model card (README.md) to write into; made where there is none. Default: "
            "to stdout.",
            show_default=False,
        ),
    ] = None,
    eval_results: Annotated[
        Path | None,
        typer.Option(
            help="The folder of the model's repository: writes .eval_results/*.yaml into it. The "
            "hub ranks by them once the dataset is registered there as a benchmark.",
            show_default=False,
        ),
    ] = None,
    model: Model = None,
    task: Task = None,
    among: Among = None,
    scale: Scale = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take figures of another model out of the card.")
    ] = False,
    form: Annotated[
        Literal["markdown", "json", "spdx"],
        typer.Option("--format", help="What goes to stdout; spdx: SPDX 3.0.1 as JSON-LD."),
    ] = "markdown",
) -> None:
    """Write results into a model card: `model-index` metadata and a table.

    What is in the card stays as it is. Ours stands between markers, and results replace those of
    the same task. Estimates, cohorts and random weights are called so.

    Examples:
      energyscore card results --model openai-community/gpt2 --write README.md

      energyscore card results --model openai-community/gpt2 --format spdx > model.spdx.json
    """
    from energyscore.base.text import terminal_text
    from energyscore.base.writing import write_atomically
    from energyscore.cli.console import write_data
    from energyscore.cli.loading import choose
    from energyscore.publish.card import card_figures, to_card_json
    from energyscore.publish.card_merge import merge_card
    from energyscore.publish.spdx import to_spdx

    if form != "markdown" and write is not None:
        raise UsageError(
            f"--write is for Markdown, not for --format {form}.", "Redirect stdout instead."
        )
    if write and write.suffix.lower() not in _CARD_SUFFIXES and is_file(write):
        raise UsageError(
            f"{write} is no model card by its ending.", "A card is Markdown, such as README.md."
        )
    chosen = choose(paths, among=among, model=model, task=task, scale=scale, out=write)
    report = _fit_for_cards(_of_one_model(chosen))
    # All is made before anything is written.
    files = _eval_results(eval_results, report) if eval_results is not None else {}
    if form != "markdown":
        write_data((to_spdx if form == "spdx" else to_card_json)(report))
    else:
        old = _read(write) if write else ""
        figures = card_figures(report)
        merged, remarks = merge_card(old, figures, str(write or "the card"), replace=replace)
        for remark in remarks:
            print(terminal_text(sentence(f"{write}: {remark}")), file=sys.stderr)
        if write is not None:
            write_atomically(write, merged)
            same = "unchanged, " if merged == old else ""
            print(f"{write}: {same}{counted(len(report), 'result')}")
        elif not files:
            sys.stdout.write(merged)
    for path, content in files.items():
        write_atomically(path, content)
        print(path, file=sys.stderr)


def _of_one_model(report: "list[RatedResult]") -> "list[RatedResult]":
    # Folders of one name are several models; revisions of one on the hub are not.
    called = [(e.name, e.result.model) for e in report]
    names = sorted({name if model.source == "local" else model.id for name, model in called})
    if len(names) > 1:
        raise UsageError(
            f"A card is of one model, and here are {len(names)}: {', '.join(names[:5])}"
            f"{', ...' if len(names) > 5 else '.'}",
            "Choose one with --model.",
        )
    return report


def _fit_for_cards(report: "list[RatedResult]") -> "list[RatedResult]":
    """Those that have a figure and may be published; the others are named on stderr."""
    from energyscore.judge.rating import NO_TASK
    from energyscore.results.checks import why_not_of_model

    fit, reasons = [], []
    for entry in report:
        function = NO_TASK if entry.result.of_function else ""
        foreign = why_not_of_model(entry.result.protocol) or function
        if entry.result.valid and entry.rating.energy_wh is not None and not foreign:
            fit.append(entry)
        else:
            reasons.append(f"{entry.file}: {entry.rating.reason or 'no energy was measured'}")
    if not fit:
        raise InvalidResult(
            f"No result may stand in a card: {'; '.join(reasons)}.", "Measure again."
        )
    _say("left out of the card", reasons)
    return fit


def _eval_results(folder: Path, report: "list[RatedResult]") -> dict[Path, bytes]:
    """The files for `.eval_results`; results that cannot go there are named on stderr."""
    from energyscore.publish.eval_results import eval_result_name, to_eval_results, why_not

    fit = [entry for entry in report if not why_not(entry)]
    reasons = [f"{entry.file}: {why}" for entry in report if (why := why_not(entry))]
    if not fit:
        raise UsageError(
            f"No result can go into .eval_results: {'; '.join(reasons)}.",
            "It takes measured GPU energy of a model's own weights on a dataset of the hub.",
        )
    _say("left out of .eval_results", reasons)
    folder = folder / ".eval_results"
    return {folder / eval_result_name(entry): to_eval_results(entry) for entry in fit}


def _say(what: str, reasons: list[str]) -> None:
    from energyscore.cli.console import say_note

    for reason in reasons:
        say_note(sentence(f"{what}: {reason}"))


def _read(path: Path) -> str:
    """The card with its line ends; empty where there is none."""
    # A pipe or a device is not read: nothing is in it, and reading would wait for it.
    if not path.exists() or not (path.is_file() or path.is_dir()):
        return ""
    try:
        return read_file(path).decode()
    except UnicodeDecodeError as error:
        raise ResultError(
            f"{path} is not UTF-8: {error.reason} at byte {error.start}.",
            "Save it as UTF-8; nothing was written.",
        ) from error
