"""What is to be measured somewhere else: all that a node must know, as one line of JSON."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from energyscore.base.errors import UsageError
from energyscore.base.files import read_file
from energyscore.base.form import Strict
from energyscore.base.stamps import utc_stamp
from energyscore.measurement.options import Job, RunOptions
from energyscore.measurement.suite.attempt import Attempt
from energyscore.measurement.suite.key import parts_of
from energyscore.measurement.suite.plan import Planned
from energyscore.measurement.suite.where import gpus_for
from energyscore.protocol.selection import OFFICIAL


class Order(Strict):
    """One entry of a suite: what its process is asked for, and how long it may take."""

    job: Job
    label: str  # the model, as tables name it
    folder: tuple[str, str]  # of the model's results
    place: Path  # the working directory: paths are relative to it
    asked_at: str  # UTC, ISO 8601
    gpus: Annotated[int, Field(ge=0)] = 1
    timeout_s: float | None = None

    @property
    def key(self) -> str:
        """What was asked for."""
        assert self.job.request is not None
        return self.job.request

    @property
    def task(self) -> str:
        """The task's name."""
        return self.job.tasks[0]

    def to_line(self) -> str:
        """One line of text."""
        return self.model_dump_json(exclude_unset=True)


def make_order(
    planned: Planned,
    *,
    online: bool,
    task_path: Path | None = None,
    timeout_s: float | None = None,
    fresh: bool = False,
    shared_node: bool = False,
    verbose: bool = False,
) -> Order:
    """The order for an entry. Its dataset is named, so that no node takes another one."""
    assert planned.model is not None
    assert planned.task is not None
    options = planned.entry.options
    if options.source_of(planned.model, online=online) == OFFICIAL:
        options = RunOptions(dataset=OFFICIAL).over(options)
    job = Job(
        tasks=(planned.task_name,),
        models=(planned.entry.model,),
        options=options,
        out=Path("results"),  # each attempt has a folder of its own
        task_path=task_path.absolute() if task_path else None,
        fresh=fresh,
        request=planned.key,
        made_of=parts_of(planned.task, planned.model, options, online=online),
        shared_node=shared_node,
        verbose=verbose,
    )
    return Order(
        job=job,
        label=planned.label,
        folder=planned.model.folder,
        place=Path.cwd(),
        asked_at=utc_stamp(),
        gpus=gpus_for(options),
        timeout_s=timeout_s,
    )


def read_order(path: Path, number: int) -> Order:
    """One line of a file of orders, counted from 0; a UsageError where there is none."""
    lines = read_file(path).decode().splitlines()
    if not 0 <= number < len(lines):
        raise UsageError(f"{path} has no order {number}: it has {len(lines)}, from 0 on.")
    try:
        return Order.model_validate_json(lines[number], strict=False)
    except ValidationError as error:
        raise UsageError(f"{path}, line {number + 1}: it is no order of energyscore.") from error


def unmeasured(
    order: Order, node: str, status: Literal["failed", "lost"], reason: str, began_at: str = ""
) -> Attempt:
    """An attempt of which nothing is known but where, and why."""
    return Attempt(
        key=order.key,
        task=order.task,
        model=order.label,
        folder=order.folder,
        fresh=order.job.fresh,
        began_at=began_at or utc_stamp(),
        node=node,
        gpus=[],
        status=status,
        reason=reason,
        exit_code=None,
        seconds=None,
        gpu_wh=None,
    )


MakeOrder = Callable[[Planned], Order]
"""The order for an entry of a plan."""


def to_lines(orders: Sequence[Order]) -> str:
    """A file of orders."""
    return "".join(f"{order.to_line()}\n" for order in orders)
