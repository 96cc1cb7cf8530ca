"""Measurements as the array that github-action-benchmark reads (`customSmallerIsBetter`)."""

import json
from collections.abc import Sequence

from energyscore.base.text import one_line
from energyscore.judge.effect import interval_of
from energyscore.judge.figures import GPU, SYSTEM, UNIT, Measured


def to_benchmark(measured: Sequence[Measured]) -> bytes:
    """One entry an energy: name, unit, value, range (half the 95% interval) and extra.

    What has no energy, or may not be compared, has no entry: an absent figure is not 0.
    """
    entries = []
    for one in measured:
        for metric in (GPU, SYSTEM):
            figure = one.figures[metric]
            sample = figure.sample
            if one.unusable or sample is None:
                continue
            interval = interval_of(sample)
            kind = "GPU" if metric == GPU else "system"
            name = f"{one.task}, {one.label}, {kind} energy, {one.hardware}"
            entry: dict[str, str | float] = {
                "name": one_line(f"{name}, estimated" if figure.estimated else name),
                "unit": UNIT,
                "value": sample.mean,
            }
            if interval is not None:
                entry["range"] = f"± {(interval[1] - interval[0]) / 2:.6g}"
            runs = f"{sample.runs} run{'s' if sample.runs > 1 else ''}"
            entry["extra"] = one_line(f"{runs}, {one.created_at}, {one.source}")
            entries.append(entry)
    unique = _unique(entries)
    return (json.dumps(unique, indent=2, allow_nan=False, ensure_ascii=True) + "\n").encode()


def _unique(entries: Sequence[dict[str, str | float]]) -> list[dict[str, str | float]]:
    """Two of one name would be one curve: the second and further ones are numbered."""
    seen: dict[object, int] = {}
    found = []
    for entry in entries:
        seen[entry["name"]] = number = seen.get(entry["name"], 0) + 1
        found.append(entry | {"name": f"{entry['name']} ({number})"} if number > 1 else entry)
    return found
