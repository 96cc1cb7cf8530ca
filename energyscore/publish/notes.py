"""What must be known to read a table of results, in lines for people. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from energyscore.base.errors import sentence
from energyscore.base.units import format_number
from energyscore.judge import references
from energyscore.judge.cautions import cautions_on
from energyscore.judge.footprint import describe_sites
from energyscore.judge.rating import RatedResult
from energyscore.judge.unratable import NoStars
from energyscore.protocol.scales import Scale, readable_scales
from energyscore.publish import margins, wording
from energyscore.publish.answers import answers
from energyscore.publish.beside import served
from energyscore.publish.table_end import TableEnd, caution_lines, listed
from energyscore.results.conformance import Departure

SMALL_COHORT = "the stars of a cohort of 2 say only which of the two takes less."
ESTIMATED = (
    "estimated by the load and the memory size of the machine (CodeCarbon), not by a meter: it "
    "follows time, and is no GPU energy."
)
MOST_ROWS = 500
"""Of a table for people; files have all."""

_MOST_VALUES = 4


_FIRST = (
    *("contention", "shared", "too_busy", "busy_machine", "short_run"),
    *("random_weights", "answers_cut", "screen_open"),
)
"""Cautions that change how a figure is read the most, by their codes."""
_LAST = ("quick", "brief")

_BY_WHAT_WENT_ON: tuple[NoStars, ...] = ("shared_gpu", "other_device", "no_energy", "too_busy")
"""Why there are no stars: what is said before all cautions."""
_BY_WHAT_IS_AT_HAND: tuple[NoStars, ...] = ("too_few_models", "no_spread", "no_task")
"""What is said after them. Other reasons stand in the table, or are told as departures."""


def notes_on(entries: Sequence[RatedResult]) -> list[str]:
    """All there is to say of a table of results of one task, in lines."""
    return end_of(entries).lines(explain=True)


def end_of(entries: Sequence[RatedResult], shared: Sequence[str] = ()) -> TableEnd:
    """What stands under a table of results of one task; `shared`: what all its rows share."""
    small = any(entry.rating.cohort_size == 2 for entry in entries)
    spread = any(entry.rating.basis == "gpu" and wording.interval(entry) for entry in entries)
    error = f"the interval covers the spread of the runs; {_own_errors(entries)}."
    phases = [line for entry in entries for line in _phases(entry)]
    points = {len(entry.rating.departures) for entry in entries} - {0}
    topics = {"phases": phases, "what the meters themselves err by": spread}
    return TableEnd(
        answer=answers(entries),
        shared=[*shared, *_served(entries), *describe_sites(entry.footprint for entry in entries)],
        cautions=[
            *_invalid(entries),
            *_without_stars(entries, _BY_WHAT_WENT_ON),
            *of_estimates(entries),
            *_cautions(entries),
            *_of_references(entries),
            *_of_other_methods(entries),
            *_without_stars(entries, _BY_WHAT_IS_AT_HAND),
        ],
        more=[
            *(sentence(f"stars by {references.about(one)}") for one in _references(entries)),
            *_departures(entries),
            *phases,
            *([error] if spread else []),
            *([SMALL_COHORT] if small else []),
        ],
        points=sorted(points),
        topics=[topic for topic, applies in topics.items() if applies],
    )


def _references(entries: Sequence[RatedResult]) -> list[Scale]:
    """The references that give stars to some of these."""
    found = (entry.rating.reference for entry in entries)
    return list({one.name: one for one in found if one is not None}.values())


def _of_references(entries: Sequence[RatedResult]) -> list[str]:
    """What is out of date about the references that give stars."""
    rated = [
        references.Rated(
            one,
            entry.result.task.scale_task,
            entry.result.model.model_class,
            entry.result.mode,
        )
        for entry in entries
        if (one := entry.rating.reference) is not None
    ]
    return [sentence(f"caution: {line}") for line in references.cautions_on(rated)]


def _of_other_methods(entries: Sequence[RatedResult]) -> list[str]:
    """Which are kept from the reference by its method alone, and what to do."""
    alike: dict[str, list[RatedResult]] = {}
    by_method = [
        one for one in entries if [it.name for it in one.rating.departures] == ["decoding"]
    ]
    known = readable_scales() if by_method else []
    for entry in by_method:
        what_to_do = references.by_another_method(entry.result, known)
        alike.setdefault(f"{entry.rating.departures[0]}; {what_to_do}", []).append(entry)
    return [
        sentence(f"not rated by the reference ({listed([one.label for one in those])}): {why}")
        for why, those in alike.items()
    ]


def of_estimates(entries: Sequence[RatedResult]) -> list[str]:
    """What an energy that no meter has measured is worth, where one is among them."""
    return [ESTIMATED] if any(entry.rating.estimated for entry in entries) else []


def disturbed(entries: Sequence[RatedResult]) -> list[str]:
    """Which estimates count others' work in, so that they get no stars."""
    return _without_stars(entries, ("too_busy",))


def _served(entries: Sequence[RatedResult]) -> list[str]:
    """What servers do under their loads."""
    return [sentence(f"{one.label}: {said}") for one in entries if (said := served(one))]


def _invalid(entries: Sequence[RatedResult]) -> list[str]:
    """Why figures may not be used."""
    reasons: dict[str, list[str]] = {}
    for entry in entries:
        if not entry.result.valid:
            why = "; ".join(entry.result.invalid_reasons) or "its file does not say why"
            reasons.setdefault(why, []).append(entry.label)
    return [sentence(f"INVALID ({listed(models)}): {why}") for why, models in reasons.items()]


def _cautions(entries: Sequence[RatedResult]) -> list[str]:
    """The cautions on all rows, the weightiest first."""
    found = [(entry.label, cautions_on(entry.result)) for entry in entries]
    codes = {one.code for _, cautions in found for one in cautions}
    middle = sorted(codes - {*_FIRST, *_LAST})
    lines = []
    for code in (*_FIRST, *middle, *_LAST):
        of_code = [(label, [c.message for c in own if c.code == code]) for label, own in found]
        lines += caution_lines(of_code)
    return lines


def _without_stars(entries: Sequence[RatedResult], codes: Sequence[NoStars]) -> list[str]:
    """Why results have no stars, for reasons of these codes."""
    reasons: dict[str, list[str]] = {}
    for entry in entries:
        if entry.rating.no_stars in codes:
            reasons.setdefault(entry.rating.reason, []).append(entry.label)
    return [
        sentence(f"no stars{whose}; {why}")
        for why, models in reasons.items()
        for whose in ["" if len(models) == len(entries) else f" ({listed(models)})"]
    ]


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
