"""A bundled architecture's whole way: made, saved, loaded from its folder, measured, read."""

import contextlib
import io
import sys
from pathlib import Path
from unittest import mock

import yaml

from energyscore import cli
from energyscore.base.lookup import resolve
from energyscore.measurement.backends.base import TransformersBackend
from energyscore.measurement.catalog import BACKENDS
from energyscore.protocol.bundled import architectures
from energyscore.protocol.model import parse_model
from energyscore.protocol.task import load_tasks
from energyscore.results.result import Result
from energyscore.results.store import load_results

TASKS = load_tasks()
AT_TASKS = [(a, task) for a in architectures().values() for task in a.tasks]
SMALLEST = [
    min(((a, task) for a, task in AT_TASKS if task == one), key=lambda pair: pair[0].parameters)
    for one in TASKS
    if one != "reasoning"
]
"""Of each task, the bundled architecture with the fewest parameters. The smallest that reasons is
large: a test of reasoning does it with a smaller model."""


def save(architecture, task: str, folder: Path) -> None:
    """The architecture with random weights in a folder, with all that a published model brings."""
    spec = TASKS[task].spec
    backend = resolve(BACKENDS, spec.modality)()
    backend.load(parse_model(f"builtin:{architecture.name}"), spec, "cpu")
    if not isinstance(getattr(backend, "_chosen", backend), TransformersBackend):
        backend.model.save_pretrained(folder)
    else:
        backend.model.save_pretrained(folder)
        for part in ("_tokenizer", "_processor", "_extractor"):
            if (part := getattr(backend, part, None)) is not None:
                part.save_pretrained(folder)
    backend.close()


def run(*arguments: object) -> tuple[int, str]:
    """The command line in this process: its exit status, and what it said to people."""
    said = io.StringIO()
    command = ["energyscore", *map(str, arguments)]
    with (
        mock.patch.object(sys, "argv", command),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(said),
    ):
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0), said.getvalue()
    raise AssertionError("the command line ends with an exit status")


def with_fewer_steps(task: str, steps: int, folder: Path) -> str:
    """A task of one's own: that one with so many steps of diffusion. Its name."""
    definition = yaml.safe_load(TASKS[task].path.read_text())
    definition |= {"id": f"{task}_short", "diffusion": {**definition["diffusion"], "steps": steps}}
    folder.mkdir()
    (folder / f"{task}_short.yaml").write_text(yaml.safe_dump(definition))
    return f"{task}_short"


def measure(architecture, task: str, scratch: Path, steps: int | None = None) -> Result:
    """Its result, by the command line from its folder, and read from the file that it wrote.

    With `steps` of diffusion, where these are fewer than the task's, it makes one image at a time.
    """
    folder, out = scratch / "models" / architecture.name, scratch / "results"
    save(architecture, task, folder)
    queries = 2 if steps is None else 1
    asked = ["--queries", queries, "--batch-size", queries, "--quick", "--device", "cpu"]
    asked += ["--out", out]
    if steps is not None:
        task = with_fewer_steps(task, steps, scratch / "tasks")
        asked += ["--task-path", scratch / "tasks"]
    if task == "reasoning":
        asked += ["--max-new-tokens", 4]
    status, said = run("run", task, "--model", folder, *asked)
    assert status == 0, said
    ((_, result),) = load_results([out])
    return result
