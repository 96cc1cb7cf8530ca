"""Results in words: everything that turns a rated result into text for people is here. Pure.

Tables, page, label, card and Markdown ask for the parts of a sentence here and add only their own
markup. A figure that was not measured is said to be so; it is never 0.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from energyscore.base.text import terminal_text
from energyscore.base.units import (
    counted,
    format_duration,
    format_grams,
    format_joules,
    format_number,
    format_wh,
)
from energyscore.judge.equal_answers import EqualAnswers
from energyscore.judge.figures import headline_of
from energyscore.judge.footprint import format_cost
from energyscore.judge.modes import tokens_of
from energyscore.judge.rating import RatedResult, Rating
from energyscore.publish.margins import decimals_for, margin_of, sides, with_decimals
from energyscore.publish.typesetting import plain
from energyscore.results.names import label_of
from energyscore.results.per_token import tokens_counted
from energyscore.results.result import Result
from energyscore.results.score import gpu_summary, phase_summary

Kind: TypeAlias = Literal["gpu", "system", "estimated", "none"]

NOT_KNOWN = "not known"
KINDS: dict[Kind, str] = {
    "gpu": "GPU, measured",
    "system": "CPU and RAM, measured",
    "estimated": "CPU and RAM, estimated",
    "none": "not measured",
}
"""The kinds of figures; only figures of one kind are comparable."""

_METHODS = {"power_integral": "integrated power"}
_TITLES = {"asr": "Automatic speech recognition"}
_MOST_NAMED = 5


# The task, the time, the model.


def task_title(task: str) -> str:
    """The name of a task, from its id."""
    return _TITLES.get(task, plain(task.replace("_", " ").capitalize()))


def task_name(result: Result, *, under_load: bool = True) -> str:
    """The task, with the mode of reasoning, the size class and the load of a server."""
    mode, size = result.mode, result.model.model_class
    load = result.load.words if result.load and under_load else ""
    parts = [
        task_title(result.task.id),
        f"mode {mode}" if mode else "",
        f"class {size}" if size else "",
        load,
    ]
    return ", ".join(plain(part) for part in parts if part)


def name(entry: RatedResult) -> str:
    """The model's name, with what tells it from others; in words where none can be seen."""
    return entry.title if plain(entry.name) else "(a model without a name)"


def month(result: Result) -> str:
    """When it was measured: `January 2026`."""
    return f"{datetime.fromisoformat(result.created_at):%B %Y}"


def set_aside(results: Sequence[Result]) -> str:
    """Measurements that another one of the same setting takes the place of, the first by name."""
    invalid = sum(not result.valid for result in results)
    kind = "older" if not invalid else "invalid" if invalid == len(results) else "older or invalid"
    shown = [_brief(result) for result in results[:_MOST_NAMED]]
    shown += [f"and {len(results) - _MOST_NAMED} more"] if len(results) > _MOST_NAMED else []
    return (
        f"{counted(len(results), f'{kind} measurement')} of the same model and setting "
        f"({'; '.join(shown)})"
    )


def _brief(result: Result) -> str:
    headline = headline_of(result)
    wh = format_wh(headline.energy_wh) if headline else "no energy"
    when = result.created_at[:16].replace("T", " ")
    return terminal_text(f"{label_of(result)}, {when}: {wh if result.valid else 'invalid'}")


def second(moment: str) -> str:
    """A moment in UTC, to the second; as it stands where it is not one."""
    try:
        parsed = datetime.fromisoformat(moment)
        utc = parsed.astimezone(UTC) if parsed.tzinfo else None
    except (ValueError, OverflowError):
        return moment
    return f"{utc:%Y-%m-%d %H:%M:%S} UTC" if utc else moment


# Numbers.


def duration(duration_s: float) -> str:
    """A duration; below a second in milliseconds, so that none reads as 0."""
    if duration_s < 1:
        return f"{format_number(duration_s * 1000)} ms"
    return format_duration(duration_s)


def short_count(number: int, *, exact: bool = False) -> str:
    """A count with three significant digits, or all that it has: `950`, `1.56 B`, `1.00 M`."""
    if number >= 10**21:
        return f"10^{len(str(number)) - 1}"
    for factor, unit in ((10**9, " B"), (10**6, " M"), (10**3, " k")):
        # From where three digits would be rounded up to the larger unit's one.
        if number >= 0.9995 * factor:
            return (f"{number / factor:g}" if exact else format_number(number / factor)) + unit
    return str(number)


def megabytes(memory_mb: float | None) -> str:
    """A size of memory."""
    if memory_mb is None:
        return NOT_KNOWN
    return f"{format_number(memory_mb / 1000)} GB" if memory_mb >= 1000 else f"{memory_mb:g} MB"


def known(value: object, absent: str = NOT_KNOWN) -> str:
    """A value; `absent` where there is none."""
    if value is None or value == "":
        return absent
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return format_number(value)
    return f"{value:,}" if isinstance(value, int) and value < 10**15 else str(value)


# The rated figure: what it is of, how large, and how well it is known.


def kind(entry: RatedResult) -> Kind:
    """What the rated figure is of; only figures of one kind are comparable."""
    rating = entry.rating
    return "estimated" if rating.estimated else rating.basis or "none"


def what(entry: RatedResult) -> str:
    """What was metered."""
    return {"gpu": "GPU", "none": "nothing"}.get(kind(entry), "CPU and RAM")


def how(entry: RatedResult) -> str:
    """How the figure was obtained."""
    if entry.headline is None:
        return "not measured"
    return _METHODS.get(entry.headline.method, entry.headline.method)


def metered(entry: RatedResult) -> str:
    """What was metered, and how: `GPU, counter`."""
    screened = ", screened" if entry.result.screen else ""
    return "nothing" if entry.rating.basis is None else f"{what(entry)}, {how(entry)}{screened}"


def interval(entry: RatedResult) -> tuple[float, float] | None:
    """The 95% interval of the figure over the runs, in Wh per 1,000 queries."""
    return None if entry.headline is None else entry.headline.ci95


def decimals(entry: RatedResult) -> int | None:
    """The decimals that the figure's interval allows; None: three significant digits."""
    return decimals_for(_half_width_wh(entry), entry.rating.energy_wh or 0.0)


def _half_width_wh(entry: RatedResult) -> float | None:
    half = None if entry.headline is None else entry.headline.half_width
    return None if half is None else half * (entry.rating.energy_wh or 0.0)


def figure(entry: RatedResult) -> str:
    """The rated figure in Wh per 1,000 queries, with the digits that its interval allows."""
    wh = entry.rating.energy_wh
    return "not measured" if wh is None else with_decimals(wh, decimals(entry))


def share(entry: RatedResult) -> str:
    """Half the interval as a share of the figure, or why there is none."""
    half = None if entry.headline is None else entry.headline.half_width
    if half is None:
        return "one run" if entry.result.score.runs == 1 else ""
    return sides(half)


def margin(entry: RatedResult) -> str:
    """Half the interval, in Wh and as a share of the figure, or why there is none."""
    half = None if entry.headline is None else entry.headline.half_width
    if half is None or not entry.rating.energy_wh:
        return "one run, no interval" if entry.result.score.runs == 1 else "no interval"
    return margin_of(entry.rating.energy_wh, half, "Wh")


def energy_of(energy_wh: float, basis: str | None, *, estimated: bool) -> str:
    """An energy of 1,000 queries and what it is of: `1.20 Wh (CPU and RAM, estimated)`."""
    of = "GPU" if basis == "gpu" else "CPU and RAM"
    return f"{format_wh(energy_wh)} ({of}{', estimated' * estimated})"


def energy(entry: RatedResult) -> str:
    """The rated figure with its unit and basis."""
    wh = entry.rating.energy_wh
    if wh is None:
        return "energy not measured"
    if not entry.result.valid:
        return "invalid measurement"
    return f"{format_number(wh)} Wh per 1,000 queries ({metered(entry)})"


def why_no_energy(entry: RatedResult) -> str:
    """The reason that stands in a result without energy."""
    return entry.result.score.why_no_energy


def tokens(result: Result) -> list[str]:
    """The tokens of a query, on average over the runs: `10.0 out`, `369 in`."""
    mean = tokens_of(result)
    if mean.output is None:
        return ["not known"]
    queries = sum(run.queries_done for run in result.runs)
    read = sum(run.input_tokens or 0 for run in result.runs) / queries
    thinking = "" if mean.thinking is None else f" ({format_number(mean.thinking)} thinking)"
    written = [f"{format_number(mean.output)} out{thinking}"] if mean.output else []
    return written + ([f"{format_number(read)} in"] if read else []) or ["none"]


def per_token(entry: RatedResult) -> dict[str, str]:
    """The rated energy by tokens: `Energy of an output token: 360 mJ, 100 Wh for 1,000,000`."""
    kind, basis = tokens_counted(entry.result), entry.rating.basis
    figures = entry.result.score.per_token
    joules = figures.get(f"{basis}_joules_per_{kind}_token")
    wh = figures.get(f"{basis}_wh_per_1m_{kind}_tokens")
    if kind is None or joules is None or wh is None:
        return {}
    text = f"{format_joules(joules)}, {format_wh(wh)} for 1,000,000"
    return {f"Energy of an {kind} token": text}


def phase_margin(result: Result, name: str) -> float | None:
    """What a phase's GPU energy is known to, in Wh; None where nothing is known of it.

    Over several runs half the 95% interval of their mean; of a single run one standard error of
    the split.
    """
    score = result.score
    if score.runs < 2:
        return score.phases[name].se
    gpu = gpu_summary(score, result.runs, result.protocol.metered_gpus)
    summary = phase_summary(score, gpu, name)
    spread = None if summary is None else summary.spread()
    return None if spread is None else spread.half_width


def derived(entry: RatedResult) -> dict[str, str]:
    """CO2 and cost of 1,000 queries, where they were asked for and the energy is known."""
    co2_g, cost, site = entry.co2_g_per_1k_queries, entry.cost_per_1k_queries, entry.footprint
    found = {} if co2_g is None else {"CO2": format_grams(co2_g)}
    if cost is not None and site is not None:
        found["Cost"] = format_cost(cost, site.currency).replace("\n", " ")
    return found


# Stars.


def stars(given: int | None, *, estimated: bool, full: str = "★", empty: str = "☆") -> str:
    """One to five stars, marked where they stand on an estimate: `★★★☆☆ estimated`; or `none`."""
    if given is None:
        return "none"
    return full * given + empty * (5 - given) + (" estimated" if estimated else "")


def chances(rating: Rating, star: str = "★") -> list[str]:
    """The likeliest stars first, without those below half a per cent: `4★ 93 %`, `5★ 7 %`."""
    if rating.probabilities is None:
        return []
    if max(rating.probabilities) >= 0.995:
        return ["> 99 %"]
    by_stars = enumerate(rating.probabilities, start=1)
    ranked = sorted(by_stars, key=lambda one: one[1], reverse=True)
    return [f"{stars}{star} {chance * 100:.0f} %" for stars, chance in ranked if chance >= 0.005]


def relative_to(rating: Rating) -> str:
    """What the stars are relative to."""
    return f"in a {rating.scale}" if rating.kind == "cohort" else f"scale {rating.scale}"


def is_pale(rating: Rating) -> bool:
    """Whether stars mean less than they look: on an estimate, or among two models."""
    return rating.stars is not None and (rating.estimated or rating.cohort_size == 2)


def verdict(rating: Rating) -> str:
    """The stars in one line, or why there are none."""
    if rating.stars is None:
        return f"no stars: {rating.reason}"
    estimated = "estimated, " if rating.estimated else ""
    return f"{rating.stars} of 5 stars ({estimated}{relative_to(rating)})"


def equal_in_words(equal: EqualAnswers) -> str:
    """How many answers are those of the reference, or why that is not known."""
    if equal.share is None:
        return f"not known whether answers are equal ({equal.reason})"
    return f"{equal.share:.0%} of {equal.answers} answers are equal"
