"""Quantizing weights while they are loaded: by bitsandbytes or torchao, as transformers does it.

What a checkpoint brings stays as it is: that is `quantization.py`. Here is what was asked for, and
a census of the layers afterwards, as libraries leave out in silence what they cannot do.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers import BitsAndBytesConfig, TorchAoConfig
from transformers.pytorch_utils import Conv1D
from transformers.quantizers.quantizers_utils import should_convert_module

from energyscore.base.errors import ModelError, UnsupportedError, UsageError
from energyscore.base.packages import needed_by
from energyscore.measurement.backends.memory import bytes_of
from energyscore.measurement.backends.quantization import (
    is_packed,
    quantization_of,
    settings_of,
    without_quantized_weights,
)
from energyscore.protocol.census import Census, LayerCount, LayerState
from energyscore.protocol.model import ModelSpec, Quantization

LEAST_SAVED = 0.1
"""The share of the bytes that a quantization must save: under it nothing to speak of was done."""

_FP8_CAPABILITY = (8, 9)


@dataclass(frozen=True)
class Method:
    """How one quantization is made.

    Attributes:
        settings: what transformers is given, by the dtype to compute in.
        kinds: the classes of layers that the library quantizes.
        gpu: the least compute capability of the GPU that it needs; None: it works anywhere.
        dtype: the only one that it computes in; None: any.
    """

    library: str
    bits: int
    settings: Callable[[torch.dtype], Any]
    kinds: tuple[type, ...] = (torch.nn.Linear,)
    gpu: tuple[int, int] | None = None
    dtype: torch.dtype | None = None


def _torchao(config: str) -> Callable[[torch.dtype], Any]:
    def settings(dtype: torch.dtype) -> Any:
        import torchao.quantization

        return TorchAoConfig(getattr(torchao.quantization, config)())

    return settings


def _int4(dtype: torch.dtype) -> Any:
    from torchao.quantization import Int4WeightOnlyConfig

    # The only packing whose kernel is torch's own.
    return TorchAoConfig(Int4WeightOnlyConfig(int4_packing_format="tile_packed_to_4d"))


def _bits_and_bytes_4bit(kind: str) -> Callable[[torch.dtype], Any]:
    return lambda dtype: BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type=kind, bnb_4bit_compute_dtype=dtype
    )


_BOTH = (torch.nn.Linear, Conv1D)
METHODS: Mapping[Quantization, Method] = {
    "int8": Method("torchao", 8, _torchao("Int8WeightOnlyConfig")),
    "int8-dynamic": Method("torchao", 8, _torchao("Int8DynamicActivationInt8WeightConfig")),
    "int4": Method("torchao", 4, _int4, gpu=(8, 0), dtype=torch.bfloat16),
    "fp8": Method(
        "torchao", 8, _torchao("Float8DynamicActivationFloat8WeightConfig"), gpu=_FP8_CAPABILITY
    ),
    "fp8-weight-only": Method("torchao", 8, _torchao("Float8WeightOnlyConfig")),
    "nf4": Method("bitsandbytes", 4, _bits_and_bytes_4bit("nf4"), _BOTH),
    "fp4": Method("bitsandbytes", 4, _bits_and_bytes_4bit("fp4"), _BOTH),
    "llm-int8": Method(
        "bitsandbytes", 8, lambda dtype: BitsAndBytesConfig(load_in_8bit=True), _BOTH
    ),
}


def kind_on_load(spec: ModelSpec, config: Any) -> tuple[str | None, int | None]:
    """The quantization that a model will have, and its bits: what is asked for, else its own."""
    if spec.quantization is None:
        return quantization_of(config)
    method = METHODS[spec.quantization]
    return f"{method.library}-{spec.quantization}-{method.bits}bit", method.bits


def settings_on_load(spec: ModelSpec, config: Any, device: str, dtype: torch.dtype) -> Any:
    """What transformers is given for the quantization that is asked for; None for none.

    Raises:
        ModelError: when the model is quantized already.
        UnsupportedError: when the library is missing, or the device cannot do it.
    """
    if (name := spec.quantization) is None:
        return None
    method, option = METHODS[name], f"--quantization {name}"
    if settings_of(config) is not None:
        raise ModelError(
            f"{option}: the model {spec.label} is quantized already "
            f"({(quantization_of(config)[0] or '')[:60]}).",
            "Leave it out, or name the model that it was made from.",
        )
    if method.gpu is not None:
        _check_device(option, method.gpu, device)
    if method.dtype not in (None, dtype):
        wanted, given = (str(one).removeprefix("torch.") for one in (method.dtype, dtype))
        raise UsageError(
            f"{option} computes in {wanted}, not in {given}.", f"Add --dtype {wanted}."
        )
    with needed_by(option):
        __import__(method.library)
    return method.settings(dtype)


def _check_device(option: str, least: tuple[int, int], device: str) -> None:
    others = "`--quantization int8` and `nf4` work on every device."
    if device == "cpu":
        raise UnsupportedError(f"{option} needs an NVIDIA GPU.", others)
    has = torch.cuda.get_device_capability()
    if has < least:
        wanted, found = (".".join(map(str, one)) for one in (least, has))
        raise UnsupportedError(
            f"{option} needs a GPU of compute capability {wanted}, and this one has {found}: it "
            "would be computed in another precision.",
            others,
        )


def check_quantized(model: Any, spec: ModelSpec) -> Census | None:
    """The census of a model that was quantized as asked; a ModelError where little was done."""
    if spec.quantization is None:
        return None
    census = take_census(model)
    if census.saved_share < LEAST_SAVED:
        raise _nothing_quantized(spec.quantization, spec.label, census)
    return census


def _nothing_quantized(name: Quantization, label: str, census: Census) -> ModelError:
    method = METHODS[name]
    largest = max(census.layers, key=lambda layer: layer.weights_bytes)
    before, after = (
        f"{count / 1e6:,.1f} MB" for count in (census.bytes_before, census.bytes_after)
    )
    message = (
        f"--quantization {name}: nothing was quantized in the model {label}, or next to nothing "
        f"({before} of weights before, {after} after): most of them are in layers of the class "
        f"{largest.module}, and {method.library} quantizes {' and '.join(_names(method))}."
    )
    others = [
        other
        for other, how in METHODS.items()
        if largest.module in _names(how).keys() - _names(method)
    ]
    remedy = f"Take {' or '.join(others)}, which quantize them." if others else "Leave it out."
    return ModelError(message, remedy)


def _names(method: Method) -> dict[str, None]:
    return dict.fromkeys(kind.__name__ for kind in method.kinds)


def take_census(model: Any) -> Census:
    """The layers of a quantized model by what became of them, and the bytes before and after."""
    plain = without_quantized_weights(model)
    before = sum(parameter.numel() for parameter in plain.parameters()) * model.dtype.itemsize
    by_rule = getattr(model.hf_quantizer, "modules_to_not_convert", None)
    kinds = {name: type(module) for name, module in plain.named_modules()}
    layers = [(name, module) for name, module in model.named_modules() if _own(module)]
    quantized = {name for name, module in layers if _is_quantized(module)}
    done = {kinds.get(name) for name in quantized}
    found: dict[tuple[str, str, LayerState], list[int]] = {}
    seen: set[int] = set()
    for name, module in layers:
        state: LayerState = "quantized" if name in quantized else "kept"
        if state == "kept" and kinds.get(name) in done and should_convert_module(name, by_rule):
            state = "fell_back"
        new = [parameter for parameter in _own(module) if id(parameter) not in seen]
        seen.update(map(id, new))
        entry = found.setdefault((type(module).__name__, _weight_of(module), state), [0, 0])
        entry[0] += 1
        entry[1] += sum(map(bytes_of, new))
    counted = tuple(
        LayerCount(module, weight, state, count, size)
        for (module, weight, state), (count, size) in found.items()
    )
    return Census(before, sum(layer.weights_bytes for layer in counted), counted)


def _own(module: torch.nn.Module) -> list[torch.nn.Parameter]:
    return list(module.parameters(recurse=False))


def _is_quantized(module: torch.nn.Module) -> bool:
    return any(is_packed(parameter) for parameter in _own(module))


def _weight_of(module: torch.nn.Module) -> str:
    """The type of a layer's weight: its class, of a plain one the dtype."""
    weight = getattr(module, "weight", None)
    weight = weight if isinstance(weight, torch.Tensor) else _own(module)[0]
    return type(weight).__name__ if is_packed(weight) else str(weight.dtype).removeprefix("torch.")
