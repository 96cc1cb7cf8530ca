"""What `--repeats` and `--half-width` say."""

import typer

AUTO_HALF_WIDTH = 1.0


def parse_repeats(text: str | None, half_width: float | None) -> tuple[int | None, float | None]:
    """The number of runs, or the share of the mean to measure to."""
    if text is not None and text.strip().lower() == "auto":
        return None, (half_width or AUTO_HALF_WIDTH) / 100
    if half_width is not None:
        raise typer.BadParameter("it is the target of --repeats auto.", param_hint="--half-width")
    if text is None:
        return None, None
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= 10**6:
        message = f"{text!r} is neither a number of runs from 1 on nor auto."
        raise typer.BadParameter(message, param_hint="--repeats")
    return int(text), None
