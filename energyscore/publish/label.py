"""The energy label of one result: 260 x 364 px, as SVG, PNG and PDF.

It shows the model, when it was scored, the task, the hardware, the energy in Wh per 1,000 queries,
five stars and a link. Whatever makes the figure another thing than measured GPU energy rated
against a reference stands on it too: an estimate, processor and memory only, a cohort. Without
stars it says why; a result that is invalid shows no energy either. The same result gives the
same bytes.
"""

import math
from collections.abc import Iterator
from typing import Any

from energyscore.base.units import format_number
from energyscore.judge.cautions import is_quick
from energyscore.judge.rating import RatedResult
from energyscore.publish import margins, wording
from energyscore.publish.drawings import drawing
from energyscore.publish.typesetting import Fitted, Step, fit, plain, text_width
from energyscore.results.result import Result

_LEFT, _RIGHT, _VALUES = 16, 244, 78  # the margins, and where the values of the rows begin
_ROOM = _RIGHT - _LEFT - 2  # for texts: in a PNG, widths of characters are rounded
_NAME_STEPS = (
    *(Step(20, 1), Step(18, 1), Step(16, 1), Step(14, 1), Step(16, 2), Step(14, 2), Step(13, 2)),
    Step(12, 3),
)
_VALUE_STEPS = (Step(11, 1), Step(10, 1), Step(10, 2), Step(9, 2))
_CORNERS = [
    (math.sin(turn * math.pi / 5) * reach, math.cos(turn * math.pi / 5) * reach)
    for turn, reach in enumerate((1, 0.45) * 5)
]
"""Of a star of five points, one of them up."""


def label_svg(entry: RatedResult, link: str | None = None) -> str:
    """The label as an SVG that stands alone, and can stand in an HTML page.

    `link` is the address to show; None shows the model's page, if it has one on the hub.
    """
    link = _link(entry) if link is None else link
    result, rating = entry.result, entry.rating
    version = f"energyscore {result.environment.energyscore}"
    given = f"{rating.stars} of 5, {wording.relative_to(rating)}"
    address = link.removeprefix("https://").removeprefix("http://")
    return drawing("label.svg").render(
        title=label_title(entry),
        description=_description(entry, link),
        version=fit(version, _ROOM / 2, (Step(9, 1),)),
        name=fit(entry.title, _ROOM, _NAME_STEPS, bold=True),
        rows=_rows(result),
        basis=_basis(entry),
        flags=list(_flags(_cautions(entry))),
        stars=rating.stars,
        pale=wording.is_pale(rating),
        corners=_CORNERS,
        reason=fit(rating.reason, _ROOM, (Step(9, 3),), prose=True),
        given=fit(given, _ROOM, (Step(10, 1), Step(9, 2)), bold=True),
        address=fit(address, _ROOM, (Step(9, 1), Step(8, 1))),
        **_figure(entry),
    )


def label_png(entry: RatedResult, link: str | None = None, *, zoom: int = 1) -> bytes:
    """The label as a PNG of 260 x 364 pixels, times `zoom`; see `svg_print` for what it raises."""
    from energyscore.publish.svg_print import to_png

    return to_png(label_svg(entry, link), zoom)


def label_pdf(entry: RatedResult, link: str | None = None) -> bytes:
    """The label as a PDF of one page, 195 x 273 pt (260 x 364 px at 96 an inch)."""
    from energyscore.publish.svg_print import to_pdf

    return to_pdf(label_svg(entry, link), _link(entry) if link is None else link)


def label_title(entry: RatedResult) -> str:
    """The label in one line: its alternative text."""
    what = f"{plain(entry.title)}, {wording.task_name(entry.result)}"
    return f"Energy label of {what}: {wording.energy(entry)}; {wording.verdict(entry.rating)}"


def _link(entry: RatedResult) -> str:
    model = entry.result.model
    return f"https://huggingface.co/{plain(model.id)}" if model.source == "hub" else ""


def _rows(result: Result) -> list[tuple[float, str, Fitted]]:
    """The rows under the name: the height of each, what it is, and its value."""
    values = {
        "Task": wording.task_name(result),
        "Scored": wording.month(result),
        "Hardware": result.hardware,
    }
    fits = [
        (name, fit(value, _ROOM + _LEFT - _VALUES, _VALUE_STEPS, bold=True))
        for name, value in values.items()
    ]
    space = (56 - 11.5 * sum(len(fitted.lines) for _, fitted in fits)) / 3
    rows, y = [], 115.0
    for name, fitted in fits:
        rows.append((y, name, fitted))
        y += 11.5 * len(fitted.lines) + space
    return rows


def _figure(entry: RatedResult) -> dict[str, Any]:
    """The energy, or the word that stands for it."""
    energy_wh = entry.rating.energy_wh
    if energy_wh is None or not entry.result.valid:
        return {"missing": "not measured" if energy_wh is None else "invalid"}
    figure = fit(format_number(energy_wh), 132, (Step(32, 1), Step(26, 1), Step(20, 1)), bold=True)
    width = text_width(figure.lines[0], figure.size_px, bold=True)
    unit_x, interval = _LEFT + width + 6, _interval(entry)
    return {"missing": "", "figure": figure, "unit_x": unit_x, "interval": interval}


def _flags(names: list[str]) -> Iterator[tuple[float, float, float, str]]:
    """Words in boxes, in as many rows as they take: left, top, width."""
    x, y = float(_LEFT), 243.0
    for name in names:
        width = text_width(name, 9, bold=True) + 10
        if x + width > _RIGHT:
            x, y = float(_LEFT), y + 18
        yield x, y, width, name
        x += width + 5


def _basis(entry: RatedResult) -> str:
    known = entry.rating.basis is not None
    return f"Inference energy, {wording.metered(entry)}" if known else "Inference energy"


def _interval(entry: RatedResult) -> str:
    if wording.interval(entry) is None:
        return wording.margin(entry)
    share = margins.signed(wording.share(entry))
    runs = "blocks of a screen" if entry.result.screen else "runs"
    return f"{share} (95 % interval of {entry.result.score.runs} {runs})"


def _cautions(entry: RatedResult) -> list[str]:
    """What sets a figure apart from the energy of a GPU, measured by the whole protocol."""
    result, rating = entry.result, entry.rating
    words = {
        "estimated": rating.estimated,
        "no GPU energy": rating.basis == "system",
        f"{rating.scale}": rating.kind == "cohort",
        "random weights": result.model.weights == "random",
        "quick run": is_quick(result),
    }
    return [word for word, applies in words.items() if applies]


def _description(entry: RatedResult, link: str) -> str:
    """All that the label says, whole, and what it has no room for."""
    result, rating = entry.result, entry.rating
    model = result.model
    precision = model.precision + (
        f", quantized: {model.quantization}" if model.quantization else ""
    )
    parts = [
        f"Model: {model.id}",
        f"revision: {model.revision}" if model.revision else "",
        f"precision: {precision}",
        "weights: random" if model.weights == "random" else "",
        f"task: {wording.task_name(result)}",
        f"scored: {result.created_at}",
        f"hardware: {result.hardware}",
        _basis(entry),
        wording.energy(entry),
        _interval(entry) if rating.energy_wh is not None and result.valid else "",
        "a quick run" if is_quick(result) else "",
        wording.verdict(rating),
        f"departs from the reference's protocol in: {'; '.join(map(str, rating.departures))}"
        if rating.departures
        else "",
        f"energyscore {result.environment.energyscore}",
        link,
    ]
    return "; ".join(plain(part) for part in parts if part)
