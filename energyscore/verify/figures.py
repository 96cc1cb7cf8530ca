"""Score, intervals and phases, recomputed from the runs and their raw records."""

import math
from collections.abc import Mapping, Sequence
from statistics import median

from energyscore.verify.examined import ExaminedResult, ExaminedRun, RecordedGpu
from energyscore.verify.findings import (
    NOT_APPLICABLE,
    ROUNDING,
    Derived,
    Finds,
    Problem,
    agree,
    is_number,
)
from energyscore.verify.predicted import spread_of_blocks
from energyscore.verify.rules import grid_of, sensor_range
from energyscore.verify.spread import NORMAL, RunSpread, spread_of
from energyscore.verify.steps import has_steps, steps_of

PHASE_SHARE = 0.002  # Recomputed phases may differ by this share of the run, or one standard error
MOST_SHARE = 0.01  # ... but never by more than this share
FEWEST_JUDGED = 5  # runs from which the spread is known well enough
_J_PER_WH = 3600.0
_SPLITS = ("tick_regression", "phase_block", "time_share", "single_phase")


def check_score(it: ExaminedResult) -> Finds:
    """The GPU score is the mean of the runs, its method theirs."""
    score, mean = it.result.score, _spread(it, it.gpu_domains).mean
    by = "counter" if it.gpu_methods == {"counter"} else "power_integral"
    known = mean is not None
    yield Derived("the GPU score (Wh)", score.gpu_wh_per_1k_queries, mean)
    yield Derived("its method", score.method, by if known else None)
    yield from _systematic(it, known)
    if not known and not score.reason:
        yield "there is no GPU score and no reason for it"


def _systematic(it: ExaminedResult, known: bool) -> Finds:
    """The meter's own error is that of the GPUs' names; older results have one for all."""
    score, stated = it.result.score, it.result.score.systematic_range
    if not known:
        yield Derived("its systematic error", score.systematic, None)
        yield Derived("the range of its systematic error", stated, None)
    elif stated is None:
        yield Derived("its systematic error", score.systematic, it.rules.systematic)
    else:
        low, high = sensor_range(tuple(gpu.name for gpu in it.result.environment.gpus))
        yield Derived("its systematic error", score.systematic, max(abs(low), abs(high)))
        yield Derived("the range of its systematic error", stated, (low, high), 0)


def check_interval(it: ExaminedResult) -> Finds:
    """Standard deviation and 95% interval are those of the runs, with the steps of the meters.

    Of results without such steps two intervals are accepted: the symmetric one of older versions,
    of which the version's number does not tell, says the same of the same runs.
    """
    score = it.result.score
    for what, domains, std, ci95 in (
        ("GPU score", it.gpu_domains, score.std, score.ci95),
        ("system score", _system(it), score.system_std, score.system_ci95),
    ):
        spread = _spread(it, domains)
        within = ROUNDING * (spread.mean or 0.0)
        yield Derived(f"the {what}'s standard deviation", std, spread.std, within)
        found = spread.interval
        if spread.mean is not None and spread.symmetric is not None and not has_steps(it):
            older = spread.mean - spread.symmetric, spread.mean + spread.symmetric
            found = older if agree(ci95, older, spread.slack) else found
        yield Derived(f"the {what}'s interval", ci95, found, spread.slack)


def half_width(it: ExaminedResult) -> float | None:
    """Half of the interval as a share of the mean; None with few runs."""
    domains = it.gpu_domains or ["cpu", _memory(it)]
    spread = _spread(it, domains)
    if len(it.result.runs) < FEWEST_JUDGED or not spread.mean or spread.half is None:
        return None
    return spread.half / spread.mean


def check_system_score(it: ExaminedResult) -> Finds:
    """The system score is the sum of GPUs, processor and memory, measured or estimated."""
    score, mean = it.result.score, _spread(it, _system(it)).mean
    yield Derived("the system score (Wh)", score.system_wh_per_1k_queries, mean)
    if mean is not None:
        methods = [run.methods.get(part) for run in it.result.runs for part in _system(it)]
        by = "estimated" if "estimated" in methods else "measured"
        yield Derived("the system score's method", score.system_method, by)


def check_net_score(it: ExaminedResult) -> Finds:
    """The energy net of idling follows from the idle power."""
    result = it.result
    score, figures = result.score, _figures(it, it.gpu_domains)
    if score.net_gpu_wh_per_1k_queries is None:
        if score.net_of is not None or not score.net_reason:
            yield "there is no net score and no reason for it"
        return
    idle = result.idle
    idle_w = idle.with_model_w if score.net_of == "idle_with_model" else idle.without_model_w
    known_w = [idle_w[domain] for domain in it.gpu_domains if domain in idle_w]
    if figures is None or score.net_of is None or len(known_w) < len(it.gpu_domains):
        yield "there is a net score, but no idle power or no energy"
        return
    net = [
        figure - sum(known_w) * run.duration_s / _J_PER_WH * 1000 / run.queries_done
        for figure, run in zip(figures, result.runs, strict=True)
    ]
    within, spread = spread_of(figures).slack, spread_of(net, steps_of(it, it.gpu_domains))
    yield Derived("the net score (Wh)", score.net_gpu_wh_per_1k_queries, spread.mean, within)
    if score.net_ci95 is not None:  # older versions had none
        took = [run.duration_s / _J_PER_WH * 1000 / run.queries_done for run in result.runs]
        idle_wh = _idle_error_w(it, idle_w) * math.fsum(took) / len(took)
        half = math.hypot(spread.half or 0.0, NORMAL * idle_wh)
        ends = tuple(max(0.0, (spread.mean or 0.0) + side * half) for side in (-1, 1))
        found = None if spread.half is None else ends
        yield Derived("the net score's interval", score.net_ci95, found, within)


def _idle_error_w(it: ExaminedResult, idle_w: Mapping[str, float]) -> float:
    """The standard error of the idle power for the steps of the counter."""
    seconds, errors = it.result.idle.seconds, []
    for domain in it.gpu_domains:
        found = [run.facts.get(domain, {}).get("update_period_ms") for run in it.result.runs]
        periods_ms = [value for value in found if is_number(value)]
        if periods_ms and seconds > 0:
            errors.append(idle_w[domain] * median(periods_ms) / 1e3 / math.sqrt(6) / seconds)
    return math.hypot(*errors)


def check_per_token(it: ExaminedResult) -> Finds:
    """Energy by tokens is that of the runs over the tokens that they wrote, or else read."""
    score = it.result.score
    if not score.per_token:  # older versions had none
        yield NOT_APPLICABLE
        return
    found = {
        f"{basis}_{name}_{tokens}_{noun}": None if joules is None else factor * joules
        for basis, domains in (("gpu", it.gpu_domains), ("system", _system(it)))
        for tokens in ("output", "input")
        for joules in [_joules_per_token(it, domains, tokens)]
        for name, noun, factor in (
            ("wh_per_1m", "tokens", 1e6 / _J_PER_WH),
            ("joules_per", "token", 1.0),
        )
    }
    yield Derived("the list of energies by tokens", sorted(score.per_token), sorted(found))
    for name, figure in found.items():
        yield Derived(f"{name}", score.per_token.get(name), figure)
        if figure is None and not score.per_token_reasons.get(name):
            yield f"there is no {name} and no reason for it"
    if (stated := score.joules_per_output_token) is not None:  # older versions had none
        basis = "gpu" if it.gpu_domains else "system"
        yield Derived("joules_per_output_token", stated, found[f"{basis}_joules_per_output_token"])


def _joules_per_token(it: ExaminedResult, domains: Sequence[str], tokens: str) -> float | None:
    """Joules a token, mean of the runs; None where other tokens are counted, or no energy is."""
    runs, figures = it.result.runs, _figures(it, domains)
    if it.result.screen is not None:
        return _of_a_screen(it, domains, tokens)
    if any(run.output_tokens is None for run in runs):
        return None
    written = [run.output_tokens or 0 for run in runs]
    none = any(written) or "call" in runs[0].phases
    read = [0 if none else run.input_tokens or 0 for run in runs]
    counted = written if tokens == "output" else read
    if figures is None or not all(counted):
        return None
    joules = [
        figure * _J_PER_WH / 1000 * run.queries_done / count
        for figure, run, count in zip(figures, runs, counted, strict=True)
    ]
    return math.fsum(joules) / len(joules)


def _of_a_screen(it: ExaminedResult, domains: Sequence[str], tokens: str) -> float | None:
    """The same of the pass that is predicted."""
    work, runs, mean = it.result.workload, it.result.runs, _spread(it, domains).mean
    writes = any(run.output_tokens for run in runs)
    whole = all(run.output_tokens for run in runs) if writes else "call" not in runs[0].phases
    if mean is None or not whole or writes != (tokens == "output"):
        return None
    count = work.output_tokens if writes else work.input_tokens
    return mean * _J_PER_WH / 1000 * work.queries / count if count else None


def check_emissions(it: ExaminedResult) -> Finds:
    """Grams of CO2 are energy times the grid's intensity."""
    emissions, score = it.result.emissions, it.result.score
    intensity, country = emissions.intensity_g_per_kwh, (emissions.country or "no country")[:40]
    for what, grams, energy_wh in (
        ("GPU", emissions.gpu_co2_g_per_1k_queries, score.gpu_wh_per_1k_queries),
        ("system", emissions.system_co2_g_per_1k_queries, score.system_wh_per_1k_queries),
    ):
        found = None
        if intensity is not None and energy_wh is not None:
            found = energy_wh / 1000 * intensity
        yield Derived(f"the CO2 of the {what} (g)", grams, found)
    if intensity is None:
        yield NOT_APPLICABLE
        return
    listed, source = grid_of(it.rules.rules_version, emissions.country or "")
    if listed is not None and emissions.source == source:
        yield Derived(f"the grid intensity of {country}", intensity, listed, 0)
    else:
        yield Problem(
            f"{intensity:g} g/kWh of {country} cannot be checked: the source "
            f"{(emissions.source or '')[:80]!r} is not the rules' table ({source})",
            "warning",
        )


def check_phase_sums(place: ExaminedRun) -> Finds:
    """The phases of a run sum to its energy, or are all unknown with the reason."""
    run = place.run
    if not run.phases:
        yield NOT_APPLICABLE
        return
    for domain, energy_j in run.energy_j.items():
        parts = [part.energy_j.get(domain) for part in run.phases.values()]
        known = [part for part in parts if part is not None]
        if known and (len(known) < len(parts) or energy_j is None):
            yield f"{domain}: only some phases have energy"
        elif known:
            yield Derived(f"{domain}: the energy (J)", energy_j, sum(known))
        elif not run.phase_reasons.get(domain):
            yield f"{domain}: its phases have no energy, and there is no reason for it"
        if any(part < 0 for part in known):
            yield f"{domain}: a phase has negative energy"


def check_phase_scores(it: ExaminedResult) -> Finds:
    """Each phase's score is the mean over the runs, with its standard error."""
    runs, phases = it.result.runs, it.result.score.phases
    if not any(run.phases for run in runs):
        yield NOT_APPLICABLE
    yield Derived("the list of phases", sorted(phases), sorted(runs[0].phases))
    for name, phase in phases.items():
        spread = _spread(it, it.gpu_domains, name)
        yield Derived(f"the score of {name} (Wh)", phase.gpu_wh_per_1k_queries, spread.mean)
        if spread.mean is None and (phase.se is not None or not phase.reason):
            yield f"{name}: there is no score, but an error or no reason"
        elif spread.error is not None:
            within = ROUNDING * max(spread.mean or 0.0, spread.error)
            yield Derived(f"the standard error of {name}", phase.se, spread.error, within)


def check_phase_energy(gpu: RecordedGpu) -> Finds:
    """GPU energy of the phases, from the counter's updates by least squares of our own."""
    total_j, phases = gpu.energy_j, gpu.run.phases
    if gpu.domain not in gpu.run.phase_methods:
        yield NOT_APPLICABLE
        return
    if total_j is None or set(gpu.raw.phases.names) != set(phases):
        return
    energies = _phase_energies(gpu, total_j)
    if isinstance(energies, str):
        yield energies
        return
    for name, part in phases.items():
        error = part.se_j.get(gpu.domain) or 0.0
        within = max(PHASE_SHARE, min(error / total_j, MOST_SHARE)) * total_j
        stated, found = part.energy_j.get(gpu.domain), energies.get(name, 0.0)
        yield Derived(f"the energy of {name} (J)", stated, found, within)


def _phase_energies(gpu: RecordedGpu, total_j: float) -> dict[str, float] | str:
    """Joules of each phase by the method that is stated; or why they cannot be derived."""
    from energyscore.verify.phases import phase_energies, with_lone_phase

    method = gpu.run.phase_methods[gpu.domain]
    if method == "single_phase":
        times = {name: sum(s) for name, s in gpu.raw.phases.lengths_s.items()}
        if sum(duration_s > 0 for duration_s in times.values()) != 1:
            return "there is more than one phase"
        return {name: total_j if duration_s > 0 else 0.0 for name, duration_s in times.items()}
    if method not in ("tick_regression", "phase_block"):
        return f"{method[:40]!r} is not a way to split the counter's energy"
    facts = gpu.run.phase_facts.get(gpu.domain, {})
    lag_ms, window, response_ms = map(facts.get, ("lag_ms", "window_share", "response_ms"))
    if not (
        (is_number(lag_ms) and 0 <= lag_ms <= 1000)
        and (is_number(window) and 0 < window <= 1)
        and (is_number(response_ms) and 0 <= response_ms <= 2000)
    ):
        return "the facts about the split are missing or impossible"
    phases, lag_s, tau_s = gpu.raw.phases, lag_ms / 1e3, response_ms / 1e3
    energies = phase_energies(phases, gpu.found, total_j, lag_s, window, tau_s)
    if method == "tick_regression" or isinstance(energies, str):
        return energies
    return with_lone_phase(phases, gpu.found, energies, total_j)


def check_time_shares(place: ExaminedRun) -> Finds:
    """Figures without updates are split by time alone."""
    run = place.run
    whole_s = sum(part.duration_s for part in run.phases.values())
    if "time_share" not in run.phase_methods.values():
        yield NOT_APPLICABLE
    for domain, method in run.phase_methods.items():
        energy_j = run.energy_j.get(domain)
        if method not in _SPLITS or domain not in run.energy_j:
            yield f"{method[:40]!r} is not a way to split {domain[:60]}"
        if method != "time_share" or energy_j is None or whole_s <= 0:
            continue
        if run.methods.get(domain) not in ("rapl", "estimated"):
            yield f"{domain}: only estimates and RAPL are split by time"
        for name, part in run.phases.items():
            share_j = energy_j * part.duration_s / whole_s
            yield Derived(f"{domain}: the energy of {name} (J)", part.energy_j.get(domain), share_j)


def _memory(it: ExaminedResult) -> str:
    has = all(run.energy_j.get("dram") is not None for run in it.result.runs)
    return "dram" if has else "ram"


def _system(it: ExaminedResult) -> list[str]:
    return [*it.gpu_domains, "cpu", _memory(it)]


def _spread(it: ExaminedResult, domains: Sequence[str], phase: str = "") -> RunSpread:
    """Of the runs; of a screen it is predicted from its blocks."""
    figures = _figures(it, domains, phase)
    if it.result.screen is not None:
        pairs = zip(figures or (), it.result.runs, strict=figures is not None)
        energies_j = [figure * _J_PER_WH / 1000 * run.queries_done for figure, run in pairs]
        return spread_of_blocks(it, energies_j if figures is not None else None)
    return spread_of(figures, 0.0 if phase else steps_of(it, domains))


def _figures(it: ExaminedResult, domains: Sequence[str], phase: str = "") -> list[float] | None:
    """Wh per 1,000 queries of each run; None where one of them does not know one part."""
    figures = []
    for run in it.result.runs:
        if not domains or (phase and phase not in run.phases):
            return None
        energies = run.phases[phase].energy_j if phase else run.energy_j
        known = [value for domain in domains if (value := energies.get(domain)) is not None]
        if len(known) < len(domains):
            return None
        figures.append(math.fsum(known) / _J_PER_WH * 1000 / run.queries_done)
    return figures
