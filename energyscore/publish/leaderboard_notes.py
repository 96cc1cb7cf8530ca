"""What must be known to read a leaderboard, in lines for people. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence

from energyscore.base.errors import sentence
from energyscore.base.text import one_line
from energyscore.base.units import format_wh
from energyscore.judge.leaderboard import BoardRow, BoardTable, Leaderboard
from energyscore.publish.notes import (
    ESTIMATED,
    MOST_ROWS,
    SMALL_COHORT,
    departures_in_words,
)
from energyscore.publish.table_end import caution_lines, listed

_MOST_NOTES = 10


def title_of(table: BoardTable) -> str:
    """The task, with class and mode of reasoning where it has them."""
    size = f", class {table.model_class}" if table.model_class else ""
    mode = f", reasoning {table.reasoning}" if table.reasoning else ""
    return one_line(f"{table.task}{size}{mode}")


def notes_of(table: BoardTable) -> list[str]:
    """The lines under a table: what its stars stand on, and which rows are not in it and why."""
    return [*_about(table), *_duplicates(table), *_left_out(table)]


def notes_on_written(board: Leaderboard) -> list[str]:
    """What must be known of the stars in official files, as a file alone cannot say it."""
    lines = []
    for table in board.tables:
        rows = table.of_status("ranked")
        notes = [*_against_published(table, rows, same=False), *_against_reference(table, rows)]
        if rows and not any(row.source == "official" for row in rows):
            by = table.relative_to if table.kind == "reference" else f"{len(rows)} results of yours"
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
            if table.kind == "cohort" and len(rows) == 2:
                yield SMALL_COHORT
    if any(row.estimated for row in rows):
        yield ESTIMATED
    yield from _against_published(table, rows)
    yield from _against_reference(table, rows)
    yield from _several(rows)
    yield from caution_lines([(row.label, row.cautions) for row in rows])


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
        yield f"not shown: {repeated:,} rows that a later file has with the same figure."
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
        yield sentence(f"left out: {_models(rows)}: {reason}")
