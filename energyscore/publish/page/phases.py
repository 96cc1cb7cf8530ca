"""The phases of a result: their energy and their time, and the bar that shows it. Pure."""

import statistics
from dataclasses import dataclass

from energyscore.base.units import format_number, wh_per_1k_queries
from energyscore.publish.margins import (
    OF_RUNS,
    OF_SPLIT,
    PhaseMargin,
    decimals_for,
    phase_margin,
    with_decimals,
)
from energyscore.publish.page.words import duration_of
from energyscore.results.result import Result

_WIDTH = 1000.0  # of the bar, in units of its own


@dataclass(frozen=True)
class Phase:
    """One phase. `start` and `width` are its part of the bar; None where there is no bar."""

    name: str
    energy: str
    share: str
    time: str
    start: float | None
    width: float | None


@dataclass(frozen=True)
class PhaseTable:
    """All phases.

    Attributes:
        phases: in the order of the work.
        what: what the energy is of, and how it was split.
        margin: what stands behind the ±; empty where there is none.
        bar: what the bar shows; empty where there is none.
        reasons: why there are no energies of phases.
    """

    phases: tuple[Phase, ...]
    what: str
    margin: str
    bar: str
    reasons: tuple[str, ...]


def phases_of(result: Result) -> PhaseTable:
    """The phases by energy: the GPU's, else that of processor and memory; else by time."""
    names = list(result.runs[0].phases)
    on_gpu = bool(result.protocol.metered_gpus)
    times_s = [_seconds(result, name) for name in names]
    energies = [(_gpu if on_gpu else _system)(result, name) for name in names]
    known = [figure for figure, _ in energies if figure is not None and figure >= 0]
    complete = bool(names) and len(known) == len(names) and sum(known) > 0
    parts = known if complete else [time for time in times_s if time is not None]
    if len(parts) != len(names) or sum(parts) <= 0:
        parts = []
    starts = [sum(parts[:place]) for place in range(len(parts))]
    phases = []
    for place, name in enumerate(names):
        figure, margin = energies[place]
        time_s = times_s[place]
        phases.append(
            Phase(
                name=name,
                energy=_with_margin(figure, margin),
                share=f"{parts[place] / sum(parts) * 100:.1f} %" if parts else "",
                time="not known" if time_s is None else duration_of(time_s),
                start=round(starts[place] / sum(parts) * _WIDTH, 1) if parts else None,
                width=round(parts[place] / sum(parts) * _WIDTH, 1) if parts else None,
            )
        )
    margins = [margin.of_runs for _, margin in energies if margin is not None]
    what = "GPU" if on_gpu else "Processor and memory"
    return PhaseTable(
        phases=tuple(phases),
        what=f"{what}{_how(result, on_gpu=on_gpu)}",
        margin="" if not margins else OF_RUNS if all(margins) else OF_SPLIT,
        bar="" if not parts else "energy" if complete else "time",
        reasons=_reasons(result, on_gpu=on_gpu),
    )


def _seconds(result: Result, name: str) -> float | None:
    """Mean time of the phase for 1,000 queries, in seconds; None where a run has none."""
    parts = [run.phases.get(name) for run in result.runs]
    times = [
        part.duration_s / run.queries * 1000
        for part, run in zip(parts, result.runs, strict=True)
        if part is not None
    ]
    return statistics.fmean(times) if len(times) == len(parts) else None


def _with_margin(figure: float | None, margin: PhaseMargin | None) -> str:
    if figure is None:
        return "not known"
    if margin is None:
        return f"{format_number(figure)} Wh"
    decimals = decimals_for(margin.wh, figure)
    shown, either_side = (with_decimals(one, decimals) for one in (figure, margin.wh))
    return f"{shown} \u00b1 {either_side} Wh"


def _gpu(result: Result, name: str) -> tuple[float | None, PhaseMargin | None]:
    phase = result.score.phases.get(name)
    if phase is None:
        return None, None
    return phase.gpu_wh_per_1k_queries, phase_margin(phase, result.score.runs)


def _system(result: Result, name: str) -> tuple[float | None, PhaseMargin | None]:
    """Mean over the runs of what all domains took in the phase; None where one is not known."""
    figures = []
    for run in result.runs:
        part = run.phases.get(name)
        domains = {} if part is None else part.energy_j
        # The memory that RAPL meters is the memory that is estimated otherwise.
        energies = [one for name, one in domains.items() if name != "ram" or "dram" not in domains]
        known = [energy_j for energy_j in energies if energy_j is not None]
        if not known or len(known) < len(energies):
            return None, None
        figures.append(wh_per_1k_queries(sum(known), run.queries))
    return statistics.fmean(figures), None


def _how(result: Result, *, on_gpu: bool) -> str:
    methods = {
        method.replace("_", " ")
        for run in result.runs
        for domain, method in run.phase_methods.items()
        if domain.startswith("gpu:") == on_gpu
    }
    return f", split by: {', '.join(sorted(methods))}" if methods else ""


def _reasons(result: Result, *, on_gpu: bool) -> tuple[str, ...]:
    if on_gpu:
        reasons = [phase.reason for phase in result.score.phases.values() if phase.reason]
    else:
        reasons = [why for run in result.runs for why in run.phase_reasons.values()]
    return tuple(dict.fromkeys(reasons))
