"""Drawings as PNG (by Pillow) and PDF (by ReportLab), in the typeface that ReportLab brings.

Bitstream Vera Sans is the typeface whose widths texts are fitted by. No fonts of the machine are
asked, so the same drawing gives the same bytes.
"""

import functools
import io
from pathlib import Path
from typing import Any

from energyscore.base.errors import UsageError
from energyscore.publish.drawing import Box, Drawing, Mark, Rule, Star, Text
from energyscore.publish.typesetting import text_width

_FINER = 4  # each pixel is drawn as 4 x 4: edges are smooth then
_PT = 72 / 96  # a px is 1/96 of an inch
_FONTS = {False: ("Vera", "Vera.ttf"), True: ("VeraBd", "VeraBd.ttf")}


def to_png(drawing: Drawing, zoom: int = 1) -> bytes:
    """The drawing in pixels, `zoom` of them a px.

    Raises:
        UsageError: when ReportLab is not installed, or its typeface lacks a character.
    """
    from PIL import Image, ImageDraw, ImageFont
    from PIL.PngImagePlugin import PngInfo

    _check_characters(drawing)
    scale = zoom * _FINER
    picture = Image.new("RGBA", (drawing.width * scale, drawing.height * scale), (255, 255, 255, 0))
    pen = ImageDraw.Draw(picture)

    @functools.cache
    def font(size_px: float, bold: bool) -> Any:
        file = str(_font_folder() / _FONTS[bold][1])
        return ImageFont.truetype(file, size_px * scale, layout_engine=ImageFont.Layout.BASIC)

    for mark in drawing.marks:
        _paint(pen, mark, scale, font)
    info = PngInfo()
    info.add_itxt("Title", drawing.title)
    info.add_itxt("Description", drawing.description)
    file = io.BytesIO()
    picture.reduce(_FINER).save(
        file, "PNG", pnginfo=info, dpi=(96 * zoom, 96 * zoom), optimize=False
    )
    return file.getvalue()


def to_pdf(drawing: Drawing) -> bytes:
    """The drawing as a PDF of one page, its texts as text, its link as one.

    Raises:
        UsageError: when ReportLab is not installed, or its typeface lacks a character.
    """
    _check_characters(drawing)
    from reportlab.pdfgen.canvas import Canvas

    file = io.BytesIO()
    page = (drawing.width * _PT, drawing.height * _PT)
    # `invariant`: no time and no random id in the file.
    canvas = Canvas(file, pagesize=page, invariant=1, pageCompression=1)
    canvas.setTitle(drawing.title)
    canvas.setSubject(drawing.description)
    canvas.setCreator("energyscore")
    # From here on lengths are px, and y grows upwards.
    canvas.scale(_PT, _PT)
    for mark in drawing.marks:
        _print(canvas, mark, drawing.height)
    if drawing.link.startswith(("https://", "http://")):
        area = (16, 8, drawing.width - 16, 26)
        canvas.linkURL(drawing.link, area, relative=1)
    canvas.showPage()
    canvas.save()
    return file.getvalue()


def _paint(pen: Any, mark: Mark, scale: int, font: Any) -> None:
    if isinstance(mark, Text):
        anchor = {"start": "ls", "middle": "ms", "end": "rs"}[mark.anchor]
        place = (mark.x * scale, mark.y * scale)
        # Widths of characters are rounded to pixels: what was fitted could be wider by some.
        fitted = text_width(mark.text, mark.size_px, bold=mark.bold) * scale
        rounded = font(mark.size_px, mark.bold).getlength(mark.text)
        size_px = mark.size_px * min(1.0, fitted / rounded) if rounded else mark.size_px
        pen.text(place, mark.text, mark.colour, font(size_px, mark.bold), anchor=anchor)
    elif isinstance(mark, Box):
        # The stroke lies half inside and half outside, as in an SVG.
        half = scale / 2
        corners = (
            (mark.x * scale - half, mark.y * scale - half),
            ((mark.x + mark.width) * scale + half - 1, (mark.y + mark.height) * scale + half - 1),
        )
        pen.rounded_rectangle(corners, mark.radius * scale + half, mark.fill, mark.stroke, scale)
    elif isinstance(mark, Rule):
        top = (mark.y - 0.5) * scale
        pen.rectangle(
            (mark.x * scale, top, (mark.x + mark.width) * scale - 1, top + scale - 1), mark.colour
        )
    else:
        _paint_star(pen, mark, scale)


def _paint_star(pen: Any, star: Star, scale: int) -> None:
    corners = [(x * scale, y * scale) for x, y in star.corners()]
    pen.polygon(corners, fill=star.fill)
    pen.line([*corners, *corners[:2]], fill=star.stroke, width=round(1.5 * scale), joint="curve")


def _print(canvas: Any, mark: Mark, height: int) -> None:
    from reportlab.lib.colors import HexColor

    canvas.setLineWidth(1)
    if isinstance(mark, Text):
        canvas.setFillColor(HexColor(mark.colour))
        canvas.setFont(_register(mark.bold), mark.size_px)
        draw = {
            "start": canvas.drawString,
            "middle": canvas.drawCentredString,
            "end": canvas.drawRightString,
        }[mark.anchor]
        draw(mark.x, height - mark.y, mark.text)
    elif isinstance(mark, Box):
        canvas.setFillColor(HexColor(mark.fill))
        canvas.setStrokeColor(HexColor(mark.stroke))
        bottom = height - mark.y - mark.height
        canvas.roundRect(mark.x, bottom, mark.width, mark.height, mark.radius, stroke=1, fill=1)
    elif isinstance(mark, Rule):
        canvas.setStrokeColor(HexColor(mark.colour))
        canvas.line(mark.x, height - mark.y, mark.x + mark.width, height - mark.y)
    else:
        canvas.setFillColor(HexColor(mark.fill))
        canvas.setStrokeColor(HexColor(mark.stroke))
        canvas.setLineWidth(1.5)
        canvas.setLineJoin(1)
        path = canvas.beginPath()
        first, *others = mark.corners()
        path.moveTo(first[0], height - first[1])
        for x, y in others:
            path.lineTo(x, height - y)
        path.close()
        canvas.drawPath(path, stroke=1, fill=1)


def _check_characters(drawing: Drawing) -> None:
    """Refuse what would be drawn as empty boxes."""
    for mark in drawing.marks:
        if isinstance(mark, Text):
            known = _characters(mark.bold)
            missing = sorted({char for char in mark.text if ord(char) not in known})
            if missing:
                raise UsageError(
                    f"The typeface of PNG and PDF has no {', '.join(map(repr, missing[:5]))} "
                    f"(in {mark.text!r}).",
                    "Write an SVG: it is shown in the typefaces of whoever looks at it.",
                )


@functools.cache
def _characters(bold: bool) -> frozenset[int]:
    from reportlab.pdfbase.pdfmetrics import getFont

    return frozenset(getFont(_register(bold)).face.charToGlyph)


@functools.cache
def _register(bold: bool) -> str:
    folder = _font_folder()
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont

    name, file = _FONTS[bold]
    registerFont(TTFont(name, str(folder / file)))
    return name


def _font_folder() -> Path:
    try:
        import reportlab
    except ImportError as error:
        raise UsageError(
            "Labels as PNG and PDF need ReportLab, which is not installed.",
            "pip install 'energyscore[label]', or write an SVG.",
        ) from error
    return Path(reportlab.__file__).parent / "fonts"
