"""Templates of drawings that stand alone as SVG."""

import functools

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


@functools.cache
def drawing(name: str) -> Template:
    """The template of this name."""
    templates = Environment(
        loader=PackageLoader("energyscore.publish"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    # Two decimals at most: written alike on every machine.
    templates.filters["px"] = lambda length: f"{length:.2f}".rstrip("0").rstrip(".")
    return templates.get_template(name)
