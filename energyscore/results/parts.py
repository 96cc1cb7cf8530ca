"""The parts of a result, field by field. What was not measured is null with a `reason`, never 0."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from energyscore.base.form import Part as Part
from energyscore.results.block import BlockPart
from energyscore.results.kinds import Count as Count
from energyscore.results.kinds import Domain as Domain
from energyscore.results.kinds import Energy as Energy
from energyscore.results.kinds import Method as Method
from energyscore.results.kinds import NonNegative as NonNegative
from energyscore.results.kinds import Positive as Positive
from energyscore.results.kinds import PositiveCount as PositiveCount
from energyscore.results.kinds import SystemMethod as SystemMethod
from energyscore.results.kinds import Time as Time
from energyscore.results.load import RunLoad
from energyscore.results.model_part import ModelPart as ModelPart
from energyscore.results.performance import Performance
from energyscore.results.workload import EmptyRows as EmptyRows
from energyscore.results.workload import InputsCut as InputsCut
from energyscore.results.workload import SelectionPart as SelectionPart
from energyscore.results.workload import WorkloadPart as WorkloadPart


class TaskPart(Part):
    """Which task: id, version, and the digest of its definition."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,47}$")]
    version: PositiveCount
    digest: str
    scale_task: str = Field(description="the task's name in the reference scales")


class ProtocolPart(Part):
    """How it was measured."""

    device: Literal["cpu", "cuda"]
    quick: bool
    repeats: PositiveCount = Field(description="runs that were planned, at most")
    target_half_width: Positive | None = Field(
        description="measured until the interval's half-width was under this share of the mean"
    )
    min_window_s: NonNegative
    warmup_s: NonNegative
    warmup_queries: Count
    warmup_steady: bool | None = Field(
        description="whether pace and temperature became steady; null: nothing was looked at"
    )
    metered_gpus: list[str] = Field(description="UUIDs")
    gpus_chosen_by: Literal["model", "user"] | None
    occupied_gpus: list[str] = Field(description="UUIDs of those that the model occupies")
    shared: bool = Field(description="other processes on the GPU were allowed")
    threads: dict[str, int | str] | None = Field(
        default=None, description="torch's intra_op and inter_op on the processor, OMP_NUM_THREADS"
    )

    @property
    def gpu_domains(self) -> list[Domain]:
        """The domains of the metered GPUs."""
        return [f"gpu:{uuid}" for uuid in self.metered_gpus]


class GpuPart(Part):
    """One metered GPU, as its driver describes it."""

    uuid: str
    name: str
    pci_bus_id: str | None
    memory_total_mb: float | None
    power_limit_w: float | None
    compute_capability: str | None
    mig: bool | None
    ecc: bool | None
    persistence: bool | None


class EnvironmentPart(Part):
    """The machine and the software."""

    os: str
    python: str
    cpu: str | None
    cpu_count: int | None
    memory_total_mb: float | None
    driver: str | None
    cuda: str | None
    gpus: list[GpuPart]
    packages: dict[str, str]
    energyscore: str
    selftest: str | None = Field(
        description="id of the self-test of this machine (`energyscore selftest`); null: none"
    )


class PhasePart(Part):
    """One phase of a run: its time, and its energy by domain."""

    duration_s: NonNegative
    energy_j: dict[Domain, float | None]
    se_j: dict[Domain, NonNegative | None] = Field(
        description="standard error of the split; null where it is not known"
    )


class SecondSource(Part):
    """What another tool measured in the same window, to check ours against."""

    name: str
    gpu_energy_j: float | None
    reason: str


class Caution(Part):
    """Something that whoever reads the figure must know."""

    code: str
    message: str


class Notice(Caution):
    """Something a meter noticed in a run's window."""

    invalidates: bool


class Run(Part):
    """One repeat: the measured window, and the energy of every domain in it."""

    index: Count
    started_at: str = Field(description="UTC, ISO 8601")
    queries: PositiveCount
    passes: PositiveCount = Field(description="times the workload was done to fill the window")
    duration_s: Positive = Field(description="the measured window of the metered work")
    input_tokens: Count | None = Field(description="null: a server that does not tell")
    output_tokens: Count | None = Field(description="null: a server that does not tell")
    thinking_tokens: Count | None = Field(
        description="generated tokens that are thinking; null where it is not known"
    )
    answers_cut: Count | None = Field(
        description="answers that the token limit ended, not the model; null where it is forced"
    )
    phases: dict[str, PhasePart]
    phase_methods: dict[Domain, str] = Field(
        description="how a domain's energy was split among the phases"
    )
    phase_reasons: dict[Domain, str] = Field(description="why a domain's energy was not split")
    phase_facts: dict[Domain, dict[str, float | int | str | None]] = Field(
        description="figures about the split: lag, window, response, ticks, comparison"
    )
    energy_j: dict[Domain, Energy | None]
    methods: dict[Domain, Method | None]
    reasons: dict[Domain, str] = Field(description="why a domain has no energy")
    facts: dict[Domain, dict[str, float | int | str | None]]
    second_source: SecondSource | None
    notices: list[Notice]
    quantization_se_j: dict[Domain, NonNegative] = Field(
        default={}, description="standard error for a meter's steps; absent: not known"
    )
    performance: Performance | None = None
    block: BlockPart | None = Field(
        default=None, description="of a screen: which queries it did; null: all of them"
    )
    load: RunLoad | None = Field(
        default=None, description="the requests to a server; null: work of this process"
    )

    @property
    def queries_done(self) -> float:
        """Queries as figures count them: of a server those at the window's ends in part."""
        return self.queries if self.load is None else self.load.requests

    def total_j(self, domains: Iterable[Domain]) -> float | None:
        """Energy of these domains together; None where that of one is not known."""
        known = []
        for domain in domains:
            if (energy_j := self.energy_j.get(domain)) is None:
                return None
            known.append(energy_j)
        return sum(known)


class PhaseScore(Part):
    """GPU energy of one phase: mean over the runs, with its standard error."""

    gpu_wh_per_1k_queries: float | None
    se: NonNegative | None = Field(
        description="of the mean: from the spread of the runs, of a single run from the split"
    )
    reason: str


class Idle(Part):
    """What was drawn without work, before the runs: watts by domain, each metered `seconds`."""

    seconds: NonNegative
    without_model_w: dict[Domain, Positive] = Field(description="before it used the GPU at all")
    with_model_w: dict[Domain, Positive] = Field(description="with the model loaded")


class Score(Part):
    """The headline: mean over the runs, with its 95% interval (symmetric in older files).

    `gpu_wh_per_1k_queries` is measured GPU energy only. The system figure adds processor and
    memory, and is labelled `estimated` as soon as one part of it is. `std` and `system_std` are
    sample standard deviations over the runs, null for one run: the standard error of a figure is
    std / sqrt(runs). Net is the GPU figure less what the GPU draws idle in the same time: a second
    figure, which is never rated.
    """

    gpu_wh_per_1k_queries: Energy | None
    ci95: tuple[float, float] | None
    systematic: NonNegative | None = Field(
        description="the meter's own relative error, which no repeat shows: not in the interval"
    )
    systematic_range: tuple[float, float] | None = Field(
        default=None,
        description="what that error lies between: both negative where the meter reads low",
    )
    method: Method | None
    reason: str
    std: NonNegative | None
    runs: Count
    phases: dict[str, PhaseScore]
    net_gpu_wh_per_1k_queries: float | None
    net_ci95: tuple[NonNegative, NonNegative] | None = None
    net_of: Literal["idle_without_model", "idle_with_model"] | None
    net_reason: str
    system_wh_per_1k_queries: Energy | None
    system_ci95: tuple[float, float] | None
    system_std: NonNegative | None
    system_method: SystemMethod | None
    system_reason: str
    per_token: dict[str, Energy | None] = Field(
        default={}, description="energy by tokens, by the names of limits; {}: older file"
    )
    per_token_reasons: dict[str, str] = Field(default={}, description="why one of them is null")
    joules_per_output_token: Energy | None = Field(
        default=None,
        description="of the GPUs, else of the system; null: no text was generated, or older file",
    )
    estimator: Literal["mean", "regression"] = Field(
        default="mean",
        description="of the runs; of a screen's blocks the whole workload is predicted, and std is "
        "the one that repeats with its interval would have",
    )

    @property
    def why_no_energy(self) -> str:
        """Where there is no energy, of GPUs and system: why."""
        return self.reason or self.system_reason or "no energy was measured"


class Emissions(Part):
    """The country that CO2 is shown for. Results of older versions hold the grams too."""

    country: str | None
    intensity_g_per_kwh: float | None
    gpu_co2_g_per_1k_queries: float | None
    system_co2_g_per_1k_queries: float | None
    source: str | None
    reason: str


class Check(Part):
    """One point of the official protocol, and whether the result holds it."""

    name: str
    required: str
    actual: str
    ok: bool


class RawPart(Part):
    """The raw record beside a result: what its figures were computed from."""

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$")] = Field(
        description="its name, in the folder of the result"
    )
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
