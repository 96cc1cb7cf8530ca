"""What is said of a choice: the model to choose, what it saves, and what fails. Pure."""

from collections.abc import Callable, Sequence

from energyscore.base.errors import sentence
from energyscore.base.stats import inverted
from energyscore.base.units import counted, format_number, format_seconds, format_wh
from energyscore.judge.cautions import cautions_on
from energyscore.judge.choose import Choice, Placed, Required, Rival, Shortfall
from energyscore.judge.contenders import NO_QUALITY, Contender
from energyscore.publish import margins
from energyscore.publish.answers import less_than
from energyscore.publish.choice_cells import REPORTED, difference, quality_value
from energyscore.publish.notes import disturbed, of_estimates
from energyscore.publish.table_end import TableEnd, caution_lines

_MOST_ANSWERS = 3
_WORDS: dict[Required, str] = {
    "quality": "quality",
    "quality loss": "quality",
    "latency": "latency (p90)",
    "ttft": "time to the first token (p90)",
    "energy": "energy",
    "tokens": "throughput",
    "queries": "throughput",
}


_SHOWN: dict[Required, Callable[[float], str]] = {
    "latency": format_seconds,
    "ttft": format_seconds,
    "energy": format_wh,
    "tokens": lambda value: f"{format_number(value)} tokens/s",
    "queries": lambda value: f"{format_number(value)} queries/s",
}


def answer(choice: Choice) -> list[str]:
    """The model to choose and what it saves, a sentence each; or why there is none."""
    best = choice.recommended
    if best is None:
        return [_why_none(choice)]
    name = best.candidate.entry.label
    if not choice.others:
        return [f"{name} is the only candidate{_that_meets(choice)}."]
    shown = choice.others
    if len(shown) > _MOST_ANSWERS:
        shown = [*shown[: _MOST_ANSWERS - 1], shown[-1]]
    return [
        f"Choose {name}: the least energy{_that_meets(choice)}.",
        *(f"{_against(best, one)}." for one in shown),
    ]


def end_of(choice: Choice) -> TableEnd:
    """What stands under the table beside the answer."""
    entries = [one.candidate.entry for one in choice.judged]
    said = [(entry.label, [one.message for one in cautions_on(entry.result)]) for entry in entries]
    left_out = [sentence(f"{e.label}: left out: {why}") for e, why in choice.without_energy]
    sources = [one.candidate.reported for one in choice.judged if one.candidate.reported]
    reported = [f"quality: {REPORTED} ({', '.join(dict.fromkeys(sources))})."] if sources else []
    fails = [
        sentence(f"{one.candidate.entry.label}: {'; '.join(lacking(one))}")
        for one in choice.judged
        if one.lacks
    ]
    dominated = [
        sentence(f"{one.candidate.entry.label}: {front(one)}") for one in choice.judged if one.by
    ]
    return TableEnd(
        shared=[
            *_not_asked(choice),
            *disturbed(entries),
            *of_estimates(entries),
            *reported,
            *_missing(choice),
            *left_out,
        ],
        cautions=[f"caution: {text}." for text in _at_the_limit(choice)] + caution_lines(said),
        more=[*fails, *dominated],
        topics=[
            *(["what fails which requirement"] if fails else []),
            *(["who dominates whom"] if dominated else []),
        ],
    )


def _not_asked(choice: Choice) -> list[str]:
    """That the least energy was chosen whatever the quality, where others have more of it."""
    others = [one for one in choice.others if one.quality and one.quality.better_by < 0]
    if choice.requirements.need_quality or not others:
        return []
    best = choice.recommended.candidate.entry.label if choice.recommended else ""
    whose = counted(len(others), "candidate")
    return [
        f"no quality was asked for, and {whose} did better than {best}: --min-quality or "
        "--max-quality-loss says what is enough."
    ]


def _missing(choice: Choice) -> list[str]:
    """Which candidates have no quality, and how to measure it."""
    whose: dict[str, list[str]] = {}
    for one in choice.judged:
        if one.candidate.quality is None:
            whose.setdefault(one.candidate.no_quality, []).append(one.candidate.entry.label)
    if [*whose] == [NO_QUALITY] and len(whose[NO_QUALITY]) == len(choice.judged):
        return ["quality not measured: by energy and speed alone."]
    return [f"quality not measured: {', '.join(who)}{_because(why)}" for why, who in whose.items()]


def _because(why: str) -> str:
    """Why a quality was not measured; nothing where all that is known is that it was not."""
    return "." if why == NO_QUALITY else f": {sentence(why)}"


def _how_to_measure(choice: Choice) -> str:
    task = choice.judged[0].candidate.entry.result.task.id
    return (
        f"Measure it: energyscore run {task} --model MODEL --quality; or name --quality-from FILE"
    )


def _that_meets(choice: Choice) -> str:
    return " that meets the requirements" if choice.requirements.any else ""


def _why_none(choice: Choice) -> str:
    unknown = [one for one in choice.judged if one.meets is None]
    if unknown:
        names = dict.fromkeys(_WORDS[lack.name] for one in unknown for lack in one.lacks)
        who = ", ".join(one.candidate.entry.label for one in unknown[:_MOST_ANSWERS])
        more = f" and {len(unknown) - _MOST_ANSWERS} more" if len(unknown) > _MOST_ANSWERS else ""
        how = "Measure again: older results have none"
        if "quality" in names:
            how = _how_to_measure(choice)
        elif _WORDS["ttft"] in names:
            how += ", nor has what writes no text"
        return f"No model to choose: {' and '.join(names)} of {who}{more} is not known. {how}."
    nearest = sorted(choice.judged, key=lambda one: (len(one.lacks), _worst(one.lacks)))
    said = [
        f"{one.candidate.entry.label} fails {' and '.join(map(_shortfall(one), one.lacks))}"
        for one in nearest[:_MOST_ANSWERS]
    ]
    many = counted(len(choice.judged), "candidate")
    return f"No model to choose: of {many} none meets the requirements. {'; '.join(said)}."


def _worst(lacks: Sequence[Shortfall]) -> float:
    """The largest of its shortfalls, as a share of the limit."""
    return max(abs((one.value or 0.0) / one.limit - 1) if one.limit else 1.0 for one in lacks)


def front(one: Placed) -> str:
    """Its place, and by whom it is dominated, or why it has none."""
    if one.front == "quality not measured":
        why = one.candidate.no_quality
        return one.front if why == NO_QUALITY else f"{one.front}: {why}"
    return f"{one.front} by {one.by.entry.label}" if one.by else one.front


def lacking(one: Placed) -> list[str]:
    """What it fails, and what is not known of it."""
    return [f"fails {_shortfall(one)(lack)}" for lack in one.lacks if lack.value is not None] + [
        f"{_WORDS[lack.name]} not known" for lack in one.lacks if lack.value is None
    ]


def _shortfall(one: Placed) -> Callable[[Shortfall], str]:
    """What words a shortfall of this candidate: `quality by 0.02 (0.88, at least 0.9)`."""
    quality = one.candidate.quality

    def worded(lack: Shortfall) -> str:
        value = lack.value or 0.0
        show = _SHOWN.get(lack.name, quality_value)
        least = lack.name in ("tokens", "queries") or (
            lack.name in ("quality", "quality loss") and quality and quality.higher_is_better
        )
        bound = "at least" if least else "at most"
        by = show(abs(value - lack.limit))
        return f"{_WORDS[lack.name]} by {by} ({show(value)}, {bound} {show(lack.limit)})"

    return worded


def _at_the_limit(choice: Choice) -> list[str]:
    """Where the recommended one meets a limit as measured, and its interval does not."""
    best, asked = choice.recommended, choice.requirements
    if best is None:
        return []
    quality, headline = best.candidate.quality, best.candidate.entry.headline
    found = []
    if asked.quality is not None and quality and quality.ci95:
        low, high = quality.ci95
        if low < asked.quality if quality.higher_is_better else high > asked.quality:
            found.append(f"quality ({quality_value(low)} to {quality_value(high)})")
    ends = headline.ci95 if headline else None
    if asked.energy_wh is not None and ends and ends[1] > asked.energy_wh:
        found.append(f"energy ({' to '.join(map(format_wh, ends))})")
    name = best.candidate.entry.label
    return [
        f"{name} meets the limit as measured, but its interval of {one} contains it"
        for one in found
    ]


def _against(best: Placed, one: Rival) -> str:
    """`a needs 23 (22 to 24) times less energy than b, 0.4 (-0.3 to 1.1) points less accurate`."""
    names = best.candidate.entry.label, one.other.candidate.entry.label
    how = " (estimated)" if best.candidate.entry.rating.estimated else ""
    effect = one.effect
    times, ends, word, but = effect.ratio, effect.ci95, "less", ""
    if times < 1:
        times, ends = 1 / times, inverted(ends)
        word, but = "more", _but(one.other)
    if effect.significant is False and times != 1:
        said = f"It is undecided whether {names[0]} needs {word} energy than {names[1]}{but}: "
        said += f"{margins.factor(times, ends)} times{how}, and the interval contains 1"
    elif effect.ratio < 1:
        said = f"{names[0]} needs {margins.factor(times, ends)} times {word} energy than "
        said += f"{names[1]}{how}{but}"
    else:
        said = f"{less_than(names[0], [(names[1], effect)])}{how}"
    return f"{said}{_quality_beside(best.candidate, one)}"


def _but(other: Placed) -> str:
    """Why one that needs less energy is not chosen."""
    if other.meets is None:
        unknown = dict.fromkeys(_WORDS[lack.name] for lack in other.lacks)
        return f", whose {' and '.join(unknown)} is not known"
    return "" if other.meets else ", which does not meet the requirements"


def _quality_beside(best: Contender, one: Rival) -> str:
    if one.quality is None or best.quality is None:
        return ""
    return f", {difference(best.quality, one.quality)}"
