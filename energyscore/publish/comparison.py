"""A comparison for people: the rows of its table, what stands under it, and both as Markdown."""

from collections.abc import Sequence

from energyscore.base.errors import sentence
from energyscore.base.stats import inverted
from energyscore.base.text import markdown_table, markdown_text
from energyscore.base.units import counted, format_number, with_ends
from energyscore.judge.changes import say_changes
from energyscore.judge.compare import Comparison, FigureChange, Pair
from energyscore.judge.effect import Effect
from energyscore.publish.answers import less_than
from energyscore.publish.notes import ESTIMATED
from energyscore.publish.table_end import TableEnd, caution_lines

COLUMNS = ("model", "phase", "before, Wh", "after, Wh", "ratio (95% interval)", "p", "difference")
"""Of a row, behind its task; the stars follow where there are any."""

_MOST_ANSWERS = 3
_MOST_NAMES = 3


def to_markdown(comparison: Comparison) -> bytes:
    """Energy before and after, in Wh per 1,000 queries."""
    columns = columns_of(comparison)
    rows = [
        map(markdown_text, (pair.task, *cells_of(pair, row)[: len(columns)]))
        for pair in comparison.pairs
        for row in pair.rows
    ]
    notes = [*refusals(comparison), *end_of(comparison).lines(explain=True)]
    lines = [
        *("## Energy compared", "", "Wh per 1,000 queries; ratio is after / before.", ""),
        *markdown_table(("task", *columns), rows),
        *("", *(f"- {markdown_text(note)}" for note in notes)),
    ]
    return ("\n".join(lines).rstrip("\n") + "\n").encode()


def columns_of(comparison: Comparison) -> tuple[str, ...]:
    """The columns of its table; without stars where no pair has them on both sides."""
    rated = any(_stars(pair) for pair in comparison.pairs if pair.rows)
    return (*COLUMNS, "stars") if rated else COLUMNS


def cells_of(pair: Pair, row: FigureChange) -> tuple[str, ...]:
    """What a table shows of a row, in `COLUMNS`, and its stars."""
    change, percent = row.difference_wh_per_1k_queries, row.change_percent
    return (
        _models(pair) if row is pair.rows[0] else "",
        f"{row.phase} (estimated)" if row.estimated else row.phase,
        _number(row.before_wh_per_1k_queries),
        _number(row.after_wh_per_1k_queries),
        _number(None) if row.ratio is None else with_ends(row.ratio, row.ratio_ci95, _number),
        "" if row.p_value is None else f"{row.p_value:.2g}",
        "" if change is None or percent is None else f"{_signed(change)} Wh ({_signed(percent)}%)",
        _stars(pair) if row is pair.rows[0] else "",
    )


def end_of(comparison: Comparison) -> TableEnd:
    """What stands under the table of a comparison."""
    compared = [pair for pair in comparison.pairs if pair.rows]
    told = [answer for pair in compared if (answer := _answer(pair))]
    lonely = {"only before": comparison.only_before, "only after": comparison.only_after}
    changed = [f"{_name(pair)}: {say_changes(pair.changed)}." for pair in compared if pair.changed]
    return TableEnd(
        answer=told[:_MOST_ANSWERS],
        shared=[f"{where}: {_first(names)}." for where, names in lonely.items() if names],
        cautions=[*_of_meters(compared), *_cautions(compared)],
        more=[*told[_MOST_ANSWERS:], *changed, *_starless(compared), *_missing(compared)],
        topics=[
            *([counted(len(told) - _MOST_ANSWERS, "more answer")] if told[_MOST_ANSWERS:] else []),
            *(["what else changed"] if changed else []),
            *(["what is missing and why"] if _missing(compared) else []),
        ],
    )


def refusals(comparison: Comparison) -> list[str]:
    """Why pairs are not compared, a line a reason."""
    whose: dict[str, list[str]] = {}
    for pair in comparison.pairs:
        if pair.refused:
            why = f"unlike: {'; '.join(map(str, pair.refused))}"
            whose.setdefault(why, []).append(_name(pair))
        elif pair.reason:
            whose.setdefault(pair.reason, []).append(_name(pair))
    return [f"{_first(names)}: not compared, {why}" for why, names in whose.items()]


def _answer(pair: Pair) -> str:
    """Which of the two needs less energy, and by how much."""
    row = pair.rows[0]
    if row.ratio is None:
        return ""
    names = _sides(pair)
    ratio, ends = row.ratio, row.ratio_ci95
    if ratio < 1:
        names = names[::-1]
        ratio, ends = 1 / ratio, inverted(ends)
    effect = Effect(ratio, ends, row.p_value, 0.0, None)
    return f"{less_than(names[0], [(names[1], effect)])}{' (estimated)' * row.estimated}."


def _of_meters(compared: Sequence[Pair]) -> list[str]:
    found = [
        f"{_name(pair)}: not metered by the same GPU and method, which makes the ratio "
        f"{pair.meter_uncertainty:.1%} more uncertain (one standard uncertainty)."
        for pair in compared
        if pair.meter_uncertainty
    ]
    if any(row.estimated for pair in compared for row in pair.rows):
        found.append(ESTIMATED)
    found += [
        f"{_name(pair)}: not known of both: {', '.join(pair.not_known)}."
        for pair in compared
        if pair.not_known
    ]
    return found + [
        sentence(f"{_name(pair)}: unlike, as allowed: {'; '.join(map(str, points))}")
        for pair in compared
        if (points := [point for point in pair.allowed if point.name != "model"])
    ]


def _cautions(compared: Sequence[Pair]) -> list[str]:
    """The cautions of all sides, each once with the sides that have it unless all do."""
    sides: dict[str, list[str]] = {}
    for pair in compared:
        names = ("before", "after") if len(compared) == 1 else _sides(pair)
        sides |= dict(zip(names, (pair.before.cautions, pair.after.cautions), strict=True))
    return caution_lines(list(sides.items()))


def _starless(compared: Sequence[Pair]) -> list[str]:
    """Why there are no stars to compare."""
    found = []
    for pair in (pair for pair in compared if not _stars(pair)):
        reasons = (one.stars_reason for one in (pair.before, pair.after) if one.stars is None)
        why = "; ".join(dict.fromkeys(reasons))
        found.append(sentence(f"{_name(pair)}: no stars to compare: {why}"))
    return found


def _missing(compared: Sequence[Pair]) -> list[str]:
    """Which figures are missing, or have no interval, and why."""
    return [
        sentence(f"{_name(pair)}, {row.phase}: {row.reason}")
        for pair in compared
        for row in pair.rows
        if row.reason and row.reason != pair.reason
    ]


def _name(pair: Pair) -> str:
    return f"{pair.task}, {pair.model}"


def _models(pair: Pair) -> str:
    before, after = pair.before.model, pair.after.model
    return after if before == after else f"{before} -> {after}"


def _sides(pair: Pair) -> tuple[str, str]:
    """The two sides by name: two models, or one before and after."""
    before, after = pair.before.model, pair.after.model
    return (before, after) if before != after else (f"{before} (before)", f"{after} (after)")


def _first(names: Sequence[str]) -> str:
    shown = list(dict.fromkeys(names))
    more = len(shown) - _MOST_NAMES
    return "; ".join(shown[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def _stars(pair: Pair) -> str:
    before, after = pair.before, pair.after
    if before.stars is None or after.stars is None:
        return ""
    relative = after.stars_relative_to or ""
    if before.stars_relative_to != relative:
        relative = f"{before.stars_relative_to}, {relative}"
    return f"{before.stars} -> {after.stars} ({relative})"


def _number(value: float | None) -> str:
    """Four digits: changes of 1% are to be seen."""
    if value is None:
        return "none"
    return f"{value:,.0f}" if value >= 1000 else f"{value:#.4g}"


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'}{format_number(abs(value))}"
