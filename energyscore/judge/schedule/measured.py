"""A service from results: powers, loading and the cost of batches, as they were measured. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from energyscore.base.errors import NotMeasuredError, UnsupportedError, UsageError
from energyscore.base.units import JOULES_PER_WH
from energyscore.judge.comparability import differences
from energyscore.judge.figures import Headline
from energyscore.judge.rating import RatedResult
from energyscore.judge.schedule.service import BatchCost, Service
from energyscore.judge.unratable import why_no_figure
from energyscore.results.parts import Domain
from energyscore.results.score import headline_domains

_MAY_DIFFER = {"batch_size", "seed", "queries", "quick"}
"""Between results of one service: each is of a batch size, by itself."""


@dataclass(frozen=True)
class MeasuredService:
    """A service with the results that it stands on.

    Attributes:
        estimated: no meter told the energies.
        free_load: a load seemed to take less than the floor, and counts as nothing.
        gpu_off: nothing is drawn while the model is not loaded, as was said.
    """

    service: Service
    entries: tuple[RatedResult, ...]
    estimated: bool
    free_load: bool = False
    gpu_off: bool = False

    @property
    def name(self) -> str:
        """The model at its task."""
        return f"{self.entries[0].label} at {self.entries[0].result.task.id}"

    def with_gpu_off(self) -> "MeasuredService":
        """The same where the GPU is powered down while the model is not loaded."""
        return replace(self, service=self.service.switched_off(), gpu_off=True)


def service_of(entries: Sequence[RatedResult]) -> MeasuredService:
    """The service that results of one model describe, each of them of another batch size.

    Idle power and loading are those of the latest result that has them.

    Raises:
        UnsupportedError: where one is of a server.
        UsageError: where results are not of one model, task, machine and precision.
        NotMeasuredError: where no result has what is needed; the remedy says how to measure it.
    """
    for entry in entries:
        if entry.result.of_server:
            raise UnsupportedError(
                f"{entry.file} is of a server, which works at several requests at once: a schedule "
                "is of a model that does one batch after the other.",
                "`energyscore choose` holds its loads against requirements.",
            )
        if reason := why_no_figure(entry.result):
            raise NotMeasuredError(f"{entry.file}: {reason}.")
    _check_alike(entries)
    latest = sorted(entries, key=lambda one: one.result.created_at, reverse=True)
    by_size = {one.result.workload.batch_size: one for one in reversed(latest)}
    headlines = [(one, one.headline) for one in by_size.values() if one.headline]
    floor_w, load_s, load_j = _loading(latest)
    service = Service(
        floor_w=floor_w,
        idle_w=_idle_w(latest),
        load_s=load_s,
        load_j=max(0.0, load_j),
        batches=tuple(_cost(*one) for one in headlines),
        half_width=_widest(headline.half_width for _, headline in headlines),
    )
    return MeasuredService(service, tuple(latest), headlines[0][1].estimated, load_j < 0)


def _check_alike(entries: Sequence[RatedResult]) -> None:
    first = entries[0]
    for other in entries[1:]:
        points = [
            point
            for point in differences(first.conditions, other.conditions)
            if point.name not in _MAY_DIFFER
        ]
        if points:
            raise UsageError(
                f"{other.file} and {first.file} are not of one service: "
                f"{'; '.join(map(str, points))}.",
                "Name results of one model, or choose with --model and --task.",
            )


def _cost(entry: RatedResult, headline: Headline) -> BatchCost:
    """A full batch: its time from preparation to answer, and its energy.

    Where all queries were fewer than a batch, so many were the batch.
    """
    runs, workload = entry.result.runs, entry.result.workload
    size = min(workload.batch_size, workload.queries)
    per_query_s = math.fsum(run.duration_s for run in runs) / sum(run.queries_done for run in runs)
    per_query_j = headline.energy_wh * JOULES_PER_WH / 1000
    return BatchCost(size, per_query_s * size, per_query_j * size)


def _widest(half_widths: Iterable[float | None]) -> float | None:
    known = [half for half in half_widths if half is not None]
    return max(known, default=None)


def _domains(entry: RatedResult) -> list[Domain]:
    """What the headline is the energy of."""
    return headline_domains(entry.result.runs, entry.result.protocol.metered_gpus)


def _idle_w(latest: Sequence[RatedResult]) -> float:
    """Of the session itself where a meter told it, else of the process that only loaded."""
    for entry in latest:
        loading = entry.result.loading
        for known in (entry.result.idle.with_model_w, loading.idle_w if loading else {}):
            if (power := _sum_of(known, _domains(entry))) is not None:
                return power
    raise _missing(latest[0], "idle power with the model loaded")


def _loading(latest: Sequence[RatedResult]) -> tuple[float, float, float]:
    """Power without the model, and the seconds and joules of loading it."""
    why = ""
    for entry in latest:
        loading = entry.result.loading
        if loading is None:
            continue
        why = why or loading.reason
        floor_w, load_j = (
            _sum_of(figures, _domains(entry)) for figures in (loading.floor_w, loading.energy_j)
        )
        if None not in (floor_w, load_j, loading.duration_s):
            return floor_w or 0.0, loading.duration_s or 0.0, load_j or 0.0
    raise _missing(latest[0], "loading", why)


def _sum_of(figures: Mapping[Domain, float | None], domains: Sequence[Domain]) -> float | None:
    """The sum over all these domains; None where one is not known."""
    known = [figures.get(domain) for domain in domains]
    return None if None in known or not known else math.fsum(one for one in known if one)


def _missing(entry: RatedResult, what: str, why: str = "") -> NotMeasuredError:
    result = entry.result
    return NotMeasuredError(
        f"{entry.file}: its {what} was not measured{f' ({why})' if why else ''}.",
        f"Measure it: energyscore run {result.task.id} --model {entry.name} --loading --idle 30.",
    )
