"""Which results stand in one table: those that are comparable, as the rating sees it. Pure.

Results of one cohort are, and all that are rated by one reference. Figures without any comparable
to them stand by themselves, the measured apart from the estimated; so do results without a figure.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from energyscore.base.units import format_number
from energyscore.judge.contenders import Contender
from energyscore.judge.rating import RatedResult
from energyscore.protocol.stars import BANDS
from energyscore.publish import wording
from energyscore.publish.answers import answers
from energyscore.publish.page.axis import Axis

_ORDER = ("gpu", "system", "estimated", "none")
_ALONE = {
    "gpu": "Measured, comparable to no other result here",
    "system": "Measured, comparable to no other result here",
    "estimated": "Estimated, comparable to no other result here",
    "none": "No energy was measured",
}
_ELSEWHERE = "Stars in a cohort are relative to the comparable results here."


@dataclass(frozen=True)
class Listed:
    """A result that is listed in the index."""

    entry: RatedResult
    href: str  # of its page
    told: Contender  # with its quality, measured or reported
    id: str = ""  # its place in the index
    mark: tuple[float, float, float] | None = None
    """The figure between the ends of its interval on the table's axis, in px; None: no axis."""


@dataclass(frozen=True)
class Cohort:
    """Comparable results; else such as compare to nothing, and then `comparable` is false."""

    title: str  # what they share that others of the task do not
    about: str  # in one line what their stars are relative to; empty where none has any
    comparable: bool
    rows: list[Listed]
    id: str = ""  # its place in the index
    answer: str = ""  # how much less energy the best needs; empty where nothing is to compare
    axis: Axis | None = None  # of the marks; None: fewer than two can be compared


def cohorts_of(rows: Sequence[Listed]) -> list[Cohort]:
    """The cohorts of one task and size class, measured ones first, the largest before others."""
    # A cohort with a member that a reference rates stands with all that this reference rates.
    references: dict[Hashable, Hashable] = {
        row.entry.cohort: ("reference", row.entry.rating.scale)
        for row in rows
        if row.entry.rating.kind == "reference"
    }
    found: dict[Hashable, list[Listed]] = {}
    for row in rows:
        key = row.entry.cohort
        found.setdefault(references.get(key, key), []).append(row)
    sets: list[list[Listed]] = []
    alone: dict[int, str] = {}
    for shared, members in found.items():
        kind = wording.kind(members[0].entry)
        rated = any(row.entry.rating.stars for row in members)
        if shared is not None and kind != "none" and (rated or len(members) > 1):
            sets.append(members)
        else:
            alone |= {id(row): _ALONE[wording.kind(row.entry)] for row in members}
    sets.sort(key=lambda members: (_ORDER.index(wording.kind(members[0].entry)), -len(members)))
    entries = [[row.entry for row in members] for members in sets]
    cohorts = [
        Cohort(title, _about(of), True, members, answer=" ".join(answers(of)))
        for title, of, members in zip(_titles(entries), entries, sets, strict=True)
    ]
    for title in dict.fromkeys(_ALONE.values()):
        members = [row for row in rows if alone.get(id(row)) == title]
        cohorts += [Cohort(title, "", False, members)] if members else []
    return cohorts


def _titles(sets: Sequence[Sequence[RatedResult]]) -> list[str]:
    """What each set is of, as far as it tells it from the others; no two are the same."""
    columns = [_shared(members) for members in sets]
    names = ["hardware", "metered"]
    for name in columns[0] if columns else ():
        if len(set(_joined(columns, [*names, name]))) > len(set(_joined(columns, names))):
            names.append(name)
    titles: list[str] = []
    seen: dict[str, int] = {}
    for title in _joined(columns, names):
        seen[title] = seen.get(title, 0) + 1
        titles.append(title if seen[title] == 1 else f"{title} ({seen[title]})")
    return titles


def _joined(columns: Sequence[dict[str, str]], names: Sequence[str]) -> list[str]:
    return [", ".join(filter(None, (column[name] for name in names))) for column in columns]


def _shared(members: Sequence[RatedResult]) -> dict[str, str]:
    """What may set a cohort apart, the most telling first."""
    parts = [_parts(entry) for entry in members]
    return {
        name: " or ".join(dict.fromkeys(one[name] for one in parts if one[name]))
        for name in parts[0]
    }


def _parts(entry: RatedResult) -> dict[str, str]:
    result = entry.result
    work, mode = result.workload, result.mode
    limits_w = sorted({gpu.power_limit_w for gpu in result.environment.gpus if gpu.power_limit_w})
    made = work.generation or {}
    budget, drawn = made.get("max_new_tokens"), made.get("temperature")
    return {
        "hardware": result.hardware,
        "metered": wording.KINDS[wording.kind(entry)],
        "mode": f"reasoning {mode}" if mode else "",
        "decoding": f"drawn at temperature {drawn}" if drawn else "",
        "budget": f"up to {budget:,} new tokens" if mode and isinstance(budget, int) else "",
        "queries": f"{work.queries:,} queries of {work.dataset}",
        "precision": result.model.precision,
        "load": f"a server, {result.load.words}" if result.load else "",
        "batch": f"batch size {work.batch_size}",
        "limit": "".join(f"limited to {limit_w:g} W" for limit_w in limits_w[:1]),
        "task": f"version {result.task.version} of the task",
    }


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
    models = {(entry.result.model.id, entry.result.model.revision) for entry in rated}
    only = " Of two, they say only which takes less." if len(models) < 3 else ""
    return f"Stars in a {rated[0].rating.scale}: {_bands(min(figures), max(figures))}{only}"


def _about_reference(entry: RatedResult) -> str:
    """The bands of the reference that rates it."""
    reference, result = entry.rating.reference, entry.result
    assert reference is not None
    band = reference.band(result.task.scale_task, result.model.model_class, result.mode)
    assert band is not None  # it rates the result
    return f"Stars by {reference.name}: {_bands(*band.range_wh)}"


def _bands(low: float, high: float) -> str:
    return (
        f"{format_number(low)} to {format_number(high)} Wh in {BANDS} bands of "
        f"{format_number((high - low) / BANDS)} Wh; the lowest has {BANDS} stars."
    )
