"""The conditions under which results are comparable, and what a difference in them does. Pure.

`conditions_of` gives the conditions of a result. Who compares names those that may differ: a
cohort takes any model, weights and seed, `compare` and `gate` need every condition but those that
are allowed by name, and a baseline is kept for each set of conditions.

An error of the meter is the same in both results on one GPU, and cancels. On different GPUs (by
UUID), and between counter and integrated power, it does not: what is known of their names
(`results/gpu_sensors.json`) stands in the ratio for each of the two, as a share:
u^2 = sum of (systematic / sqrt 3)^2 + device_spread^2. Where both have GPUs of one name,
`systematic` is only what two of that name may part by.
"""

import json
import math
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import TypeAlias

from pydantic import Field

from energyscore.base.errors import UsageError, did_you_mean
from energyscore.judge.figures import metered_of
from energyscore.results.gpu_sensors import between_devices, between_names
from energyscore.results.parts import ModelPart, Part
from energyscore.results.result import Result

Condition: TypeAlias = tuple[str | None, ...]
"""A condition in parts, coarse to fine; a part that is not known is None."""

Conditions: TypeAlias = dict[str, Condition]
"""Those of a result, by name."""

CONDITIONS = (
    *("task", "task_version", "model", "reasoning", "by", "precision", "quantization", "weights"),
    *("attention", "compile"),
    *("dataset", "queries", "batch_size", "seed", "generation", "device", "gpu", "power_limit"),
    *("ecc", "cpu", "threads", "method", "quick", "shared", "load", "launch"),
)
"""What two results must share to be compared; each can be allowed to differ by its name."""

PAIRED_BY = ("task", "model", "reasoning")
"""The conditions by which a result finds its counterpart."""

NEEDED = ("cpu",)
"""Conditions that must be known of both: without them no ratio is one of two models."""

AS_IT_IS: Conditions = {
    "attention": ("the model's own",),
    "compile": ("not compiled",),
    "load": ("none, batch after batch",),
}
"""Conditions of a model that runs as it does by itself. Of older results they are known to be so:
nothing else could be asked for. Which attention a model takes by itself its library decides."""

_CHOSEN = ("size class", "precision", "batch size", "attention", "compiling")
_TWO_WAYS = ("text_classification", "question_answering")
_DIGEST_LENGTH = 12
_as_json = json.JSONEncoder(sort_keys=True).encode


class Difference(Part):
    """A condition in which two results differ."""

    name: str = Field(description="as --allow takes it")
    before: str
    after: str

    def __str__(self) -> str:
        """The point for people."""
        return f"{self.name}: {self.after} instead of {self.before}"


def conditions_of(result: Result) -> Conditions:
    """The conditions of a result by name; one that does not apply to it is left out."""
    model, workload, protocol = result.model, result.workload, result.protocol
    generation = dict(workload.generation or {})
    generation.pop("reasoning", None)
    most = generation.pop("max_new_tokens", None)
    return {
        "task": (result.task.id,),
        "task_version": (str(result.task.version), result.task.digest),
        "model": (model.id, *([model.base_model] if model.base_model else [])),
        "reasoning": (result.mode or "none",),
        **({} if result.of_function or result.of_server else _weights_of(model)),
        **_way_of(result),
        **({} if result.of_function or result.of_server else _runtime_of(model)),
        "dataset": (
            f"{workload.dataset} ({workload.selection})"
            if workload.selection
            else workload.dataset,
            workload.revision or "local",
            workload.fingerprint,
        ),
        "queries": (str(workload.queries),),
        "batch_size": (str(workload.batch_size),),
        "seed": (str(workload.seed),),
        "generation": (
            "none" if most is None else f"{most} tokens",
            _as_json(generation),
        ),
        "device": (protocol.device,),
        **_hardware_of(result),
        "method": (_method_of(result),),
        "quick": ("quick" if protocol.quick else "full", _window_of(result)),
        "shared": ("shared GPU" if protocol.shared else "GPU of its own",),
        "load": _load_of(result),
        # Of a server that ran already it is not known how it was started.
        **({"launch": (result.load.launched,)} if result.load and result.load.launched else {}),
    }


def cohort_of(
    result: Result, *, any_mode: bool = False, known: Conditions | None = None
) -> Conditions | None:
    """What results must share to be rated together, by names for people; None for no headline.

    Functions are rated with nothing, and have None too. `known`: its conditions, where at hand.

    float16 and bfloat16 count as one precision: the protocol allows either. Quantized models stand
    in the cohort of the precision that they compute in. Each model has the attention that it takes
    by itself; with another one, or compiled, it is in another cohort. Models that answer by a head
    and models that write stand in one cohort: what is asked of them is the same. A server under
    a load is rated with servers under the same load. Results of
    different reasoning modes are not comparable unless `any_mode`, those of different budgets
    or ways to choose tokens never.
    """
    metered = metered_of(result)
    if metered is None or result.of_function:
        return None
    known = known or conditions_of(result)
    made = result.workload.generation or {}
    # Where lengths are forced the task says how many tokens; answers that are drawn may be shorter.
    budget = known["generation"][:1] if result.mode or made.get("temperature") else ()
    half = result.model.dtype in ("float16", "bfloat16")
    return {
        "task definition": known["task_version"][1:],
        "size class": (result.model.model_class,),
        "precision": ("half",) if half else known.get("precision", ()),
        "batch size": known["batch_size"],
        "attention": known.get("attention", ()),
        "compiling": known.get("compile", ()),
        "set of queries": known["dataset"][2:],
        "reasoning mode or budget": (() if any_mode else known["reasoning"]) + budget,
        "decoding": (_decoding_of(made),),
        "device": known["device"],
        "hardware": tuple(part for one in hardware_of(known)[1:] for part in one),
        "threads": known.get("threads", ()),
        "meter": (metered.basis, "estimated" if metered.estimated else "measured"),
        "load": known["load"],
    }


def _decoding_of(generation: Mapping[str, object]) -> str:
    """How the next token is chosen, where any is."""
    temperature = generation.get("temperature")
    return f"sampled at temperature {temperature}" if temperature else "greedy"


def cohort_key(
    result: Result, *, any_mode: bool = False, known: Conditions | None = None
) -> tuple[Condition, ...] | None:
    """The values of `cohort_of`, to find results of one cohort."""
    found = cohort_of(result, any_mode=any_mode, known=known)
    return None if found is None else tuple(found.values())


def candidate_conditions(result: Result, known: Conditions | None = None) -> Conditions | None:
    """What results must share for one of them to be chosen; None for no headline.

    It is what a cohort shares but for what may be chosen: model, size, precision, batch, mode, how
    the model runs, and the load of a server.
    """
    found = cohort_of(result, any_mode=True, known=known)
    if found is None:
        return None
    kept = {name: value for name, value in found.items() if name not in _CHOSEN}
    return kept if result.load is None else kept | {"load": ("a server", *found["load"][1:])}


def hardware_of(known: Conditions) -> tuple[Condition, ...]:
    """The conditions that two results must share to be of one hardware, from all conditions."""
    return tuple(known[name] for name in ("device", "gpu", "power_limit", "cpu") if name in known)


def check_allowed(names: Iterable[str]) -> frozenset[str]:
    """Names of conditions; an unknown one is refused, with the nearest ones."""
    allowed = frozenset(names)
    for name in sorted(allowed - set(CONDITIONS)):
        raise UsageError(f"Unknown difference {name!r}.", did_you_mean(name, CONDITIONS))
    return allowed


def differences(before: Conditions, after: Conditions) -> list[Difference]:
    """The conditions in which two results differ, as far as both are known."""
    return [
        Difference(name=name, before=_shown(was, place), after=_shown(now, place))
        for name, was, now in _of_both(before, after)
        if (place := _unlike(was, now)) is not None
    ]


def not_known(before: Conditions, after: Conditions) -> list[str]:
    """The names of the conditions that are not known of one of two results."""
    return [
        name
        for name, was, now in _of_both(before, after)
        if _is_not_known(name, was) or _is_not_known(name, now)
    ]


def meter_uncertainty(before: Result, after: Result) -> float:
    """What the error of the meters adds to a ratio, as a share; 0 where it is the same in both."""
    same_gpus = set(before.protocol.metered_gpus) == set(after.protocol.metered_gpus)
    if same_gpus and _unlike((_method_of(before),), (_method_of(after),)) is None:
        return 0.0
    names = [sorted(gpu.name for gpu in one.environment.gpus) for one in (before, after)]
    error_of = between_devices if names[0] == names[1] else between_names
    errors = [error_of(gpus) for gpus in names]
    return math.hypot(
        *(part for e in errors for part in (e.systematic / math.sqrt(3), e.device_spread))
    )


def _window_of(result: Result) -> str | None:
    """How long a run lasts; blocks of a screen stand for runs of any length, in their interval."""
    return None if result.screen else f"{result.protocol.min_window_s:g} s a run"


def _weights_of(model: ModelPart) -> Conditions:
    return {
        "precision": (model.dtype,),
        "quantization": (model.quantization or "none", str(model.quantization_bits)),
        "weights": (model.weights,),
    }


def _runtime_of(model: ModelPart) -> Conditions:
    """How the model's work is done, where it is not as the model does it by itself."""
    return {
        "attention": AS_IT_IS["attention"] if model.has_own_attention else (model.attention,),
        "compile": ("compiled",) if model.compiled else AS_IT_IS["compile"],
    }


def _load_of(result: Result) -> Condition:
    """How a server was asked; a model of a process of its own does one batch after the other."""
    load = result.load
    if load is None:
        return AS_IT_IS["load"]
    codes = {one.code for one in result.cautions}
    # What was read from a cache is work that was not done.
    found = ", some from its cache" if "prefix_cached" in codes else ""
    if "arrivals_held" in codes:  # then the load is not the rate alone
        found += f", held back at {load.max_outstanding}"
    asked = f"{load.endpoint}, {load.lengths} lengths, prompts {load.prompts}{found}"
    return f"a server, {load.words}", asked


def _hardware_of(result: Result) -> Conditions:
    """On a GPU the GPU decides; the processor only where it does the work."""
    machine = result.environment
    if not result.protocol.metered_gpus:
        cores = None if machine.cpu_count is None else str(machine.cpu_count)
        return {
            "gpu": ("none",),
            "cpu": (machine.cpu, cores),
            **_threads_condition(result),
        }
    limits = [None if g.power_limit_w is None else f"{g.power_limit_w:g} W" for g in machine.gpus]
    memory = [None if g.ecc is None else ("on" if g.ecc else "off") for g in machine.gpus]
    return {
        "gpu": (result.hardware,),
        "power_limit": tuple(sorted(limits, key=str)),
        "ecc": tuple(sorted(memory, key=str)),
    }


def threads_of(result: Result) -> str | None:
    """Threads of torch on the processor; None where older results do not tell them.

    Of a function that does not use torch those that OpenMP was told, which other libraries heed.
    """
    known = result.protocol.threads or {}
    threads = known.get("intra_op")
    if threads is None and result.of_function:
        threads = known.get("OMP_NUM_THREADS")
    return None if threads is None else str(threads)


def _threads_condition(result: Result) -> Conditions:
    """A model works with some number of threads; a function need not use any library's."""
    threads = threads_of(result)
    return {} if threads is None and result.of_function else {"threads": (threads,)}


def _way_of(result: Result) -> Conditions:
    """By a head or by writing, where a task has both ways; older results do not name it."""
    way: str | None = result.workload.by
    if way is None and result.task.scale_task in _TWO_WAYS:
        way = "generate" if result.workload.generation else "head"
    return {} if way is None else {"by": (way,)}


def _method_of(result: Result) -> str | None:
    """How the headline was metered; None without a headline."""
    metered = metered_of(result)
    if metered is None:
        return None
    return metered.method if metered.basis == "gpu" else f"system {metered.method}"


def _of_both(before: Conditions, after: Conditions) -> list[tuple[str, Condition, Condition]]:
    """The conditions that apply to both results, by name."""
    return [
        (name, before[name], after[name])
        for name in CONDITIONS
        if before.get(name) and after.get(name)
    ]


def _is_not_known(name: str, condition: Condition) -> bool:
    return None in condition and _is_unknown(condition[:1] if name in NEEDED else condition)


def _is_unknown(condition: Condition) -> bool:
    return condition.count(None) == len(condition)


def _unlike(first: Condition, second: Condition) -> int | None:
    """The first part in which two conditions differ; None if they are equal, or not known."""
    if first == second or _is_unknown(first) or _is_unknown(second):
        return None
    for place, (was, now) in enumerate(zip_longest(first, second, fillvalue="")):
        if was is not None and now is not None and was != now:
            return place
    return None


def _shown(condition: Condition, place: int) -> str:
    """A condition for people, up to the part that differs."""
    parts = [part for part in condition[: place + 1] if part not in (None, "None")]
    return " ".join(part[:_DIGEST_LENGTH] if _is_digest(part) else part for part in parts) or "none"


def _is_digest(part: str) -> bool:
    return len(part) >= 40 and all(letter in "0123456789abcdef" for letter in part)
