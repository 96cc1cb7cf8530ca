"""`energyscore scale`: the dated leaderboards that stars are relative to."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from energyscore.cli.command import Command
from energyscore.cli.options import Format

if TYPE_CHECKING:
    from energyscore.judge.scale_making import Made
    from energyscore.protocol.scales import Scale

scale_app = typer.Typer(
    name="scale",
    help="The dated leaderboards that stars are relative to: look at them, bring newer ones.",
    no_args_is_help=True,
)

Name = Annotated[
    str | None,
    typer.Option(help="What the scale is called. Default: aienergyscore-DATE.", show_default=False),
]
Hardware = Annotated[str, typer.Option(help="The GPU that it was measured on.")]
Harness = Annotated[
    Literal["v1", "v2"] | None,
    typer.Option(
        help="The official method: v1 (optimum-benchmark, greedy, lengths forced) or v2 "
        "(ai_energy_benchmarks, sampled at temperature 0.7). Default: v2 from 2025-12 on, else v1.",
        show_default=False,
    ),
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Replace a scale of yours that has this name.")
]


@scale_app.command(name="list", cls=Command)
def list_(form: Format = "table") -> None:
    """List the scales at hand: the bundled one and those that you brought.

    Example:
      energyscore scale list
    """
    from energyscore.cli.console import say, show_json, show_table
    from energyscore.judge.references import cautions_on, of_all_bands
    from energyscore.protocol.scales import all_scales, newest_scale, scales_folder

    scales, newest = all_scales(), newest_scale()
    if form == "json":
        show_json([one.model_dump(exclude={"bands"}) | _counts(one) for one in scales])
        return
    columns = ("name", "date", "method", "hardware", "tasks", "rows")
    show_table("", columns, [_cells(one) for one in scales])
    say(
        f"{newest.name} is the newest here: results are rated by it where they were measured as it "
        f"was. Yours lie in {scales_folder()}."
    )
    for line in cautions_on(of_all_bands(newest)):
        say(f"caution: {line}")


@scale_app.command(cls=Command)
def show(
    name: Annotated[
        str, typer.Argument(help="Its name, `latest`, or the JSON file of one.", metavar="NAME")
    ] = "latest",
    form: Format = "table",
) -> None:
    """Show a scale: the range of each task, class and mode, and where it is from.

    Example:
      energyscore scale show aienergyscore-2025-02
    """
    from energyscore.base.units import format_number
    from energyscore.cli.console import say, show_json, show_table
    from energyscore.judge.references import about, cautions_on, of_all_bands
    from energyscore.protocol.scales import load_scale

    scale = load_scale(name)
    if form == "json":
        show_json(scale.model_dump())
        return
    columns = ("task", "class", "reasoning", "rows", "least (Wh)", "greatest (Wh)")
    rows = [
        [
            *(band.task, band.model_class or "", band.reasoning or "", str(band.models)),
            *map(format_number, band.range_wh),
        ]
        for band in scale.bands
    ]
    show_table("", columns, rows)
    say(f"{about(scale)}.")
    say(f"Source: {scale.source}.")
    for line in cautions_on(of_all_bands(scale)):
        say(f"caution: {line}")


@scale_app.command(name="import", cls=Command)
def import_(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="CSV", help="Official leaderboards, one a task, or folders of them."
        ),
    ],
    date: Annotated[str, typer.Option(help="Of the leaderboard: 2026-06, or a day.")],
    name: Name = None,
    hardware: Hardware = "H100 80GB",
    harness: Harness = None,
    replace: Replace = False,
) -> None:
    """Make a scale from official leaderboard files that you have.

    Stars are then relative to the range of each task, class and mode of reasoning in them.

    Examples:
      energyscore scale import text_generation.csv reasoning.csv --date 2025-12

      energyscore scale import official/ --date 2026-06 --name june
    """
    from energyscore.judge.scale_making import About, made_from
    from energyscore.judge.scale_shelf import keep

    made = made_from(paths, About(name, date, "files that were imported", hardware, harness))
    path = keep(made.scale, replace=replace)
    _say_made(made, path)


@scale_app.command(cls=Command)
def update(
    space: Annotated[
        str, typer.Option(help="The Space of the leaderboard on the Hugging Face hub.")
    ] = "AIEnergyScore/Leaderboard",
    revision: Annotated[
        str | None,
        typer.Option(help="A commit or branch of it. Default: the newest.", show_default=False),
    ] = None,
    name: Name = None,
    hardware: Hardware = "H100 80GB",
    harness: Harness = None,
    replace: Replace = False,
) -> None:
    """Bring the official leaderboard of today from the Hugging Face hub, as a scale.

    Its date and commit are kept. It replaces no other scale of yours unless you say so. Without a
    network it says which files to download, and what to do with them.

    Examples:
      energyscore scale update

      energyscore scale update --revision 0123abcd
    """
    from energyscore.cli.console import say
    from energyscore.judge.scale_making import About, made_from_space
    from energyscore.judge.scale_shelf import is_kept, keep
    from energyscore.protocol.leaderboard_space import fetch

    say(f"asking the hub for {space}")
    found = fetch(space, revision)
    source = f"https://huggingface.co/spaces/{found.space}"
    about = About(name, found.date, source, hardware, harness, found.commit)
    made = made_from_space(found, about)
    path = keep(made.scale, replace=replace or is_kept(made.scale))
    _say_made(made, path)


def _say_made(made: "Made", path: Path) -> None:
    from energyscore.cli.console import say, say_note
    from energyscore.judge.references import about

    for note in made.notes:
        say_note(note)
    print(f"{about(made.scale)}: {path}")
    say(f"Rate by it: energyscore rate results --scale {made.scale.name}")


def _cells(scale: "Scale") -> list[str]:
    from energyscore.protocol.official_method import METHODS

    counts = _counts(scale)
    method = f"{scale.protocol}: {METHODS[scale.protocol].decoding}"
    return [scale.name, scale.date, method, scale.gpu, str(counts["tasks"]), str(counts["rows"])]


def _counts(scale: "Scale") -> dict[str, int]:
    return {"tasks": len({band.task for band in scale.bands}), "rows": scale.models}
