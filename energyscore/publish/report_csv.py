"""Rated results as CSV: fixed, versioned columns; empty where there is no figure."""

import csv
import io
from dataclasses import asdict, fields
from typing import Any, get_args

from energyscore.base.text import csv_text
from energyscore.judge.footprint import Footprint
from energyscore.judge.modes import Multiple, multiples_of, tokens_of
from energyscore.judge.rating import RatedResult, Report
from energyscore.protocol.task import Phase

CSV_VERSION = 1
"""Raised when a column is added, moved or changes its meaning."""

PHASES = get_args(Phase)
"""Every phase that a task may have; a task without one leaves its column empty."""

COLUMNS = (
    "csv_version",
    "task",
    "task_version",
    "model",
    "revision",
    "model_class",
    "parameters",
    "dtype",
    "quantization",
    "weights",
    "reasoning",
    "max_new_tokens",
    "dataset",
    "queries",
    "batch_size",
    "runs",
    "gpu_wh_per_1k_queries",
    "gpu_ci95_low",
    "gpu_ci95_high",
    "method",
    "gpu_net_wh_per_1k_queries",
    *(f"gpu_{phase}_wh_per_1k_queries" for phase in PHASES),
    "system_wh_per_1k_queries",
    "system_ci95_low",
    "system_ci95_high",
    "system_method",
    "stars",
    "stars_relative_to",
    "stars_basis",
    "stars_estimated",
    "stars_1_probability",
    "stars_2_probability",
    "stars_3_probability",
    "stars_4_probability",
    "stars_5_probability",
    "mean_input_tokens",
    "mean_output_tokens",
    "mean_thinking_tokens",
    "reasoning_multiple",
    "reasoning_multiple_of",
    "mean_query_s",
    "gpu_co2_g_per_1k_queries",
    "system_co2_g_per_1k_queries",
    "country",
    "grid_g_per_kwh",
    "grid_source",
    "pue",
    "gpu_cost_per_1k_queries",
    "system_cost_per_1k_queries",
    "price_per_kwh",
    "currency",
    "footprint_reason",
    "hardware",
    "device",
    "quick",
    "official",
    "valid",
    "reason",
    "cautions",
    "created_at",
    "energyscore",
    "file",
)


def to_csv(report: Report) -> bytes:
    """A header and one row a result, as UTF-8 with plain line ends."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    multiples = multiples_of([entry.result for entry in report])
    for entry, multiple in zip(report, multiples, strict=True):
        row = _row(entry, multiple)
        writer.writerow([_cell(row[column]) for column in COLUMNS])
    return text.getvalue().encode()


def _row(entry: RatedResult, multiple: Multiple | None) -> dict[str, Any]:
    result, rating = entry.result, entry.rating
    score, workload, runs = result.score, result.workload, result.runs
    low, high = score.ci95 or (None, None)
    system_low, system_high = score.system_ci95 or (None, None)
    queries = sum(run.queries for run in runs)
    return {
        "csv_version": CSV_VERSION,
        "task": result.task.id,
        "task_version": result.task.version,
        "model": result.model.id,
        "revision": result.model.revision,
        "model_class": result.model.model_class,
        "parameters": result.model.parameters,
        "dtype": result.model.dtype,
        "quantization": result.model.quantization,
        "weights": result.model.weights,
        "reasoning": result.mode,
        "max_new_tokens": (workload.generation or {}).get("max_new_tokens"),
        "dataset": workload.dataset,
        "queries": workload.queries,
        "batch_size": workload.batch_size,
        "runs": score.runs,
        "gpu_wh_per_1k_queries": score.gpu_wh_per_1k_queries,
        "gpu_ci95_low": low,
        "gpu_ci95_high": high,
        "method": score.method,
        "gpu_net_wh_per_1k_queries": score.net_gpu_wh_per_1k_queries,
        **{
            f"gpu_{phase}_wh_per_1k_queries": part and part.gpu_wh_per_1k_queries
            for phase, part in ((phase, score.phases.get(phase)) for phase in PHASES)
        },
        "system_wh_per_1k_queries": score.system_wh_per_1k_queries,
        "system_ci95_low": system_low,
        "system_ci95_high": system_high,
        "system_method": score.system_method,
        "stars": rating.stars,
        "stars_relative_to": rating.scale,
        "stars_basis": rating.basis if rating.stars else None,
        "stars_estimated": rating.estimated if rating.stars else None,
        **{
            f"stars_{stars}_probability": chance
            for stars, chance in enumerate(rating.probabilities or (None,) * 5, start=1)
        },
        # Sounds and pictures have none: that is no figure of 0.
        "mean_input_tokens": (sum(run.input_tokens for run in runs) / queries) or None,
        "mean_output_tokens": sum(run.output_tokens for run in runs) / queries,
        "mean_thinking_tokens": tokens_of(result).thinking,
        "reasoning_multiple": multiple and multiple.times,
        "reasoning_multiple_of": multiple and multiple.of,
        "mean_query_s": sum(run.duration_s for run in runs) / queries,
        **_footprint(entry),
        "hardware": result.hardware,
        "device": result.protocol.device,
        "quick": result.protocol.quick,
        "official": result.official,
        "valid": result.valid,
        "reason": rating.reason or score.reason,
        "cautions": ";".join(dict.fromkeys(one.code for one in result.cautions)),
        "created_at": result.created_at,
        "energyscore": result.environment.energyscore,
        "file": entry.file,
    }


def _footprint(entry: RatedResult) -> dict[str, Any]:
    """CO2 and cost, where they were asked for."""
    if entry.footprint is None:
        row: dict[str, Any] = {field.name: None for field in fields(Footprint)}
    else:
        row = asdict(entry.footprint)
    return row | {"footprint_reason": row.pop("reason")}


def _cell(value: Any) -> str:
    """A spreadsheet must not take a name for a formula, nor a missing figure for 0."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value)
    return csv_text(value) if isinstance(value, str) else str(value)
