"""Results as the array that github-action-benchmark reads (`customSmallerIsBetter`)."""

from collections.abc import Sequence

from energyscore.base.text import json_bytes, one_line
from energyscore.base.units import counted
from energyscore.judge.figures import GPU, SYSTEM, UNIT
from energyscore.judge.rating import RatedResult
from energyscore.judge.unratable import why_unratable


def to_benchmark(results: Sequence[RatedResult]) -> bytes:
    """One entry an energy: name, unit, value, range (the 95% interval) and extra.

    What has no energy, or may not be compared, has no entry: an absent figure is not 0.
    """
    entries = []
    for one in results:
        for metric in (GPU, SYSTEM):
            figure = one.figure(metric)
            summary = figure.summary
            if summary is None or why_unratable(one.result):
                continue
            kind = "GPU" if metric == GPU else "system"
            name = f"{one.result.task.id}, {one.label}, {kind} energy, {one.result.hardware}"
            entry: dict[str, str | float] = {
                "name": one_line(f"{name}, estimated" if figure.estimated else name),
                "unit": UNIT,
                "value": summary.mean,
            }
            if summary.ci95 is not None:
                entry["range"] = " to ".join(f"{end:.6g}" for end in summary.ci95)
            runs = counted(summary.count, "run")
            entry["extra"] = one_line(f"{runs}, {one.result.created_at}, {one.file}")
            entries.append(entry)
    return json_bytes(_unique(entries))


def _unique(entries: Sequence[dict[str, str | float]]) -> list[dict[str, str | float]]:
    """Two of one name would be one curve: the second and further ones are numbered."""
    seen: dict[object, int] = {}
    found = []
    for entry in entries:
        seen[entry["name"]] = number = seen.get(entry["name"], 0) + 1
        found.append(entry | {"name": f"{entry['name']} ({number})"} if number > 1 else entry)
    return found
