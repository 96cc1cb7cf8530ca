"""Rated results as CSV: fixed, versioned columns; empty where there is no figure."""

from collections.abc import Callable
from typing import Any, TypeAlias, get_args

from energyscore.base.text import csv_table
from energyscore.judge.cautions import cautions_on
from energyscore.judge.comparability import threads_of
from energyscore.judge.figures import GPU, SYSTEM, TIMES
from energyscore.judge.modes import tokens_of
from energyscore.judge.rating import RatedResult, Report
from energyscore.protocol.task import Phase
from energyscore.results.per_token import TOKEN_METRICS
from energyscore.results.performance import Performance
from energyscore.results.result import Result

CSV_VERSION = 5
"""Raised when a column is added, moved or changes its meaning."""

PHASES = get_args(Phase)
"""Every phase that a task may have; a task without one leaves its column empty."""


_NO_ENDS = (None, None)  # of an interval that is not known

_Value: TypeAlias = Callable[[RatedResult], Any]


def _mean(result: Result, name: str) -> float | None:
    """Of a query, over all runs; a screen's blocks have more of the longest ones. None: unknown."""
    if result.screen is not None and hasattr(result.workload, name):
        return float(getattr(result.workload, name) / result.workload.queries)
    values = [getattr(run, name) for run in result.runs]
    queries = sum(run.queries_done for run in result.runs)
    return None if None in values else float(sum(values) / queries)


def _phase(name: str) -> _Value:
    return lambda one: getattr(one.result.score.phases.get(name), "gpu_wh_per_1k_queries", None)


def _interval(one: RatedResult, metric: str) -> tuple[float | None, float | None]:
    """Derived, as files of older versions hold another."""
    summary = one.figure(metric).summary
    return (summary.ci95 if summary else None) or _NO_ENDS


def _per_token(name: str) -> _Value:
    return lambda one: one.result.score.per_token.get(name)


def _speed(figure: Callable[[Performance], float | None]) -> _Value:
    return lambda one: one.result.performance and figure(one.result.performance)


def _quality_ends(one: RatedResult) -> tuple[float | None, float | None]:
    quality = one.result.quality
    return (quality.ci95 if quality else None) or _NO_ENDS


def _caution_codes(result: Result) -> list[str]:
    """Each once: those of the result, and those that follow from how it was measured."""
    return list(dict.fromkeys(one.code for one in (*result.cautions, *cautions_on(result))))


def _load(name: str) -> _Value:
    return lambda one: getattr(one.result.load, name, None)


def _chance(stars: int) -> _Value:
    return lambda one: one.rating.probabilities and one.rating.probabilities[stars - 1]


def _footprint(name: str) -> _Value:
    return lambda one: getattr(one.footprint, name, None)  # None: it was not asked for


COLUMNS: dict[str, _Value] = {
    "csv_version": lambda one: CSV_VERSION,
    "task": lambda one: one.result.task.id,
    "task_version": lambda one: one.result.task.version,
    "model": lambda one: one.result.model.id,
    "revision": lambda one: one.result.model.revision,
    "model_class": lambda one: one.result.model.model_class,
    "parameters": lambda one: one.result.model.parameters,
    "dtype": lambda one: one.result.model.dtype,
    "quantization": lambda one: one.result.model.quantization,
    "weights": lambda one: one.result.model.weights,
    "reasoning": lambda one: one.result.mode,
    "max_new_tokens": lambda one: (one.result.workload.generation or {}).get("max_new_tokens"),
    "dataset": lambda one: one.result.workload.dataset,
    "queries": lambda one: one.result.workload.queries,
    "batch_size": lambda one: one.result.workload.batch_size,
    "runs": lambda one: one.result.score.runs,
    "gpu_wh_per_1k_queries": lambda one: one.result.score.gpu_wh_per_1k_queries,
    "gpu_ci95_low": lambda one: _interval(one, GPU)[0],
    "gpu_ci95_high": lambda one: _interval(one, GPU)[1],
    "method": lambda one: one.result.score.method,
    "gpu_net_wh_per_1k_queries": lambda one: one.result.score.net_gpu_wh_per_1k_queries,
    **{f"gpu_{phase}_wh_per_1k_queries": _phase(phase) for phase in PHASES},
    "system_wh_per_1k_queries": lambda one: one.result.score.system_wh_per_1k_queries,
    "system_ci95_low": lambda one: _interval(one, SYSTEM)[0],
    "system_ci95_high": lambda one: _interval(one, SYSTEM)[1],
    "system_method": lambda one: one.result.score.system_method,
    "stars": lambda one: one.rating.stars,
    "stars_relative_to": lambda one: one.rating.scale,
    "stars_basis": lambda one: one.rating.basis if one.rating.stars else None,
    "stars_estimated": lambda one: one.rating.estimated if one.rating.stars else None,
    **{f"stars_{stars}_probability": _chance(stars) for stars in range(1, 6)},
    # Sounds and pictures have none: that is no figure of 0.
    "mean_input_tokens": lambda one: _mean(one.result, "input_tokens") or None,
    "mean_output_tokens": lambda one: _mean(one.result, "output_tokens"),
    "mean_thinking_tokens": lambda one: tokens_of(one.result).thinking,
    "reasoning_multiple": lambda one: one.multiple and one.multiple.times,
    "reasoning_multiple_of": lambda one: one.multiple and one.multiple.of,
    "mean_query_s": lambda one: _mean(one.result, "duration_s"),
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
    "hardware": lambda one: one.result.hardware,
    "device": lambda one: one.result.protocol.device,
    "quick": lambda one: one.result.protocol.quick,
    "official": lambda one: one.result.official,
    "valid": lambda one: one.result.valid,
    "reason": lambda one: one.rating.reason or one.result.score.reason,
    "cautions": lambda one: ";".join(_caution_codes(one.result)),
    "created_at": lambda one: one.result.created_at,
    "energyscore": lambda one: one.result.environment.energyscore,
    "file": lambda one: one.file,
    "base_model": lambda one: one.result.model.base_model,
    "threads": lambda one: threads_of(one.result),
    "gpu_net_ci95_low": lambda one: (one.result.score.net_ci95 or _NO_ENDS)[0],
    "gpu_net_ci95_high": lambda one: (one.result.score.net_ci95 or _NO_ENDS)[1],
    **{name: _per_token(name) for name in TOKEN_METRICS},
    "queries_per_s": _speed(lambda speed: speed.queries_per_s),
    "output_tokens_per_s": _speed(lambda speed: speed.output_tokens_per_s),
    **{name: _speed(time) for name, time in TIMES.items() if name != "ttft_p90_s"},
    "quality_metric": lambda one: one.result.quality and one.result.quality.metric,
    "quality": lambda one: one.result.quality and one.result.quality.value,
    "quality_ci95_low": lambda one: _quality_ends(one)[0],
    "quality_ci95_high": lambda one: _quality_ends(one)[1],
    "quantized_on_load": lambda one: one.result.model.quantized_on_load,
    "attention": lambda one: one.result.model.attention,
    "compiled": lambda one: one.result.model.compiled,
    **{
        f"load_{name}": _load(name)
        for name in ("kind", "concurrency", "request_rate", "completed", "failed")
    },
    "joules_per_output_token": lambda one: one.result.score.joules_per_output_token,
}


def to_csv(report: Report) -> bytes:
    """A header and one row a result, as UTF-8 with plain line ends."""
    return csv_table(COLUMNS, ([value(one) for value in COLUMNS.values()] for one in report))
