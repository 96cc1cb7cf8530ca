"""The command line: a command is parse -> call -> show. Errors are formatted here, once.

Heavy libraries are imported inside commands, never at the top of these modules.
"""

import os
import sys
from typing import Any

import typer

from energyscore.base.errors import EnergyScoreError
from energyscore.cli.mistakes import explain
from energyscore.cli.streams import prepare_streams

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it (128 + SIGINT)."""

UNEXPECTED = 70
"""Exit status of a mistake of ours (sysexits' EX_SOFTWARE): Python's own, 1, would say 'fail'."""


def main() -> None:
    """The entry point: run the command, turn errors into one line and the promised status."""
    prepare_streams()
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
    except KeyboardInterrupt:
        _complain("interrupted.")
        status = INTERRUPTED
    except typer.Abort:
        status = INTERRUPTED
    except click_error as error:
        _complain(explain(error, typer.main.get_command(app), sys.argv[1:]))
        status = 2
    except OSError as error:
        _complain(f"the output cannot be written: {error.strerror or error}.")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 2
    except Exception as error:  # noqa: BLE001 - Python's status, 1, would be a verdict
        status = _unexpected(error)
    sys.exit(status if isinstance(status, int) else 0)


def _unexpected(error: Exception) -> int:
    """Say in one line what is our mistake, or the machine's want of memory."""
    if os.environ.get("ENERGYSCORE_TRACEBACK") == "1":
        import traceback

        traceback.print_exception(error)
    text = " ".join(str(error).split())[:300]
    _complain(
        f"energyscore failed unexpectedly: {type(error).__name__}{f': {text}' if text else ''}. "
        "Please report it; ENERGYSCORE_TRACEBACK=1 shows where it happened."
    )
    return UNEXPECTED


def _complain(message: str) -> None:
    from energyscore.cli.console import message_console

    message_console().print(f"[bold red]error:[/] {_escape(message)}", soft_wrap=True)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
