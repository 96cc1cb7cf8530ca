"""How a command's help is laid out: its docstring as prose and examples, and its usage line."""

import inspect
from typing import Any

from typer.core import TyperCommand


class Command(TyperCommand):
    """A command whose docstring ends with examples, one paragraph each."""

    def __init__(self, *args: Any, help: str | None = None, **options: Any) -> None:
        """Take the options of a Typer command."""
        super().__init__(*args, help=help and _laid_out(help), **options)

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters; flags show no type, as if they took a value."""
        found = super().get_params(ctx)
        for option in found:
            if getattr(option, "is_flag", False):
                option.metavar = " "
        return found

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The usage line: `NAME` for a required argument, `[NAME]` for an optional one."""
        return [
            piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)
        ]


def _laid_out(docstring: str) -> str:
    """Each paragraph of prose on one line, and the examples indented.

    Typer dedents what follows the first paragraph by the smallest margin after its first line; an
    empty first line makes the heading of the examples count.
    """
    prose, heading, examples = inspect.cleandoc(docstring).partition("\n\nExample")
    paragraphs = [" ".join(paragraph.split()) for paragraph in prose.split("\n\n")]
    gap = "\n" if len(paragraphs) == 1 else ""
    return "\n\n".join(paragraphs) + (f"{gap}{heading}{examples}" if heading else "")
