"""A result under examination, and its parts that checks look at one by one."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from energyscore.results.parts import Run
from energyscore.results.result import Result
from energyscore.verify.findings import Level, is_number
from energyscore.verify.manifest import ListedResult
from energyscore.verify.raw_record import RawDomain, RawRecord, RawRun
from energyscore.verify.rules import Rules, TaskRules

Marks = tuple[object, ...]

_WORK = ("dataset", "revision", "fingerprint", "queries", "batch_size")


@dataclass(frozen=True)
class ExaminedResult:
    """A result with its raw record, its line of the manifest, the rules that it names, its files.

    `now` is the time of the examination; `seen` has the marks of all recordings so far, each with
    the folder of its result and what was measured there.
    """

    result: Result
    raw: RawRecord | None
    listed: ListedResult
    rules: Rules
    files: Mapping[str, bytes]
    now: datetime
    seen: dict[Marks, tuple[str, Marks]]
    where: ClassVar[str] = ""

    @classmethod
    def each(cls, it: "ExaminedResult") -> Iterator["ExaminedResult"]:
        """The whole result, as the one place."""
        yield it

    @property
    def task(self) -> TaskRules | None:
        """The rules of its task; None for a task that the rules do not know."""
        return self.rules.task_of(self.result.task.id, self.result.task.digest)

    @property
    def gpu_domains(self) -> list[str]:
        """The domains whose sum is the score."""
        return self.result.protocol.gpu_domains

    @property
    def digest(self) -> str:
        """SHA-256 of what was measured, as the result names it and its raw record repeats it."""
        work, protocol = self.result.workload, self.result.protocol
        named = {
            "task": self.result.task.model_dump(mode="json"),
            "model": self.result.model.recorded(),
            "workload": [getattr(work, name) for name in _WORK],
            "settings": [work.seed, work.generation, protocol.quick, protocol.min_window_s],
            "device": [protocol.device, protocol.metered_gpus, protocol.occupied_gpus],
        }
        text = json.dumps(named, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def forced_tokens(self) -> int | None:
        """The length that all answers have; None where it is not forced."""
        generation = self.result.workload.generation or {}
        most, least = generation.get("max_new_tokens"), generation.get("min_new_tokens")
        return most if isinstance(most, int) and most == least else None

    @property
    def is_sampled(self) -> bool:
        """Whether its answers were drawn, as the newer official method has it."""
        return bool((self.result.workload.generation or {}).get("temperature"))

    @property
    def strictly(self) -> Level:
        """The level of what no official result may have, and others may."""
        return "failed" if self.listed.official else "warning"

    @property
    def gpu_methods(self) -> set[str | None]:
        """How the metered GPUs were measured, in all runs."""
        return {run.methods.get(gpu) for run in self.result.runs for gpu in self.gpu_domains}

    def has(self, code: str) -> bool:
        """Whether the result carries this caution."""
        return any(caution.code == code for caution in self.result.cautions)

    def gpu_energy_j(self, run: Run) -> list[float]:
        """The metered GPUs' energies in a run, of those that have one."""
        energies = [run.energy_j.get(domain) for domain in self.gpu_domains]
        return [energy_j for energy_j in energies if energy_j is not None]


@dataclass(frozen=True)
class ExaminedRun:
    """A run; `where` names the place for people."""

    it: ExaminedResult
    run: Run
    where: str

    @property
    def queries(self) -> int:
        """Queries of one of its passes: those of its block, or of the workload."""
        block = self.run.block
        return self.it.result.workload.queries if block is None else len(block.queries)

    @property
    def codes(self) -> set[str]:
        """The codes of its notices."""
        return {notice.code for notice in self.run.notices}

    @classmethod
    def each(cls, it: ExaminedResult) -> Iterator["ExaminedRun"]:
        """Every run of a result."""
        yield from (ExaminedRun(it, run, f"run {run.index + 1}") for run in it.result.runs)


@dataclass(frozen=True)
class RecordedRun(ExaminedRun):
    """A run that the raw record holds."""

    raw: RawRun

    @classmethod
    def each(cls, it: ExaminedResult) -> Iterator["RecordedRun"]:
        """Every such run of a result."""
        recorded = {one.index: one for one in it.raw.runs} if it.raw else {}
        for place in ExaminedRun.each(it):
            if place.run.index in recorded:
                yield RecordedRun(**vars(place), raw=recorded[place.run.index])


@dataclass(frozen=True)
class MeteredGpu(ExaminedRun):
    """A metered GPU in a run: its energy, facts and limits."""

    domain: str
    energy_j: float | None
    facts: Mapping[str, float | int | str | None]
    machine_w: float | None  # the power limit that the environment states

    @property
    def limit_w(self) -> float | None:
        """The power limit that the run states; None where no GPU can have it."""
        limit_w = self.number("power_limit_w")
        return limit_w if limit_w and limit_w > 0 else None

    def number(self, name: str) -> float | None:
        """A fact that is a number."""
        value = self.facts.get(name)
        return value if is_number(value) else None

    @classmethod
    def each(cls, it: ExaminedResult) -> Iterator["MeteredGpu"]:
        """Every such GPU in every run."""
        machine_w = {f"gpu:{gpu.uuid}": gpu.power_limit_w for gpu in it.result.environment.gpus}
        for run in it.result.runs:
            for domain in it.gpu_domains:
                where, energy_j = f"run {run.index + 1}: {domain[:60]}", run.energy_j.get(domain)
                facts, limit_w = run.facts.get(domain, {}), machine_w.get(domain)
                yield MeteredGpu(it, run, where, domain, energy_j, facts, limit_w)


@dataclass(frozen=True)
class RecordedGpu(MeteredGpu):
    """A metered GPU in a run, whose counter or power was recorded in a window."""

    raw: RawRun
    found: RawDomain
    window_s: tuple[float, float]

    @classmethod
    def each(cls, it: ExaminedResult) -> Iterator["RecordedGpu"]:
        """Every such GPU in every run."""
        recorded = {place.run.index: place.raw for place in RecordedRun.each(it)}
        for gpu in MeteredGpu.each(it):
            raw = recorded.get(gpu.run.index)
            found = raw.domains.get(gpu.domain) if raw else None
            if raw and found and found.window_s is not None:
                yield RecordedGpu(**vars(gpu), raw=raw, found=found, window_s=found.window_s)
