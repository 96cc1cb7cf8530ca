"""From runs to the score: Wh per 1,000 queries, with its interval, its method or its reason."""

from collections.abc import Sequence

from energyscore.measure import Method
from energyscore.result import Emissions, Run, Score, SystemMethod
from energyscore.statistics import Summary, summarize
from energyscore.units import WH_PER_KWH, wh_per_1k_queries

NO_GPU = "no GPU was metered: the work ran on the processor"


def score_runs(runs: Sequence[Run], metered_gpus: Sequence[str]) -> Score:
    """The score of a result.

    GPU energy is the sum over the metered GPUs, and null as soon as one of them has none in
    one run. The system figure adds the processor (`cpu`) and memory (`dram`, else `ram`).
    """
    domains = [f"gpu:{uuid}" for uuid in metered_gpus]
    gpu, reason = _summary(runs, domains) if domains else (None, NO_GPU)
    methods = {run.methods.get(domain) for run in runs for domain in domains}
    parts = [*domains, "cpu", _memory(runs)]
    system, system_reason = _summary(runs, parts)
    estimated = any(run.methods.get(part) == "estimated" for run in runs for part in parts)
    system_method: SystemMethod = "estimated" if estimated else "measured"
    method: Method = "counter" if methods == {"counter"} else "power_integral"
    return Score(
        gpu_wh_per_1k_queries=gpu.mean if gpu else None,
        ci95=gpu.ci95 if gpu else None,
        method=method if gpu else None,
        reason=reason,
        std=gpu.std if gpu else None,
        runs=len(runs),
        system_wh_per_1k_queries=system.mean if system else None,
        system_ci95=system.ci95 if system else None,
        system_std=system.std if system else None,
        system_method=system_method if system else None,
        system_reason=system_reason,
    )


def figures_of(runs: Sequence[Run], metered_gpus: Sequence[str]) -> list[float]:
    """What the score is the mean of, run by run; none where a run has no energy.

    Wh per 1,000 queries of the metered GPUs, else of processor and memory.
    """
    domains = [f"gpu:{uuid}" for uuid in metered_gpus]
    return _figures(runs, domains or ["cpu", _memory(runs)])[0] or []


def emissions_of(
    score: Score, country: str | None, g_per_kwh: float | None, source: str | None
) -> Emissions:
    """Operational CO2 of 1,000 queries on a country's grid; null where energy or grid is."""

    def co2_g(energy_wh: float | None) -> float | None:
        if energy_wh is None or g_per_kwh is None:
            return None
        return energy_wh / WH_PER_KWH * g_per_kwh

    return Emissions(
        country=country,
        intensity_g_per_kwh=g_per_kwh,
        gpu_co2_g_per_1k_queries=co2_g(score.gpu_wh_per_1k_queries),
        system_co2_g_per_1k_queries=co2_g(score.system_wh_per_1k_queries),
        source=source,
        reason="" if country else "no country was given (--country)",
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
        total_j = 0.0
        for domain in domains:
            energy_j = run.energy_j.get(domain)
            if energy_j is None:
                why = run.reasons.get(domain, "no meter covers it")
                return None, f"run {run.index + 1}: {domain}: {why}"
            total_j += energy_j
        values.append(wh_per_1k_queries(total_j, run.queries))
    return values, ""
