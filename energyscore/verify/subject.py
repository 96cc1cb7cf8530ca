"""One result of a submission, with all that its checks need."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import TypeGuard

from energyscore.results.result import Result, Run
from energyscore.verify.manifest import ListedResult
from energyscore.verify.raw_record import RawDomain, RawRecord, RawRun
from energyscore.verify.rules import Rules, TaskRules

ROUNDING = 1e-6
"""Sums of the same numbers in another order differ by less than this share."""

_WORK = ("dataset", "revision", "fingerprint", "queries", "batch_size")


@dataclass(frozen=True)
class Subject:
    """A result under examination.

    Attributes:
        result: the result.
        raw: its raw record, None where it has none.
        listed: what the manifest says of it.
        rules: the rules that the result names.
        files: the other files of its folder, by name.
        now: the time of the examination.
    """

    result: Result
    raw: RawRecord | None
    listed: ListedResult
    rules: Rules
    files: Mapping[str, bytes]
    now: datetime

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

    def pairs(self) -> Iterator[tuple[Run, RawRun]]:
        """Each run with its raw record, where there is one."""
        recorded = {one.index: one for one in self.raw.runs} if self.raw else {}
        for run in self.result.runs:
            if run.index in recorded:
                yield run, recorded[run.index]

    def recorded(self) -> Iterator[tuple[Run, RawRun, str, RawDomain]]:
        """Each run and GPU whose counter or power was recorded."""
        for run, raw in self.pairs():
            for domain in self.gpu_domains:
                found = raw.domains.get(domain)
                if found is not None and found.window_s is not None:
                    yield run, raw, domain, found


def apart(one: float | None, other: float | None, share: float = ROUNDING) -> bool:
    """Whether two figures differ by more than that share of the larger; None equals None only."""
    if one is None or other is None:
        return one is not other
    return abs(one - other) > share * max(abs(one), abs(other), 1e-12)


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a number, and neither a text nor a truth."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def period_of(found: RawDomain) -> float | None:
    """Seconds from one update of the counter to the next; None where there are too few."""
    gaps_s = [b - a for a, b in pairwise(found.ticks.t_s[1:])]
    return median(gaps_s) if len(gaps_s) >= 4 else None


def name_of(run: Run) -> str:
    """A run for people."""
    return f"run {run.index + 1}"
