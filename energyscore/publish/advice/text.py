"""Advice on one page of text: its table, its paragraphs, and what cannot be told. Pure."""

import re
from collections.abc import Sequence

from energyscore.base.stats import inverted
from energyscore.base.text import markdown_table, markdown_text, one_line
from energyscore.base.units import (
    counted,
    format_duration,
    format_grams,
    format_number,
    format_wh,
    with_ends,
)
from energyscore.publish import margins
from energyscore.publish.advice.form import AdviceReport, AdviceYear, Change
from energyscore.publish.derived import money
from energyscore.publish.schedule import rate_of

CHANGES: dict[Change, str] = {
    "model": "another model",
    "compression": "compressed",
    "mode": "another mode of reasoning",
    "settings": "other settings",
    "together": "all of it together",
    "when": "loaded when it is needed",
}
_MOST_LEFT_OUT = 5
_TELLING_SHARE = 0.1
COLUMNS = ("step", "to", "energy", "saves")


def title_of(report: AdviceReport) -> str:
    """What it is about, and in what unit."""
    about = at_its_rate(report.task, report)
    return f"{about}: from today's choice to the recommended, {shown_unit(report)}"


def at_its_rate(task: str, report: AdviceReport) -> str:
    """A task, as it is called there, with the rate of its requests where that is known."""
    rate = report.requests_per_hour
    return task if rate is None else f"{task}, {rate_of(rate)}"


def shown_unit(report: AdviceReport) -> str:
    """The unit of the table."""
    return f"{report.unit}{', estimated' * report.estimated}"


def rows_of(report: AdviceReport) -> list[tuple[str, str, str, str]]:
    """A row a height of the waterfall."""
    if not report.waterfall:
        return []
    first, *later = report.waterfall
    rows = [("today", first.name, format_wh(first.wh), "")]
    for step, bar in zip(report.steps, later, strict=True):
        rows.append(
            (CHANGES[step.change], bar.name, format_wh(bar.wh), saved(step.ratio, step.ci95))
        )
    return rows


def saved(ratio: float, ci95: tuple[float, float] | None) -> str:
    """`83% (82 to 84)`: by how much less it is; with a minus where it is more."""
    ends = tuple(sorted((1 - end) * 100 for end in ci95)) if ci95 else None
    digits = 1 if ends and ends[1] - ends[0] < 1 else 0

    def shown(percent: float) -> str:
        return f"{percent:.{digits}f}"

    figure = with_ends((1 - ratio) * 100, ends and (ends[0], ends[1]), shown)
    return f"{figure}%{'' if ci95 else ' (no interval)'}"


def answer_of(report: AdviceReport) -> list[str]:
    """What to do and what it comes to, in a few sentences."""
    best, today = report.recommended, report.today
    if best is None:
        return [report.reason]
    how = " (estimated)" * report.estimated
    if best.file == today.file:
        said = [
            f"Keep {best.model}: nothing that was measured is known to meet the requirements with "
            f"less{how}."
        ]
    else:
        ratio, ends = report.ratio or 1.0, report.ci95
        word = "less" if ratio < 1 else "more"
        if ratio < 1:
            ratio, ends = 1 / ratio, inverted(ends)
        times = margins.factor(ratio, ends)
        open_ = ends is not None and ends[0] <= 1 <= ends[1]
        but = "; the interval contains 1, so that is not decided" if open_ else ""
        none = "" if ends else " (no interval)"
        said = [
            f"Choose {best.model} instead of {today.model}: {times} times {word} energy a query"
            f"{none}{how}{but}."
        ]
    unknown = sum(one.piece == "requirement" for one in report.missing)
    if unknown:
        said.append(
            f"Of {counted(unknown, 'other result')} that may need less a figure is missing: "
            "whether that meets them is not known."
        )
    return [*said, *(_year(report.year, best.model, how) if report.year else [])]


def _year(year: AdviceYear, best: str, how: str) -> list[str]:
    """What a year comes to."""
    word = "saves" if year.saved_wh >= 0 else "costs"
    alone = f" Idling and loading are not in it: they are {year.reason}." * bool(year.reason)
    under = f", {year.policy}," if year.policy else ""
    said = (
        f"A year of {format_number(year.requests)} requests takes {format_wh(year.recommended_wh)}"
        f"{under} instead of {format_wh(year.today_wh)}{how}: that {word} "
        f"{format_wh(abs(year.saved_wh))}{_beside(year)}.{alone}"
    )
    if (year.floor_wh or 0.0) > _TELLING_SHARE * abs(year.saved_wh):
        said += (
            f" Up to {format_wh(year.floor_wh or 0.0)} of difference is no model's: the machine "
            "drew another power without a model in each measurement. Measure both again while it "
            "does nothing else."
        )
    least = year.least
    if least is None:
        return [said]
    less = "" if year.reason else f", {format_wh(year.recommended_wh - least.wh)} less than {best}"
    return [
        said,
        f"For these requests {least.model} is better, {least.policy}: with idling and loading it "
        f"takes {format_wh(least.wh)} a year{less}{how}, though a query takes more.",
    ]


def _beside(year: AdviceYear) -> str:
    """CO2 and cost of what is saved."""
    co2 = [] if year.saved_co2_g is None else [f"{format_grams(abs(year.saved_co2_g))} of CO2"]
    saved_cost = year.saved_cost
    cost = [] if saved_cost is None else [money(abs(saved_cost), year.currency)]
    return f", {' and '.join([*co2, *cost])}" if co2 or cost else ""


def cannot_tell(report: AdviceReport) -> list[tuple[str, str]]:
    """What is not known, each with what would tell: the command, and how long it takes."""
    return [
        (
            one.text,
            ""
            if one.command is None
            else one.command
            + (f"  # about {format_duration(one.seconds)}" if one.seconds is not None else ""),
        )
        for one in report.missing
    ]


def left_out(report: AdviceReport) -> list[str]:
    """What was not used, and why."""
    shown = report.left_out[:_MOST_LEFT_OUT]
    rest = len(report.left_out) - len(shown)
    more = [f"{counted(rest, 'more result')} left out: JSON names them."] if rest else []
    return [f"{one.model} was left out: {one.reason.rstrip('.')}." for one in shown] + more


def to_markdown(report: AdviceReport) -> bytes:
    """As Markdown."""
    lines = [f"## Advice: {markdown_text(report.task)}", ""]
    lines += [f"**{markdown_text(line)}**" for line in answer_of(report)[:1]]
    lines += ["", *(markdown_text(line) for line in answer_of(report)[1:])]
    if report.waterfall:
        rows = ([markdown_text(cell) for cell in row] for row in rows_of(report))
        lines += ["", markdown_text(f"{title_of(report)}."), ""]
        lines += markdown_table(COLUMNS, rows)
    for number, one in enumerate(report.strategies, start=1):
        lines += ["", f"### {number}. {one.title}", ""]
        lines += [markdown_text(line) for line in one.text]
        lines += [] if one.check is None else ["", f"Check: {_code(one.check)}"]
        lines += ["", f"Stands on: {markdown_text(', '.join(one.files))}"] if one.files else []
    if report.missing:
        lines += ["", "### What cannot be told", ""]
        for text, command in cannot_tell(report):
            lines += [f"- {markdown_text(text)}", *([f"  {_code(command)}"] if command else [])]
    notes = [*([report.note] if report.note else []), *left_out(report)]
    lines += ["", *(f"- {markdown_text(note)}" for note in notes)] if notes else []
    return ("\n".join(_no_double_blank(lines)).rstrip("\n") + "\n").encode()


def _code(command: str) -> str:
    """As code: between more backticks than it has in a row, so that none of its own ends it."""
    plain = one_line(command)
    longest = max((len(found) for found in re.findall("`+", plain)), default=0)
    fence, space = "`" * (longest + 1), " " * bool(longest)
    return f"{fence}{space}{plain}{space}{fence}"


def _no_double_blank(lines: Sequence[str]) -> list[str]:
    return [one for place, one in enumerate(lines) if one or (place and lines[place - 1])]
