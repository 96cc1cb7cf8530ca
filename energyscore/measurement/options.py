"""What the command line of `run` says, and what it comes to."""

from dataclasses import dataclass
from pathlib import Path

from energyscore.base.errors import EnergyScoreError, UsageError
from energyscore.measurement.metering import Metering
from energyscore.measurement.warmup import IDLE_S, LONE_PHASE_S
from energyscore.measurement.work import Plan
from energyscore.protocol.model import Dtype
from energyscore.protocol.reasoning import DEFAULT
from energyscore.protocol.task import Generation, Mode, TaskSpec
from energyscore.protocol.workload import Workload
from energyscore.results.conformance import MIN_WINDOW_S

SEED = 42
MOST_REPEATS = 30


class Interrupted(EnergyScoreError):
    """Ctrl-C during a measurement; what was finished is kept."""

    exit_code = 130


@dataclass(frozen=True)
class Options:
    """The command line of `run`, checked for form only."""

    tasks: tuple[str, ...]
    models: tuple[str, ...]
    random_weights: bool
    revision: str | None
    device: str
    gpus: tuple[str, ...]
    spread: int | None
    dtype: Dtype
    batch_size: int | None
    queries: int | None
    reasoning: tuple[Mode, ...]
    max_new_tokens: int | None
    repeats: int | None
    half_width: float | None
    idle_s: float | None
    dataset: str | None
    task_path: Path | None
    country: str | None
    quick: bool
    strict: bool
    allow_shared: bool
    fresh: bool
    allow_pickle: bool
    trust_remote_code: bool
    out: Path
    request: str | None = None

    @property
    def idle_seconds(self) -> float:
        """How long each idle baseline is metered."""
        if self.idle_s is not None:
            return self.idle_s
        return 0.0 if self.quick else IDLE_S

    def generations(self, spec: TaskSpec) -> tuple[Generation | None, ...]:
        """How text is generated at a task: once for each mode of reasoning.

        Raises:
            UsageError: when a mode or a limit is asked for that the task does not have.
        """
        given = spec.generation
        if given is not None and given.reasoning is not None:
            modes = dict.fromkeys(self.reasoning or (DEFAULT,))
            most, quick = self.max_new_tokens, self.quick
            return tuple(given.chosen(mode, most, quick=quick) for mode in modes)
        asked = [
            *(["--reasoning"] if self.reasoning else []),
            *(["--max-new-tokens"] if self.max_new_tokens else []),
        ]
        if asked:
            raise UsageError(
                f"{' and '.join(asked)}: the task {spec.id} has no modes of reasoning, and answers "
                "of a fixed length if any.",
                "Leave it out, or name the task reasoning.",
            )
        return (given,)

    def plan(
        self,
        spec: TaskSpec,
        phases: tuple[str, ...],
        workload: Workload,
        metering: Metering,
        generation: Generation | None = None,
    ) -> Plan:
        """The plan of one model's measurement."""
        default = MOST_REPEATS if self.half_width else 1 if self.quick else spec.repeats
        return Plan(
            workload=workload,
            phases=phases,
            batch_size=self.batch_size or spec.batch_size,
            repeats=self.repeats or default,
            seed=SEED,
            quick=self.quick,
            min_window_s=0.0 if self.quick else MIN_WINDOW_S,
            absent=metering.absent,
            target_half_width=self.half_width,
            lone_s=0.0 if self.quick or metering.nvml is None else LONE_PHASE_S,
            idle_s=self.idle_seconds if metering.measures else 0.0,
            generation=generation,
        )
