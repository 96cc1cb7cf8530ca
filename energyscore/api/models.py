"""Measuring a model at a task: a session in a process of its own.

What loading and measuring a model does to a process (settings of libraries, memory, threads) is not
done to the one that asks.
"""

import json
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from energyscore.api.measurement import Measurement, of_result
from energyscore.base.errors import DatasetError, UnsupportedError, UsageError
from energyscore.measurement.child import job_command, run_child
from energyscore.measurement.options import Job, RunOptions, read_options
from energyscore.protocol.task import TaskSpec, find_task, load_tasks
from energyscore.results.folder import result_files
from energyscore.results.store import load_result

GIVEN = "queries given to energyscore.measure.jsonl"
"""The file of queries that were given: results call their dataset so."""

NO_OPTIONS = {
    **dict.fromkeys(("out", "format", "fresh"), "the whole result is in `result`, and no file"),
    **dict.fromkeys(("model", "task", "all"), "it measures one `work` at one `task`"),
    "task_path": "tasks are those that `energyscore tasks` lists",
}
"""Options of `energyscore run` that make no sense here, and why."""

INTERRUPTED = (130, -signal.SIGINT)

Rows = Sequence[str | Mapping[str, object]]


def measure_model(
    model: str,
    task: str,
    queries: Rows | int | None,
    options: Mapping[str, object],
    on_line: Callable[[str], None],
) -> Measurement:
    """Measure a model at a task as the command line does.

    Args:
        model: hub id, folder, or `builtin:NAME`.
        task: the task's name.
        queries: the queries, or how many of the task's; None: as many as the task says.
        options: options of `energyscore run` by their names with `_` for `-`.
        on_line: told of the progress, line by line.

    Raises:
        UsageError: when something named does not exist or does not fit.
        UnsupportedError: when this machine cannot measure it, or the process did not survive it.
    """
    _check_options(options, queries)
    spec = find_task(task, load_tasks()).spec
    if isinstance(queries, int):
        options = {**options, "queries": queries}
    asked = read_options(options, "energyscore.measure")
    if asked.reasoning is not None and len(asked.reasoning) > 1:
        raise UsageError("reasoning: name one mode; each is a measurement of its own.")
    if problem := asked.problem():
        raise UsageError(f"energyscore.measure: {problem}.")
    asked.model_spec(model, spec)  # what is wrong with its name is said before a process starts
    with tempfile.TemporaryDirectory(prefix="energyscore-") as folder:
        out = Path(folder, "results")
        if queries is not None and not isinstance(queries, int):
            rows = _write_rows(Path(folder, GIVEN), queries, spec)
            asked = RunOptions(dataset=str(rows), queries=len(queries)).over(asked)
        job = Job(tasks=(spec.id,), models=(model,), options=asked, out=out)
        ended = run_child(job_command(job), on_line)
        if ended.interrupted or ended.exit_code in INTERRUPTED:
            raise KeyboardInterrupt
        found = result_files(out) if out.is_dir() else []
        if not found:
            # The exit status tells whose fault it is: 2 wrong input, 3 what cannot be done here.
            wrong = UsageError if ended.exit_code == UsageError.exit_code else UnsupportedError
            raise wrong(f"{model} was not measured: {ended.reason}")
        return of_result(load_result(found[0]))


def _check_options(options: Mapping[str, object], queries: Rows | int | None) -> None:
    for name in options:
        if name in NO_OPTIONS:
            raise UsageError(
                f"{name!r} is not an option here: {NO_OPTIONS[name]}.", "Leave it out."
            )
    # How many can be asked of a dataset that is named; queries themselves are the dataset.
    said = ("queries",) if isinstance(queries, int) else ("queries", "dataset")
    for name in () if queries is None else said:
        if name in options:
            raise UsageError(
                f"Both queries and options={{{name!r}: ...}} say what is asked.", "Leave one out."
            )


def _write_rows(path: Path, queries: Rows, spec: TaskSpec) -> Path:
    """Write the queries as a dataset of the task."""
    fields = list(spec.dataset.columns)
    rows = []
    for number, query in enumerate(queries, start=1):
        if isinstance(query, str):
            if len(fields) > 1:
                raise DatasetError(
                    f"query {number} is one text, but {spec.id} needs {' and '.join(fields)}.",
                    "Give mappings from these names to their values.",
                )
            query = {fields[0]: query}
        if not isinstance(query, Mapping):
            kind = type(query).__name__
            raise DatasetError(f"query {number} is of type {kind}, neither a text nor a mapping.")
        try:
            rows.append(json.dumps({name: _cell(spec, name, query[name]) for name in query}))
        except TypeError as error:
            raise DatasetError(
                f"query {number} holds what is no text: {error}.",
                "Pictures and recordings are named by the paths of their files.",
            ) from error
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


def _cell(spec: TaskSpec, field: str, value: object) -> object:
    """Paths are relative to the working directory here, and to the dataset's folder in a file."""
    if field in spec.dataset.columns and spec.dataset.kind_of(field) != "text":
        return str(Path(value).expanduser().absolute()) if isinstance(value, str | Path) else value
    return value
