"""Measuring a model at a task: a session in a process of its own.

What loading and measuring a model does to a process (settings of libraries, memory, threads) is not
done to the one that asks.
"""

import json
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from energyscore.api.arguments import Arguments, alone, read_queries
from energyscore.api.measurement import Measurement, of_result
from energyscore.base.errors import DatasetError, UnsupportedError, UsageError
from energyscore.measurement.child import job_command, run_child
from energyscore.measurement.observer import print_line
from energyscore.measurement.options import Job, RunOptions, read_options
from energyscore.protocol.task import TaskSpec, find_task, load_tasks
from energyscore.results.store import load_results

GIVEN = "queries given to energyscore.measure.jsonl"
"""The file of queries that were given: results call their dataset so."""

NO_OPTIONS = {
    **dict.fromkeys(("out", "format", "fresh"), "the whole result is in `result`, and no file"),
    **dict.fromkeys(("model", "task", "all"), "it measures one `work` at one `task`"),
    "task_path": "tasks are those that `energyscore tasks` lists",
}
"""Options of `energyscore run` that make no sense here, and why."""

INTERRUPTED = (130, -signal.SIGINT)


def measure_model(model: str, queries: object, arguments: Arguments) -> Measurement:
    """Measure a model at a task as the command line does.

    `queries` are its queries, or how many of the task's; None: as many as the task says.

    Raises:
        UsageError: when something named does not exist or does not fit.
        UnsupportedError: when this machine cannot measure it, or the process did not survive it.
    """
    arguments.refuse("a model", "min_window_s", "name")
    if arguments.task is None:
        raise UsageError(
            f"{model!r} is the name of a model, and no task is named.",
            "Add task='text_generation', or another that `energyscore tasks` lists.",
        )
    count = queries if isinstance(queries, int) else None
    rows = None if queries is None or count is not None else read_queries(queries)
    _check_options(arguments.options or {}, rows=rows is not None, counted=count is not None)
    spec = find_task(arguments.task, load_tasks()).spec
    given = {
        "queries": count,
        "repeats": arguments.repeats,
        "batch_size": arguments.batch_size,
        "idle": arguments.idle_s,
        "gpu": list(arguments.gpus) or None,
        "quick": arguments.quick or None,
        "allow_shared": arguments.allow_shared or None,
        "device": arguments.device,
        **(arguments.options or {}),
    }
    asked = read_options(
        {name: value for name, value in given.items() if value is not None}, "energyscore.measure"
    )
    if asked.reasoning is not None and len(asked.reasoning) > 1:
        raise UsageError("reasoning: name one mode; each is a measurement of its own.")
    if problem := asked.problem():
        raise UsageError(f"energyscore.measure: {problem}.")
    asked.model_spec(model, spec)  # what is wrong with its name is said before a process starts
    with alone():
        return _measure(
            model, spec, rows, asked, print_line if arguments.progress else lambda line: None
        )


def _measure(
    model: str,
    spec: TaskSpec,
    rows: Sequence[object] | None,
    asked: RunOptions,
    on_line: Callable[[str], None],
) -> Measurement:
    with tempfile.TemporaryDirectory(prefix="energyscore-") as folder:
        out = Path(folder, "results")
        if rows is not None:
            dataset = _write_rows(Path(folder, GIVEN), rows, spec)
            asked = RunOptions(dataset=str(dataset), queries=len(rows)).over(asked)
        job = Job(tasks=(spec.id,), models=(model,), options=asked, out=out)
        ended = run_child(job_command(job), on_line)
        if ended.interrupted or ended.exit_code in INTERRUPTED:
            raise KeyboardInterrupt
        found = load_results([out], may_be_empty=True)
        if not found:
            # The exit status tells whose fault it is: 2 wrong input, 3 what cannot be done here.
            wrong = UsageError if ended.exit_code == UsageError.exit_code else UnsupportedError
            raise wrong(f"{model} was not measured: {ended.reason}")
        return of_result(found[0][1])


def _check_options(options: Mapping[str, object], *, rows: bool, counted: bool) -> None:
    for name in options:
        if name in NO_OPTIONS:
            raise UsageError(
                f"{name!r} is not an option here: {NO_OPTIONS[name]}.", "Leave it out."
            )
        # A count can be asked of a dataset that is named; queries themselves are the dataset.
        if (name == "queries" and (rows or counted)) or (name == "dataset" and rows):
            raise UsageError(
                f"Both queries and options={{{name!r}: ...}} say what is asked.", "Leave one out."
            )


def _write_rows(path: Path, rows: Sequence[object], spec: TaskSpec) -> Path:
    """Write the queries as a dataset of the task."""
    fields = list(spec.dataset.columns)
    lines = []
    for number, query in enumerate(rows, start=1):
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
            lines.append(json.dumps({name: _cell(spec, name, query[name]) for name in query}))
        except TypeError as error:
            raise DatasetError(
                f"query {number} holds what is no text: {error}.",
                "Pictures and recordings are named by the paths of their files.",
            ) from error
    path.write_text("".join(f"{row}\n" for row in lines), encoding="utf-8")
    return path


def _cell(spec: TaskSpec, field: str, value: object) -> object:
    """Paths are relative to the working directory here, and to the dataset's folder in a file."""
    if field in spec.dataset.columns and spec.dataset.kind_of(field) != "text":
        return str(Path(value).expanduser().absolute()) if isinstance(value, str | Path) else value
    return value
