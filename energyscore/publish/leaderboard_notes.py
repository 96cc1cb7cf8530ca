"""What must be known to read a leaderboard, in lines for people. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence

from energyscore.base.errors import sentence
from energyscore.base.text import one_line
from energyscore.base.units import counted, format_wh
from energyscore.judge.comparability import meter_uncertainty
from energyscore.judge.effect import Effect, compare_samples
from energyscore.judge.figures import headline_of
from energyscore.judge.leaderboard import BoardRow, BoardTable, Leaderboard
from energyscore.publish.answers import less_than
from energyscore.publish.notes import (
    ESTIMATED,
    MOST_ROWS,
    SMALL_COHORT,
    departures_in_words,
)
from energyscore.publish.table_end import TableEnd, caution_lines, listed

_MOST_NOTES = 10
_HARNESS = "; --harness says by which method official rows were measured"


def title_of(table: BoardTable) -> str:
    """The task, with class, mode of reasoning and a server's load where it has them."""
    size = f", class {table.model_class}" if table.model_class else ""
    mode = f", reasoning {table.reasoning}" if table.reasoning else ""
    load = f", {table.load}" if table.load else ""
    return one_line(f"{table.task}{size}{mode}{load}")


def notes_of(table: BoardTable) -> list[str]:
    """All lines under a table: what its stars stand on, and which rows are not in it and why."""
    return end_of(table).lines(explain=True)


def end_of(table: BoardTable) -> TableEnd:
    """What stands under a table."""
    rows = table.ranking()
    left_out, duplicates = list(_left_out(table)), list(_duplicates(table))
    return TableEnd(
        answer=_answer(rows),
        shared=list(_about(table)),
        cautions=[
            *([ESTIMATED] if any(row.estimated for row in rows) else []),
            *caution_lines([(row.label, row.cautions) for row in rows]),
        ],
        more=[*_small(table, rows), *duplicates, *left_out],
        short=list(_left_out_shortly(table)),
        topics=[counted(len(duplicates), "row") + " not shown"] if duplicates else [],
    )


def _answer(rows: Sequence[BoardRow]) -> list[str]:
    """How much less energy the first row takes than the next, and than the last."""
    known = [row for row in rows if row.wh_per_1k_queries]
    if len(known) < 2:
        return []
    first, *others = known
    others = others if len(others) <= 2 else [others[0], others[-1]]
    said = less_than(first.label, [(row.label, _effect(first, row)) for row in others])
    return [f"{said}{' (estimated)' * bool(first.estimated)}."]


def _effect(first: BoardRow, other: BoardRow) -> Effect:
    """Their ratio; its interval where both were measured here."""
    if first.result and other.result:
        headlines = headline_of(first.result), headline_of(other.result)
        if headlines[0] and headlines[1]:
            common = meter_uncertainty(first.result, other.result)
            return compare_samples(headlines[0].summary, headlines[1].summary, common)
    ratio = (other.wh_per_1k_queries or 0.0) / (first.wh_per_1k_queries or 1.0)
    return Effect(ratio, None, None, 0.0, None)


def notes_on_written(board: Leaderboard) -> list[str]:
    """What must be known of the stars in official files, as a file alone cannot say it."""
    lines = []
    for table in board.tables:
        rows = table.of_status("ranked")
        notes = [*_against_published(table, rows, same=False), *_against_reference(table, rows)]
        official = [(row.label, row.cautions) for row in rows if row.source == "official"]
        notes += caution_lines(official)
        if rows and not any(row.source == "official" for row in rows):
            ours = counted(len(rows), "result of yours", "results of yours")
            by = table.relative_to if table.kind == "reference" else ours
            notes.insert(
                0,
                f"caution: no row of an official leaderboard is among them: these stars are "
                f"relative to {by}, and are not official stars. Name the official CSV too.",
            )
        lines += [f"{title_of(table)}: {note}" for note in notes]
    return lines


def notes_on_unwritten(board: Leaderboard) -> list[str]:
    """Which rows have no place in official files, and why; one line a reason."""
    lines = []
    for table in board.tables:
        notes = [*_duplicates(table), *_left_out(table)]
        if unrated := table.of_status("unrated"):
            notes.append(sentence(f"no stars: {_models(unrated)}: {unrated[0].reason}"))
        lines += [f"{title_of(table)}: {note}" for note in notes]
    return lines


def _models(rows: Sequence[BoardRow]) -> str:
    return listed([row.label for row in rows])


def _about(table: BoardTable) -> Iterator[str]:
    rows, unrated = table.ranking(), table.of_status("unrated")
    if not rows:
        return
    if len(rows) > MOST_ROWS:
        yield f"the first {MOST_ROWS} of {len(rows):,} rows; --format csv and json have all."
    if unrated:
        yield sentence(f"no stars: {unrated[0].reason}")
    elif table.low_wh is not None and table.high_wh is not None:
        low, high = format_wh(table.low_wh), format_wh(table.high_wh)
        if table.low_wh == table.high_wh:
            yield f"all rows take {low}: by the official rule that is five stars."
        else:
            yield (
                f"stars are relative to the {table.relative_to}: five bands of equal width from "
                f"{low} to {high}."
            )
    yield from _against_published(table, rows)
    yield from _against_reference(table, rows)
    yield from _several(rows)


def _small(table: BoardTable, rows: Sequence[BoardRow]) -> list[str]:
    return [SMALL_COHORT] if table.kind == "cohort" and len(rows) == 2 else []


def _against_published(
    table: BoardTable, rows: Sequence[BoardRow], *, same: bool = True
) -> Iterator[str]:
    """Whether the published stars are kept; `same`: say so too where all of them are."""
    official = [row for row in rows if row.published_stars is not None and row.stars is not None]
    other = [row for row in official if row.stars != row.published_stars]
    if not other:
        if same and official:
            yield f"the stars of all {len(official):,} published rows are the published ones."
        return
    why = "the rows that they are relative to are not the same"
    if table.kind == "reference":
        why = f"these are relative to {table.relative_to}"
    elif len(rows) == len(table.rows) and len({(row.source, row.file) for row in rows}) == 1:
        why = "by the official rule the published ones do not follow from the file's rows"
    yield (
        f"{len(other):,} of {len(official):,} published rows have other stars than published: "
        f"{why} ({_models(other)})."
    )


def _against_reference(table: BoardTable, rows: Sequence[BoardRow]) -> Iterator[str]:
    """Which results have other stars than alone, by the bands of the reference."""
    other = [
        row
        for row in rows
        if row.reference_stars is not None and row.stars not in (None, row.reference_stars)
    ]
    if other and table.kind == "cohort":
        stars = listed([f"{row.label} {row.reference_stars}" for row in other])
        yield (
            f"by {table.reference}, as `energyscore rate` gives them, the stars would be: "
            f"{stars}; here they are relative to these {len(rows):,} rows."
        )


def _several(rows: Sequence[BoardRow]) -> Iterator[str]:
    """Models of which a file has several rows."""
    counts = Counter((row.model, row.file) for row in rows if row.source == "official")
    models = [model for (model, _), count in counts.items() if count > 1]
    if models:
        yield (
            f"more than once in one file: {listed(models)}; all the rows stay, as the "
            "published stars stand on them."
        )


def _duplicates(table: BoardTable) -> Iterator[str]:
    rows = table.of_status("duplicate")
    other = [row for row in rows if not _is_repeated(row)]
    if len(other) < len(rows):
        repeated = len(rows) - len(other)
        yield f"not shown: {counted(repeated, 'row')} that a later file has with the same figure."
    for row in other[:_MOST_NOTES]:
        place = f", line {row.line}" if row.line is not None else ""
        energy = format_wh(row.wh_per_1k_queries or 0)
        yield f"not shown: {row.model} of {row.file}{place}, {energy}; {row.reason}."
    if len(other) > _MOST_NOTES:
        yield f"and {len(other) - _MOST_NOTES:,} more such rows; --format csv and json have all."


def _is_repeated(row: BoardRow) -> bool:
    """Whether a later official file has the row with the same figure."""
    kept = row.replaced_by
    return (
        kept is not None
        and kept.source == "official"
        and kept.wh_per_1k_queries == row.wh_per_1k_queries
    )


def _left_out_shortly(table: BoardTable) -> Iterator[str]:
    """One line a reason, with the number of points in place of the points."""
    alike: dict[str, list[BoardRow]] = {}
    for row in table.of_status("left_out"):
        if row.left_out:
            alike.setdefault(row.left_out.reason, []).append(row)
    for reason, rows in alike.items():
        counts = sorted({len(row.left_out.departures) for row in rows if row.left_out})
        least = f"{counts[0]} to " if len(counts) > 1 else ""
        points = f" in {least}{counted(counts[-1], 'point')} (--explain)" if counts[-1] else ""
        if all(_by_method_alone(row) for row in rows):
            departures = [row.left_out.departures for row in rows if row.left_out]
            points = f": {departures_in_words(departures)}{_HARNESS}"
        yield sentence(f"left out: {_models(rows)}: {reason}{points}")


def _by_method_alone(row: BoardRow) -> bool:
    """Whether a row is left out for the official method that it was measured by, and no more."""
    return row.left_out is not None and [d.name for d in row.left_out.departures] == ["decoding"]


def _left_out(table: BoardTable) -> Iterator[str]:
    """One line for all that are left out in the same points."""
    alike: dict[tuple[str, ...], list[BoardRow]] = {}
    for row in table.of_status("left_out"):
        if row.left_out:
            names = (departure.name for departure in row.left_out.departures)
            alike.setdefault((row.left_out.reason, *names), []).append(row)
    for (reason, *points), rows in alike.items():
        if points:
            departures = [row.left_out.departures for row in rows if row.left_out]
            reason += f": {departures_in_words(departures)}"
            reason += _HARNESS * all(_by_method_alone(row) for row in rows)
        yield sentence(f"left out: {_models(rows)}: {reason}")
