"""`energyscore doctor`: what this machine can measure."""

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

from energyscore.base.errors import sentence
from energyscore.cli.options import RESULTS, Format, Out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from energyscore.measurement.doctor import Diagnosis


def doctor(out: Out = RESULTS, form: Format = "table") -> None:
    """Show what this machine can measure and how to fix what it cannot.

    Example:
      energyscore doctor
    """
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    from energyscore.cli.console import message_console, show_json
    from energyscore.measurement.doctor import examine

    with message_console().status("Looking at this machine ..."):
        found = list(examine(out))
    if form == "json":
        show_json([asdict(one) for one in found])
    else:
        show_found(found)


def show_found(found: "Sequence[Diagnosis]") -> None:
    """What was found, as a table."""
    from energyscore.cli.console import show_table

    show_table("", ("", "what", "found"), [(one.status, one.name, _told(one)) for one in found])


def _told(found: "Diagnosis") -> str:
    """What was found, and how to mend it, in sentences."""
    return f"{sentence(found.detail)} {found.remedy}" if found.remedy else found.detail
