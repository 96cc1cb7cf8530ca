"""Where this user's scales are kept."""

import re
from pathlib import Path

from energyscore.base.errors import UsageError
from energyscore.base.writing import write_atomically
from energyscore.protocol.scales import (
    COHORT,
    LATEST,
    Scale,
    known_scales,
    load_scale,
    scales_folder,
)

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}", re.ASCII)


def is_kept(scale: Scale) -> bool:
    """Whether this very scale is in the user's folder already."""
    path = scales_folder() / f"{scale.name}.json"
    return known_scales().get(scale.name) == path and load_scale(scale.name) == scale


def keep(scale: Scale, *, replace: bool) -> Path:
    """Write a scale into the user's folder, and give its path.

    Raises:
        UsageError: when its name cannot be one, or is that of another scale that may not go.
    """
    name, path = scale.name, scales_folder() / f"{scale.name}.json"
    if not _NAME.fullmatch(name) or name in (COHORT, LATEST) or name.endswith(".json"):
        raise UsageError(f"--name {name!r}: give letters, digits, '.', '-' or '_'.")
    known = known_scales().get(name)
    if known is not None and known != path:
        raise UsageError(
            f"--name {name}: the scale that comes with energyscore has this name.",
            "Give another with --name.",
        )
    if known is not None and not replace:
        raise UsageError(
            f"--name {name}: there is a scale of this name.",
            "--replace replaces it; another --name keeps both.",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, scale.model_dump_json(indent=2).encode() + b"\n")
    return path
