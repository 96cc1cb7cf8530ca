"""What must be known to read a table of results, in lines for people. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from energyscore.base.errors import sentence
from energyscore.base.units import format_number
from energyscore.judge.footprint import describe_site
from energyscore.judge.rating import RatedResult
from energyscore.publish.margins import decimals_for, phase_margin, with_decimals
from energyscore.results.conformance import Departure
from energyscore.results.score import NVML_SYSTEMATIC

SMALL_COHORT = "the stars of a cohort of 2 say only which of the two takes less."
BRIEF = "a run was measured for less than 1 s: starting and metering weigh in; take more queries"
_BRIEF_S = 1.0
_MOST_VALUES = 4


def notes_on(entries: Sequence[RatedResult]) -> list[str]:
    """The lines under a table of results of one task."""
    notes = [line for entry in entries for line in _parts(entry)]
    if any(entry.rating.estimated for entry in entries):
        notes.append(
            "estimated: by the load of the whole machine and its memory size (CodeCarbon), not by "
            "a meter. In effect it follows time; it is not GPU energy."
        )
    if any(entry.result.score.ci95 and entry.rating.basis == "gpu" for entry in entries):
        notes.append(
            f"the interval is that of repeats; NVML itself errs by some {NVML_SYSTEMATIC:.0%} more."
        )
    if any(entry.rating.cohort_size == 2 for entry in entries):
        notes.append(SMALL_COHORT)
    notes += _departures(entries)
    sites = [describe_site(entry.footprint) for entry in entries if entry.footprint]
    notes += dict.fromkeys(line for site in sites for line in site)
    seen: dict[str, list[str]] = {}
    for entry in entries:
        for caution in entry.result.cautions:
            seen.setdefault(caution.message, []).append(entry.label)
    brief = [entry.label for entry in entries if _is_brief(entry)]
    if brief:
        seen[BRIEF] = brief
    for message, models in seen.items():
        whose = "" if len(set(models)) == len(entries) else f" ({', '.join(dict.fromkeys(models))})"
        notes.append(sentence(f"caution: {message.rstrip('.')}{whose}"))
    return notes


def _is_brief(entry: RatedResult) -> bool:
    """Whether there is a figure, of a window too short to mean much."""
    shortest_s = min(run.duration_s for run in entry.result.runs)
    return entry.rating.energy_wh is not None and shortest_s < _BRIEF_S


def _models(entries: Sequence[RatedResult]) -> str:
    return ", ".join(dict.fromkeys(entry.label for entry in entries))


def _departures(entries: Sequence[RatedResult]) -> list[str]:
    """One line for all that depart from the reference's protocol in the same points."""
    alike: dict[tuple[str, ...], list[RatedResult]] = {}
    for entry in entries:
        names = tuple(departure.name for departure in entry.rating.departures)
        alike.setdefault(names, []).append(entry)
    lines = []
    for names, group in alike.items():
        if names:
            columns = zip(*(entry.rating.departures for entry in group), strict=True)
            points = [_together(list(dict.fromkeys(column))) for column in columns]
            whose = "" if len(group) == len(entries) else f" ({_models(group)})"
            lines.append(sentence(f"not comparable to the reference{whose}: {'; '.join(points)}"))
    return lines


def _together(departures: Sequence[Departure]) -> str:
    """One point of several results: `repeats: 1 or 3 instead of 10 or more`."""
    if len({departure.required for departure in departures}) > 1:
        return "; ".join(map(str, departures))
    values = [departure.actual for departure in departures]
    more = ", ..." if len(values) > _MOST_VALUES else ""
    return str(replace(departures[0], actual=" or ".join(values[:_MOST_VALUES]) + more))


def _parts(entry: RatedResult) -> list[str]:
    """How GPU energy divides among the phases, and what is left of it net of idling."""
    score = entry.result.score
    if score.gpu_wh_per_1k_queries is None:
        return []
    parts, reason, known_to = [], "", ""
    for name, phase in score.phases.items():
        reason = reason or phase.reason
        figure, margin = phase.gpu_wh_per_1k_queries, phase_margin(phase, score.runs)
        if figure is not None and margin is not None:
            decimals = decimals_for(margin.wh, figure)
            shown = (with_decimals(one, decimals) for one in (figure, margin.wh))
            parts.append(f"{name} {' +/- '.join(shown)}")
            known_to = " +/- 95%" if margin.of_runs else " +/- the standard error of the split"
        elif figure is not None:
            parts.append(f"{name} {format_number(figure)}")
    if score.net_gpu_wh_per_1k_queries is not None:
        of = "without" if score.net_of == "idle_without_model" else "with"
        net = format_number(score.net_gpu_wh_per_1k_queries)
        parts.append(f"net of the GPU idling {of} the model {net}")
    lines = [f"{entry.label}, in Wh{known_to}: {', '.join(parts)}."] if parts else []
    return lines + ([sentence(f"{entry.label}: no phases: {reason}")] if reason else [])
