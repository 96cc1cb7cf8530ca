"""`energyscore label`: the energy label of one result. Needs neither a GPU nor torch."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from energyscore.base.errors import InvalidResult, UsageError, did_you_mean
from energyscore.cli.options import Among, Model, Paths, Scale, Task

_FORMS = ("svg", "png", "pdf")


def label(
    paths: Paths,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The file to write: .svg, .png or .pdf. Default: SVG to stdout.",
            show_default=False,
        ),
    ] = None,
    model: Model = None,
    task: Task = None,
    among: Among = None,
    scale: Scale = None,
    link: Annotated[
        str | None,
        typer.Option(
            help="The address to show. Default: the model's page on the hub, if it is from there; "
            "'' shows none.",
            show_default=False,
        ),
    ] = None,
    zoom: Annotated[
        int, typer.Option(min=1, max=10, help="Pixels of a PNG per px of the label.")
    ] = 1,
) -> None:
    """Draw the energy label of one result, 260 x 364 px.

    Stars are those of `energyscore rate PATHS`: by the reference where the result is comparable to
    it, else among the other results in PATHS, and the label says which. Without stars it says
    why. An invalid result gets no label (exit status 3), and neither does one whose metered GPU
    did not do the work.

    Examples:
      energyscore label results --model openai-community/gpt2 -o label.svg

      energyscore label results/org/model/asr/x.json --among results -o label.png --zoom 3
    """
    from energyscore.base.writing import write_atomically
    from energyscore.cli.loading import choose
    from energyscore.publish.label import label_pdf, label_png, label_svg, label_title
    from energyscore.results.checks import why_not_of_model

    form = "svg" if out is None else out.suffix.lower().lstrip(".")
    if form not in _FORMS:
        raise UsageError(f"{out} has none of the endings of labels.", did_you_mean(form, _FORMS))
    if zoom != 1 and form != "png":
        raise UsageError("--zoom is for PNG only.", "SVG and PDF are sharp at any size.")
    report = choose(paths, among=among, model=model, task=task, scale=scale, out=out)
    if len(report) > 1:
        names = [f"{e.label} {e.result.task.id} ({e.file})" for e in report[:3]]
        raise UsageError(
            f"A label is of one result, and here are {len(report)}: {', '.join(names)}"
            f"{', ...' if len(report) > 3 else '.'}",
            "Choose with --model and --task, or name one file and the others with --among.",
        )
    entry = report[0]
    if not entry.result.valid:
        reasons = "; ".join(entry.result.invalid_reasons)
        raise InvalidResult(
            f"{entry.file} is invalid and gets no label: {reasons}.", "Measure it again."
        )
    if why := why_not_of_model(entry.result.protocol):
        raise InvalidResult(
            f"{entry.file} gets no label: {why}.",
            "Measure it without --gpu.",
        )
    if out is None:
        sys.stdout.write(label_svg(entry, link))
        return
    if form == "png":
        content = label_png(entry, link, zoom=zoom)
    else:
        content = label_pdf(entry, link) if form == "pdf" else label_svg(entry, link).encode()
    write_atomically(out, content)
    print(f"{out}: {label_title(entry)}")
