"""The figures of a result: its headline, and those that limits can name, as in our CSV.

They are energies and times. The quality of answers can be limited too (`gate_quality`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, get_args

from energyscore.base.stats import Summary, summarize
from energyscore.base.units import format_joules, format_seconds, format_wh
from energyscore.protocol.task import Phase
from energyscore.results.per_token import (
    TOKEN_METRICS,
    TokenMetric,
    token_summary,
    why_not_per_token,
)
from energyscore.results.performance import Performance
from energyscore.results.result import Result
from energyscore.results.score import gpu_summary, phase_summary, system_summary

GPU = "gpu_wh_per_1k_queries"
SYSTEM = "system_wh_per_1k_queries"
UNIT = "Wh per 1,000 queries"
PHASES = {f"gpu_{phase}_wh_per_1k_queries": phase for phase in get_args(Phase)}
QUALITY = "quality"
SECONDS = "s"

_Time: TypeAlias = Callable[[Performance], float | None]


def _latency(name: str) -> _Time:
    return lambda speed: getattr(speed.latency_s, name, None)


def _first_token(name: str) -> _Time:
    return lambda speed: getattr(speed.time_to_first_token_s, name, None)


TIMES: dict[str, _Time] = {
    **{f"latency_{name}_s": _latency(name) for name in ("p50", "p90", "p99")},
    **{f"ttft_{name}_s": _first_token(name) for name in ("p50", "p90")},
}
"""Latency of queries and time to the first token, by their names in CSV and in limits."""

METRICS = (GPU, *PHASES, SYSTEM, *TOKEN_METRICS, *TIMES, QUALITY)

LEAST_WH = 1e-12  # what is below it is no measurement; a ratio to it would be none either

Basis = Literal["gpu", "system"]


@dataclass(frozen=True)
class Headline:
    """Energy of 1,000 queries: measured GPU energy, else the energy of processor and memory.

    `summary` has its mean over the runs, with the standard deviation and the 95% interval (both
    None for one run). `basis` is what was metered, `estimated` whether no meter did.
    """

    summary: Summary
    basis: Basis
    estimated: bool
    method: str

    @property
    def energy_wh(self) -> float:
        """The figure."""
        return self.summary.mean

    @property
    def runs(self) -> int:
        """How many runs it is the mean of."""
        return self.summary.count

    @property
    def ci95(self) -> tuple[float, float] | None:
        """The 95% interval: derived, as files of older versions hold another."""
        return self.summary.ci95

    @property
    def half_width(self) -> float | None:
        """Half the width of the interval, as a share of the figure."""
        return self.summary.half_width


class HowMetered(NamedTuple):
    """How a headline was obtained."""

    basis: Basis
    estimated: bool
    method: str


def metered_of(result: Result) -> HowMetered | None:
    """How the headline of a result was obtained; None where it has none."""
    score = result.score
    if score.gpu_wh_per_1k_queries is not None:
        return HowMetered("gpu", False, str(score.method))
    if score.system_wh_per_1k_queries is None:
        return None
    method = str(score.system_method)
    return HowMetered("system", method == "estimated", method)


def headline_of(result: Result) -> Headline | None:
    """The headline of a result; None when no energy was measured or estimated."""
    metered, of = metered_of(result), (result.score, result.runs, result.protocol.metered_gpus)
    summary = gpu_summary(*of) or system_summary(*of)
    return Headline(summary, *metered) if summary and metered else None


@dataclass(frozen=True)
class EnergyFigure:
    """One figure of a result, or the reason why there is none; `estimated`: by no meter."""

    summary: Summary | None
    reason: str = ""
    estimated: bool = False


def unit_of(metric: str) -> str:
    """The unit of a figure, for people: `J per output token`."""
    by_tokens = TOKEN_METRICS.get(metric)
    if metric == QUALITY:
        return "in the unit of its metric"
    if metric in TIMES:
        return SECONDS
    return by_tokens.unit if by_tokens else UNIT


def format_figure(value: float, metric: str) -> str:
    """A figure in Wh, J or s, in the multiple that fits."""
    if metric in TIMES:
        return format_seconds(value)
    return format_joules(value) if unit_of(metric).startswith("J") else format_wh(value)


def figure_of(result: Result, metric: str, gpu: Summary | None = None) -> EnergyFigure:
    """A figure of a result by its name, or why there is none; `gpu`: its GPU energy, if known."""
    score, of = result.score, (result.score, result.runs, result.protocol.metered_gpus)
    if metric == GPU:
        return _figure(gpu or gpu_summary(*of), score.reason)
    if metric == SYSTEM:
        estimated = score.system_method == "estimated"
        return _figure(system_summary(*of), score.system_reason, estimated=estimated)
    if metric in TOKEN_METRICS:
        return _by_tokens(result, TOKEN_METRICS[metric])
    if metric in TIMES:
        return _time(result, metric)
    part = score.phases.get(PHASES[metric])
    if part is None:
        return EnergyFigure(None, f"it has no phase {PHASES[metric]}")
    whole = gpu or gpu_summary(*of)
    return _figure(phase_summary(score, whole, PHASES[metric]), part.reason)


def _time(result: Result, metric: str) -> EnergyFigure:
    """The mean over the runs of a time, with their spread."""
    speeds = [run.performance for run in result.runs if run.performance is not None]
    if len(speeds) < len(result.runs):
        return EnergyFigure(None, "its speed was not recorded; measure again")
    known = [value for value in map(TIMES[metric], speeds) if value is not None]
    if len(known) == len(speeds):
        return EnergyFigure(summarize(known))
    return EnergyFigure(None, f"its work has no {metric}")


def _by_tokens(result: Result, metric: TokenMetric) -> EnergyFigure:
    whole = figure_of(result, GPU if metric.basis == "gpu" else SYSTEM)
    if whole.summary is None:
        return whole
    summary, why = token_summary(result, metric), why_not_per_token(result, metric)
    return EnergyFigure(summary, why, whole.estimated)


def _figure(summary: Summary | None, reason: str, *, estimated: bool = False) -> EnergyFigure:
    # A phase can come out at zero or below by its split; no ratio stands on that.
    if summary is None or summary.mean <= 0:
        reason = reason or "its energy is not above zero"
    elif summary.mean < LEAST_WH:
        reason = f"its energy is below {LEAST_WH:g} Wh: no meter tells so little"
    else:
        return EnergyFigure(summary, estimated=estimated)
    return EnergyFigure(None, reason, estimated)
