"""The way from today's energy to the recommended as a picture: a bar a step, from the top down.

Bars lie: names and figures stand over them in the whole width, so that they can be read on a phone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from energyscore.base.units import format_number, format_wh
from energyscore.publish.advice.form import AdviceReport, AdviceStep, Change
from energyscore.publish.advice.text import CHANGES, answer_of, title_of
from energyscore.publish.drawings import drawing
from energyscore.publish.typesetting import Step, fit, text_width

WIDTHS = {"wide": 720, "narrow": 340}
"""How wide it is drawn, by the screen that it is for, in px."""

FONT_PX = 12
_LINE_PX = 16.0
_BAR_PX, _GAP_PX = 14.0, 14.0
_LEAST_PX = 2.0  # of a bar: what is tiny is still seen
_ALONE_PX, _EDGE_PX = 360, 12.0  # of the picture that stands alone

_WORDS: dict[Change, str] = CHANGES | {"mode": "another mode"}
"""In few words, since a figure stands beside them."""

Kind = Literal["total", "fall", "rise"]


@dataclass(frozen=True)
class WaterfallBar:
    """A bar with what stands over it; `y` is the base line of its first text, all in px.

    An undecided one is a step that may as well be none: 1 lies in the interval of its ratio.
    """

    kind: Kind
    undecided: bool
    what: str
    figure: str
    name: tuple[str, ...]
    y: float
    name_y: tuple[float, ...]
    top: float
    x: float
    width: float


@dataclass(frozen=True)
class Waterfall:
    """The picture, in px; `text` says in words what it shows."""

    screen: str
    width: float
    height: float
    bar_px: float
    bars: list[WaterfallBar]
    title: str
    text: str


@dataclass(frozen=True)
class _Told:
    """A bar's content: from where to where it reaches, in Wh, and its words."""

    kind: Kind
    undecided: bool
    what: str
    figure: str
    name: str
    low: float
    high: float


def waterfalls_of(report: AdviceReport) -> list[Waterfall]:
    """The picture for wide screens and for narrow ones; none where nothing is recommended."""
    if not report.waterfall:
        return []
    return [_waterfall(report, screen, width) for screen, width in WIDTHS.items()]


def waterfall_svg(report: AdviceReport) -> str:
    """The picture as an SVG that stands alone; `report` recommends something."""
    picture = _waterfall(report, "alone", _ALONE_PX - 2 * _EDGE_PX)
    title = fit(picture.title, picture.width, (Step(FONT_PX, 2),), bold=True, prose=True)
    return drawing("waterfall.svg").render(
        picture=picture, title=title.lines, edge=_EDGE_PX, line=_LINE_PX
    )


def _waterfall(report: AdviceReport, screen: str, width: float) -> Waterfall:
    told = _told(report)
    most = max(one.high for one in told) or 1.0
    bars: list[WaterfallBar] = []
    below = 0.0
    for one in told:
        bar = _placed(one, below, width, most)
        bars.append(bar)
        below = bar.top + _BAR_PX + _GAP_PX
    words = [f"{one.what}, {one.name}: {one.figure}." for one in told]
    text = " ".join([*answer_of(report)[:1], *words])
    return Waterfall(screen, width, below - _GAP_PX, _BAR_PX, bars, title_of(report), text)


def _placed(one: _Told, above: float, width: float, most: float) -> WaterfallBar:
    """A bar under `above`; figures go from 0 to `most` in the width."""
    y = above + FONT_PX
    beside = width - text_width(one.figure, FONT_PX, bold=True) - FONT_PX
    what = fit(one.what, beside, (Step(FONT_PX, 1),), prose=True).lines[0]
    lines = fit(one.name, width, (Step(FONT_PX, 2),)).lines
    name_y = tuple(y + _LINE_PX * place for place in range(1, len(lines) + 1))
    low, high = (end / most * width for end in (one.low, one.high))
    size = max(high - low, _LEAST_PX)
    return WaterfallBar(
        one.kind,
        one.undecided,
        what,
        one.figure,
        lines,
        y,
        name_y,
        name_y[-1] + 6,
        min(low, width - size),
        size,
    )


def _told(report: AdviceReport) -> list[_Told]:
    """Today, each step, and the recommended; today alone where it is to be kept."""
    first, last = report.waterfall[0], report.waterfall[-1]
    if not report.steps:
        return [_total("today, and recommended", first.name, first.wh)]
    heights = [bar.wh for bar in report.waterfall]
    steps = [
        _step(step, before, after)
        for step, before, after in zip(report.steps, heights, heights[1:], strict=False)
    ]
    return [
        _total("today", first.name, first.wh),
        *steps,
        _total("recommended", _names(report), last.wh),
    ]


def _total(what: str, name: str, wh: float) -> _Told:
    return _Told("total", False, what, format_wh(wh), name, 0.0, wh)


def _step(step: AdviceStep, before: float, after: float) -> _Told:
    rises = after > before
    undecided = step.ci95 is not None and step.ci95[0] <= 1 <= step.ci95[1]
    sign = "+" if rises else "-" * (after < before)
    percent = format_number(abs(step.ratio - 1) * 100)
    figure = f"{sign}{format_wh(abs(after - before))}, {sign}{percent}%{', undecided' * undecided}"
    ends = sorted((before, after))
    kind: Kind = "rise" if rises else "fall"
    return _Told(kind, undecided, _WORDS[step.change], figure, step.name, *ends)


def _names(report: AdviceReport) -> str:
    """The recommended one, and the policy where it is a step of its own."""
    best = report.recommended
    parts: Sequence[str] = [best.model] if best is not None else []
    if report.steps[-1].change == "when":
        parts = [*parts, report.waterfall[-1].name]
    return ", ".join(parts)
