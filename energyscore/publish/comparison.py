"""A comparison as Markdown: one table, a row a task and phase, and what differs under it."""

from energyscore.base.text import markdown_table, markdown_text
from energyscore.base.units import format_number
from energyscore.judge.comparability import say_changes
from energyscore.judge.compare import Comparison, FigureChange, Pair

COLUMNS = (
    *("model", "phase", "before, Wh", "after, Wh", "ratio", "95% interval", "p"),
    *("significant", "difference", "stars"),
)
"""Of a row, behind its task."""


def to_markdown(comparison: Comparison) -> bytes:
    """Energy before and after, in Wh per 1,000 queries."""
    rows = [
        map(markdown_text, (pair.task, *cells_of(pair, row)))
        for pair in comparison.pairs
        for row in pair.rows
    ]
    lines = [
        *("## Energy compared", "", "Wh per 1,000 queries; ratio is after / before.", ""),
        *markdown_table(("task", *COLUMNS), rows),
        *("", *(f"- {markdown_text(note)}" for note in notes_of(comparison))),
    ]
    return ("\n".join(lines).rstrip("\n") + "\n").encode()


def notes_of(comparison: Comparison) -> list[str]:
    """What must be known to read the whole comparison, in lines for people."""
    notes = [note for pair in comparison.pairs for note in notes_on(pair)]
    notes += [f"only before: {name}" for name in comparison.only_before]
    return notes + [f"only after: {name}" for name in comparison.only_after]


def notes_on(pair: Pair) -> list[str]:
    """What must be known to read the rows of a pair, in lines for people."""
    name = f"{pair.task}, {pair.model}"
    lines = []
    if pair.refused:
        lines.append(f"{name}: not compared, unlike: {'; '.join(map(str, pair.refused))}")
    elif pair.reason:
        lines.append(f"{name}: not compared: {pair.reason}")
    if pair.allowed:
        lines.append(f"{name}: unlike, as allowed: {'; '.join(map(str, pair.allowed))}")
    if pair.rows and pair.not_known:
        lines.append(f"{name}: not known of both: {', '.join(pair.not_known)}")
    if pair.rows and pair.meter_uncertainty:
        lines.append(
            f"{name}: not metered by the same GPU and method, which makes the ratio "
            f"{pair.meter_uncertainty:.1%} more uncertain (one standard uncertainty)"
        )
    if pair.changed and pair.rows:
        lines.append(f"{name}: {say_changes(pair.changed)}")
    if pair.rows:
        lines += [f"{name}: caution, {said}" for said in _cautions(pair)]
    if any(row.estimated for row in pair.rows):
        lines.append(f"{name}: estimated by load and time, not by a meter; no GPU energy")
    if pair.rows and (pair.before.stars is None or pair.after.stars is None):
        reasons = (one.stars_reason for one in (pair.before, pair.after) if one.stars is None)
        lines.append(f"{name}: no stars to compare: {'; '.join(dict.fromkeys(reasons))}")
    lines += [
        f"{name}, {row.phase}: {row.reason}"
        for row in pair.rows
        if row.reason and row.reason != pair.reason
    ]
    return lines


def _cautions(pair: Pair) -> list[str]:
    """The cautions of the two sides: `before: a quick run ...`."""
    before, after = pair.before.cautions, pair.after.cautions
    return [
        f"{'before and after' if both else 'before' if said in before else 'after'}: {said}"
        for said in dict.fromkeys([*before, *after])
        for both in [said in before and said in after]
    ]


def cells_of(pair: Pair, row: FigureChange) -> tuple[str, ...]:
    """What a table shows of a row, in `COLUMNS`."""
    interval = row.ratio_ci95
    change = row.difference_wh_per_1k_queries
    percent = row.change_percent
    return (
        pair.model,
        f"{row.phase} (estimated)" if row.estimated else row.phase,
        _number(row.before_wh_per_1k_queries),
        _number(row.after_wh_per_1k_queries),
        "none" if row.ratio is None else _number(row.ratio),
        "none" if interval is None else f"{_number(interval[0])} to {_number(interval[1])}",
        "" if row.p_value is None else f"{row.p_value:.2g}",
        "unknown" if row.significant is None else "yes" if row.significant else "no",
        "" if change is None or percent is None else f"{_signed(change)} Wh ({_signed(percent)}%)",
        _stars(pair) if row is pair.rows[0] else "",
    )


def _stars(pair: Pair) -> str:
    before, after = pair.before, pair.after
    if before.stars is None or after.stars is None:
        return "none"
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
