"""A measurement as it is compared with others: what of, under which conditions, which figures.

It is made from a result, or from a row of our CSV, which knows less. A condition that is not known
is None: it is told, and taken neither for equal nor for different.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, get_args

from energyscore.judge.effect import Sample
from energyscore.judge.rating import Rating, why_unratable
from energyscore.judge.stars import Probabilities
from energyscore.protocol.task import Phase
from energyscore.results.result import EnvironmentPart, Result

GPU = "gpu_wh_per_1k_queries"
SYSTEM = "system_wh_per_1k_queries"
PHASES = {f"gpu_{phase}_wh_per_1k_queries": phase for phase in get_args(Phase)}
METRICS = (GPU, *PHASES, SYSTEM)
"""The figures that can be compared, all in Wh per 1,000 queries, by their names in our CSV."""

UNIT = "Wh per 1,000 queries"

LEAST_WH = 1e-12
"""What is below it is no measurement; a ratio to it would be none either."""

Condition: TypeAlias = tuple[str | None, ...]
"""A condition in parts, coarse to fine; a part that is not known is None."""

CONDITIONS = (
    *("task", "task_version", "model", "reasoning", "precision", "quantization", "weights"),
    *("dataset", "queries", "batch_size", "seed", "generation", "device", "gpu", "power_limit"),
    *("ecc", "cpu", "method", "quick", "shared"),
)
"""What two measurements must share to be compared; each can be allowed to differ by its name."""


@dataclass(frozen=True)
class Figure:
    """An energy in Wh per 1,000 queries, or why there is none; `estimated`: no meter's figure."""

    sample: Sample | None
    reason: str = ""
    estimated: bool = False


@dataclass(frozen=True)
class Stars:
    """Stars, what they are relative to, and the chance of each; or the reason of their absence."""

    stars: int | None
    relative_to: str | None
    probabilities: Probabilities | None
    reason: str
    estimated: bool = False


@dataclass(frozen=True)
class Measured:
    """One measurement.

    Attributes:
        source: its file, for people.
        task: the task's name.
        model: the model's name.
        reasoning: the mode it was asked to reason in, None where the task has none.
        created_at: when, UTC, ISO 8601.
        identity: what tells it from others, together with `created_at`.
        hardware: what did the work, for people.
        gpus: UUIDs of the metered GPUs; None: not known.
        conditions: what must be equal, by the names of `CONDITIONS`; one that does not apply (the
            power limit where no GPU was metered) is left out.
        context: what may differ, but may explain a difference: versions, revision.
        figures: by the names of `METRICS`; those of a task's phases only.
        stars: its rating.
        unusable: why it may not be compared at all; empty when it may.
        commit: the commit that a baseline was saved at; None where none is known.
        called: what its model is called where another one that was read has the same name.
    """

    source: str
    task: str
    model: str
    reasoning: str | None
    created_at: str
    identity: str
    hardware: str
    gpus: frozenset[str] | None
    conditions: Mapping[str, Condition]
    context: Mapping[str, str]
    figures: Mapping[str, Figure]
    stars: Stars
    unusable: str = ""
    commit: str | None = field(default=None)
    called: str = ""

    @property
    def name(self) -> str:
        """What the model is called among the others that were read with it."""
        return self.called or self.model

    @property
    def label(self) -> str:
        """The model for people, with its mode where it was asked for one."""
        return self.name if self.reasoning is None else f"{self.name} (reasoning {self.reasoning})"

    @property
    def revision(self) -> str | None:
        """The model's commit, or the digest of its folder; None where none is known."""
        return self.context.get("model revision")

    @property
    def energy_wh(self) -> float | None:
        """GPU energy in Wh per 1,000 queries, else the system's; None where there is neither."""
        sample = self.figures[GPU].sample or self.figures[SYSTEM].sample
        return sample.mean if sample else None

    def is_same_as(self, other: "Measured") -> bool:
        """Whether both are one measurement, as a result and its row in a CSV are."""
        mine, its = (
            (one.task, one.model, one.reasoning, one.created_at, one.energy_wh)
            for one in (self, other)
        )
        return mine == its


def measured_of(result: Result, rating: Rating, source: str, commit: str | None = None) -> Measured:
    """A result as it is compared."""
    return Measured(
        source=source,
        task=result.task.id,
        model=result.model.id,
        reasoning=result.mode,
        created_at=result.created_at,
        identity=result.identity,
        hardware=result.hardware,
        gpus=frozenset(result.protocol.metered_gpus),
        conditions=conditions_of(result),
        context=_context_of(result),
        figures=_figures_of(result),
        stars=Stars(
            rating.stars, rating.scale, rating.probabilities, rating.reason, rating.estimated
        ),
        unusable=why_unratable(result),
        commit=commit,
    )


def conditions_of(result: Result) -> dict[str, Condition]:
    """What a result was measured under, as far as others must share it to be compared."""
    model, workload, protocol = result.model, result.workload, result.protocol
    generation = dict(workload.generation or {})
    generation.pop("reasoning", None)
    most = generation.pop("max_new_tokens", None)
    return {
        "task": (result.task.id,),
        "task_version": (str(result.task.version), result.task.digest),
        "model": (model.id,),
        "reasoning": (result.mode or "none",),
        "precision": (model.dtype,),
        "quantization": (model.quantization or "none", str(model.quantization_bits)),
        "weights": (model.weights,),
        "dataset": (workload.dataset, workload.revision or "local", workload.fingerprint),
        "queries": (str(workload.queries),),
        "batch_size": (str(workload.batch_size),),
        "seed": (str(workload.seed),),
        "generation": (_most_tokens(most), json.dumps(generation, sort_keys=True)),
        "device": (protocol.device,),
        **_hardware_of(result.environment, result.hardware, bool(protocol.metered_gpus)),
        "method": (_method_of(result),),
        "quick": ("quick" if protocol.quick else "full", f"{protocol.min_window_s:g} s a run"),
        "shared": ("shared GPU" if protocol.shared else "GPU of its own",),
    }


def hardware_key(result: Result) -> tuple[Condition, ...]:
    """What two results must share to be of one hardware."""
    known = conditions_of(result)
    return tuple(known[name] for name in ("device", "gpu", "power_limit", "cpu") if name in known)


def _hardware_of(machine: EnvironmentPart, hardware: str, metered: bool) -> dict[str, Condition]:
    """On a GPU the GPU decides; the processor only where it does the work."""
    if not metered:
        cores = None if machine.cpu_count is None else str(machine.cpu_count)
        return {"gpu": ("none",), "cpu": (machine.cpu, cores)}
    gpus = machine.gpus
    limits = [None if one.power_limit_w is None else f"{one.power_limit_w:g} W" for one in gpus]
    memory = [None if one.ecc is None else ("on" if one.ecc else "off") for one in gpus]
    return {
        "gpu": (hardware,),
        "power_limit": tuple(sorted(limits, key=str)),
        "ecc": tuple(sorted(memory, key=str)),
    }


def _most_tokens(most: int | str | None) -> str:
    return "none" if most is None else f"{most} tokens"


def _method_of(result: Result) -> str | None:
    """How its headline was metered; None where it has none, and nothing can be unlike."""
    score = result.score
    if score.gpu_wh_per_1k_queries is not None:
        return str(score.method)
    return None if score.system_method is None else f"system {score.system_method}"


def _context_of(result: Result) -> dict[str, str]:
    """What may explain a difference, where it is known."""
    machine = result.environment
    found = {
        "model revision": result.model.revision,
        "energyscore": machine.energyscore,
        "driver": machine.driver,
        "CUDA": machine.cuda,
        "Python": machine.python,
        "OS": machine.os,
        "processor": machine.cpu,
        **machine.packages,
    }
    return {name: value for name, value in found.items() if value is not None}


def _figures_of(result: Result) -> dict[str, Figure]:
    score = result.score
    figures = {
        GPU: _figure(score.gpu_wh_per_1k_queries, score.std, score.runs, score.reason),
        SYSTEM: _figure(
            score.system_wh_per_1k_queries,
            score.system_std,
            score.runs,
            score.system_reason,
            estimated=score.system_method == "estimated",
        ),
    }
    for name, phase in PHASES.items():
        part = score.phases.get(phase)
        if part is not None:
            # Of a single run the standard error is that of the split, and no spread of runs.
            known = part.se is not None and score.runs > 1
            std = part.se * math.sqrt(score.runs) if known and part.se is not None else None
            figures[name] = _figure(part.gpu_wh_per_1k_queries, std, score.runs, part.reason)
    return figures


def _figure(
    energy_wh: float | None, std: float | None, runs: int, reason: str, *, estimated: bool = False
) -> Figure:
    # A phase can come out at zero or below by its split; no ratio stands on that.
    if energy_wh is None or energy_wh <= 0:
        return Figure(None, reason or "its energy is not above zero")
    if energy_wh < LEAST_WH:
        return Figure(None, f"its energy is below {LEAST_WH:g} Wh: no meter tells so little")
    return Figure(Sample(energy_wh, std, runs), estimated=estimated)
