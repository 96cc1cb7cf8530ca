"""What is finished: results of what was asked for, where it was, so that none is made twice.

The results are the truth: each carries the key of the entry that asked for it, in the same atomic
write. `run` and suites both look here before they measure.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from energyscore.measurement.options import RunOptions
from energyscore.measurement.suite.where import Where
from energyscore.protocol.task import TaskSpec
from energyscore.results.result import Result
from energyscore.results.store import KnownResults

ByKey: TypeAlias = Mapping[str, Sequence[tuple[str, Result]]]
"""Results by the key of what asked for them, each with its file in the folder."""


def by_key(known: KnownResults, below: Path | None = None) -> ByKey:
    """The results in a folder, or in one below it, by the key of what asked for them."""
    found: dict[str, list[tuple[str, Result]]] = {}
    for path, result in known.load(below):
        if result.request is not None:
            entry = str(path.relative_to(known.folder)), result
            found.setdefault(result.request, []).append(entry)
    return found


def find_finished(
    key: str, finished: ByKey, options: RunOptions, task: TaskSpec | None, where: Where
) -> tuple[str, Result] | None:
    """The newest valid result of what is asked for, measured there, and its file in the folder.

    With --strict one of fewer queries than asked for does not count: measuring it will say so,
    before anything is measured. With --quality or --loading one without it does not.
    """
    least = 0
    if options.strict and task is not None:
        least = options.queries or task.queries
    fitting = [
        (file, result)
        for file, result in finished.get(key, ())
        if result.valid
        and where.has(result)
        and result.workload.queries >= least
        and (result.quality is not None or not options.quality)
        and (result.loading is not None or not options.loading)
    ]
    return max(fitting, key=lambda one: (one[1].created_at, one[0]), default=None)
