"""The command that would measure what is missing, like what was measured. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from energyscore.judge.contenders import Contender
from energyscore.protocol.selection import BUNDLED, OFFICIAL
from energyscore.protocol.task import TaskSpec, load_tasks
from energyscore.results.result import Result

_OF_RUNS = ("repeats", "screen")
"""What trials, which are screens, are not asked for."""
TRIALS = 8
"""What a tune measures, about: sizes, precisions, and the best and the default once more."""

_IDLE_S, _QUICK_IDLE_S = 30.0, 5.0
_LEAST_S = 10.0  # a process that loads, warms up and measures takes no less


@dataclass(frozen=True)
class MeasureCommand:
    """A command that measures: its options by name, `_` for `-`; True for a flag.

    `by_name`: folders and files of which a result knows no more than the name; whoever has them
    must say where they lie.
    """

    name: Literal["run", "tune"]
    task: str
    model: str
    options: Mapping[str, object]
    by_name: tuple[str, ...] = ()


def run_command(
    of: Contender, *, settings_of: Contender | None = None, **more: object
) -> MeasureCommand:
    """`run` of this model, as it was measured, or with the settings of another result.

    What it measures can be compared with `of`: device, queries and length of the runs are the same,
    and so are quality and loading where they are known, as the newest result of a setting counts.
    """
    result = of.entry.result
    options = {
        **_of_revision(of),
        **_of_work(result),
        **_of_settings((settings_of or of).entry.result),
        "quality": result.quality is not None,
        **({} if result.loading is None else {"loading": True, "idle": idle_for(result)}),
        **more,
    }
    return _command("run", result, options)


def idle_for(result: Result) -> float:
    """How long to look at an idle machine, in seconds: as it was looked at, else as is usual."""
    return result.idle.seconds or (_QUICK_IDLE_S if result.protocol.quick else _IDLE_S)


def tune_command(of: Contender) -> MeasureCommand:
    """`tune` of this model, by the same queries: its trials can be compared with `of`."""
    result = of.entry.result
    options = {**_of_revision(of), **_of_work(result)}
    given = {key: value for key, value in options.items() if key not in ("quick", *_OF_RUNS)}
    said = [f"{key}={value}" for key, value in _said(given).items() if isinstance(value, str | int)]
    return _command("tune", result, {"quick": result.protocol.quick, "set": said})


def _command(
    name: Literal["run", "tune"], result: Result, options: Mapping[str, object]
) -> MeasureCommand:
    local = result.model.source == "local"
    by_name = [result.model.id] if local else []
    if _is_own_file(result):
        by_name.append(result.workload.dataset)
    model = f"./{result.model.id}" if local else result.model.id
    return MeasureCommand(name, result.task.id, model, _said(options), tuple(by_name))


def _said(options: Mapping[str, object]) -> dict[str, object]:
    """Options without those that say nothing."""
    return {key: value for key, value in options.items() if value not in (None, False, [])}


def seconds_for(of: Contender, command: MeasureCommand) -> float | None:
    """About what a command takes, by what measuring `of` took; None where that is not recorded."""
    result, work_s = of.entry.result, _work_s(of.entry.result)
    if work_s is None:
        return None
    if command.name == "tune":
        return work_s * TRIALS
    idle_s, repeats = (float(str(command.options.get(it, 0))) for it in ("idle", "repeats"))
    if repeats > len(result.runs):
        work_s *= repeats / len(result.runs)
    loads = bool(command.options.get("loading"))
    # Idle without and with the model, in the session and, for loading, in a process of its own.
    return work_s + idle_s * (4 if loads else 2) + (_LEAST_S if loads else 0.0)


def _work_s(result: Result) -> float | None:
    """About what measuring this takes once more, without idling; None where it was not recorded."""
    took_s = result.cost.duration_s if result.cost is not None else None
    if took_s is None:
        return None
    idle_s = result.idle.seconds * (2 if result.loading is None else 4)
    work_s = math.fsum(run.duration_s for run in result.runs)
    return max(took_s - idle_s, work_s, _LEAST_S)


def _of_work(result: Result) -> dict[str, object]:
    """The options by which its queries, device and windows came to be."""
    work, protocol = result.workload, result.protocol
    task = load_tasks().get(result.task.id)
    usual_queries = task.spec.queries if task is not None and not protocol.quick else None
    return {
        "quick": protocol.quick,
        "screen": result.screen is not None,
        "queries": None if work.queries == usual_queries else work.queries,
        **_of_dataset(result),
        # Quick runs have no interval by themselves.
        "repeats": len(result.runs) if protocol.quick and len(result.runs) > 1 else None,
        "device": "cpu" if _on_processor(result) else None,
        "random_weights": result.model.weights == "random" and result.model.source != "builtin",
        "max_new_tokens": _tokens_asked(result, task.spec if task is not None else None),
        "reasoning": result.mode if result.mode != "default" else None,
    }


def _of_revision(of: Contender) -> dict[str, object]:
    """The revision of a model of which several are at hand."""
    model = of.entry.result.model
    several = model.source == "hub" and of.entry.name != model.id
    return {"revision": model.revision} if several else {}


def _of_dataset(result: Result) -> dict[str, object]:
    """The dataset, where it is not the one that a model of its source is given by itself."""
    work, of_hub = result.workload, result.model.source == "hub"
    if work.official:
        return {} if of_hub else {"dataset": OFFICIAL}
    if work.dataset.startswith(f"{BUNDLED}:"):
        return {"dataset": BUNDLED} if of_hub else {}
    chosen = work.selection
    of_rows = {} if chosen is None else {
        "dataset_config": chosen.config, "split": chosen.split, "columns": chosen.columns or None
    }  # fmt: skip
    return {"dataset": work.dataset, **of_rows}


def _is_own_file(result: Result) -> bool:
    work = result.workload
    bundled = work.dataset.startswith(f"{BUNDLED}:")
    return not work.official and not bundled and work.revision is None


def _tokens_asked(result: Result, task: TaskSpec | None) -> object:
    """The most tokens of an answer, where it was not left to the task."""
    most = (result.workload.generation or {}).get("max_new_tokens")
    if most is None or task is None or task.generation is None or result.protocol.quick:
        return None
    usual = {task.generation.max_new_tokens, task.generation.usual_max_new_tokens}
    return None if most in usual else most


def _of_settings(result: Result) -> dict[str, object]:
    """The options that a tune tries."""
    model = result.model
    return {
        "batch_size": result.workload.batch_size,
        "dtype": None if _on_processor(result) else model.dtype,
        "quantization": model.quantized_on_load,
        "attention": None if model.has_own_attention else model.attention,
        "compile": bool(model.compiled),
    }


def _on_processor(result: Result) -> bool:
    return result.protocol.device == "cpu"
