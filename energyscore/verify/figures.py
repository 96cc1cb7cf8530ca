"""Score, intervals and phases, computed anew from the runs and their raw records."""

import functools
import math
from collections.abc import Iterator, Sequence

from energyscore.results.result import Run
from energyscore.verify.findings import Problem
from energyscore.verify.rules import grid_of
from energyscore.verify.subject import ROUNDING, Subject, apart, name_of

PHASE_SHARE = 0.002
"""Phases computed anew may differ by this share of the run's energy, or by one standard error..."""

MOST_SHARE = 0.01
"""... but never by more than this share."""

FEWEST_JUDGED = 5
"""Runs of which an interval may be said to be narrow enough."""

_J_PER_WH = 3600.0
_SPLITS = ("tick_regression", "phase_block", "time_share", "single_phase")


def check_score(subject: Subject) -> Iterator[Problem]:
    """The GPU score is the mean of the runs."""
    score, figures = subject.result.score, _gpu_figures(subject)
    if figures is None:
        if score.gpu_wh_per_1k_queries is not None or score.method is not None:
            yield Problem("it has a GPU score, but not all runs have GPU energy")
        elif not score.reason or score.systematic is not None:
            yield Problem("it has no GPU score, and no reason for that, or an error of none")
        return
    if apart(score.gpu_wh_per_1k_queries, _mean(figures)):
        yield Problem(
            f"the score is {score.gpu_wh_per_1k_queries} Wh, the mean of the runs "
            f"{_mean(figures):.6g} Wh per 1,000 queries"
        )
    if score.systematic != subject.rules.systematic:
        yield Problem(f"the meter's own error is {subject.rules.systematic} by the rules")
    methods = {
        run.methods.get(domain) for run in subject.result.runs for domain in _domains(subject)
    }
    wanted = "counter" if methods == {"counter"} else "power_integral"
    if not methods <= {"counter", "power_integral"} or score.method != wanted:
        yield Problem(
            f"the score's method is {score.method}, the runs' {sorted(map(str, methods))}"
        )


def check_interval(subject: Subject) -> Iterator[Problem]:
    """Standard deviation and 95% t interval are those of the runs."""
    score = subject.result.score
    yield from _interval("GPU", _gpu_figures(subject), score.std, score.ci95)
    yield from _interval("system", _system_figures(subject), score.system_std, score.system_ci95)


def half_width(subject: Subject) -> float | None:
    """How wide the interval is to either side, as a share of the mean; None with few runs.

    Of fewer than five runs the spread itself is hardly known.
    """
    runs = subject.result.runs
    figures = _figures(runs, _domains(subject) or ["cpu", _memory(subject)])
    if figures is None or len(figures) < FEWEST_JUDGED:
        return None
    half = student_975(len(figures) - 1) * _std(figures) / math.sqrt(len(figures))
    return half / _mean(figures)


def check_system_score(subject: Subject) -> Iterator[Problem]:
    """The system's figure is the sum of GPUs, processor and memory, and says what is estimated."""
    score, figures = subject.result.score, _system_figures(subject)
    mean = None if figures is None else _mean(figures)
    if apart(score.system_wh_per_1k_queries, mean):
        yield Problem(
            f"the system's figure is {score.system_wh_per_1k_queries}, of the runs {mean}"
        )
    parts = [*_domains(subject), "cpu", _memory(subject)]
    estimated = any(
        run.methods.get(part) == "estimated" for run in subject.result.runs for part in parts
    )
    if mean is not None and score.system_method != ("estimated" if estimated else "measured"):
        yield Problem(f"the system's figure says {score.system_method}")


def check_net_score(subject: Subject) -> Iterator[Problem]:
    """The energy net of idling follows from the idle power."""
    result = subject.result
    score, figures = result.score, _gpu_figures(subject)
    if score.net_gpu_wh_per_1k_queries is None:
        if score.net_of is not None or not score.net_reason:
            yield Problem("there is no net figure, and no reason for that")
        return
    idle = result.idle
    baseline = idle.with_model_w if score.net_of == "idle_with_model" else idle.without_model_w
    powers = [baseline.get(domain) for domain in _domains(subject)]
    known = [power for power in powers if power is not None]
    if figures is None or score.net_of is None or len(known) < len(powers):
        yield Problem("there is a net figure, but no idle power or no energy")
        return
    net = _mean(
        [
            figure - sum(known) * run.duration_s / _J_PER_WH * 1000 / run.queries
            for figure, run in zip(figures, result.runs, strict=True)
        ]
    )
    if abs(net - score.net_gpu_wh_per_1k_queries) > ROUNDING * _mean(figures):
        yield Problem(f"the net figure is {score.net_gpu_wh_per_1k_queries}, by the runs {net:.6g}")


def check_emissions(subject: Subject) -> Iterator[Problem]:
    """Grams of CO2 are energy times the grid's intensity."""
    emissions, score = subject.result.emissions, subject.result.score
    for grams, energy_wh in (
        (emissions.gpu_co2_g_per_1k_queries, score.gpu_wh_per_1k_queries),
        (emissions.system_co2_g_per_1k_queries, score.system_wh_per_1k_queries),
    ):
        intensity = emissions.intensity_g_per_kwh
        known = energy_wh is not None and intensity is not None
        wanted = energy_wh / 1000 * intensity if known else None  # type: ignore[operator]
        if apart(grams, wanted):
            yield Problem(f"{grams} g of CO2 are not energy times intensity ({wanted})")
    if emissions.intensity_g_per_kwh is None:
        return
    listed, source = grid_of(subject.rules.version, emissions.country or "")
    stated = (
        f"{emissions.intensity_g_per_kwh:g} g/kWh of {(emissions.country or 'no country')[:40]}"
    )
    if listed is None or emissions.source != source:
        yield Problem(
            f"{stated} are not computed anew: the source {(emissions.source or '')[:80]!r} is not "
            f"the rules' table ({source})",
            "warning",
        )
    elif emissions.intensity_g_per_kwh != listed:
        yield Problem(f"{stated} are {listed:g} g/kWh in {source}")


def check_phase_sums(subject: Subject) -> Iterator[Problem]:
    """The phases of a run sum to its energy, or are all unknown with the reason."""
    for run in subject.result.runs:
        for domain, energy_j in run.energy_j.items():
            parts = [part.energy_j.get(domain) for part in run.phases.values()]
            known = [part for part in parts if part is not None]
            if not parts:
                continue
            if known and (len(known) < len(parts) or energy_j is None):
                yield Problem(f"{name_of(run)}: {domain}: some phases are known, some are not")
            elif known and energy_j is not None and apart(sum(known), energy_j):
                yield Problem(
                    f"{name_of(run)}: {domain}: the phases sum to {sum(known):.6g} J, the whole is "
                    f"{energy_j:.6g} J"
                )
            elif any(part < 0 for part in known):
                yield Problem(f"{name_of(run)}: {domain}: a phase has negative energy")
            elif not known and not run.phase_reasons.get(domain):
                yield Problem(f"{name_of(run)}: {domain}: no phases, and no reason for that")


def check_phase_scores(subject: Subject) -> Iterator[Problem]:
    """Each phase's score is the mean over the runs, with its standard error."""
    result = subject.result
    if set(result.score.phases) != set(result.runs[0].phases):
        yield Problem("the score's phases are not those of the runs")
        return
    for name, phase in result.score.phases.items():
        figures = _figures(result.runs, _domains(subject), name)
        mean = None if figures is None else _mean(figures)
        if apart(phase.gpu_wh_per_1k_queries, mean):
            yield Problem(
                f"{name}: the score says {phase.gpu_wh_per_1k_queries} Wh, the runs {mean}"
            )
        elif figures is None and (phase.se is not None or not phase.reason):
            yield Problem(f"{name}: it has no figure, and an error of it, or no reason for that")
        elif figures is not None and len(figures) > 1:
            error = _std(figures) / math.sqrt(len(figures))
            if phase.se is None or abs(phase.se - error) > ROUNDING * max(_mean(figures), error):
                yield Problem(f"{name}: the standard error is {phase.se}, by the runs {error:.3g}")


def check_phase_energy(subject: Subject) -> Iterator[Problem]:
    """GPU energy of the phases, from the counter's updates by least squares of our own."""
    from energyscore.verify.phases import phase_energies, with_lone_phase

    for run, raw, domain, recorded in subject.recorded():
        total_j, method = run.energy_j.get(domain), run.phase_methods.get(domain)
        if method is None or total_j is None or set(raw.names) != set(run.phases):
            continue
        times = raw.phase_s()
        if method == "single_phase":
            energies: dict[str, float] | str = {
                name: total_j if duration_s > 0 else 0.0 for name, duration_s in times.items()
            }
            if sum(duration_s > 0 for duration_s in times.values()) != 1:
                energies = "there is more than one phase"
        elif method in ("tick_regression", "phase_block"):
            facts = run.phase_facts.get(domain, {})
            shape = [facts.get(name) for name in ("lag_ms", "window_share", "response_ms")]
            numbers = [float(value) for value in shape if isinstance(value, int | float)]
            if len(numbers) < 3 or not (
                0 <= numbers[0] <= 1000 and 0 < numbers[1] <= 1 and 0 <= numbers[2] <= 2000
            ):
                yield Problem(
                    f"{name_of(run)}: the facts about the split are missing or impossible"
                )
                continue
            lag_s, window, tau_s = numbers[0] / 1e3, numbers[1], numbers[2] / 1e3
            energies = phase_energies(raw, recorded, total_j, lag_s, window, tau_s)
            if method == "phase_block" and not isinstance(energies, str):
                energies = with_lone_phase(raw, recorded, energies, total_j)
        else:
            energies = f"{method} is no way to split what a counter showed"
        if isinstance(energies, str):
            yield Problem(f"{name_of(run)}: {domain}: {energies}")
            continue
        yield from _compare(run, domain, energies, total_j)


def check_time_shares(subject: Subject) -> Iterator[Problem]:
    """Figures without updates are split by time alone."""
    for run in subject.result.runs:
        whole_s = sum(part.duration_s for part in run.phases.values())
        for domain, method in run.phase_methods.items():
            energy_j = run.energy_j.get(domain)
            if method not in _SPLITS or domain not in run.energy_j:
                yield Problem(f"{name_of(run)}: {method[:40]!r} is no way to split {domain[:60]}")
            if method != "time_share" or energy_j is None or whole_s <= 0:
                continue
            if run.methods.get(domain) not in ("rapl", "estimated"):
                yield Problem(
                    f"{name_of(run)}: {domain}: only estimates and RAPL are split by time"
                )
            for name, part in run.phases.items():
                if apart(part.energy_j.get(domain), energy_j * part.duration_s / whole_s):
                    yield Problem(f"{name_of(run)}: {domain}: {name} is not its share of time")


def _compare(run: Run, domain: str, found: dict[str, float], total_j: float) -> Iterator[Problem]:
    for name, part in run.phases.items():
        stated, error = part.energy_j.get(domain), part.se_j.get(domain) or 0.0
        allowed = max(PHASE_SHARE, min(error / total_j, MOST_SHARE)) * total_j
        anew = found.get(name, 0.0)
        if stated is None or abs(stated - anew) > allowed:
            yield Problem(
                f"{name_of(run)}: {domain}: {name} is stated as {stated} J; from the counter's "
                f"updates it is {anew:.6g} J, give or take {allowed:.3g} J"
            )


def _domains(subject: Subject) -> list[str]:
    return subject.gpu_domains


def _memory(subject: Subject) -> str:
    has = all(run.energy_j.get("dram") is not None for run in subject.result.runs)
    return "dram" if has else "ram"


def _gpu_figures(subject: Subject) -> list[float] | None:
    return _figures(subject.result.runs, _domains(subject)) if _domains(subject) else None


def _system_figures(subject: Subject) -> list[float] | None:
    parts = [*_domains(subject), "cpu", _memory(subject)]
    return _figures(subject.result.runs, parts)


def _figures(runs: Sequence[Run], domains: Sequence[str], phase: str = "") -> list[float] | None:
    """Wh per 1,000 queries of each run; None where one of them does not know one part."""
    if not domains:
        return None
    figures = []
    for run in runs:
        if phase and phase not in run.phases:
            return None
        energies = run.phases[phase].energy_j if phase else run.energy_j
        values = [energies.get(domain) for domain in domains]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return None
        figures.append(math.fsum(known) / _J_PER_WH * 1000 / run.queries)
    return figures


def _interval(
    what: str,
    figures: list[float] | None,
    std: float | None,
    ci95: tuple[float, float] | None,
) -> Iterator[Problem]:
    if figures is None or len(figures) < 2:
        if std is not None or ci95 is not None:
            yield Problem(f"{what}: an interval is given, where none can be")
        return
    mean, spread = _mean(figures), _std(figures)
    if std is None or abs(std - spread) > ROUNDING * mean:
        yield Problem(f"{what}: the standard deviation is {std}, of the runs {spread:.6g}")
    half = student_975(len(figures) - 1) * spread / math.sqrt(len(figures))
    wanted = (mean - half, mean + half)
    if ci95 is None or any(
        abs(a - b) > ROUNDING * max(mean, half) for a, b in zip(ci95, wanted, strict=True)
    ):
        yield Problem(f"{what}: the interval is {ci95}, by the runs {wanted}")


@functools.cache
def student_975(degrees: int) -> float:
    """The 97.5% point of Student's distribution, by halving; its density is integrated in steps."""
    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _student_below(middle, degrees) < 0.975 else (low, middle)
    return low


def _student_below(t: float, degrees: int) -> float:
    """Student's distribution function: 1/2 and the area from 0 to t, by Simpson's rule.

    With t = sqrt(degrees) tan(angle) the density is a power of the cosine.
    """
    angle = math.atan(t / math.sqrt(degrees))
    log_scale = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - math.log(math.pi) / 2
    steps = 400
    width = angle / steps
    weights = (1 if k in (0, steps) else 4 if k % 2 else 2 for k in range(steps + 1))
    area = sum(w * math.cos(k * width) ** (degrees - 1) for k, w in enumerate(weights)) * width / 3
    return 0.5 + math.exp(log_scale) * area


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _std(values: Sequence[float]) -> float:
    mean = _mean(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
