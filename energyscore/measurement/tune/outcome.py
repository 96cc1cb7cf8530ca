"""What a trial came to, by its result and the limits. Pure."""

from collections.abc import Callable

from energyscore.base.units import format_bytes, format_seconds
from energyscore.measurement.tune.request import Limits
from energyscore.measurement.tune.space import Settings, TrialOutcome, TrialStatus
from energyscore.results.result import Result


def outcome_of(
    settings: Settings, result: Result, limits: Limits, quality_lost: str = ""
) -> TrialOutcome:
    """The outcome of a trial; `quality_lost`: why its quality does not do, empty where it does."""
    energy_wh, ci95, why_none = _energy(result)
    speed, memory = result.performance, result.memory
    latency_s = speed.latency_s.p90 if speed and speed.latency_s else None
    memory_bytes = (memory.peak_gpu_bytes or memory.weights_bytes) if memory else None
    status: TrialStatus = "measured"
    reason = _past("latency (p90)", latency_s, limits.latency_s, format_seconds)
    if not result.valid:
        status, reason = "invalid", "; ".join(result.invalid_reasons)
    elif energy_wh is None:
        status, reason = "failed", why_none
    elif reason:
        status = "over_latency"
    elif reason := _past("memory", memory_bytes, limits.memory_bytes, format_bytes):
        status = "over_memory"
    elif quality_lost:
        status, reason = "quality_lost", quality_lost
    elif getattr(result.screen, "beaten", False):
        status, reason = "beaten", "ended early: it surely needs more than the best"
    return TrialOutcome(settings, status, energy_wh, ci95, latency_s, memory_bytes, reason)


def _energy(result: Result) -> tuple[float | None, tuple[float, float] | None, str]:
    """That of the GPUs where they were metered, else that of the system; or why there is none."""
    score = result.score
    if score.gpu_wh_per_1k_queries is not None:
        return score.gpu_wh_per_1k_queries, score.ci95, ""
    if result.protocol.metered_gpus or score.system_wh_per_1k_queries is None:
        return None, None, score.reason or score.system_reason
    return score.system_wh_per_1k_queries, score.system_ci95, ""


def _past(what: str, value: float | None, limit: float | None, show: Callable[[float], str]) -> str:
    """Why a figure does not keep to a limit; empty where it does, or there is none."""
    if limit is None:
        return ""
    if value is None:
        return f"its {what} is not known"
    return f"{what} {show(value)}, above {show(limit)}" if value > limit else ""
