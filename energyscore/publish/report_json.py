"""Rated results as JSON: what `--format json` prints."""

from dataclasses import asdict
from typing import Any

from energyscore.base.text import json_bytes
from energyscore.judge.rating import Rating, Report

REPORT_VERSION = 1


def to_json(report: Report) -> bytes:
    """An object with the version of this format and one entry a result, rating first."""
    entries = [
        {
            "file": entry.file or None,
            "rating": _rating(entry.rating),
            "footprint": asdict(entry.footprint) if entry.footprint else None,
            "result": entry.result.model_dump(mode="json"),
        }
        for entry in report
    ]
    content = {"report_version": REPORT_VERSION, "results": entries}
    return json_bytes(content)


def _rating(rating: Rating) -> dict[str, Any]:
    return {
        "stars": rating.stars,
        "kind": rating.kind,
        "scale": rating.scale,
        "basis": rating.basis,
        "estimated": rating.estimated,
        "energy_wh": rating.energy_wh,
        "reason": rating.reason,
        "not_comparable": [str(departure) for departure in rating.departures],
        "probabilities": rating.probabilities,
        "uncertainty_wh": rating.uncertainty_wh,
        "probability_reason": rating.probability_reason,
    }
