"""Bundled architectures: dimensions of public models and one tokenizer, without any weights.

They let energy be measured where nothing can be downloaded. How much energy a model takes is
decided by its dimensions and by its work, hardly by the values of its weights.
"""

import json
from dataclasses import field
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic.dataclasses import dataclass

from energyscore.base.errors import ModelError, did_you_mean


@dataclass(frozen=True)
class Architecture:
    """One bundled architecture, with the published dimensions of the model that it is `like`.

    Attributes:
        parameters: their number, with the head of its task.
        config: arguments of the transformers configuration, `model_type` among them.
        context_length: longest input in tokens, where the configuration alone misleads.
        processors: class and settings of its processors by kind (`image_processor`, ...).
        special_tokens: whether the configuration takes the bundled tokenizer's special tokens.
    """

    name: str
    tasks: tuple[str, ...]
    like: str
    parameters: int
    config: dict[str, Any]
    context_length: int | None = None
    processors: dict[str, dict[str, Any]] = field(default_factory=dict)
    special_tokens: bool = True


def architectures() -> dict[str, Architecture]:
    """All bundled architectures by name."""
    table = json.loads((resources.files(__name__) / "architectures.json").read_text("utf-8"))
    return {name: Architecture(name, **entry) for name, entry in table["architectures"].items()}


def find_architecture(name: str, task: str | None = None) -> Architecture:
    """The architecture of that name (upper or lower case), fit for the task.

    A ModelError names the nearest ones where it is unknown, and those that can do the task.
    """
    known = architectures()
    found = known.get(name.lower())
    if found is None:
        raise ModelError(f"Unknown bundled model 'builtin:{name}'.", did_you_mean(name, known))
    if task is not None and task not in found.tasks:
        able = ", ".join(f"builtin:{a.name}" for a in known.values() if task in a.tasks)
        raise ModelError(
            f"builtin:{found.name} does {', '.join(found.tasks)}, not {task}.",
            f"For {task} there are: {able or 'none'}.",
        )
    return found


def chat_template() -> str:
    """A small chat template with the argument `enable_thinking`, for the bundled tokenizer."""
    return (resources.files(__name__) / "chat_template.jinja").read_text(encoding="utf-8")


def tokenizer_path() -> Path:
    """The bundled byte-level BPE tokenizer (trained on the bundled sample's texts)."""
    return Path(str(resources.files(__name__) / "tokenizer.json"))
