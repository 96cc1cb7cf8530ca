"""`energyscore doctor`: what this machine can measure."""

import json
import os
from typing import TYPE_CHECKING

from energyscore.cli.choices import Format
from energyscore.cli.shared import RESULTS, FormatOption, Out

if TYPE_CHECKING:
    from energyscore.measurement.doctor import Finding


def doctor(
    out: Out = RESULTS,
    form: FormatOption = Format.table,
) -> None:
    """Say what can be measured on this machine, and how to mend what cannot.

    Example:
      energyscore doctor
    """
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    from energyscore.cli.console import message_console, show_table
    from energyscore.measurement.doctor import examine

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
            [(one.status, one.name, told(one)) for one in findings],
        )


def told(finding: "Finding") -> str:
    """What was found, and how to mend it, in sentences."""
    from energyscore.base.errors import sentence

    if not finding.remedy:
        return finding.detail
    return f"{sentence(finding.detail)} {finding.remedy}"
