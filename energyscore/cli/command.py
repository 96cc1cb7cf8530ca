"""How a command's help is laid out: its docstring as prose and examples, and its usage line."""

import inspect
from collections import Counter
from typing import Any

import typer
from typer.core import TyperCommand

from energyscore.base.interrupts import Interrupted


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

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse several values of an option that takes one: the last would count in silence."""
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        counts: Counter[Any] = Counter(order)
        for option, count in counts.items():
            if count > 1 and _takes_one(option):
                raise typer.BadParameter(
                    f"it takes one value, and {count} are given.", ctx=ctx, param=option
                )
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; the parser's own answer to Ctrl-C is 130 without a word."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("interrupted.") from None

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The usage line: `NAME` for a required argument, `[NAME]` for an optional one."""
        return [
            piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)
        ]


def _takes_one(parameter: Any) -> bool:
    """Whether it is an option of one value; a flag given twice says nothing else than once."""
    if parameter.param_type_name != "option" or parameter.multiple:
        return False
    return not parameter.is_flag or bool(parameter.secondary_opts)


def _laid_out(docstring: str) -> str:
    """Each paragraph of prose on one line, and the examples indented.

    Typer dedents what follows the first paragraph by the smallest margin after its first line; an
    empty first line makes the heading of the examples count.
    """
    prose, heading, examples = inspect.cleandoc(docstring).partition("\n\nExample")
    paragraphs = [" ".join(paragraph.split()) for paragraph in prose.split("\n\n")]
    gap = "\n" if len(paragraphs) == 1 else ""
    return "\n\n".join(paragraphs) + (f"{gap}{heading}{examples}" if heading else "")
