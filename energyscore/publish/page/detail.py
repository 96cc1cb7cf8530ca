"""What the page of one result shows beside the result itself: phases, runs, and warnings. Pure."""

import re
import statistics
from dataclasses import dataclass
from typing import NamedTuple

from energyscore.base.units import wh_per_1k_queries
from energyscore.judge.rating import RatedResult
from energyscore.publish import wording
from energyscore.results.result import Result
from energyscore.results.score import figures_of

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


class Warned(NamedTuple):
    """A caution in full; `kind` is `invalid`, `caution` or `notice`."""

    kind: str
    code: str
    message: str


class PhaseShare(NamedTuple):
    """A phase: energy and time of 1,000 queries; `start` and `share` are its part of the bar."""

    name: str
    energy_wh: float | None
    margin_wh: float | None
    time_s: float | None
    start: float | None
    share: float | None


@dataclass(frozen=True)
class PhaseTable:
    """All phases, in the order of the work."""

    phases: list[PhaseShare]
    on_gpu: bool  # whether the energies are the GPU's; else those of processor and memory
    methods: list[str]  # how they were split
    bar: str  # what the bar shows, `energy` or `time`; empty where there is none
    reasons: list[str]  # why there are no energies of phases


def hub_address(result: Result) -> str:
    """The model's page on the hub; empty where its id could not be one of the hub's."""
    on_hub = result.model.source == "hub" and _HUB_ID.fullmatch(result.model.id)
    return f"https://huggingface.co/{result.model.id}" if on_hub else ""


def warnings_of(result: Result) -> list[Warned]:
    """Everything that whoever reads the figure must know, each once, the worst first."""
    found = [Warned("invalid", "invalid", reason) for reason in result.invalid_reasons]
    found += [Warned("caution", one.code, one.message) for one in result.cautions]
    said = {one.code for one in found} | {one.message for one in found}
    for run in result.runs:
        for notice in run.notices:
            # What a caution sums up stands beside its run.
            if not said & {notice.code, notice.message}:
                message = f"run {run.index + 1}: {notice.message}"
                found.append(Warned("notice", notice.code, message))
    return list(dict.fromkeys(found))


def run_figures(entry: RatedResult) -> list[float | None]:
    """The figure of each run in Wh per 1,000 queries, which the result's is the mean of."""
    runs = entry.result.runs
    gpus = entry.result.protocol.metered_gpus if entry.rating.basis != "system" else []
    return [*figures_of(runs, gpus)] or [next(iter(figures_of([run], gpus)), None) for run in runs]


def phases_of(result: Result) -> PhaseTable:
    """The phases by energy: the GPU's, else that of processor and memory; else by time."""
    names = list(result.runs[0].phases)
    on_gpu = bool(result.protocol.metered_gpus)
    times_s = [_seconds(result, name) for name in names]
    energies = [(_gpu if on_gpu else _system)(result, name) for name in names]
    known = [wh for wh, _ in energies if wh is not None and wh >= 0]
    by_energy = len(known) == len(names) and sum(known) > 0
    parts = known if by_energy else [time_s for time_s in times_s if time_s is not None]
    whole = sum(parts) if len(parts) == len(names) else 0.0
    return PhaseTable(
        phases=[
            PhaseShare(
                name,
                *energies[place],
                times_s[place],
                sum(parts[:place]) / whole if whole > 0 else None,
                parts[place] / whole if whole > 0 else None,
            )
            for place, name in enumerate(names)
        ],
        on_gpu=on_gpu,
        methods=sorted(
            {
                method.replace("_", " ")
                for run in result.runs
                for domain, method in run.phase_methods.items()
                if domain.startswith("gpu:") == on_gpu
            }
        ),
        bar="" if whole <= 0 else "energy" if by_energy else "time",
        reasons=_reasons(result, on_gpu=on_gpu),
    )


def _seconds(result: Result, name: str) -> float | None:
    """Mean time of the phase for 1,000 queries, in seconds; None where a run has none."""
    times = [
        run.phases[name].duration_s / run.queries_done * 1000
        for run in result.runs
        if name in run.phases
    ]
    return statistics.fmean(times) if len(times) == len(result.runs) else None


def _gpu(result: Result, name: str) -> tuple[float | None, float | None]:
    phase = result.score.phases.get(name)
    if phase is None:
        return None, None
    return phase.gpu_wh_per_1k_queries, wording.phase_margin(result, name)


def _system(result: Result, name: str) -> tuple[float | None, float | None]:
    """Mean over the runs of what all domains took in the phase; None where one is not known."""
    figures = []
    for run in result.runs:
        domains = run.phases[name].energy_j if name in run.phases else {}
        # The memory that RAPL meters is the memory that is estimated otherwise.
        energies = [one for name, one in domains.items() if name != "ram" or "dram" not in domains]
        known = [energy_j for energy_j in energies if energy_j is not None]
        if not known or len(known) < len(energies):
            return None, None
        figures.append(wh_per_1k_queries(sum(known), run.queries_done))
    return statistics.fmean(figures), None


def _reasons(result: Result, *, on_gpu: bool) -> list[str]:
    if on_gpu:
        reasons = [phase.reason for phase in result.score.phases.values() if phase.reason]
    else:
        reasons = [why for run in result.runs for why in run.phase_reasons.values()]
    return list(dict.fromkeys(reasons))
