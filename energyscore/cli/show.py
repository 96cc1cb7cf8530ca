"""`energyscore tasks`, `models`, `schema`: what there is."""

import sys
from typing import Annotated

import typer

from energyscore.cli.options import Format, TaskPath, complete_task


def tasks(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="TASK",
            help="Show one task whole.",
            show_default=False,
            autocompletion=complete_task,
        ),
    ] = None,
    task_path: TaskPath = None,
    form: Format = "table",
) -> None:
    """List the tasks, or show one.

    Examples:
      energyscore tasks

      energyscore tasks text_generation --format json
    """
    from energyscore.cli.console import show_json, show_table
    from energyscore.cli.task_view import describe_task
    from energyscore.protocol.task import find_task, load_tasks

    known = load_tasks(task_path)
    shown = [find_task(name, known)] if name else list(known.values())
    content = [
        {**task.spec.model_dump(mode="json"), "digest": task.spec.digest, "file": str(task.path)}
        for task in shown
    ]
    if form == "json":
        show_json(content[0] if name else content)
    elif name:
        spec = shown[0].spec
        title = f"{spec.id}: {spec.title}, version {spec.version}"
        show_table(title, ("setting", "value"), describe_task(shown[0]))
    else:
        specs = [task.spec for task in shown]
        show_table(
            "",
            ("task", "version", "phases", "official dataset", "what is done"),
            [
                (one.id, str(one.version), ", ".join(one.phases), one.dataset.id, one.description)
                for one in specs
            ],
        )


def models(form: Format = "table") -> None:
    """List the bundled architectures, which are measured without downloading weights.

    Examples:
      energyscore models

      energyscore run text_generation --model builtin:gpt2 --quick
    """
    from energyscore.cli.console import show_json, show_table
    from energyscore.protocol.bundled import architectures

    known = architectures().values()
    if form == "json":
        kept = ("tasks", "like", "parameters", "config")
        show_json(
            [
                {"name": f"builtin:{one.name}", **{name: getattr(one, name) for name in kept}}
                for one in known
            ]
        )
        return
    show_table(
        "",
        ("model", "parameters", "tasks", "dimensions of"),
        [
            (
                f"builtin:{one.name}",
                f"{one.parameters / 1e6:,.1f} M",
                ", ".join(one.tasks),
                one.like,
            )
            for one in known
        ],
    )


def schema(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="Of what: result, advice, choice, comparison, gate, schedule or tune.",
            show_default=False,
        ),
    ] = "result",
) -> None:
    """Print the JSON Schema of result files, or of what another command writes.

    Examples:
      energyscore schema > energyscore-result.schema.json

      energyscore schema tune
    """
    from importlib import resources

    from energyscore.base.errors import UsageError, did_you_mean

    folder = resources.files("energyscore.results") / "schemas"
    files = {file.name.rpartition("-")[0]: file for file in folder.iterdir()}
    files = {known: file for known, file in files.items() if known}
    if name not in files:
        raise UsageError(f"There is no schema {name!r}.", did_you_mean(name, files))
    sys.stdout.write(files[name].read_text(encoding="utf-8"))
