"""Results without what only a closer look needs, so that many of them have room in memory.

Most of a result is the details of its runs: phases, facts, notices. What rates, compares and
lists results needs none of them. They are not emptied: whoever asks for one is told that it was
not kept, as nothing may ever be missing in silence.
"""

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from energyscore.base.errors import ResultError
from energyscore.base.files import read_file
from energyscore.base.form import with_values
from energyscore.results.parts import Check, Run
from energyscore.results.per_token import with_per_token
from energyscore.results.result import Result, parse_result
from energyscore.results.score import steps_se_j


class _NotKept(Mapping[str, Any]):
    """In place of what was left out; to ask it for anything is an error of the program."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError(f"{key}: the details of runs were not kept; read the file again")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("the details of runs were not kept; read the file again")

    def __len__(self) -> int:
        raise RuntimeError("the details of runs were not kept; read the file again")

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def __reduce__(self) -> str:
        return "NOT_KEPT"  # there is one


NOT_KEPT: Any = _NotKept()
DETAILS = (
    *("phases", "phase_methods", "phase_reasons", "phase_facts", "methods", "reasons"),
    *("facts", "second_source", "notices"),
)
_LEFT_OUT = dict.fromkeys(DETAILS, NOT_KEPT)


def without_details(result: Result) -> Result:
    """The same result without the details of its runs."""
    runs = [_without_details(run) for run in result.runs]
    checks = [_check(one.name, one.required, one.actual, one.ok) for one in result.conformance]
    return result.model_copy(update={"runs": runs, "conformance": checks})


@functools.lru_cache(maxsize=10_000)
def _check(name: str, required: str, actual: str, ok: bool) -> Check:
    """Of the many that results have alike one is enough, in memory and between processes."""
    return Check(name=name, required=required, actual=actual, ok=ok)


def _without_details(run: Run) -> Run:
    # What the steps of a meter leave open follows from its facts where it is not stated.
    steps = {"quantization_se_j": steps_se_j(run, run.energy_j)}
    return with_values(Run, run.__dict__ | _LEFT_OUT | steps)


def read_again(path: Path, result: Result) -> Result:
    """The whole result of which this one was kept; a ResultError where its file has changed."""
    if result.runs[0].facts is not NOT_KEPT:
        return result
    whole = with_per_token(parse_result(read_file(path), str(path)))
    if without_details(whole) != result:
        raise ResultError(f"{path} was changed while it was read.", "Repeat the command.")
    return whole


def text_without_runs(result: Result) -> str:
    """All that a result says but for its runs, as JSON."""
    return result.model_dump_json(exclude={"runs"})
