"""Energy by tokens, in joules of one and in Wh of a million: the same figure in two units. Pure.

It is the whole energy of a run, that of all its phases, over the tokens of the run without padding:
those that were generated, or, where no text is generated, those that were read.
"""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

from energyscore.base.stats import Summary, summarize
from energyscore.base.units import JOULES_PER_WH
from energyscore.results.result import Result
from energyscore.results.score import gpu_domains, gpu_summary, system_domains, system_summary

Basis: TypeAlias = Literal["gpu", "system"]
"""Which energy is divided."""

Tokens: TypeAlias = Literal["output", "input"]
"""Which tokens are counted."""

NO_TOKENS = "no tokens were counted in this work"
NO_COUNT = "the server does not tell how many tokens it read and wrote"
NO_TEXT = {
    "output": "no text was generated: the tokens of the input are counted",
    "input": "text was generated: the tokens of the output are counted",
}
"""Why tokens of one kind are not counted where those of the other are."""


@dataclass(frozen=True)
class TokenMetric:
    """A figure by tokens; `factor` makes it of joules a token."""

    basis: Basis
    tokens: Tokens
    unit: str
    factor: float


def _metrics_of(basis: Basis, tokens: Tokens) -> dict[str, TokenMetric]:
    units = {
        f"{basis}_wh_per_1m_{tokens}_tokens": (f"Wh per 1M {tokens} tokens", 1e6 / JOULES_PER_WH),
        f"{basis}_joules_per_{tokens}_token": (f"J per {tokens} token", 1.0),
    }
    return {name: TokenMetric(basis, tokens, *unit) for name, unit in units.items()}


TOKEN_METRICS = {
    **_metrics_of("gpu", "output"),
    **_metrics_of("gpu", "input"),
    **_metrics_of("system", "output"),
    **_metrics_of("system", "input"),
}
"""The figures by the names that they have in results, in CSV and in limits."""


def tokens_counted(result: Result) -> Tokens | None:
    """Which tokens its energy is divided by; None where there are none of text."""
    runs = result.runs
    if _are_unknown(result):
        return None
    if any(run.output_tokens for run in runs):
        return "output" if all(run.output_tokens for run in runs) else None
    # Images take their energy by steps and size, whatever was asked for.
    read = all(run.input_tokens for run in runs) and "call" not in result.score.phases
    return "input" if read else None


def token_summary(result: Result, metric: TokenMetric) -> Summary | None:
    """Mean over the runs, with spread and interval, of a figure by tokens; None where it has none.

    What the steps of the meter leave open is the same share as of the whole energy.
    """
    of = (result.score, result.runs, result.protocol.metered_gpus)
    whole = gpu_summary(*of) if metric.basis == "gpu" else system_summary(*of)
    values = _joules_per_token(result, metric.basis)
    if whole is None or not values or tokens_counted(result) != metric.tokens:
        return None
    if result.screen is not None:
        share = metric.factor * values[0] / whole.mean
        std = None if whole.std is None else whole.std * share
        return Summary(whole.mean * share, std, whole.count)
    found = summarize([metric.factor * value for value in values])
    return replace(found, run_se=whole.run_se * found.mean / whole.mean)


def why_not_per_token(result: Result, metric: TokenMetric) -> str:
    """Why there is no such figure; empty where there is one."""
    score, counted = result.score, tokens_counted(result)
    if _whole_wh(result, metric.basis) is None:
        return score.reason if metric.basis == "gpu" else score.system_reason
    if counted is None:
        return NO_COUNT if _are_unknown(result) else NO_TOKENS
    return "" if counted == metric.tokens else NO_TEXT[metric.tokens]


def energy_per_token(result: Result) -> dict[str, float | None]:
    """All figures by tokens, by name: None where there is none."""
    counted = tokens_counted(result)
    known = {basis: _joules_per_token(result, basis) for basis in get_args(Basis)}
    means = {basis: statistics.fmean(values) for basis, values in known.items() if values}
    return {
        name: metric.factor * means[metric.basis]
        if metric.tokens == counted and metric.basis in means
        else None
        for name, metric in TOKEN_METRICS.items()
    }


def joules_per_output_token(result: Result, figures: Mapping[str, float | None]) -> float | None:
    """Of these figures the one that is shown first: of the GPUs, else of the system."""
    basis = "gpu" if result.protocol.metered_gpus else "system"
    return figures.get(f"{basis}_joules_per_output_token")


def with_per_token(result: Result) -> Result:
    """A result with its energy by tokens: older files have none, but what it follows from."""
    if result.score.per_token:
        return result
    figures = energy_per_token(result)
    reasons = {
        name: why_not_per_token(result, TOKEN_METRICS[name])
        for name, figure in figures.items()
        if figure is None
    }
    change = {
        "per_token": figures,
        "per_token_reasons": reasons,
        "joules_per_output_token": joules_per_output_token(result, figures),
    }
    return result.model_copy(update={"score": result.score.model_copy(update=change)})


def _are_unknown(result: Result) -> bool:
    """Whether a server does not tell what it wrote, or what it read where nothing is written."""
    written = [run.output_tokens for run in result.runs]
    read = [run.input_tokens for run in result.runs]
    return None in written or (None in read and not any(written))


def _whole_wh(result: Result, basis: Basis) -> float | None:
    score = result.score
    return score.gpu_wh_per_1k_queries if basis == "gpu" else score.system_wh_per_1k_queries


def _joules_per_token(result: Result, basis: Basis) -> list[float]:
    """Joules a token of each run; none where one has no energy."""
    counted = tokens_counted(result)
    whole_wh = _whole_wh(result, basis)
    if counted is None or whole_wh is None:
        return []
    if result.screen is not None:  # its blocks are not alike: of the pass that is predicted
        work = result.workload
        tokens = work.output_tokens if counted == "output" else work.input_tokens
        pass_j = whole_wh * JOULES_PER_WH / 1000 * work.queries
        return [pass_j / tokens] if tokens else []
    gpus = result.protocol.metered_gpus
    domains = gpu_domains(gpus) if basis == "gpu" else system_domains(result.runs, gpus)
    values = []
    for run in result.runs:
        if (energy_j := run.total_j(domains)) is None:
            return []
        tokens = run.output_tokens if counted == "output" else run.input_tokens
        assert tokens  # else they would not be counted
        values.append(energy_j / tokens)
    return values
