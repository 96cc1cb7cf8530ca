"""The energy label of one result: 260 x 364 px, as SVG, PNG and PDF.

It shows the model, when it was scored, the task, the hardware, the energy in Wh per 1,000 queries,
five stars and a link. Whatever makes the figure another thing than measured GPU energy rated
against a reference stands on it too: an estimate, processor and memory only, a cohort. Without
stars it says why; a result that is invalid shows no energy either. The same result gives the
same bytes.
"""

from energyscore.base.units import format_number
from energyscore.judge.rating import RatedResult
from energyscore.publish import svg, wording
from energyscore.publish.typesetting import Step, fit, plain, text_width
from energyscore.results.result import Result

WIDTH, HEIGHT, MARGIN = 260, 364, 16

_GREEN, _WHITE = "#1f8a3b", "#ffffff"
_EMPTY = (_WHITE, "#b9c4bb")
_FAINT = "#bfe0c8"  # of stars that stand on an estimate, or among two models
_CAUTION, _CAUTION_GROUND = "#8a4b00", "#fff3dc"
_INNER = WIDTH - 2 * MARGIN
_ROOM = _INNER - 2  # for texts: in a PNG, widths of characters are rounded
_VALUES = 78  # where the values of the rows begin
_NAME_STEPS = (
    *(Step(20, 1), Step(18, 1), Step(16, 1), Step(14, 1), Step(16, 2), Step(14, 2), Step(13, 2)),
    Step(12, 3),
)
_VALUE_STEPS = (Step(11, 1), Step(10, 1), Step(10, 2), Step(9, 2))


def label_svg(entry: RatedResult, link: str | None = None) -> str:
    """The label as an SVG that stands alone, and can stand in an HTML page.

    Args:
        entry: the result and its rating.
        link: the address to show; None shows the model's page, if it has one on the hub.
    """
    link = _link(entry) if link is None else link
    parts = [
        svg.box(0.5, 0.5, WIDTH - 1, HEIGHT - 1, 10, _WHITE, svg.INK),
        *_head(entry),
        *_rows(entry.result),
        *_figure(entry),
        *_verdict(entry),
        *_foot(link),
    ]
    return svg.document(WIDTH, HEIGHT, label_title(entry), _description(entry, link), parts)


def label_png(entry: RatedResult, link: str | None = None, *, zoom: int = 1) -> bytes:
    """The label as a PNG of 260 x 364 pixels, times `zoom`.

    Raises:
        UsageError: when what it is drawn with is not installed, or has not all the characters.
    """
    from energyscore.publish.svg_print import to_png

    return to_png(label_svg(entry, link), zoom)


def label_pdf(entry: RatedResult, link: str | None = None) -> bytes:
    """The label as a PDF of one page, 195 x 273 pt (260 x 364 px at 96 a inch).

    Raises:
        UsageError: when what it is drawn with is not installed, or has not all the characters.
    """
    from energyscore.publish.svg_print import to_pdf

    return to_pdf(label_svg(entry, link), _link(entry) if link is None else link)


def label_title(entry: RatedResult) -> str:
    """The label in one line: its alternative text."""
    what = f"{plain(entry.name)}, {wording.task_name(entry.result)}"
    return f"Energy label of {what}: {wording.energy(entry)}; {wording.verdict(entry.rating)}"


def _link(entry: RatedResult) -> str:
    model = entry.result.model
    return f"https://huggingface.co/{plain(model.id)}" if model.source == "hub" else ""


def _head(entry: RatedResult) -> list[str]:
    version = fit(f"energyscore {entry.result.environment.energyscore}", _ROOM / 2, (Step(9, 1),))
    name = fit(entry.name, _ROOM, _NAME_STEPS, bold=True)
    lead = name.size_px * 1.2
    # One line or three: the name stands in the middle of its room of 52 px.
    first = 68 - lead * (len(name.lines) - 1) / 2 + name.size_px * 0.36
    return [
        svg.text(MARGIN, 28, "Energy label", 11, bold=True),
        svg.text(WIDTH - MARGIN, 28, version.lines[0], 9, anchor="end"),
        svg.rule(MARGIN, 38.5, _INNER),
        *svg.block(MARGIN, first, name, lead, bold=True),
        svg.rule(MARGIN, 97.5, _INNER),
    ]


def _rows(result: Result) -> list[str]:
    rows = {
        "Task": wording.task_name(result),
        "Scored": wording.month(result),
        "Hardware": result.hardware,
    }
    width = _ROOM + MARGIN - _VALUES
    fits = {name: fit(value, width, _VALUE_STEPS, bold=True) for name, value in rows.items()}
    space = (56 - 11.5 * sum(len(fitted.lines) for fitted in fits.values())) / 3
    parts, y = [], 115.0
    for name, fitted in fits.items():
        parts.append(svg.text(MARGIN, y, name, 10))
        parts += svg.block(_VALUES, y, fitted, 11.5, bold=True)
        y += 11.5 * len(fitted.lines) + space
    return [*parts, svg.rule(MARGIN, 178.5, _INNER)]


def _figure(entry: RatedResult) -> list[str]:
    energy_wh = entry.rating.energy_wh
    parts = [svg.text(MARGIN, 193, _basis(entry), 10)]
    if energy_wh is None or not entry.result.valid:
        word = "not measured" if energy_wh is None else "invalid"
        parts.append(svg.text(MARGIN, 221, word, 22, bold=True))
    else:
        figure = format_number(energy_wh)
        size = fit(figure, 132, (Step(32, 1), Step(26, 1), Step(20, 1)), bold=True).size_px
        unit_x = MARGIN + text_width(figure, size, bold=True) + 6
        parts += [
            svg.text(MARGIN, 224, figure, size, bold=True),
            svg.text(unit_x, 213, "Wh per", 10),
            svg.text(unit_x, 224, "1k queries", 10),
            svg.text(MARGIN, 238, _interval(entry), 9),
        ]
    return parts + _flags(_cautions(entry))


def _flags(names: list[str]) -> list[str]:
    """Words in boxes, in as many rows as they take."""
    parts = []
    x, y = float(MARGIN), 243.0
    for name in names:
        width = text_width(name, 9, bold=True) + 10
        if x + width > WIDTH - MARGIN:
            x, y = float(MARGIN), y + 18
        middle = x + width / 2
        parts += [
            svg.box(x, y, width, 15, 3, _CAUTION_GROUND, _CAUTION),
            svg.text(middle, y + 10.8, name, 9, bold=True, fill=_CAUTION, anchor="middle"),
        ]
        x += width + 5
    return parts


def _basis(entry: RatedResult) -> str:
    known = entry.rating.basis is not None
    return f"Inference energy, {wording.metered(entry)}" if known else "Inference energy"


def _interval(entry: RatedResult) -> str:
    if wording.interval(entry) is None:
        return wording.margin(entry)
    return f"± {wording.share(entry)} (95 % interval of {entry.result.score.runs} runs)"


def _verdict(entry: RatedResult) -> list[str]:
    rating = entry.rating
    if rating.stars is None:
        # Five empty stars would look like a rating of none.
        reason = fit(rating.reason, _ROOM, (Step(9, 3),), prose=True)
        return [
            svg.text(MARGIN, 294, "No stars", 14, bold=True),
            *svg.block(MARGIN, 307, reason, 11),
        ]
    full = (_FAINT if wording.is_pale(rating) else _GREEN, _GREEN)
    text = f"{rating.stars} of 5, {wording.relative_to(rating)}"
    return [
        *(
            svg.star(MARGIN + 17 + 48.5 * n, 298, 16, *(full if n < rating.stars else _EMPTY))
            for n in range(5)
        ),
        *svg.block(
            MARGIN, 327, fit(text, _ROOM, (Step(10, 1), Step(9, 2)), bold=True), 10, bold=True
        ),
    ]


def _foot(link: str) -> list[str]:
    shown = link.removeprefix("https://").removeprefix("http://")
    return svg.block(MARGIN, 348, fit(shown, _ROOM, (Step(9, 1), Step(8, 1))), 0) if shown else []


def _cautions(entry: RatedResult) -> list[str]:
    """What sets a figure apart from the energy of a GPU, measured by the whole protocol."""
    result, rating = entry.result, entry.rating
    words = {
        "estimated": rating.estimated,
        "no GPU energy": rating.basis == "system",
        f"{rating.scale}": rating.kind == "cohort",
        "random weights": result.model.weights == "random",
        "quick run": result.protocol.quick,
    }
    return [word for word, applies in words.items() if applies]


def _description(entry: RatedResult, link: str) -> str:
    """All that the label says, whole, and what it has no room for."""
    result, rating = entry.result, entry.rating
    model = result.model
    precision = model.dtype + (f", quantized: {model.quantization}" if model.quantization else "")
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
        "a quick run" if result.protocol.quick else "",
        wording.verdict(rating),
        f"departs from the reference's protocol in: {'; '.join(map(str, rating.departures))}"
        if rating.departures
        else "",
        f"energyscore {result.environment.energyscore}",
        link,
    ]
    return "; ".join(plain(part) for part in parts if part)
