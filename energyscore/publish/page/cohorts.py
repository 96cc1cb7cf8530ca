"""Which results stand in one table: those that are comparable, as the rating sees it. Pure.

Results of one cohort are, and all that are rated by one reference. Figures without any comparable
to them stand by themselves, the measured apart from the estimated; so do results without a figure.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from energyscore.base.units import format_number
from energyscore.judge.rating import RatedResult, cohort_key
from energyscore.judge.stars import BANDS
from energyscore.protocol.scales import DEFAULT_SCALE, load_scale
from energyscore.publish.page.words import basis_of

MEANINGFUL = 3
"""Models of a cohort whose stars say more than which of them takes less."""

_ORDER = ("gpu", "system", "estimated", "none")
_WHAT = {
    "gpu": "GPU, measured",
    "system": "processor and memory, measured",
    "estimated": "processor and memory, estimated",
}
_MORE = ("mode", "budget", "queries", "precision", "batch", "limit", "task")
_LONE = {
    "gpu": "Measured, comparable to no other result here",
    "system": "Measured, comparable to no other result here",
    "estimated": "Estimated, comparable to no other result here",
}
_ELSEWHERE = "Stars in a cohort are relative to the comparable results here."
_NONE = "No energy was measured"


@dataclass(frozen=True)
class Group:
    """Comparable results; else such as compare to nothing, and then `comparable` is false.

    Attributes:
        title: what they share that other groups of the task do not.
        about: in one line what their stars are relative to; empty where none has any.
        comparable: whether their energies may be held against each other.
        places: of the results among those that were given, in their order.
    """

    title: str
    about: str
    comparable: bool
    places: tuple[int, ...]


def groups_of(entries: Sequence[RatedResult]) -> list[Group]:
    """The groups of one task and size class, measured ones first, the largest before others."""
    found: dict[Hashable, list[int]] = {}
    by_reference = _by_reference(entries)
    for place, entry in enumerate(entries):
        key = cohort_key(entry.result)
        found.setdefault(by_reference.get(key, key), []).append(place)
    lone: dict[Hashable, list[int]] = {}
    sets: list[list[int]] = []
    for places in found.values():
        basis = _basis(entries[places[0]])
        rated = any(entries[place].rating.stars for place in places)
        if basis != "none" and (rated or len(places) > 1):
            sets.append(places)
        else:
            lone.setdefault("none" if basis == "none" else _LONE[basis], []).extend(places)
    sets.sort(key=lambda places: (_ORDER.index(_basis(entries[places[0]])), -len(places), places))
    titles = _titles([[entries[place] for place in places] for places in sets])
    groups = [
        Group(title, _about([entries[place] for place in places]), True, tuple(places))
        for title, places in zip(titles, sets, strict=True)
    ]
    for places in sorted(lone.values(), key=lambda one: _ORDER.index(_basis(entries[one[0]]))):
        title = _LONE.get(_basis(entries[places[0]]), _NONE)
        groups.append(Group(title, "", False, tuple(sorted(places))))
    return groups


def _by_reference(entries: Iterable[RatedResult]) -> dict[Hashable, Hashable]:
    """For cohorts with a member that a reference rates: that reference."""
    return {
        cohort_key(entry.result): ("reference", entry.rating.scale)
        for entry in entries
        if entry.rating.kind == "reference"
    }


def _basis(entry: RatedResult) -> str:
    return basis_of(entry.result, entry.rating).key


def _titles(groups: Sequence[Sequence[RatedResult]]) -> list[str]:
    """What each group is of, as far as it tells it from the others; no two are the same."""
    parts = [[_parts(entry) for entry in group] for group in groups]
    names = ["hardware", "metered"]
    for name in (name for name in _MORE if parts):
        if len(set(_joined(parts, [*names, name]))) > len(set(_joined(parts, names))):
            names.append(name)
    titles: list[str] = []
    for title in _joined(parts, names):
        same = sum(one == title or one.startswith(f"{title} (") for one in titles)
        titles.append(f"{title} ({same + 1})" if same else title)
    return titles


def _joined(groups: Sequence[Sequence[dict[str, str]]], names: Sequence[str]) -> list[str]:
    return [", ".join(filter(None, (_shared(group, name) for name in names))) for group in groups]


def _parts(entry: RatedResult) -> dict[str, str]:
    result = entry.result
    work, mode = result.workload, result.mode
    limits_w = sorted({gpu.power_limit_w for gpu in result.environment.gpus if gpu.power_limit_w})
    budget = (work.generation or {}).get("max_new_tokens")
    return {
        "hardware": result.hardware,
        "limit": "".join(f"limited to {limit_w:g} W" for limit_w in limits_w[:1]),
        "metered": _WHAT.get(_basis(entry), ""),
        "mode": f"reasoning {mode}" if mode else "",
        "budget": f"up to {budget:,} new tokens" if mode and isinstance(budget, int) else "",
        "precision": result.model.dtype,
        "batch": f"batch size {work.batch_size}",
        "queries": f"{work.queries:,} queries of {work.dataset}",
        "task": f"version {result.task.version} of the task",
    }


def _shared(group: Sequence[dict[str, str]], name: str) -> str:
    return " or ".join(dict.fromkeys(one[name] for one in group if one[name]))


def _about(entries: Sequence[RatedResult]) -> str:
    """What their stars are relative to, and over which range."""
    rated = [entry for entry in entries if entry.rating.stars]
    references = [entry for entry in rated if entry.rating.kind == "reference"]
    if references:
        elsewhere = "" if len(references) == len(rated) else f" {_ELSEWHERE}"
        return _about_reference(references[0]) + elsewhere
    figures = [entry.rating.energy_wh for entry in rated if entry.rating.energy_wh is not None]
    if not figures:
        return ""
    low, high = min(figures), max(figures)
    only = "" if _models(rated) >= MEANINGFUL else " Of two, they say only which takes less."
    return f"Stars in a {rated[0].rating.scale}: {_bands(low, high)}{only}"


def _about_reference(entry: RatedResult) -> str:
    """The bands of the reference that rates it; of one that is not bundled only its name."""
    name, result = entry.rating.scale, entry.result
    if name != DEFAULT_SCALE:
        return f"Stars by the bands of {name}."
    band = load_scale(DEFAULT_SCALE).band(result.task.scale_task, result.model.model_class)
    assert band is not None  # it rates the result
    low, high = band.min_wh_per_1k_queries, band.max_wh_per_1k_queries
    return f"Stars by {name}: {_bands(low, high)}"


def _bands(low: float, high: float) -> str:
    return (
        f"{format_number(low)} to {format_number(high)} Wh in {BANDS} bands of "
        f"{format_number((high - low) / BANDS)} Wh; the lowest has {BANDS} stars."
    )


def _models(entries: Sequence[RatedResult]) -> int:
    return len({(entry.result.model.id, entry.result.model.revision) for entry in entries})
