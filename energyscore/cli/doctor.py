"""`energyscore doctor`: what this machine can measure."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from energyscore.cli import Format, app


@app.command()
def doctor(
    out: Annotated[Path, typer.Option(help="Folder for results.")] = Path("results"),
    form: Annotated[Format, typer.Option("--format", help="How to show it.")] = Format.table,
) -> None:
    """Say what can be measured on this machine, and how to mend what cannot.

    Example:
      energyscore doctor
    """
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    from energyscore.console import message_console, show_table
    from energyscore.doctor import examine

    findings = []
    with message_console().status("Looking at this machine ..."):
        for finding in examine(out):
            findings.append(finding)
    if form is Format.json:
        print(json.dumps([finding.as_dict() for finding in findings], indent=2))
    else:
        show_table(
            "",
            ("", "what", "found"),
            [
                (f.status, f.name, f"{f.detail}. {f.remedy}".strip() if f.remedy else f.detail)
                for f in findings
            ],
        )
