"""Official leaderboard files, one CSV a task: `judge.official` reads what this writes."""

import csv
import io

from energyscore.judge.leaderboard import BoardTable, Leaderboard
from energyscore.judge.official import CLASS, COLUMNS, REASONING


def to_official(board: Leaderboard) -> dict[str, bytes]:
    """The file of each task, by the task's name; energy in kWh per 1,000 queries.

    Rows come class by class in the order of the sources, so that an official file comes out as
    it went in. The format has no room for hardware, protocol or estimates: `board` must be built
    with `official_only`. Without stars a row has no place in it either. A model in two modes of
    reasoning is two rows.
    """
    tables: dict[str, list[BoardTable]] = {}
    for table in board.tables:
        if table.of_status("ranked"):
            tables.setdefault(table.task, []).append(table)
    return {task: _file(of_task) for task, of_task in tables.items()}


def _file(tables: list[BoardTable]) -> bytes:
    classes = any(table.model_class for table in tables)
    modes = any(table.reasoning for table in tables)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *([CLASS] * classes), *([REASONING] * modes)])
    for table in tables:
        end = [*([table.model_class or ""] * classes), *([table.reasoning or ""] * modes)]
        for row in table.of_status("ranked"):
            writer.writerow([row.model, row.kwh_per_1k_queries, row.stars, *end])
    return text.getvalue().encode()
