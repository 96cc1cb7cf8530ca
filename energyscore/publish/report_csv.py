"""Rated results as CSV: fixed, versioned columns; empty where there is no figure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, get_args

from energyscore.base.text import csv_table
from energyscore.judge.modes import Multiple, multiples_of, tokens_of
from energyscore.judge.rating import RatedResult, Rating, Report
from energyscore.protocol.task import Phase
from energyscore.results.parts import Score
from energyscore.results.result import Result

CSV_VERSION = 1
"""Raised when a column is added, moved or changes its meaning."""

PHASES = get_args(Phase)
"""Every phase that a task may have; a task without one leaves its column empty."""


@dataclass(frozen=True)
class _Row:
    entry: RatedResult
    multiple: Multiple | None

    @property
    def result(self) -> Result:
        return self.entry.result

    @property
    def rating(self) -> Rating:
        return self.entry.rating

    @property
    def score(self) -> Score:
        return self.entry.result.score

    def end(self, name: str, place: int) -> float | None:
        ends = getattr(self.score, name)
        return ends[place] if ends else None

    def mean(self, name: str) -> float:
        """Of a query, over all runs."""
        runs = self.result.runs
        return float(sum(getattr(run, name) for run in runs) / sum(run.queries for run in runs))

    def phase_wh(self, name: str) -> float | None:
        part = self.score.phases.get(name)
        return None if part is None else part.gpu_wh_per_1k_queries

    def footprint(self, name: str) -> Any:
        return getattr(self.entry.footprint, name, None)  # None: it was not asked for


_Value: TypeAlias = Callable[[_Row], Any]


def _phase(name: str) -> _Value:
    return lambda row: row.phase_wh(name)


def _chance(stars: int) -> _Value:
    return lambda row: row.rating.probabilities and row.rating.probabilities[stars - 1]


def _footprint(name: str) -> _Value:
    return lambda row: row.footprint(name)


COLUMNS: dict[str, _Value] = {
    "csv_version": lambda row: CSV_VERSION,
    "task": lambda row: row.result.task.id,
    "task_version": lambda row: row.result.task.version,
    "model": lambda row: row.result.model.id,
    "revision": lambda row: row.result.model.revision,
    "model_class": lambda row: row.result.model.model_class,
    "parameters": lambda row: row.result.model.parameters,
    "dtype": lambda row: row.result.model.dtype,
    "quantization": lambda row: row.result.model.quantization,
    "weights": lambda row: row.result.model.weights,
    "reasoning": lambda row: row.result.mode,
    "max_new_tokens": lambda row: (row.result.workload.generation or {}).get("max_new_tokens"),
    "dataset": lambda row: row.result.workload.dataset,
    "queries": lambda row: row.result.workload.queries,
    "batch_size": lambda row: row.result.workload.batch_size,
    "runs": lambda row: row.score.runs,
    "gpu_wh_per_1k_queries": lambda row: row.score.gpu_wh_per_1k_queries,
    "gpu_ci95_low": lambda row: row.end("ci95", 0),
    "gpu_ci95_high": lambda row: row.end("ci95", 1),
    "method": lambda row: row.score.method,
    "gpu_net_wh_per_1k_queries": lambda row: row.score.net_gpu_wh_per_1k_queries,
    **{f"gpu_{phase}_wh_per_1k_queries": _phase(phase) for phase in PHASES},
    "system_wh_per_1k_queries": lambda row: row.score.system_wh_per_1k_queries,
    "system_ci95_low": lambda row: row.end("system_ci95", 0),
    "system_ci95_high": lambda row: row.end("system_ci95", 1),
    "system_method": lambda row: row.score.system_method,
    "stars": lambda row: row.rating.stars,
    "stars_relative_to": lambda row: row.rating.scale,
    "stars_basis": lambda row: row.rating.basis if row.rating.stars else None,
    "stars_estimated": lambda row: row.rating.estimated if row.rating.stars else None,
    **{f"stars_{stars}_probability": _chance(stars) for stars in range(1, 6)},
    # Sounds and pictures have none: that is no figure of 0.
    "mean_input_tokens": lambda row: row.mean("input_tokens") or None,
    "mean_output_tokens": lambda row: row.mean("output_tokens"),
    "mean_thinking_tokens": lambda row: tokens_of(row.result).thinking,
    "reasoning_multiple": lambda row: row.multiple and row.multiple.times,
    "reasoning_multiple_of": lambda row: row.multiple and row.multiple.of,
    "mean_query_s": lambda row: row.mean("duration_s"),
    **{
        name: _footprint(name)
        for name in (
            *("gpu_co2_g_per_1k_queries", "system_co2_g_per_1k_queries"),
            *("country", "grid_g_per_kwh", "grid_source", "pue"),
            *("gpu_cost_per_1k_queries", "system_cost_per_1k_queries"),
            *("price_per_kwh", "currency"),
        )
    },
    "footprint_reason": _footprint("reason"),
    "hardware": lambda row: row.result.hardware,
    "device": lambda row: row.result.protocol.device,
    "quick": lambda row: row.result.protocol.quick,
    "official": lambda row: row.result.official,
    "valid": lambda row: row.result.valid,
    "reason": lambda row: row.rating.reason or row.score.reason,
    "cautions": lambda row: ";".join(dict.fromkeys(one.code for one in row.result.cautions)),
    "created_at": lambda row: row.result.created_at,
    "energyscore": lambda row: row.result.environment.energyscore,
    "file": lambda row: row.entry.file,
}


def to_csv(report: Report) -> bytes:
    """A header and one row a result, as UTF-8 with plain line ends."""
    multiples = multiples_of([entry.result for entry in report])
    rows = (_Row(entry, multiple) for entry, multiple in zip(report, multiples, strict=True))
    return csv_table(COLUMNS, ([value(row) for value in COLUMNS.values()] for row in rows))
