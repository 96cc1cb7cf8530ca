"""Results to choose among, each with its quality, and how two of them compare. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from energyscore.base.errors import UsageError, did_you_mean
from energyscore.judge.comparability import meter_uncertainty
from energyscore.judge.effect import Effect, compare_samples
from energyscore.judge.figures import LEAST_WH
from energyscore.judge.qualities import DRAWS, QualityContrast, contrast, less_is_better
from energyscore.judge.rating import NO_TASK, RatedResult
from energyscore.judge.unratable import why_no_figure
from energyscore.results.quality import Quality

NO_QUALITY = "its quality was not measured"


@dataclass(frozen=True)
class Contender:
    """A result to choose among, and its quality, or the reason why there is none.

    `reported`: where a quality that was not measured here stands; empty for one that was.
    """

    entry: RatedResult
    quality: Quality | None
    no_quality: str = ""
    reported: str = ""

    @property
    def energy_wh(self) -> float:
        """Its headline."""
        return self.entry.rating.energy_wh or 0.0

    @property
    def latency_s(self) -> float | None:
        """The 90th percentile; None where it was not recorded."""
        speed = self.entry.result.performance
        return speed.latency_s.p90 if speed and speed.latency_s else None

    @property
    def ttft_s(self) -> float | None:
        """The 90th percentile of the time to the first token; None where there is none."""
        speed = self.entry.result.performance
        first = speed.time_to_first_token_s if speed else None
        return first.p90 if first else None

    @property
    def tokens_per_s(self) -> float | None:
        """Output tokens a second; None where it writes none, or it was not recorded."""
        speed = self.entry.result.performance
        return speed.output_tokens_per_s if speed else None

    @property
    def queries_per_s(self) -> float | None:
        """Queries a second; None where it was not recorded."""
        speed = self.entry.result.performance
        return speed.queries_per_s if speed else None


def candidates_of(
    entries: Sequence[RatedResult], task: str | None, metric: str | None
) -> list[Contender]:
    """The results of one task, each with the quality that was measured with it.

    Raises:
        UsageError: where there is no such task or metric, or there are several tasks.
    """
    tasks = sorted({entry.result.task.id for entry in entries})
    if task is not None and task not in tasks:
        raise UsageError(f"No result is of the task {task!r}.", did_you_mean(task, tasks))
    if task is None and len(tasks) > 1:
        raise UsageError(f"The results are of {len(tasks)} tasks.", f"--task {' or '.join(tasks)}.")
    chosen = [entry for entry in entries if entry.result.task.id == (task or tasks[0])]
    qualities = [entry.result.quality for entry in chosen if entry.result.quality]
    known = {name for one in qualities for name in (one.metric, *one.beside)}
    if metric is not None and known and metric not in known:
        raise UsageError(f"No result has the metric {metric!r}.", did_you_mean(metric, known))
    return [contender_of(entry, metric) for entry in chosen]


def contender_of(entry: RatedResult, metric: str | None = None) -> Contender:
    """A result with the quality that was measured with it, in its own metric or in this one."""
    quality = entry.result.quality
    if quality is None:
        return Contender(entry, None, NO_QUALITY)
    if metric not in (None, quality.metric):
        if metric not in quality.beside:
            return Contender(entry, None, f"it has no {metric}, but {quality.metric}")
        change = {"metric": metric, "value": quality.beside[metric], "ci95": None, "items": None}
        change["higher_is_better"] = not less_is_better(metric)
        quality = quality.model_copy(update=change)
    if quality.value is None:
        return Contender(entry, None, quality.reason or "it has no value")
    return Contender(entry, quality)


def why_no_candidate(entry: RatedResult) -> str:
    """Why a result has no energy to choose by; empty where it has."""
    if reason := why_no_figure(entry.result):
        return reason
    if entry.result.of_function:
        return NO_TASK
    return "" if (entry.rating.energy_wh or 0.0) >= LEAST_WH else "its energy is not above zero"


def effect_between(one: Contender, other: Contender) -> Effect:
    """How the energy of `other` compares: `ratio` is its energy over that of `one`."""
    assert one.entry.headline is not None
    assert other.entry.headline is not None
    common = meter_uncertainty(one.entry.result, other.entry.result)
    return compare_samples(one.entry.headline.summary, other.entry.headline.summary, common)


def quality_between(one: Contender, other: Contender, draws: int = DRAWS) -> QualityContrast | None:
    """By how much `one` is better than `other`; None where one has no quality."""
    if one.quality is None or other.quality is None:
        return None
    return contrast(one.quality, other.quality, draws)
