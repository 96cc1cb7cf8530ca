"""What must be known to read a table of results, in lines for people. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from energyscore.base.errors import sentence
from energyscore.base.units import format_number
from energyscore.judge.cautions import cautions_on
from energyscore.judge.footprint import describe_sites
from energyscore.judge.rating import RatedResult
from energyscore.publish import margins, wording
from energyscore.results.conformance import Departure

SMALL_COHORT = "the stars of a cohort of 2 say only which of the two takes less."
ESTIMATED = (
    "estimated: by the load of the whole machine and its memory size (CodeCarbon), not by a meter. "
    "In effect it follows time; it is not GPU energy."
)
MOST_ROWS = 500
"""Of a table for people; files have all."""

_MOST_VALUES = 4
_MOST_MODELS = 10


def notes_on(entries: Sequence[RatedResult]) -> list[str]:
    """The lines under a table of results of one task."""
    notes = [line for entry in entries for line in _phases(entry)]
    if any(entry.rating.estimated for entry in entries):
        notes.append(ESTIMATED)
    if any(entry.rating.basis == "gpu" and wording.interval(entry) for entry in entries):
        notes.append(f"the interval covers the spread of the runs; {_own_errors(entries)}.")
    if any(entry.rating.cohort_size == 2 for entry in entries):
        notes.append(SMALL_COHORT)
    notes += _departures(entries)
    notes += describe_sites(entry.footprint for entry in entries)
    cautions = [(e.label, [one.message for one in cautions_on(e.result)]) for e in entries]
    return [*notes, *caution_notes(cautions)]


def _own_errors(entries: Sequence[RatedResult]) -> str:
    """What the meters themselves err by, and on which GPUs."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        score = entry.result.score
        if entry.rating.basis == "gpu" and score.systematic is not None:
            gpus = dict.fromkeys(gpu.name for gpu in entry.result.environment.gpus)
            error = _own_error(score.systematic, score.systematic_range)
            found.setdefault(error, []).extend(gpus)
    errors = [f"{error} ({listed(gpus)})" for error, gpus in found.items()]
    return f"on top comes NVML's own error: {', '.join(errors)}"


def _own_error(systematic: float, between: tuple[float, float] | None) -> str:
    """`+/- 5%`, or a one-sided error: `it reads 5.6% to 5.8% low`."""
    low, high = between or (-systematic, systematic)
    if low < 0 < high:
        return f"+/- {systematic:.0%}"
    least, most = sorted((abs(low), abs(high)))
    return f"it reads {least:.1%} to {most:.1%} {'low' if high <= 0 else 'high'}"


def caution_notes(cautions: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """One line for each caution, with the models that have it unless all rows do."""
    seen: dict[str, list[str]] = {}
    for model, messages in cautions:
        for message in dict.fromkeys(messages):
            seen.setdefault(message, []).append(model)
    lines = []
    for message, models in seen.items():
        whose = "" if len(models) == len(cautions) else f" ({listed(models)})"
        lines.append(sentence(f"caution: {message.rstrip('.')}{whose}"))
    return lines


def listed(models: Sequence[str]) -> str:
    """The first models by name, and how many more there are."""
    names = list(dict.fromkeys(models))
    more = len(names) - _MOST_MODELS
    return ", ".join(names[:_MOST_MODELS]) + (f" and {more:,} more" if more > 0 else "")


def _departures(entries: Sequence[RatedResult]) -> list[str]:
    """One line for all that depart from the reference's protocol in the same points."""
    alike: dict[tuple[str, ...], list[RatedResult]] = {}
    for entry in entries:
        names = tuple(departure.name for departure in entry.rating.departures)
        alike.setdefault(names, []).append(entry)
    lines = []
    for names, group in alike.items():
        if names:
            points = departures_in_words([entry.rating.departures for entry in group])
            models = listed([entry.label for entry in group])
            whose = "" if len(group) == len(entries) else f" ({models})"
            lines.append(sentence(f"not comparable to the reference{whose}: {points}"))
    return lines


def departures_in_words(departures: Sequence[Sequence[Departure]]) -> str:
    """The departures of several results in the same points."""
    columns = zip(*departures, strict=True)
    return "; ".join(_together(list(dict.fromkeys(column))) for column in columns)


def _together(departures: Sequence[Departure]) -> str:
    """One point of several results: `repeats: 1 or 3 instead of 10 or more`."""
    if len({departure.required for departure in departures}) > 1:
        return "; ".join(map(str, departures))
    values = [departure.actual for departure in departures]
    more = ", ..." if len(values) > _MOST_VALUES else ""
    return str(replace(departures[0], actual=" or ".join(values[:_MOST_VALUES]) + more))


def _phases(entry: RatedResult) -> list[str]:
    """How GPU energy divides among the phases, and what is left of it net of idling."""
    score = entry.result.score
    if score.gpu_wh_per_1k_queries is None:
        return []
    parts, known_to = [], ""
    for name, phase in score.phases.items():
        if phase.gpu_wh_per_1k_queries is not None:
            margin = wording.phase_margin(entry.result, name)
            parts.append(f"{name} {margins.plus_minus(phase.gpu_wh_per_1k_queries, margin, '+/-')}")
            if margin is not None:
                known_to = " +/- 95%" if score.runs > 1 else " +/- the standard error of the split"
    if score.net_gpu_wh_per_1k_queries is not None:
        of = "without" if score.net_of == "idle_without_model" else "with"
        net = format_number(score.net_gpu_wh_per_1k_queries)
        ends = [format_number(end) for end in score.net_ci95 or ()]
        net += f" ({' to '.join(ends)})" if len(set(ends)) == 2 else ""
        parts.append(f"net of the GPU idling {of} the model {net}")
    lines = [f"{entry.label}, in Wh{known_to}: {', '.join(parts)}."] if parts else []
    reasons = [phase.reason for phase in score.phases.values() if phase.reason]
    return lines + [sentence(f"{entry.label}: no phases: {reason}") for reason in reasons[:1]]
