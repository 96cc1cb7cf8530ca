"""The command line: a command is parse -> call -> show. Errors are formatted here, once.

Heavy libraries are imported inside commands, never at the top of these modules.
"""

import os
import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from energyscore import __version__
from energyscore.cli.mistakes import explain
from energyscore.cli.streams import prepare_streams
from energyscore.errors import EnergyScoreError

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it (128 + SIGINT)."""

UNEXPECTED = 70
"""Exit status of a mistake of ours (sysexits' EX_SOFTWARE): Python's own, 1, would say 'fail'."""

app = typer.Typer(
    name="energyscore",
    help="How much energy an AI model needs to do its work, measured on your machine and rated "
    "with one to five stars.",
    epilog="Exit status: 0 done, 1 a gate failed, 2 wrong usage or input, 3 the measurement is "
    "invalid or this machine cannot make it, 70 energyscore itself failed, 130 interrupted "
    "(finished runs are kept).",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


class Format(StrEnum):
    """How a command shows its result on stdout."""

    table = "table"
    json = "json"


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"energyscore {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


def main() -> None:
    """The entry point: run the command, turn errors into one line and the promised status."""
    prepare_streams()
    # Typer carries a copy of click or depends on it, by version; the base is the same in name.
    base = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")
    click_error: Any = base
    try:
        # The modules register their commands; importing them costs no heavy library.
        from energyscore.cli import (  # noqa: F401
            baseline,
            bundle,
            card,
            compare,
            doctor,
            gate,
            label,
            leaderboard,
            page,
            rate,
            run,
            selftest,
            show,
            suite,
            verify,
        )

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
    from energyscore.console import message_console

    message_console().print(f"[bold red]error:[/] {_escape(message)}", soft_wrap=True)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
