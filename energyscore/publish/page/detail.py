"""What the page of one result shows. Pure."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from energyscore.base.units import format_number
from energyscore.judge.modes import Multiple, tokens_of
from energyscore.judge.rating import RatedResult, Rating
from energyscore.publish.label import label_title
from energyscore.publish.page.facts import (
    Fact,
    environment_facts,
    gpu_facts,
    model_facts,
    protocol_facts,
    workload_facts,
)
from energyscore.publish.page.phases import PhaseTable, phases_of
from energyscore.publish.page.runs import RunTable, runs_of
from energyscore.publish.page.words import (
    Basis,
    basis_of,
    chance_of,
    date_of,
    derived_of,
    duration_of,
    figure_of,
    margin_of,
    name_of,
    stars_label,
    why_no_figure,
)
from energyscore.publish.wording import against, is_pale, task_of
from energyscore.results.result import Check, Result

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


@dataclass(frozen=True)
class Chance:
    """The chance of so many stars; `width` in px of a bar of 100."""

    stars: int
    share: str
    width: float


@dataclass(frozen=True)
class Warned:
    """A caution in full; `kind` is `invalid`, `caution` or `notice`."""

    kind: str
    code: str
    message: str


@dataclass(frozen=True)
class Other:
    """Another result of the same model."""

    href: str
    what: str
    date: str


@dataclass(frozen=True)
class Detail:
    """One result, whole."""

    name: str
    model: str
    hub: str
    task: str
    date: str
    moment: str
    energy: str
    interval: str
    no_energy: str
    basis: Basis
    valid: bool
    stars: int | None
    stars_label: str
    no_stars: str
    estimated: bool
    pale: bool
    relative_to: str
    chance: str
    no_chance: str
    chances: tuple[Chance, ...]
    label: str
    headline: tuple[Fact, ...]
    phases: PhaseTable
    runs: RunTable
    warned: tuple[Warned, ...]
    departures: tuple[str, ...]
    official: bool
    checks: tuple[Check, ...]
    model_facts: tuple[Fact, ...]
    workload_facts: tuple[Fact, ...]
    protocol_facts: tuple[Fact, ...]
    environment_facts: tuple[Fact, ...]
    gpus: tuple[tuple[str, tuple[Fact, ...]], ...]
    packages: tuple[tuple[str, str], ...]
    file: str
    raw: str
    no_raw: str
    others: tuple[Other, ...]


def detail_of(
    entry: RatedResult,
    name: str,
    multiple: Multiple | None,
    others: Sequence[tuple[RatedResult, str]],
    no_raw: str,
) -> Detail:
    """The page of one result.

    Args:
        entry: the result.
        name: of its page, without ending.
        multiple: its energy as a multiple of a lower mode of reasoning.
        others: other results of the same model, with the names of their pages.
        no_raw: why its raw record is not beside it; empty where it is.
    """
    result, rating = entry.result, entry.rating
    date, moment = date_of(result.created_at)
    energy_wh = rating.energy_wh
    return Detail(
        name=name,
        model=name_of(entry),
        hub=hub_address(result),
        task=task_of(result),
        date=date,
        moment=moment,
        energy="" if energy_wh is None else figure_of(result, rating),
        interval=_interval(result, rating),
        no_energy=why_no_figure(result),
        basis=basis_of(result, rating),
        valid=result.valid,
        stars=rating.stars,
        stars_label=stars_label(rating),
        no_stars=rating.reason,
        estimated=rating.estimated,
        pale=is_pale(rating),
        relative_to=against(rating) if rating.stars else "",
        chance=chance_of(rating),
        no_chance=rating.probability_reason,
        chances=tuple(
            Chance(stars, f"{chance * 100:.1f} %", round(chance * 100, 1))
            for stars, chance in reversed(list(enumerate(rating.probabilities or (), start=1)))
        ),
        label=label_title(entry) if result.valid else "",
        headline=_headline(entry, multiple),
        phases=phases_of(result),
        runs=runs_of(result, rating),
        warned=_warned(result),
        departures=_departures(rating, {check.name for check in result.conformance}),
        official=result.official,
        checks=tuple(result.conformance),
        model_facts=model_facts(result.model),
        workload_facts=workload_facts(result),
        protocol_facts=protocol_facts(result),
        environment_facts=environment_facts(result.environment),
        gpus=tuple((gpu.name, gpu_facts(gpu)) for gpu in result.environment.gpus),
        packages=tuple(sorted(result.environment.packages.items())),
        file=PurePath(entry.file).name or f"{name}.json",
        raw=result.raw.file if result.raw is not None and not no_raw else "",
        no_raw=no_raw,
        others=tuple(_other(*one) for one in others),
    )


def _departures(rating: Rating, points: Collection[str]) -> tuple[str, ...]:
    """What keeps it from the reference: names, where the table of points says the rest."""
    return tuple(
        departure.name if departure.name in points else str(departure)
        for departure in rating.departures
    )


def _interval(result: Result, rating: Rating) -> str:
    margin = margin_of(result, rating)
    runs = f", half the 95 % interval of {result.score.runs} runs" if margin[:1] == "±" else ""
    return f"{margin}{runs}"


def hub_address(result: Result) -> str:
    """The model's page on the hub; nothing where its id could not be one of the hub's."""
    named = result.model.source == "hub" and _HUB_ID.fullmatch(result.model.id)
    return f"https://huggingface.co/{result.model.id}" if named else ""


def _headline(entry: RatedResult, multiple: Multiple | None) -> tuple[Fact, ...]:
    """What belongs beside the figure."""
    result = entry.result
    score, tokens, runs = result.score, tokens_of(result), result.runs
    queries = sum(run.queries for run in runs)
    read = sum(run.input_tokens for run in runs) / queries
    thinking = "" if tokens.thinking is None else f" ({format_number(tokens.thinking)} thinking)"
    parts = [
        f"{format_number(read)} in" if read else "",
        f"{format_number(tokens.output)} out{thinking}" if tokens.output else "",
    ]
    facts = [
        Fact("Hardware", result.hardware),
        Fact("Time of a query", duration_of(sum(run.duration_s for run in runs) / queries)),
        Fact("Tokens of a query", ", ".join(filter(None, parts)) or "none"),
    ]
    if multiple is not None:
        facts.append(Fact("Against mode " + multiple.of, f"{format_number(multiple.times)} times"))
    if score.net_gpu_wh_per_1k_queries is not None:
        of = "without" if score.net_of == "idle_without_model" else "with"
        net = f"{format_number(score.net_gpu_wh_per_1k_queries)} Wh"
        facts.append(Fact(f"Net of the GPU idling {of} the model", net))
    if score.gpu_wh_per_1k_queries is not None and score.system_wh_per_1k_queries is not None:
        system = f"{format_number(score.system_wh_per_1k_queries)} Wh, {score.system_method}"
        facts.append(Fact("With processor and memory", system))
    derived = derived_of(entry).items()
    return (*facts, *(Fact(name, f"{text} per 1,000 queries") for name, text in derived))


def _warned(result: Result) -> tuple[Warned, ...]:
    """Everything that whoever reads the figure must know, each once, the worst first."""
    found = [Warned("invalid", "invalid", reason) for reason in result.invalid_reasons]
    found += [Warned("caution", one.code, one.message) for one in result.cautions]
    said = {one.code for one in found} | {one.message for one in found}
    for run in result.runs:
        for notice in run.notices:
            # What a caution sums up stands beside its run.
            if not said & {notice.code, notice.message}:
                message = f"run {run.index + 1}: {notice.message}"
                found.append(Warned("notice", notice.code, message))
    return tuple(dict.fromkeys(found))


def _other(entry: RatedResult, name: str) -> Other:
    result, energy_wh = entry.result, entry.rating.energy_wh
    figure = "not measured" if energy_wh is None else f"{figure_of(result, entry.rating)} Wh"
    if not result.valid:
        figure = "invalid"
    what = f"{task_of(result)}: {figure}, {basis_of(result, entry.rating).what}, {result.hardware}"
    return Other(f"{name}.html", what, date_of(result.created_at)[0])
