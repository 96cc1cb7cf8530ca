"""Quantized models: what their configurations say of it, and whether it is so once loaded."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
import transformers
from transformers.quantizers.auto import AutoHfQuantizer

from energyscore.base.errors import ModelError
from energyscore.protocol.model import ModelSpec

_SETTINGS = "quantization_config"
_PROCESSOR_KERNEL = "support_avx512bf16_for_cpu"  # a flag of bitsandbytes' layers of 4 bits
_PLAIN_DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


def settings_of(config: Any) -> Any:
    """How a configuration says that the weights are quantized: its own word, or its text part's."""
    settings = getattr(config, _SETTINGS, None)
    if settings is None and hasattr(config, "get_text_config"):
        settings = getattr(config.get_text_config(decoder=True), _SETTINGS, None)
    return settings


def quantization_of(config: Any) -> tuple[str | None, int | None]:
    """A model's own quantization by its configuration, and the bits of a parameter."""
    settings = settings_of(config)
    if settings is None:
        return None, None
    content = settings.to_dict() if hasattr(settings, "to_dict") else settings
    named = content.get("quant_method", "unknown")  # a text, or the library's enumeration
    method = str(getattr(named, "value", named)).lower()
    bits = content.get("bits") or (4 if content.get("load_in_4bit") or "fp4" in method else None)
    bits = bits or (8 if content.get("load_in_8bit") or "fp8" in method else None)
    return (f"{method}-{bits}bit" if bits else method), bits


def check_quantization(config: Any, spec: ModelSpec) -> None:
    """Refuse a quantization that cannot be what is measured.

    Random weights are not quantized, and the library skips a method that it does not know.
    """
    name, _ = quantization_of(config)
    if name is None:
        return
    if spec.random_weights:
        refuse_random(name, spec.label)
    settings = settings_of(config)
    if isinstance(settings, Mapping) and not _is_known(settings):
        raise ModelError(
            f"The model {spec.label} is quantized by a method that transformers "
            f"{transformers.__version__} does not know: {name[:60]!r}.",
            "Name the model that it was made from, or one quantized by a method that is known.",
        )


def refuse_random(name: str, label: str) -> None:
    """Refuse random weights for a model that is quantized: they would not be."""
    raise ModelError(
        f"The weights of the model {label} are quantized ({name[:60]}), and random weights are "
        "not: the energy would be another model's.",
        "Leave out --random-weights, or name a model whose configuration has no "
        f"{_SETTINGS}, such as the one that it was made from.",
    )


def check_loaded(model: Any, spec: ModelSpec) -> None:
    """Refuse a loaded model that is called quantized and is not, or computes in another dtype.

    The library may find nothing in a model that its method quantizes.
    """
    name, _ = quantization_of(model.config)
    if name is None:
        return
    if not is_quantized(model):
        raise ModelError(
            f"The model {spec.label} says that it is quantized ({name[:60]}), and none of its "
            "weights are.",
            f"Take {_SETTINGS} out of its config.json, or name another model.",
        )
    computes_in = str(model.dtype).removeprefix("torch.")
    if spec.dtype not in ("auto", computes_in):
        raise ModelError(
            f"The quantized model {spec.label} ({name[:60]}) computes in {computes_in}, whatever "
            f"--dtype {spec.dtype} says.",
            "Leave out --dtype.",
        )


def is_quantized(model: Any) -> bool:
    """Whether a weight of the plain architecture is missing in a model, or packed in it."""
    own = dict(model.named_parameters(remove_duplicate=False))
    for name, plain in without_quantized_weights(model).named_parameters():
        found = own.get(name)
        if found is None or is_packed(found) or found.shape != plain.shape:
            return True
    return False


def do_without_unfit_kernels(model: torch.nn.Module) -> None:
    """Have layers of 4 bits that a kernel cannot do take the library's general way.

    On processors with AVX-512 BF16 bitsandbytes packs the weights of 32 outputs together, in whole
    blocks. A layer of another shape, such as the head of a classifier, fails on its first batch.
    """
    layer: Any
    for layer in model.modules():
        if getattr(layer, _PROCESSOR_KERNEL, False):
            fits = layer.out_features % 32 == 0 and layer.in_features % layer.weight.blocksize == 0
            setattr(layer, _PROCESSOR_KERNEL, fits)
            if fits:
                layer.register_forward_pre_hook(_lying_in_rows)


def _lying_in_rows(_layer: torch.nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """The kernel takes a row's numbers for neighbours, and reads others where they are not."""
    return tuple(one.contiguous() if isinstance(one, torch.Tensor) else one for one in given)


def is_packed(weight: torch.Tensor) -> bool:
    """Whether a weight is not a plain one, of a dtype that models compute in."""
    plain = type(weight) in (torch.nn.Parameter, torch.Tensor)
    return not plain or weight.dtype not in _PLAIN_DTYPES


def without_quantized_weights(part: Any) -> Any:
    """A part; the architecture of a quantized one without quantization, and without memory."""
    if quantization_of(getattr(part, "config", None))[0] is None:
        return part
    config = copy.deepcopy(part.config)
    with torch.device("meta"):
        if isinstance(part, transformers.PreTrainedModel):
            del config.quantization_config
            return type(part)(config)
        return type(part).from_config(without_quantization(config))


def without_quantization(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration's settings but for how its weights are quantized."""
    return {name: value for name, value in settings.items() if name != _SETTINGS}


def _is_known(settings: Mapping[str, Any]) -> bool:
    try:
        return bool(AutoHfQuantizer.supports_quant_method(settings))
    except ValueError:  # it names no method
        return False
