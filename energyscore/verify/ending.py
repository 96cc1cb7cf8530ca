"""How a screen ended: its looks are had again at its blocks, and decide the same.

At the first four or five blocks there is a look, and later at ever more; a last one takes in what
was done since. A decision spends half of its error at the first, then half of what is left.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from energyscore.verify.examined import ExaminedResult
from energyscore.verify.findings import NOT_APPLICABLE, Derived, Finds
from energyscore.verify.predicted import Predicted, predict
from energyscore.verify.rules import band_of, uncertainty_of
from energyscore.verify.spread import student_975
from energyscore.verify.student import t_below

_MISSES = 0.05
_GROWTH = 1.25  # of the blocks from look to look
_PLACES = 16  # of an interval that a star is tried at
_SHARE = re.compile(r"(half-width|star)\s*=\s*(\d+(?:\.\d+)?)\s*%", re.ASCII)
_LIMIT = re.compile(
    r"(?:gpu|system)_wh_per_1k_queries\s*<=?\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)", re.ASCII
)
_WIDEST = 200.0  # half an interval on the log scale, which is then open on both sides


@dataclass(frozen=True)
class _Ending:
    """What a look came to, and whether it ends the screen."""

    decided: bool
    ends: bool
    probability: float | None = None
    star: int | None = None
    within: bool | None = None


@dataclass(frozen=True)
class _Question:
    """What it went on until; for a star, what that is relative to."""

    kind: str
    value: float
    band: tuple[float, float] | None = None
    errs: float = 0.0  # what stands between it and the reference, as a share of it


def check_ending(it: ExaminedResult) -> Finds:
    """What was decided, or left open, follows from the blocks."""
    screen, runs = it.result.screen, it.result.runs
    asked = None if screen is None else _asked(it, screen.until)
    if screen is None:
        yield NOT_APPLICABLE
        return
    if asked is None:
        yield f"it is not known what it was to go on until: {screen.until[:60]!r}"
        return
    target = asked.value if asked.kind == "half-width" else None
    yield Derived("the half-width that it was to go on until", screen.target, target)
    by_gpu = it.gpu_domains and not screen.until.startswith("system")
    memory = "dram" if all(run.energy_j.get("dram") is not None for run in runs) else "ram"
    domains = it.gpu_domains if by_gpu else [*it.gpu_domains, "cpu", memory]
    energies = [[run.energy_j.get(domain) for domain in domains] for run in runs]
    if any(None in one for one in energies):
        if screen.decided:
            yield "it was decided, though a block has no energy"
        return
    looks = _looks_at(it, [math.fsum(j or 0.0 for j in one) for one in energies])
    yield Derived("the number of looks at its blocks", screen.looks, max(1, len(looks)))
    if not looks:
        if screen.decided:
            yield "it was decided, though its blocks are too few to tell"
        return
    endings = [
        _look(asked, found, place, before, screen.beaten_by)
        for before, (place, found) in enumerate(looks)
    ]
    for ending, (place, _) in zip(endings[:-1], looks[:-1], strict=True):
        if ending.ends:
            yield f"it went on after block {place}, which ended it"
    last = endings[-1]
    yield Derived("whether it was decided", screen.decided, last.decided)
    yield Derived("the probability of what was decided", screen.probability, last.probability)
    yield Derived("the star", screen.star, last.star)
    yield Derived("whether it is within the limit", screen.within, last.within)
    said = _said(asked, screen.probability, last) if last.decided else f"{screen.until} is open: "
    if not screen.reason.startswith(said) or (last.decided and screen.reason != said):
        yield f"its reason is not that {said.rstrip(': ')}"


def _asked(it: ExaminedResult, until: str) -> _Question | None:
    if limit := _LIMIT.fullmatch(until):
        value = float(limit[1])
        return _Question("limit", value) if value > 0 else None
    found = _SHARE.fullmatch(until)
    if found is None:
        return None
    asked = _Question(found[1], float(found[2]) / 100)
    if asked.kind == "half-width":
        return asked
    scale, result = it.rules.scales[-1], it.result
    band = band_of(scale, result.task.scale_task, result.model.model_class)
    systematic, between = uncertainty_of(scale)
    errs = math.hypot(systematic / math.sqrt(3), between)
    return None if band is None else replace(asked, band=band, errs=errs)


def _looks_at(it: ExaminedResult, energies_j: Sequence[float]) -> list[tuple[int, Predicted]]:
    """After which of the blocks there was a look, and what it saw in Wh per 1,000 queries."""
    screen, runs = it.result.screen, it.result.runs
    assert screen is not None
    whole, factor = np.array(screen.population.features), 1000 / 3600 / screen.queries
    found: list[tuple[int, Predicted]] = []
    drawn = due = seen = 0
    for place, run in enumerate(runs, 1):
        drawn += run.block is not None and not run.block.certain
        at_the_end = place == len(runs) and drawn > seen
        if drawn < due and not at_the_end:
            continue
        told = predict(runs[:place], energies_j[:place], whole)
        if told is not None:
            seen, due = drawn, max(drawn + 1, math.ceil(_GROWTH * drawn))
            wh = told._replace(mean=told.mean * factor, error=told.error * factor)
            found.append((place, wh))
    return found


def _look(
    asked: _Question, it: Predicted, blocks: int, before: int, beaten_by: float | None
) -> _Ending:
    """What a look at so many blocks decides, after so many looks."""
    spent = 0.5 ** (before + 1)
    half = min(it.half(_MISSES * spent), _WIDEST)
    beaten = beaten_by is not None and it.mean * math.exp(-half) > beaten_by
    if asked.kind == "half-width":
        decided = it.half(_MISSES) <= asked.value
        return _Ending(decided, decided or beaten)
    if asked.band is None:
        above = math.log(asked.value) - math.log(it.mean)
        below = t_below(above * it.mean / it.error, it.degrees)
        sure = max(below, 1 - below)
        decided = 1 - sure <= _MISSES * spent / 2
        return _Ending(decided, decided or beaten, sure, within=below >= 0.5)
    star, sure = _star(asked, it.mean, half / student_975(blocks - 1), blocks - 1)
    needed = 1 - (1 - asked.value) * spent
    decided = sure >= needed
    places = [it.mean * math.exp(half * (2 * n / _PLACES - 1)) for n in range(_PLACES + 1)]
    vain = not decided and all(_star(asked, one, 0.0, math.inf)[1] < needed for one in places)
    return _Ending(decided, decided or beaten or vain, sure, star)


def _star(asked: _Question, energy: float, error: float, degrees: float) -> tuple[int, float]:
    """The likeliest star of a figure whose error, a share of it, is known by so many degrees."""
    assert asked.band is not None
    low, high = asked.band
    edges = [low + k * (high - low) / 5 for k in (1, 2, 3, 4)]
    whole = math.hypot(error, asked.errs)
    if error:
        degrees = max(1, math.floor(degrees * (whole / error) ** 4))
    below = [t_below((edge - energy) / (whole * energy), degrees) for edge in edges]
    shares = [b - a for a, b in pairwise([0.0, *below, 1.0])]
    band = max(range(5), key=shares.__getitem__)
    return 5 - band, shares[band]


def _said(asked: _Question, probability: float | None, ending: _Ending) -> str:
    """A decision in words."""
    chance = f"with a probability of {probability or 0.0:.1%}"
    if ending.star is not None:
        return f"{ending.star} stars, {chance}"
    if ending.within is not None:
        side = "at or below" if ending.within else "above"
        return f"{side} the limit, {chance}"
    return f"the half-width is at most {asked.value:.1%}"
