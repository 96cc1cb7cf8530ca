"""Rated results as JSON: what `--format json` prints."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from energyscore.judge.rating import RatedResult, Rating, Report
from energyscore.protocol.official_method import METHODS
from energyscore.protocol.scales import Scale
from energyscore.results.result import Result

REPORT_VERSION = 1


def to_json(report: Report) -> bytes:
    """An object with the version of this format and one entry a result, rating first."""
    return b"".join(json_pieces(report))


def json_pieces(
    report: Report, whole: Callable[[RatedResult], Result] = lambda entry: entry.result
) -> Iterator[bytes]:
    """The same piece by piece; `whole` gives a result with all its details."""
    yield f'{{\n  "report_version": {REPORT_VERSION},\n  "results": ['.encode()
    for number, entry in enumerate(report):
        content = {
            "file": entry.file or None,
            "rating": _rating(entry.rating),
            "footprint": asdict(entry.footprint) if entry.footprint else None,
        }
        head = json.dumps(content, indent=2, allow_nan=False).removesuffix("\n}")
        result = _ascii(whole(entry).model_dump_json(indent=2)).replace("\n", "\n  ")
        text = f'\n{head},\n  "result": {result}\n}}'.replace("\n", "\n    ")
        yield f"{',' if number else ''}{text}".encode()
    yield (b"\n  ]" if report else b"]") + b"\n}\n"


def _ascii(text: str) -> str:
    """JSON without other characters than ASCII's, which a terminal might act upon."""
    return text if text.isascii() else json.dumps(json.loads(text), indent=2, allow_nan=False)


def _rating(rating: Rating) -> dict[str, Any]:
    return {
        "stars": rating.stars,
        "kind": rating.kind,
        "scale": rating.scale,
        "reference": _reference(rating.reference) if rating.reference else None,
        "basis": rating.basis,
        "estimated": rating.estimated,
        "energy_wh": rating.energy_wh,
        "reason": rating.reason,
        "not_comparable": [str(departure) for departure in rating.departures],
        "probabilities": rating.probabilities,
        "uncertainty_wh": rating.uncertainty_wh,
        "probability_reason": rating.probability_reason,
    }


def _reference(scale: Scale) -> dict[str, Any]:
    """What stars are relative to: which release, by which method, and what is out of date of it."""
    method = METHODS[scale.protocol]
    return {
        "date": scale.date,
        "source": scale.source,
        "commit": scale.commit,
        "protocol": scale.protocol,
        "harness": method.harness,
        "decoding": method.decoding,
        "hardware": scale.gpu,
        "superseded": [one.model_dump() for one in scale.superseded],
    }
