"""One result under examination, and the places in it that a check looks at one by one."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from energyscore.results.parts import Run
from energyscore.results.result import Result
from energyscore.verify.findings import is_number
from energyscore.verify.manifest import ListedResult
from energyscore.verify.raw_record import RawDomain, RawRecord, RawRun
from energyscore.verify.rules import Rules, TaskRules

_WORK = ("dataset", "revision", "fingerprint", "queries", "batch_size")


@dataclass(frozen=True)
class ExaminedResult:
    """A result with its raw record, its line of the manifest, the rules that it names, its files.

    `now` is the time of the examination.
    """

    result: Result
    raw: RawRecord | None
    listed: ListedResult
    rules: Rules
    files: Mapping[str, bytes]
    now: datetime
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
        return [f"gpu:{uuid}" for uuid in self.result.protocol.metered_gpus]

    @property
    def digest(self) -> str:
        """SHA-256 of what was measured, as the result names it and its raw record repeats it."""
        work, protocol = self.result.workload, self.result.protocol
        named = {
            "task": self.result.task.model_dump(mode="json"),
            "model": self.result.model.model_dump(mode="json"),
            "workload": [getattr(work, name) for name in _WORK],
            "settings": [work.seed, work.generation, protocol.quick, protocol.min_window_s],
            "device": [protocol.device, protocol.metered_gpus, protocol.occupied_gpus],
        }
        text = json.dumps(named, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def has(self, *codes: str) -> bool:
        """Whether the result carries one of these cautions."""
        return any(caution.code in codes for caution in self.result.cautions)

    def gpu_energy_j(self, run: Run) -> list[float]:
        """The metered GPUs' energies in a run, of those that have one."""
        energies = [run.energy_j.get(domain) for domain in self.gpu_domains]
        return [energy_j for energy_j in energies if energy_j is not None]


@dataclass(frozen=True)
class ExaminedRun:
    """A run."""

    it: ExaminedResult
    run: Run

    @classmethod
    def each(cls, it: ExaminedResult) -> Iterator[Self]:
        """Every such place of a result."""
        yield from (cls(it, run) for run in it.result.runs)

    @property
    def where(self) -> str:
        """The place for people."""
        return name_of(self.run)


@dataclass(frozen=True)
class RecordedRun(ExaminedRun):
    """A run that the raw record holds."""

    raw: RawRun

    @classmethod
    def each(cls, it: ExaminedResult) -> Iterator[Self]:
        """Every such place of a result."""
        recorded = {one.index: one for one in it.raw.runs} if it.raw else {}
        for run in it.result.runs:
            if run.index in recorded:
                yield cls(it, run, recorded[run.index])


@dataclass(frozen=True)
class MeteredGpu(ExaminedRun):
    """A metered GPU in a run."""

    domain: str

    @classmethod
    def each(cls, it: ExaminedResult) -> Iterator[Self]:
        """Every such place of a result."""
        yield from (cls(it, run, domain) for run in it.result.runs for domain in it.gpu_domains)

    @property
    def where(self) -> str:
        """The place for people."""
        return f"{name_of(self.run)}: {self.domain[:60]}"

    @property
    def energy_j(self) -> float | None:
        """Its energy in the run."""
        return self.run.energy_j.get(self.domain)

    @property
    def facts(self) -> Mapping[str, float | int | str | None]:
        """What the result says of it in the run."""
        return self.run.facts.get(self.domain, {})

    @property
    def limit_w(self) -> float | None:
        """Its power limit, as stated."""
        stated = self.facts.get("power_limit_w")
        return stated if is_number(stated) and stated > 0 else None


@dataclass(frozen=True)
class RecordedGpu(MeteredGpu):
    """A metered GPU in a run, whose counter or power was recorded."""

    raw: RawRun
    found: RawDomain

    @classmethod
    def each(cls, it: ExaminedResult) -> Iterator[Self]:
        """Every such place of a result."""
        for place in RecordedRun.each(it):
            for domain in it.gpu_domains:
                found = place.raw.domains.get(domain)
                if found is not None and found.window_s is not None:
                    yield cls(it, place.run, domain, place.raw, found)

    @property
    def window_s(self) -> tuple[float, float]:
        """When its metering began and ended."""
        assert self.found.window_s is not None
        return self.found.window_s


def name_of(run: Run) -> str:
    """A run for people."""
    return f"run {run.index + 1}"
