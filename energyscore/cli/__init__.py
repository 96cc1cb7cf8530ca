"""The command line: a command is parse -> call -> show. Errors are formatted here, once.

Heavy libraries are imported inside commands, never at the top of these modules.
"""

import os
import sys
from typing import Any

import typer

from energyscore.base.errors import UNEXPECTED, EnergyScoreError, describe_crash
from energyscore.base.interrupts import heed_signals, interrupted_status
from energyscore.base.packages import missing_package
from energyscore.cli.mistakes import explain
from energyscore.cli.streams import prepare_streams


def main() -> None:
    """The entry point: run the command, turn errors into one line and the promised status."""
    prepare_streams()
    heed_signals()
    # Typer carries a copy of click or depends on it, by version; the base is the same in name.
    base = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")
    click_error: Any = base
    try:
        from energyscore.cli.app import app

        status = app(standalone_mode=False)
        sys.stdout.flush()
    except EnergyScoreError as error:
        _complain(str(error))
        status = error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        _complain("interrupted.")
        status = interrupted_status()
    except click_error as error:
        _complain(explain(error, typer.main.get_command(app), sys.argv[1:]))
        status = 2
    except OSError as error:
        # Of a file by name it is not said here what was done with it; streams have no name.
        what = "the output cannot be written" if error.filename is None else str(error.filename)
        _complain(f"{what}: {error.strerror or error}.")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 2
    except Exception as error:  # noqa: BLE001 - Python's status, 1, would be a verdict
        missing = missing_package(error, "This command")
        _complain(str(missing) if missing else describe_crash(error))
        status = missing.exit_code if missing else UNEXPECTED
    sys.exit(status if isinstance(status, int) else 0)


def _complain(message: str) -> None:
    from energyscore.cli.console import ProgressObserver

    ProgressObserver().fail(message)
