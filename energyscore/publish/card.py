"""Results of one model for its model card: `model-index` metadata, and a table in Markdown.

The hub documents `co2_eq_emissions` for training: no energy of inference goes there. Estimates
have metrics of their own, so that nobody compares them with measured energy by accident.
"""

from typing import Any

from energyscore.base.text import json_bytes, markdown_table
from energyscore.base.units import format_wh
from energyscore.judge.rating import RatedResult, Report
from energyscore.publish import margins, wording
from energyscore.publish.card_entries import (
    HEADING,
    METRIC_PREFIX,
    CardFigures,
    escape_markdown,
    heading_of,
)
from energyscore.publish.notes import notes_on
from energyscore.publish.typesetting import plain
from energyscore.results.names import ways_of
from energyscore.results.result import Result

CARD_VERSION = 1
_DIGEST_LENGTH = 12

_TASKS = {
    "asr": "automatic-speech-recognition",
    "image_captioning": "image-to-text",
    "image_generation": "text-to-image",
    "reasoning": "text-generation",
}
"""The hub's names of tasks, where they are not ours with hyphens."""


def model_index(report: Report) -> list[dict[str, Any]]:
    """The results of `model-index`: one entry a result, with its energy and its stars."""
    return [_index_entry(entry) for entry in report]


def _index_entry(entry: RatedResult) -> dict[str, Any]:
    result, rating = entry.result, entry.rating
    random = result.model.weights == "random"
    kind = ("random_weights_" if random else "") + ("estimated_" if rating.estimated else "")
    how = (", estimated" if rating.estimated else "") + (", random weights" if random else "")
    energy = {
        "type": f"{METRIC_PREFIX}{kind}{rating.basis}_wh_per_1k_queries",
        "value": energy_wh(entry),
        "name": f"Inference energy, {wording.what(entry)}{how} (Wh per 1,000 queries, less is "
        "better)",
        "args": _known(facts_of(entry)),
    }
    stars = {
        "type": f"{METRIC_PREFIX}{kind}stars",
        "value": rating.stars,
        "name": plain(f"Energy stars of 5{how} ({rating.scale})"),
    }
    dataset, task = result.workload.dataset, result.task.id
    return {
        "task": {
            "type": _TASKS.get(task, task.replace("_", "-")),
            "name": wording.task_name(result),
        },
        "dataset": _known({"name": dataset, "type": dataset, "revision": result.workload.revision}),
        "metrics": [energy] if rating.stars is None else [energy, stars],
    }


def card_figures(report: Report) -> CardFigures:
    """All that goes into the card of the model that the results are of."""
    model = plain(report[0].result.model.id)
    name = model.rpartition("/")[2] or model
    return CardFigures(name, model, model_index(report), card_blocks(report))


def card_blocks(report: Report) -> dict[str, str]:
    """Of each task what stands in the card's text: a table, and what must be known to read it."""
    blocks = {}
    for task in dict.fromkeys(wording.task_name(entry.result) for entry in report):
        entries = [entry for entry in report if wording.task_name(entry.result) == task]
        rows = [_cells(entry) for entry in entries]
        lines = [
            heading_of(task),
            "",
            *markdown_table(list(rows[0]), [map(escape_markdown, row.values()) for row in rows]),
            "",
            *(f"- {escape_markdown(note)}" for note in notes_on(entries)),
            f"- {escape_markdown(_origin(entries))}",
        ]
        blocks[task] = "\n".join(lines)
    return blocks


def card_section(report: Report) -> str:
    """What stands in the text of a card that has no other task."""
    return "\n\n".join([HEADING, *card_blocks(report).values()]) + "\n"


def to_card_json(report: Report) -> bytes:
    """The same for programs: an object with the `model-index` and the section's Markdown."""
    figures = card_figures(report)
    content = {
        "card_version": CARD_VERSION,
        "model": report[0].result.model.id,
        "model-index": [{"name": figures.name, "results": figures.results}],
        "section": card_section(report),
    }
    return json_bytes(content)


def facts_of(entry: RatedResult) -> dict[str, Any]:
    """What a figure must not be read without, for programs; None where it is not known."""
    result, rating = entry.result, entry.rating
    interval = wording.interval(entry)
    facts = {
        "unit": "Wh per 1,000 queries",
        "basis": wording.what(entry),
        "estimated": rating.estimated,
        "ci95": None if interval is None else [_rounded(limit) for limit in interval],
        "runs": result.score.runs,
        "method": entry.headline and entry.headline.method,
        "model": result.model.id,
        "hardware": result.hardware,
        "measured_at": result.created_at,
        "revision": result.model.revision,
        "base_model": result.model.base_model,
        "precision": result.model.precision,
        "quantization": result.model.quantization,
        "attention": None if result.model.has_own_attention else result.model.attention,
        "compiled": result.model.compiled or None,
        "batch_size": result.workload.batch_size,
        "queries": result.workload.queries,
        "reasoning": result.mode,
        "load": result.load.words if result.load else None,
        "joules_per_output_token": _per_token(result),
        "model_class": result.model.model_class,
        "random_weights": True if result.model.weights == "random" else None,
        "quick": True if result.protocol.quick else None,
        "energyscore": result.environment.energyscore,
    }
    return _visible(facts)


def dataset_of(result: Result) -> str | None:
    """The dataset's id on the hub; None where the queries are from elsewhere."""
    return result.workload.dataset if result.workload.revision else None


def energy_wh(entry: RatedResult) -> float:
    """The figure with six significant digits, which is more than any meter knows."""
    assert entry.rating.energy_wh is not None  # others stand in no card
    return _rounded(entry.rating.energy_wh)


def _visible(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: plain(v) if isinstance(v, str) else v for name, v in facts.items()}


def _known(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in _visible(facts).items() if value is not None}


def _cells(entry: RatedResult) -> dict[str, str]:
    model, rating = entry.result.model, entry.rating
    digest = (model.revision or "").removeprefix("sha256:")[:_DIGEST_LENGTH]
    measured = [
        f"{model.id} @{digest}" if digest else model.id,
        entry.setting,
        "random weights" if model.weights == "random" and "random" not in entry.setting else "",
        f"quantized: {model.quantization}" if model.quantization else "",
        *(way for way in ways_of(model) if way not in entry.setting),
    ]
    known = wording.interval(entry) is not None
    energy = [format_wh(energy_wh(entry))]
    energy += [margins.signed(wording.share(entry))] if known else []
    return {
        "model": ", ".join(filter(None, measured)),
        "energy of 1,000 queries": " ".join(energy),
        "metered": wording.metered(entry),
        "stars": wording.stars(rating.stars, estimated=rating.estimated),
        "relative to": rating.scale or rating.reason,
        "hardware": entry.result.hardware,
        "precision": model.precision,
        "measured": wording.month(entry.result),
    }


def _origin(report: Report) -> str:
    versions = dict.fromkeys(entry.result.environment.energyscore for entry in report)
    revisions = dict.fromkeys(entry.result.model.revision for entry in report)
    known = [revision for revision in revisions if revision]
    of = f", of revision {', '.join(known)}" if known else ""
    return (
        f"Measured with energyscore {', '.join(versions)}{of}. ± is the 95% interval over the "
        "runs. Stars are relative to what is named beside them: five for the least energy."
    )


def _per_token(result: Result) -> float | None:
    """Of a server, whose energy of a query is that of answers of one length."""
    joules = result.score.joules_per_output_token
    return None if result.load is None or joules is None else _rounded(joules)


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
