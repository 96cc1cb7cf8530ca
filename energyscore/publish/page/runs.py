"""The runs of a result: the figure of each, and the drawing of them all. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from energyscore.judge.rating import Rating
from energyscore.publish.margins import with_decimals
from energyscore.publish.page.axes import LinearAxis
from energyscore.publish.page.words import basis_of, bounds_of, decimals_of, duration_of, second_of
from energyscore.results.result import Result, Run
from energyscore.results.score import figures_of

HEIGHT = 190
WIDTHS = {"wide": 640, "narrow": 340}
_TOP, _BOTTOM = 16, HEIGHT - 34
_BESIDE, _CHARACTER, _LAST = 12, 7, 16  # px: around the mean's figure, of its digits, at the end


@dataclass(frozen=True)
class RunRow:
    """One run in words."""

    number: int
    energy: str
    method: str
    duration: str
    queries: str
    passes: str
    tokens: str
    started: str
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Dot:
    """One run in the drawing."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Strip:
    """The runs one after another: their figures, the mean, and its interval as a band, in px."""

    dots: tuple[Dot, ...]
    mean: float
    mean_text: str
    band: tuple[float, float] | None
    summary: str
    shape: str
    kind: str
    width: int
    left: int
    right: int
    height: int = HEIGHT


@dataclass(frozen=True)
class RunTable:
    """All runs; `strips`, wide and narrow, are none for fewer than two figures."""

    rows: tuple[RunRow, ...]
    strips: tuple[Strip, ...]
    thinking: bool


def runs_of(result: Result, rating: Rating) -> RunTable:
    """The runs, with the figure of each that the result's figure is the mean of."""
    gpus = result.protocol.metered_gpus if rating.basis != "system" else []
    figures = figures_of(result.runs, gpus)
    by_run: list[float | None] = list(figures)
    if not figures:
        by_run = [next(iter(figures_of([run], gpus)), None) for run in result.runs]
    decimals = decimals_of(result, rating)
    return RunTable(
        rows=tuple(_row(run, one, decimals) for run, one in zip(result.runs, by_run, strict=True)),
        strips=_strips(result, rating, figures),
        thinking=any(run.thinking_tokens is not None for run in result.runs),
    )


def _row(run: Run, figure: float | None, decimals: int | None) -> RunRow:
    methods = {method.replace("_", " ") for method in run.methods.values() if method}
    thinking = "" if run.thinking_tokens is None else f" ({run.thinking_tokens:,} thinking)"
    return RunRow(
        number=run.index + 1,
        energy="not known" if figure is None else f"{with_decimals(figure, decimals)} Wh",
        method=", ".join(sorted(methods)) or "none",
        duration=duration_of(run.duration_s),
        queries=f"{run.queries:,}",
        passes=f"{run.passes:,}",
        tokens=", ".join(
            f"{count:,} {word}"
            for count, word in ((run.input_tokens, "in"), (run.output_tokens, f"out{thinking}"))
            if count
        )
        or "none",
        started=second_of(run.started_at),
        remarks=(
            *(f"{domain}: {why}" for domain, why in run.reasons.items()),
            *(notice.message for notice in run.notices),
        ),
    )


def _strips(result: Result, rating: Rating, figures: Sequence[float]) -> tuple[Strip, ...]:
    mean = rating.energy_wh
    if len(figures) < 2 or mean is None:
        return ()
    return tuple(_strip(result, rating, figures, mean, kind) for kind in WIDTHS)


def _strip(
    result: Result, rating: Rating, figures: Sequence[float], mean: float, kind: str
) -> Strip:
    interval = bounds_of(result, rating)
    decimals = decimals_of(result, rating)

    def shown(figure: float) -> str:
        return with_decimals(figure, decimals)

    all_figures = [*figures, mean, *(interval or ())]
    low, high = min(all_figures), max(all_figures)
    # Runs that agree must not look apart: the axis spans two per cent at least.
    room = max((high - low) * 0.1, 0.01 * mean - (high - low) / 2, mean * 1e-9, 1e-300)
    up = LinearAxis(low - room, high + room, _BOTTOM, _TOP)
    width = WIDTHS[kind]
    left, right = _BESIDE + _CHARACTER * len(shown(mean)), width - _LAST
    step = (right - left) / len(figures)
    dots = tuple(
        Dot(
            round(left + step * (place + 0.5), 1),
            round(up.at(figure), 1),
            f"run {run.index + 1}: {shown(figure)} Wh",
        )
        for place, (run, figure) in enumerate(zip(result.runs, figures, strict=True))
    )
    return Strip(
        dots=dots,
        mean=round(up.at(mean), 1),
        mean_text=shown(mean),
        band=(round(up.at(interval[1]), 1), round(up.at(interval[0]), 1)) if interval else None,
        shape=basis_of(result, rating).key,
        kind=kind,
        width=width,
        left=left,
        right=right,
        summary=f"{len(figures)} runs from {shown(min(figures))} to {shown(max(figures))} Wh per "
        f"1,000 queries, their mean {shown(mean)} Wh."
        + (
            f" The 95 % interval of the mean is {shown(interval[0])} to {shown(interval[1])} Wh."
            if interval
            else ""
        ),
    )
