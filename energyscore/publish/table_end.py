"""What stands under a table, in the same order everywhere. Pure.

First the answer, then what all rows share, then the cautions that change how to read it, three at
most. Where the files are comes next, and last, in one line, what `--explain` tells besides.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from energyscore.base.errors import sentence
from energyscore.base.units import counted

MOST_CAUTIONS = 3
_MOST_MODELS = 10
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?%?(?![\w])")


@dataclass(frozen=True)
class TableEnd:
    """The lines under one table.

    Attributes:
        answer: what the table says, in a sentence.
        shared: what is the same in all rows.
        cautions: what changes how to read it, the weightiest first.
        more: the rest, told on request.
        points: in how many points rows are not comparable to the reference.
        topics: what else `more` is about, in a few words each.
        short: what is said instead of `more` where that is not asked for.
    """

    answer: Sequence[str] = ()
    shared: Sequence[str] = ()
    cautions: Sequence[str] = ()
    more: Sequence[str] = ()
    points: Sequence[int] = ()
    topics: Sequence[str] = ()
    short: Sequence[str] = ()

    def lines(self, *, explain: bool) -> list[str]:
        """What is said under the table; with `explain` all there is to say."""
        if explain:
            return [*self.answer, *self.shared, *self.cautions, *self.more]
        return [*self.answer, *self.shared, *self.cautions[:MOST_CAUTIONS], *self.short]


def left_to_explain(ends: Iterable[TableEnd], how: str = "--explain") -> list[str]:
    """What these tables leave unsaid, in one line; nothing where that is nothing."""
    ends = list(ends)
    points = sorted({count for end in ends for count in end.points})
    hidden = sum(max(0, len(end.cautions) - MOST_CAUTIONS) for end in ends)
    said = []
    if points:
        most = counted(points[-1], "point")
        least = f"{points[0]} to " if len(points) > 1 else ""
        said.append(f"not comparable to the reference in {least}{most}")
    said += [counted(hidden, "more caution")] if hidden else []
    said += dict.fromkeys(topic for end in ends for topic in end.topics)
    return [f"{', '.join(said)} ({how})"] if said else []


def caution_lines(cautions: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """One line for each caution, with the models that have it unless all rows do.

    Cautions that differ in their numbers only are one, with the range of each number.
    """
    seen: dict[str, list[tuple[str, str]]] = {}
    for model, messages in cautions:
        for message in dict.fromkeys(messages):
            seen.setdefault(_NUMBER.sub("#", message), []).append((model, message))
    lines = []
    for found in seen.values():
        models = dict.fromkeys(model for model, _ in found)
        whose = "" if len(found) >= len(cautions) else f" ({listed(list(models))})"
        message = _in_one([message for _, message in found])
        lines.append(sentence(f"caution: {message.rstrip('.')}{whose}"))
    return lines


def listed(models: Sequence[str]) -> str:
    """The first models by name, and how many more there are."""
    names = list(dict.fromkeys(models))
    more = len(names) - _MOST_MODELS
    return ", ".join(names[:_MOST_MODELS]) + (f" and {more:,} more" if more > 0 else "")


def _in_one(messages: Sequence[str]) -> str:
    """Messages that differ in their numbers only: `used 65% to 67% of the processor`."""
    columns = zip(*(_NUMBER.findall(message) for message in messages), strict=True)
    ranges = iter([_range(list(dict.fromkeys(column))) for column in columns])
    return _NUMBER.sub(lambda _: next(ranges), messages[0])


def _range(numbers: Sequence[str]) -> str:
    if len(numbers) == 1:
        return numbers[0]
    ordered = sorted(numbers, key=lambda text: float(text.replace(",", "").rstrip("%")))
    return f"{ordered[0]} to {ordered[-1]}"
