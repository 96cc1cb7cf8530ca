"""Options that several commands have, declared once. Light: `--help` imports it."""

from pathlib import Path
from typing import Annotated

import typer

from energyscore.cli import Format

MEASURING, OUTPUT = "Measuring", "Output"
RESULTS = Path("results")

Out = Annotated[Path, typer.Option("--out", help="Folder for results.", rich_help_panel=OUTPUT)]
FormatOption = Annotated[
    Format, typer.Option("--format", help="What stdout gets.", rich_help_panel=OUTPUT)
]
TaskPath = Annotated[
    Path | None,
    typer.Option("--task-path", help="A folder of task files of your own.", show_default=False),
]
