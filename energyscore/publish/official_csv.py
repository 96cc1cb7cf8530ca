"""Official leaderboard files: `model,total_gpu_energy,energy_score[,class]`, one CSV a task."""

import csv
import io

from energyscore.base.errors import ResultError
from energyscore.judge.leaderboard import BoardTable, Leaderboard
from energyscore.judge.official import CLASS, COLUMNS


def to_official(board: Leaderboard) -> dict[str, bytes]:
    """The file of each task, by the task's name; energy in kWh per 1,000 queries.

    Rows come class by class in the order of the sources, so that an official file comes out as
    it went in. The format has no room for hardware, protocol or estimates: `board` must be built
    with `official_only`. Without stars a row has no place in it either.

    Raises:
        ResultError: when a task has several modes of reasoning, which the format cannot tell
            apart.
    """
    tables: dict[str, list[BoardTable]] = {}
    for table in board.tables:
        if table.of_status("ranked"):
            tables.setdefault(table.task, []).append(table)
    return {task: _file(task, of_task) for task, of_task in tables.items()}


def _file(task: str, tables: list[BoardTable]) -> bytes:
    modes = sorted({table.reasoning or "not stated" for table in tables})
    if len(modes) > 1:
        raise ResultError(
            f"{task}: official files do not tell modes of reasoning apart, and there are "
            f"{', '.join(modes)}.",
            "Name the sources of one mode.",
        )
    classes = any(table.model_class for table in tables)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*COLUMNS, CLASS) if classes else COLUMNS)
    for table in tables:
        size = [table.model_class or ""] if classes else []
        for row in table.of_status("ranked"):
            writer.writerow([row.model, row.kwh_per_1k_queries, row.stars, *size])
    return text.getvalue().encode()
