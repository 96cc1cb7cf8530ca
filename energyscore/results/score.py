"""From runs to the score: Wh per 1,000 queries, with its interval, its method or its reason."""

import math
import statistics as std
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from energyscore.base.stats import MIN_REPEATS_TO_JUDGE, Summary, sample_std, summarize
from energyscore.base.units import wh_per_1k_queries
from energyscore.results.gpu_sensors import sensor_error
from energyscore.results.parts import Emissions, Idle, Method, PhaseScore, Run, Score
from energyscore.results.screen_part import ScreenPart
from energyscore.results.screened import TOO_FEW, predict, summary_of

NEGLIGIBLE = 0.02  # a net energy this far below zero, as a share of the gross one, is noise
_METERING_S = 10.0  # far more than a meter takes to start and to stop
NO_NET = "a screen does not tell it"
NO_GPU = "no GPU was metered: the work ran on the processor"


def score_runs(
    runs: Sequence[Run],
    metered_gpus: Sequence[str],
    idle: Idle | None = None,
    gpu_names: Sequence[str] = (),
    screen: ScreenPart | None = None,
) -> Score:
    """The score of a result; the metered GPUs are named by UUID and, for their sensors, by name.

    GPU energy is the sum over the metered GPUs, and null as soon as one of them has none in
    one run. The system figure adds the processor (`cpu`) and memory (`dram`, else `ram`). Of the
    blocks of a screen the energy of the whole workload is predicted.
    """
    domains = gpu_domains(metered_gpus)
    gpu, reason = _summary(runs, domains, screen) if domains else (None, NO_GPU)
    methods = {run.methods.get(domain) for run in runs for domain in domains}
    method: Method = "counter" if methods == {"counter"} else "power_integral"
    parts = system_domains(runs, metered_gpus)
    system, system_reason = _summary(runs, parts, screen)
    estimated = "estimated" in {run.methods.get(part) for run in runs for part in parts}
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
        phases={name: _phase(runs, domains, name, screen) for name in runs[0].phases},
        **_net(runs, domains, None if screen else idle, gpu, reason or (NO_NET if screen else "")),
        system_wh_per_1k_queries=system.mean if system else None,
        system_ci95=system.ci95 if system else None,
        system_std=system.std if system else None,
        system_method=("estimated" if estimated else "measured") if system else None,
        system_reason=system_reason,
        estimator=screen.estimator if screen else "mean",
    )


def figures_of(runs: Sequence[Run], metered_gpus: Sequence[str]) -> list[float]:
    """What the score is the mean of, run by run; none where a run has no energy.

    Wh per 1,000 queries of the metered GPUs, else of processor and memory.
    """
    return _figures(runs, headline_domains(runs, metered_gpus))[0] or []


def precision_of(runs: Sequence[Run], metered_gpus: Sequence[str]) -> float | None:
    """Half the score's interval as a share of it; None where there is no interval."""
    summary, _ = _summary(runs, headline_domains(runs, metered_gpus))
    return None if summary is None else summary.half_width


def is_precise(runs: Sequence[Run], metered_gpus: Sequence[str], half_width: float) -> bool:
    """Whether the score's interval reaches at most that share of the mean to either side.

    Never with fewer than five runs: of fewer, the spread itself is hardly known, and stopping at
    the first that happen to agree would claim a precision that is not there.
    """
    reached = precision_of(runs, metered_gpus)
    return len(runs) >= MIN_REPEATS_TO_JUDGE and reached is not None and reached <= half_width


def run_se_wh(runs: Sequence[Run], domains: Sequence[str]) -> float:
    """The standard error that one run has for the steps of its counters, in Wh per 1,000 queries.

    The counters of several GPUs step independently. Of runs that differ it is the root mean square.
    Where a run does not state it, as in results of older versions, it is the least that follows
    from the counter's period; 0 where that is not known either, as for RAPL and for estimates.
    """
    squares = []
    for run in runs:
        errors_j = [_steps_se_j(run, domain) for domain in domains]
        squares.append(wh_per_1k_queries(math.hypot(*errors_j), run.queries_done) ** 2)
    return math.sqrt(std.fmean(squares))


def steps_se_j(run: Run, domains: Iterable[str]) -> dict[str, float]:
    """By domain the standard error for the steps of a meter: as stated, else the least it can be.

    It is 0 where nothing is known of it.
    """
    return {domain: _steps_se_j(run, domain) for domain in domains}


def _steps_se_j(run: Run, domain: str) -> float:
    stated = run.quantization_se_j.get(domain)
    return least_steps_se_j(run, domain) if stated is None else stated


def least_steps_se_j(run: Run, domain: str) -> float:
    """The least standard error for the steps of a counter: those of its mean power.

    0 where the energy is not a counter's, or its period is not known.
    """
    energy_j = run.energy_j.get(domain)
    if energy_j is None or run.methods.get(domain) != "counter":
        return 0.0
    facts = run.facts.get(domain, {})
    period_ms, window_s = facts.get("update_period_ms"), facts.get("window_s")
    if not isinstance(period_ms, int | float) or period_ms <= 0:
        return 0.0
    # The meter's window is a little longer than the work, and leaves less open.
    lasted_s = run.duration_s
    if isinstance(window_s, int | float):
        lasted_s = min(max(window_s, lasted_s), 1.1 * lasted_s + _METERING_S)
    return energy_j / lasted_s * period_ms / 1e3 / math.sqrt(6)


def gpu_summary(score: Score, runs: Sequence[Run], metered_gpus: Sequence[str]) -> Summary | None:
    """Mean, spread and interval of the GPU energy, from a score and its runs.

    What is shown of an interval is derived here: files of older versions hold another.
    """
    if score.gpu_wh_per_1k_queries is None:
        return None
    run_se = _run_se(score, runs, metered_gpus)
    return Summary(score.gpu_wh_per_1k_queries, score.std, score.runs, run_se)


def _run_se(score: Score, runs: Sequence[Run], metered_gpus: Sequence[str]) -> float:
    """Blocks of a screen are unlike in length: they show what the steps leave open."""
    if score.estimator == "regression":
        return 0.0
    return run_se_wh(runs, gpu_domains(metered_gpus))


def system_summary(
    score: Score, runs: Sequence[Run], metered_gpus: Sequence[str]
) -> Summary | None:
    """Mean, spread and interval of the system's energy, in the same way."""
    if score.system_wh_per_1k_queries is None:
        return None
    # Processor and memory have no such steps; and which of them count, details of the runs say.
    run_se = _run_se(score, runs, metered_gpus)
    return Summary(score.system_wh_per_1k_queries, score.system_std, score.runs, run_se)


def phase_summary(score: Score, whole: Summary | None, name: str) -> Summary | None:
    """Mean, spread and interval of a phase's GPU energy; `whole`: of that of all phases.

    Phases are split so that they sum to the run's energy: they share the error of its steps.
    """
    part = score.phases[name]
    figure = part.gpu_wh_per_1k_queries
    if figure is None or whole is None:
        return None
    # Of a single run the standard error is that of the split, not a spread of runs.
    known = part.se is not None and score.runs > 1
    spread = part.se * math.sqrt(score.runs) if known and part.se is not None else None
    run_se = whole.run_se * max(0.0, figure) / whole.mean
    return Summary(figure, spread, score.runs, run_se)


def gpu_domains(metered_gpus: Sequence[str]) -> list[str]:
    """The domains whose sum is the score."""
    return [f"gpu:{uuid}" for uuid in metered_gpus]


def system_domains(runs: Sequence[Run], metered_gpus: Sequence[str]) -> list[str]:
    """The domains whose sum is the system figure."""
    return [*gpu_domains(metered_gpus), "cpu", _memory(runs)]


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


def headline_domains(runs: Sequence[Run], metered_gpus: Sequence[str]) -> list[str]:
    """The domains whose sum is the figure that is shown first: GPUs, else the system."""
    return gpu_domains(metered_gpus) or system_domains(runs, metered_gpus)


def _memory(runs: Sequence[Run]) -> str:
    return "dram" if all(run.energy_j.get("dram") is not None for run in runs) else "ram"


def _summary(
    runs: Sequence[Run], domains: Sequence[str], screen: ScreenPart | None = None
) -> tuple[Summary | None, str]:
    """Summary over the runs of the sum over the domains, or why there is none."""
    values, reason = _figures(runs, domains)
    if values is not None and screen is not None:
        energies_j = [run.total_j(domains) or 0.0 for run in runs]
        found = predict(runs, energies_j, screen)
        return (summary_of(found, screen), "") if found else (None, TOO_FEW)
    return (None if values is None else summarize(values, run_se_wh(runs, domains))), reason


def _figures(runs: Sequence[Run], domains: Sequence[str]) -> tuple[list[float] | None, str]:
    values = []
    for run in runs:
        total_j = run.total_j(domains)
        if total_j is None:
            domain = next(domain for domain in domains if run.energy_j.get(domain) is None)
            why = run.reasons.get(domain, "no meter covers it")
            return None, f"run {run.index + 1}: {domain}: {why}"
        values.append(wh_per_1k_queries(total_j, run.queries_done))
    return values, ""


def _phase(
    runs: Sequence[Run], domains: Sequence[str], name: str, screen: ScreenPart | None = None
) -> PhaseScore:
    """One phase of the score; null as soon as one run could not tell it."""
    if not domains:
        return PhaseScore(gpu_wh_per_1k_queries=None, se=None, reason=NO_GPU)
    totals_j = []
    for run in runs:
        energies_j, total_j = run.phases[name].energy_j, 0.0
        for domain in domains:
            energy_j = energies_j.get(domain)
            if energy_j is None:
                why = run.phase_reasons.get(domain) or run.reasons.get(domain, "unknown")
                reason = f"run {run.index + 1}: {why}"
                return PhaseScore(gpu_wh_per_1k_queries=None, se=None, reason=reason)
            total_j += energy_j
        totals_j.append(total_j)
    if screen is not None:
        found = predict(runs, totals_j, screen)
        if found is None:
            return PhaseScore(gpu_wh_per_1k_queries=None, se=None, reason=TOO_FEW)
        return PhaseScore(gpu_wh_per_1k_queries=found.mean, se=found.se, reason="")
    se: float | None
    figures = [
        wh_per_1k_queries(j, run.queries_done) for j, run in zip(totals_j, runs, strict=True)
    ]
    if len(figures) > 1:
        se = sample_std(figures) / math.sqrt(len(figures))
    else:
        se = _split_se(runs[0], domains, name)
    return PhaseScore(gpu_wh_per_1k_queries=std.fmean(figures), se=se, reason="")


def _split_se(run: Run, domains: Sequence[str], name: str) -> float | None:
    """What the split of a run leaves open of one phase; None where it is not known."""
    errors_j = [run.phases[name].se_j.get(domain) for domain in domains]
    known_j = [error_j for error_j in errors_j if error_j is not None]
    if len(known_j) < len(errors_j):
        return None
    return wh_per_1k_queries(math.sqrt(sum(error_j**2 for error_j in known_j)), run.queries_done)


def _net(
    runs: Sequence[Run],
    domains: Sequence[str],
    idle: Idle | None,
    gross: Summary | None,
    reason: str,
) -> dict[str, Any]:
    """The figure less what the GPUs draw idle: without the model, where that is known."""
    net_wh, net_ci95, net_of = None, None, None
    why = reason or "the idle power was not metered"
    baselines = {
        "idle_without_model": idle.without_model_w if idle else {},
        "idle_with_model": idle.with_model_w if idle else {},
    }
    known = (name for name, idle_w in baselines.items() if idle_w.keys() >= set(domains))
    if gross is not None and idle is not None and (name := next(known, None)):
        idle_w = sum(baselines[name][domain] for domain in domains)
        took = [
            wh_per_1k_queries(run.duration_s, run.queries_done) for run in runs
        ]  # for each watt
        figures = _figures(runs, domains)[0] or []
        net = summarize([f - idle_w * wh for f, wh in zip(figures, took, strict=True)])
        if net.mean < -NEGLIGIBLE * gross.mean:
            why = f"idling was metered at {idle_w:.0f} W, more than the work took: it was none"
        else:
            net_wh, net_of, why = net.mean, name, ""
            idle_se_w = _idle_se_w(runs, baselines[name], domains, idle.seconds)
            net_ci95 = _net_interval(replace(net, run_se=gross.run_se), idle_se_w * std.fmean(took))
    return {
        "net_gpu_wh_per_1k_queries": net_wh,
        "net_ci95": net_ci95,
        "net_of": net_of,
        "net_reason": why,
    }


def _net_interval(net: Summary, idle_se_wh: float) -> tuple[float, float] | None:
    """Of a difference, which may be 0: as wide to either side, and cut at 0.

    Besides what the runs tell it holds the error of the idle power, which all runs share.
    """
    spread = net.spread()
    if spread is None:
        return None
    whole = replace(spread, unshown=math.hypot(spread.unshown, idle_se_wh))
    half = whole.half_width
    return (max(0.0, net.mean - half), max(0.0, net.mean + half)) if half < math.inf else None


def _idle_se_w(
    runs: Sequence[Run], idle_w: Mapping[str, float], domains: Sequence[str], seconds: float
) -> float:
    """The standard error of an idle power for the counter's steps; 0 where they are not known."""
    errors = [0.0]
    for domain in domains:
        found = [run.facts.get(domain, {}).get("update_period_ms") for run in runs]
        periods_ms = [value for value in found if isinstance(value, int | float)]
        if periods_ms and seconds > 0:
            step_s = std.median(periods_ms) / 1e3 / math.sqrt(6)
            errors.append(idle_w[domain] * step_s / seconds)
    return math.hypot(*errors)
