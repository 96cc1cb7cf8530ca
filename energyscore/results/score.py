"""From runs to the score: Wh per 1,000 queries, with its interval, its method or its reason."""

import math
import statistics as std
from collections.abc import Sequence
from typing import Any

from energyscore.base.stats import MIN_REPEATS_TO_JUDGE, Summary, sample_std, summarize
from energyscore.base.units import wh_per_1k_queries
from energyscore.results.gpu_sensors import sensor_error
from energyscore.results.parts import Emissions, Idle, Method, PhaseScore, Run, Score

NEGLIGIBLE = 0.02  # a net energy this far below zero, as a share of the gross one, is noise
NO_GPU = "no GPU was metered: the work ran on the processor"


def score_runs(
    runs: Sequence[Run],
    metered_gpus: Sequence[str],
    idle: Idle | None = None,
    gpu_names: Sequence[str] = (),
) -> Score:
    """The score of a result; the metered GPUs are named by UUID and, for their sensors, by name.

    GPU energy is the sum over the metered GPUs, and null as soon as one of them has none in
    one run. The system figure adds the processor (`cpu`) and memory (`dram`, else `ram`).
    """
    domains = [f"gpu:{uuid}" for uuid in metered_gpus]
    gpu, reason = _summary(runs, domains) if domains else (None, NO_GPU)
    methods = {run.methods.get(domain) for run in runs for domain in domains}
    method: Method = "counter" if methods == {"counter"} else "power_integral"
    parts = [*domains, "cpu", _memory(runs)]
    system, system_reason = _summary(runs, parts)
    estimated = any(run.methods.get(part) == "estimated" for run in runs for part in parts)
    error = sensor_error(gpu_names)
    return Score(
        gpu_wh_per_1k_queries=gpu.mean if gpu else None,
        ci95=gpu.ci95 if gpu else None,
        systematic=error.most if gpu else None,
        systematic_range=(error.low, error.high) if gpu else None,
        method=method if gpu else None,
        reason=reason,
        std=gpu.std if gpu else None,
        runs=len(runs),
        phases={name: _phase(runs, domains, name) for name in runs[0].phases},
        **_net(runs, domains, idle, gpu, reason),
        system_wh_per_1k_queries=system.mean if system else None,
        system_ci95=system.ci95 if system else None,
        system_std=system.std if system else None,
        system_method=("estimated" if estimated else "measured") if system else None,
        system_reason=system_reason,
    )


def figures_of(runs: Sequence[Run], metered_gpus: Sequence[str]) -> list[float]:
    """What the score is the mean of, run by run; none where a run has no energy.

    Wh per 1,000 queries of the metered GPUs, else of processor and memory.
    """
    domains = [f"gpu:{uuid}" for uuid in metered_gpus]
    return _figures(runs, domains or ["cpu", _memory(runs)])[0] or []


def is_precise(runs: Sequence[Run], metered_gpus: Sequence[str], half_width: float) -> bool:
    """Whether the score's interval reaches at most that share of the mean to either side.

    Never with fewer than five runs: of fewer, the spread itself is hardly known, and stopping at
    the first that happen to agree would claim a precision that is not there.
    """
    figures = figures_of(runs, metered_gpus)
    if len(figures) < MIN_REPEATS_TO_JUDGE:
        return False
    summary = summarize(figures)
    return summary.half_width is not None and summary.half_width <= half_width * summary.mean


def emissions_for(country: str | None) -> Emissions:
    """What a new result says of CO2: for which country it is derived whenever it is shown."""
    return Emissions(
        country=country,
        intensity_g_per_kwh=None,
        gpu_co2_g_per_1k_queries=None,
        system_co2_g_per_1k_queries=None,
        source=None,
        reason="derived when shown" if country else "no country was given (--country)",
    )


def _memory(runs: Sequence[Run]) -> str:
    return "dram" if all(run.energy_j.get("dram") is not None for run in runs) else "ram"


def _summary(runs: Sequence[Run], domains: Sequence[str]) -> tuple[Summary | None, str]:
    """Summary over the runs of the sum over the domains, or why there is none."""
    values, reason = _figures(runs, domains)
    return (None if values is None else summarize(values)), reason


def _figures(runs: Sequence[Run], domains: Sequence[str]) -> tuple[list[float] | None, str]:
    values = []
    for run in runs:
        total_j = run.total_j(domains)
        if total_j is None:
            domain = next(domain for domain in domains if run.energy_j.get(domain) is None)
            why = run.reasons.get(domain, "no meter covers it")
            return None, f"run {run.index + 1}: {domain}: {why}"
        values.append(wh_per_1k_queries(total_j, run.queries))
    return values, ""


def _phase(runs: Sequence[Run], domains: Sequence[str], name: str) -> PhaseScore:
    """One phase of the score; null as soon as one run could not tell it."""
    if not domains:
        return PhaseScore(gpu_wh_per_1k_queries=None, se=None, reason=NO_GPU)
    figures, errors = [], []
    for run in runs:
        part = run.phases[name]
        total_j, variance = 0.0, 0.0
        for domain in domains:
            energy_j, se_j = part.energy_j.get(domain), part.se_j.get(domain)
            if energy_j is None:
                why = run.phase_reasons.get(domain) or run.reasons.get(domain, "unknown")
                reason = f"run {run.index + 1}: {why}"
                return PhaseScore(gpu_wh_per_1k_queries=None, se=None, reason=reason)
            total_j += energy_j
            variance = math.nan if se_j is None else variance + se_j**2
        figures.append(wh_per_1k_queries(total_j, run.queries))
        errors.append(wh_per_1k_queries(math.sqrt(variance), run.queries))
    se: float | None = errors[0]
    if len(figures) > 1:
        se = sample_std(figures) / math.sqrt(len(figures))
    elif math.isnan(errors[0]):
        se = None
    return PhaseScore(gpu_wh_per_1k_queries=std.fmean(figures), se=se, reason="")


def _net(
    runs: Sequence[Run],
    domains: Sequence[str],
    idle: Idle | None,
    gross: Summary | None,
    reason: str,
) -> dict[str, Any]:
    """The figure less what the GPUs draw idle: without the model, where that is known."""
    net_wh, net_of = None, None
    why = reason or "the idle power was not metered"
    baselines = {
        "idle_without_model": idle.without_model_w if idle else {},
        "idle_with_model": idle.with_model_w if idle else {},
    }
    known = (name for name, idle_w in baselines.items() if idle_w.keys() >= set(domains))
    if gross is not None and (name := next(known, None)):
        idle_w = sum(baselines[name][domain] for domain in domains)
        drawn = (wh_per_1k_queries(idle_w * run.duration_s, run.queries) for run in runs)
        net = gross.mean - std.fmean(drawn)
        if net < -NEGLIGIBLE * gross.mean:
            why = f"idling was metered at {idle_w:.0f} W, more than the work took: it was none"
        else:
            net_wh, net_of, why = net, name, ""
    return {"net_gpu_wh_per_1k_queries": net_wh, "net_of": net_of, "net_reason": why}
