"""Rated results as JSON: what `--format json` prints."""

import json
from dataclasses import asdict

from energyscore.judge.rated import Report

REPORT_VERSION = 1


def to_json(report: Report) -> bytes:
    """An object with the version of this format and one entry a result, rating first."""
    entries = [
        {
            "file": entry.file or None,
            "rating": asdict(entry.rating),
            "footprint": asdict(entry.footprint) if entry.footprint else None,
            "result": entry.result.model_dump(mode="json"),
        }
        for entry in report
    ]
    content = {"report_version": REPORT_VERSION, "results": entries}
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()
