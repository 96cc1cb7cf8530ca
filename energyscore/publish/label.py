"""The energy label of one result: 260 x 364 px, as SVG, PNG and PDF.

It shows the model, when it was scored, the task, the hardware, the energy in Wh per 1,000 queries,
five stars and a link. Whatever makes the figure another thing than measured GPU energy rated
against a reference stands on it too: an estimate, processor and memory only, a cohort. Without
stars it says why; a result that is invalid shows no energy either. The same result gives the
same bytes.
"""

from energyscore.base.units import format_number
from energyscore.judge.rating import RatedResult
from energyscore.publish import wording
from energyscore.publish.drawing import Box, Drawing, Mark, Rule, Star, Text, to_svg
from energyscore.publish.typesetting import Step, cut, fit, plain, text_width
from energyscore.results.result import Result

WIDTH, HEIGHT, MARGIN = 260, 364, 16

_INK, _GREEN, _PALE, _WHITE = "#313131", "#1f8a3b", "#b9c4bb", "#ffffff"
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
    return to_svg(draw_label(entry, link))


def label_png(entry: RatedResult, link: str | None = None, *, zoom: int = 1) -> bytes:
    """The label as a PNG of 260 x 364 pixels, times `zoom`.

    Raises:
        UsageError: when what it is drawn with is not installed, or has not all the characters.
    """
    from energyscore.publish.drawing_print import to_png

    return to_png(draw_label(entry, link), zoom)


def label_pdf(entry: RatedResult, link: str | None = None) -> bytes:
    """The label as a PDF of one page, 195 x 273 pt (260 x 364 px at 96 a inch).

    Raises:
        UsageError: when what it is drawn with is not installed, or has not all the characters.
    """
    from energyscore.publish.drawing_print import to_pdf

    return to_pdf(draw_label(entry, link))


def label_title(entry: RatedResult) -> str:
    """The label in one line: its alternative text."""
    what = f"{plain(entry.name)}, {wording.task_name(entry.result)}"
    return f"Energy label of {what}: {wording.energy(entry)}; {wording.verdict(entry.rating)}"


def draw_label(entry: RatedResult, link: str | None = None) -> Drawing:
    """The label as a drawing; see `label_svg`."""
    if link is None:
        model = entry.result.model
        link = f"https://huggingface.co/{plain(model.id)}" if model.source == "hub" else ""
    marks: tuple[Mark, ...] = (
        Box(0.5, 0.5, WIDTH - 1, HEIGHT - 1, 10, _WHITE, _INK),
        *_head(entry),
        *_rows(entry.result),
        *_figure(entry),
        *_verdict(entry),
        *_foot(link),
    )
    title, description = label_title(entry), _description(entry, link)
    return Drawing(WIDTH, HEIGHT, title, description, link, marks)


def _head(entry: RatedResult) -> list[Mark]:
    version = plain(entry.result.environment.energyscore)
    name = fit(entry.name, _ROOM, _NAME_STEPS, bold=True)
    lead = name.size_px * 1.2
    # One line or three: the name stands in the middle of its room of 52 px.
    first = 68 - lead * (len(name.lines) - 1) / 2 + name.size_px * 0.36
    return [
        Text(MARGIN, 28, "Energy label", 11, bold=True),
        _fitted_right(f"energyscore {version}", 28),
        Rule(MARGIN, 38.5, _INNER, _INK),
        *(
            Text(MARGIN, first + lead * place, line, name.size_px, bold=True)
            for place, line in enumerate(name.lines)
        ),
        Rule(MARGIN, 97.5, _INNER, _INK),
    ]


def _fitted_right(text: str, y: float) -> Text:
    fitted = fit(text, _ROOM / 2, (Step(9, 1),))
    return Text(WIDTH - MARGIN, y, fitted.lines[0], 9, anchor="end")


def _rows(result: Result) -> list[Mark]:
    marks: list[Mark] = []
    y = 115.0
    rows = (
        ("Task", wording.task_name(result)),
        ("Scored", wording.month(result)),
        ("Hardware", result.hardware),
    )
    fits = [fit(value, _ROOM + MARGIN - _VALUES, _VALUE_STEPS, bold=True) for _, value in rows]
    space = (56 - 11.5 * sum(len(fitted.lines) for fitted in fits)) / 3
    for (name, _), fitted in zip(rows, fits, strict=True):
        marks.append(Text(MARGIN, y, name, 10))
        for line in fitted.lines:
            marks.append(Text(_VALUES, y, line, fitted.size_px, bold=True))
            y += 11.5
        y += space
    return [*marks, Rule(MARGIN, 178.5, _INNER, _INK)]


def _figure(entry: RatedResult) -> list[Mark]:
    energy_wh = entry.rating.energy_wh
    marks: list[Mark] = [Text(MARGIN, 193, _basis(entry), 10)]
    if energy_wh is None or not entry.result.valid:
        word = "not measured" if energy_wh is None else "invalid"
        marks.append(Text(MARGIN, 221, word, 22, bold=True))
    else:
        figure = format_number(energy_wh)
        size = fit(figure, 132, (Step(32, 1), Step(26, 1), Step(20, 1)), bold=True).size_px
        unit_x = MARGIN + text_width(figure, size, bold=True) + 6
        marks += [
            Text(MARGIN, 224, figure, size, bold=True),
            Text(unit_x, 213, "Wh per", 10),
            Text(unit_x, 224, "1k queries", 10),
            Text(MARGIN, 238, _interval(entry), 9),
        ]
    return marks + _flags(_cautions(entry))


def _flags(names: list[str]) -> list[Mark]:
    """Words in boxes, in as many rows as they take."""
    marks: list[Mark] = []
    x, y = float(MARGIN), 243.0
    for name in names:
        width = text_width(name, 9, bold=True) + 10
        if x + width > WIDTH - MARGIN:
            x, y = float(MARGIN), y + 18
        marks += [
            Box(x, y, width, 15, 3, _CAUTION_GROUND, _CAUTION),
            Text(x + width / 2, y + 10.8, name, 9, bold=True, colour=_CAUTION, anchor="middle"),
        ]
        x += width + 5
    return marks


def _basis(entry: RatedResult) -> str:
    known = entry.rating.basis is not None
    return f"Inference energy, {wording.metered(entry)}" if known else "Inference energy"


def _interval(entry: RatedResult) -> str:
    if wording.interval(entry) is None:
        return wording.margin(entry)
    return f"± {wording.share(entry)} (95 % interval of {entry.result.score.runs} runs)"


def _verdict(entry: RatedResult) -> list[Mark]:
    rating = entry.rating
    if rating.stars is None:
        # Five empty stars would look like a rating of none.
        reason = cut(rating.reason, _ROOM, Step(9, 3))
        return [
            Text(MARGIN, 294, "No stars", 14, bold=True),
            *(Text(MARGIN, 307 + 11 * place, line, 9) for place, line in enumerate(reason.lines)),
        ]
    given = _FAINT if wording.is_pale(rating) else _GREEN
    stars = [
        Star(
            MARGIN + 17 + 48.5 * place,
            298,
            16,
            given if place < rating.stars else _WHITE,
            _GREEN if place < rating.stars else _PALE,
        )
        for place in range(5)
    ]
    given_as = f"{rating.stars} of 5, {wording.relative_to(rating)}"
    text = fit(given_as, _ROOM, (Step(10, 1), Step(9, 2)), bold=True)
    return [
        *stars,
        *(
            Text(MARGIN, 327 + 10 * place, line, text.size_px, bold=True)
            for place, line in enumerate(text.lines)
        ),
    ]


def _foot(link: str) -> list[Mark]:
    shown = link.removeprefix("https://").removeprefix("http://")
    if not shown:
        return []
    fitted = fit(shown, _ROOM, (Step(9, 1), Step(8, 1)))
    return [Text(MARGIN, 348, fitted.lines[0], fitted.size_px)]


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
