"""Weights of a model's files that its class has no place for.

Most are no loss: heads of other tasks, and whole parts that the work does not need. What belongs
into the layers that do work is another matter: the model that is measured is not the one that was
saved.
"""

import re
from collections.abc import Iterable
from typing import Any

from torch.nn import Module, ModuleList

from energyscore.base.errors import ModelError

_ADAPTERS = re.compile(r"\.(lora_|base_layer\.|modules_to_save\.|ia3_l|hada_w|lokr_w|vera_lambda)")
_BUFFERS = re.compile(r"(position_ids|inv_freq|masked_bias|num_batches_tracked|[kv]_scale)$")
"""No parameters: older versions of the library saved them, or caches are scaled by them."""


def refuse_unmerged(label: str, names: Iterable[object]) -> None:
    """Refuse the weights of a model with an adapter among them that was not merged into it."""
    found = next((name for name in sorted(map(str, names)) if _ADAPTERS.search(name)), None)
    if found is not None:
        raise ModelError(
            f"The weights of the model {label} have an adapter among them that is not merged "
            f"({found}): it would be left out.",
            "Save the merged model (peft's merge_and_unload), or name the adapter's own folder "
            "with --base-model.",
        )


def check_left_over(model: Any, label: str, names: Iterable[object]) -> tuple[str, ...]:
    """Those that belong into layers that do work, and are not used.

    Raises:
        ModelError: where they are whole layers: the configuration says that there are fewer.
    """
    inside = []
    for name in sorted(map(str, names)):
        module, path, rest = _nearest(model, name)
        if isinstance(module, ModuleList) and rest and rest[0].isdigit():
            known, number = len(module), int(rest[0])
            if number >= known + _predictors(model):
                raise ModelError(
                    f"The files of the model {label} have more layers than its config.json says: "
                    f"{'.'.join(path)} has {known} by it, and there are weights of number "
                    f"{number + 1} ({name}).",
                    "Correct config.json; a model that was cut to fewer layers must be saved so.",
                )
        elif any(part.isdigit() for part in path) and _is_weight(module, rest):
            inside.append(name)
    return tuple(inside)


def _nearest(model: Any, name: str) -> tuple[Module, list[str], list[str]]:
    """The module nearest to where a weight would be, its path, and the rest of the name.

    One that was saved with a head has a prefix that one without lacks, and the other way round.
    """
    names = (name, name.removeprefix(f"{model.base_model_prefix}."))
    found = [_walk(one, some.split(".")) for one in (model, model.base_model) for some in names]
    return max(found, key=lambda one: len(one[1]))


def _walk(module: Module, parts: list[str]) -> tuple[Module, list[str], list[str]]:
    for place, part in enumerate(parts):
        below = module._modules.get(part)
        if below is None:
            return module, parts[:place], parts[place:]
        module = below
    return module, parts, []


def _predictors(model: Any) -> int:
    """Layers behind the last one that only speculate on tokens: nobody needs them to generate."""
    text = model.config.get_text_config(decoder=True)
    return int(getattr(text, "num_nextn_predict_layers", None) or 0)


def _is_weight(module: Module, rest: list[str]) -> bool:
    """Whether it is a parameter; a `bias` alone, without a weight, was a mask of attention."""
    if rest == ["bias"] and getattr(module, "weight", None) is None:
        return False
    return not _BUFFERS.search(rest[-1] if rest else "")
