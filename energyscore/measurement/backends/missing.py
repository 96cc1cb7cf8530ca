"""Weights that are missing in a model's files: would be random numbers, and are refused."""

from collections.abc import Iterable, Sequence
from typing import Any

from energyscore.base.errors import ModelError
from energyscore.measurement.backends.ways import is_language_model


def refuse_missing(message: str, missing: Sequence[str], remedy: str) -> None:
    """Refuse a model in which weights are missing: a ModelError that names some of them."""
    if missing:
        some = f"{', '.join(missing[:3])}{' and more' if len(missing) > 3 else ''}"
        remedy += ", or measure its architecture with --random-weights."
        raise ModelError(f"{message}: {some}.", remedy)


def explain_missing(
    model: Any, label: str, missing: Sequence[str], left_over: Iterable[object]
) -> None:
    """Refuse a model in which weights are missing, and say why they are, as far as it shows."""
    _refuse_wrapped(label, left_over)
    if missing and type(model).__name__.endswith(_HEADS) and is_language_model(model.config):
        raise ModelError(
            f"The model {label} is a language model and has no head for the task: it lacks "
            f"{', '.join(missing[:3])}.",
            "Let it write its answers: --by generate.",
        )
    message, remedy = _why_missing(model, missing)
    refuse_missing(f"The model {label} {message}", missing, remedy)


def refuse_mismatched(
    label: str, mismatched: Iterable[tuple[str, Sequence[int], Sequence[int]]]
) -> None:
    """Refuse weights of other shapes than the configuration says; each with both."""
    found = sorted((str(name), list(own), list(wanted)) for name, own, wanted in mismatched)
    if found:
        name, own, wanted = found[0]
        more = f", and {len(found) - 1} more do not fit" if len(found) > 1 else ""
        raise ModelError(
            f"The weights of the model {label} do not fit its config.json: {name} has the shape "
            f"{own} in its files, and {wanted} by config.json{more}.",
            "Correct config.json, or take the weights that were saved with it.",
        )


_HEADS = ("ForSequenceClassification", "ForQuestionAnswering")
"""Ends of the names of models with a head for a task that others do by writing."""

_WRAPPERS = {
    "_orig_mod.": "torch.compile",
    "_fsdp_wrapped_module.": "FSDP",
    "_forward_module.": "Lightning or DeepSpeed",
    "base_model.model.": "peft",
    "module.": "DataParallel",
}
"""Prefixes that wrappers of training put before the names of weights."""


def _refuse_wrapped(label: str, names: Iterable[object]) -> None:
    """Refuse weights that were saved with a wrapper around the model: none is found by its name."""
    found = sorted(map(str, names))
    for prefix, wrapper in _WRAPPERS.items():
        wrapped = next((name for name in found if name.startswith(prefix)), None)
        if wrapped is not None:
            raise ModelError(
                f"The weights of the model {label} were saved with a wrapper of training "
                f"({wrapper}) around it: their names begin with {prefix!r}, as in {wrapped}.",
                "Save the model that is in the wrapper, with its own `save_pretrained`.",
            )


def _why_missing(model: Any, missing: Sequence[str]) -> tuple[str, str]:
    """Why weights are missing: a checkpoint of another task lacks a head only."""
    inner = getattr(model, "base_model_prefix", "")
    saved_so = type(model).__name__ in (model.config.architectures or ())
    # What gathers a whole text before a head (`pooler`) is lacking with it.
    within = [name for name in missing if name.startswith(f"{inner}.")]
    head_only = hasattr(model, inner) and all("pooler" in name.split(".") for name in within)
    if head_only and not saved_so:
        return (
            f"lacks weights for {type(model).__name__}",
            "It was made for another task; name a model that was trained for this one",
        )
    return (
        f"lacks weights: {len(missing)} of {len(list(model.parameters()))} are not in its files, "
        "and would be random",
        "Download or save it again, whole",
    )
