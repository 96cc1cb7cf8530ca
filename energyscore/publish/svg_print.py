"""Our SVG as PNG, by resvg, and as PDF, by ReportLab, in the typeface that ReportLab brings.

Bitstream Vera Sans is the typeface whose widths texts are fitted by. No fonts of the machine are
asked, so the same SVG gives the same bytes.
"""

import functools
import io
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from energyscore.base.errors import UsageError
from energyscore.base.packages import needed_by

_PT = 72 / 96  # a px is 1/96 of an inch
_FONTS = {False: ("Vera", "Vera.ttf"), True: ("VeraBd", "VeraBd.ttf")}
_SVG = "{http://www.w3.org/2000/svg}"


def to_png(svg: str, zoom: int = 1) -> bytes:
    """The SVG in pixels, `zoom` of them a px; with its title and description."""
    root = _checked(svg)
    import resvg_py
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    drawn = resvg_py.svg_to_bytes(
        svg_string=svg,
        zoom=zoom,
        skip_system_fonts=True,
        font_files=[str(_font_folder() / file) for _, file in _FONTS.values()],
        sans_serif_family="Bitstream Vera Sans",
    )
    info = PngInfo()
    info.add_itxt("Title", root.findtext(f"{_SVG}title", ""))
    info.add_itxt("Description", root.findtext(f"{_SVG}desc", ""))
    file = io.BytesIO()
    Image.open(io.BytesIO(drawn)).save(file, "PNG", pnginfo=info, dpi=(96 * zoom, 96 * zoom))
    return file.getvalue()


def to_pdf(svg: str, link: str) -> bytes:
    """The SVG as a PDF of one page, its texts as text; `link` lies under its last line."""
    root = _checked(svg)
    from reportlab.pdfgen.canvas import Canvas

    width, height = (int(root.get(name, "")) for name in ("width", "height"))
    file = io.BytesIO()
    # `invariant`: no time and no random id in the file.
    canvas = Canvas(file, pagesize=(width * _PT, height * _PT), invariant=1, pageCompression=1)
    canvas.setTitle(root.findtext(f"{_SVG}title", ""))
    canvas.setSubject(root.findtext(f"{_SVG}desc", ""))
    canvas.setCreator("energyscore")
    # From here on lengths are px, and y grows upwards.
    canvas.scale(_PT, _PT)
    for part in root:
        _print(canvas, part, height)
    if link.startswith(("https://", "http://")):
        canvas.linkURL(link, (16, 8, width - 16, 26), relative=1)
    canvas.showPage()
    canvas.save()
    return file.getvalue()


def _print(canvas: Any, part: ET.Element, page: int) -> None:
    """One of the parts that our SVGs have."""
    from reportlab.lib.colors import HexColor

    def length(name: str) -> float:
        return float(part.get(name, ""))

    canvas.setFillColor(HexColor(part.get("fill", "#000000")))
    canvas.setStrokeColor(HexColor(part.get("stroke", "#000000")))
    canvas.setLineWidth(float(part.get("stroke-width", 1)))
    kind = part.tag.removeprefix(_SVG)
    if kind == "text":
        canvas.setFont(_FONTS[_is_bold(part)][0], length("font-size"))
        draw = {
            "start": canvas.drawString,
            "middle": canvas.drawCentredString,
            "end": canvas.drawRightString,
        }[part.get("text-anchor", "start")]
        draw(length("x"), page - length("y"), part.text)
    elif kind == "rect":
        bottom = page - length("y") - length("height")
        size = length("width"), length("height"), length("rx")
        canvas.roundRect(length("x"), bottom, *size, stroke=1, fill=1)
    elif kind == "line":
        canvas.line(length("x1"), page - length("y1"), length("x2"), page - length("y2"))
    elif kind == "polygon":
        canvas.setLineJoin(1)
        path = canvas.beginPath()
        for number, corner in enumerate(part.get("points", "").split()):
            x, y = map(float, corner.split(","))
            (path.lineTo if number else path.moveTo)(x, page - y)
        path.close()
        canvas.drawPath(path, stroke=1, fill=1)


def _checked(svg: str) -> ET.Element:
    """The SVG's root.

    Raises:
        MissingPackage: when a library is missing.
        UsageError: when the typeface lacks a character.
    """
    root = ET.fromstring(svg)
    for part in root.iter(f"{_SVG}text"):
        known, words = _characters(_is_bold(part)), part.text or ""
        missing = sorted({char for char in words if ord(char) not in known})
        if missing:
            raise UsageError(
                f"The typeface of PNG and PDF has no {', '.join(map(repr, missing[:5]))} "
                f"(in {words!r}).",
                "Write an SVG: it is shown in the typefaces of whoever looks at it.",
            )
    return root


def _is_bold(part: ET.Element) -> bool:
    return part.get("font-weight") is not None


@functools.cache
def _characters(bold: bool) -> frozenset[int]:
    """The characters of a typeface, which is known to ReportLab from then on."""
    folder = _font_folder()
    from reportlab.pdfbase.pdfmetrics import getFont, registerFont
    from reportlab.pdfbase.ttfonts import TTFont

    name, file = _FONTS[bold]
    registerFont(TTFont(name, str(folder / file)))
    return frozenset(getFont(name).face.charToGlyph)


def _font_folder() -> Path:
    with needed_by("A label as PNG or PDF (not as SVG)"):
        import PIL  # noqa: F401
        import reportlab
        import resvg_py  # noqa: F401
    return Path(reportlab.__file__).parent / "fonts"
