"""Loading: a model from the hub, a folder, or a bundled architecture.

Nothing is loaded that could run code from elsewhere unless it was asked for, and nothing is
measured whose weights are not what they claim to be: missing weights are refused.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import torch
import transformers
from huggingface_hub import try_to_load_from_cache
from transformers import AutoConfig

from energyscore.base.errors import UnsupportedError
from energyscore.measurement.backend import Gpus
from energyscore.measurement.backends.adapters import Adapter, apply_adapter, fetch_adapter
from energyscore.measurement.backends.attention import check_attention
from energyscore.measurement.backends.left_over import check_left_over, refuse_unmerged
from energyscore.measurement.backends.missing import explain_missing, refuse_mismatched
from energyscore.measurement.backends.published import (
    check_published_weights,
    explain_no_config,
    refuse_published_adapter,
)
from energyscore.measurement.backends.quantization import (
    check_loaded,
    check_quantization,
    do_without_unfit_kernels,
    settings_of,
)
from energyscore.measurement.backends.quantizing import (
    check_quantized,
    kind_on_load,
    settings_on_load,
)
from energyscore.measurement.backends.spreading import check_nothing_left_out, sketch_of
from energyscore.measurement.claims import check_claims, room_on
from energyscore.protocol.bundled import Architecture, find_architecture
from energyscore.protocol.census import Census
from energyscore.protocol.model import ModelSpec
from energyscore.protocol.task import TaskSpec

Place: TypeAlias = str | dict[str, int]
"""The device of a model, or the GPU of each of its parts."""

_QUANTIZED = "quantization_config"

SPECIAL_TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
"""Those of the bundled tokenizer."""


@dataclass(frozen=True)
class Blueprint:
    """All that is known of a model before its weights are loaded."""

    spec: ModelSpec  # pinned to the commit that its configuration is from
    task: TaskSpec
    device: str
    config: Any
    architecture: Architecture | None = None
    gpus: Gpus | None = None  # None: the first GPU is taken
    adapter: Adapter | None = None


@dataclass(frozen=True)
class Loaded:
    """A model that is ready to be used.

    Attributes:
        left_over: weights of its files that belong into its layers and were not taken.
        census: of a model that was quantized while it was loaded.
    """

    module: Any
    left_over: tuple[str, ...]
    census: Census | None


def read_blueprint(
    spec: ModelSpec, task: TaskSpec, device: str, gpus: Gpus | None = None
) -> Blueprint:
    """Read the configuration of what `spec` names."""
    quieten()
    if spec.source == "builtin":
        architecture = find_architecture(spec.id, task.modality)
        settings = dict(architecture.config)
        special = SPECIAL_TOKENS if architecture.special_tokens else {}
        config = AutoConfig.for_model(settings.pop("model_type"), **special | settings)
        return Blueprint(spec, task, device, config, architecture, gpus)
    if spec.base is not None and (adapter := fetch_adapter(spec)):
        return replace(read_blueprint(spec.base, task, device, gpus), adapter=adapter)
    config = _read_config(spec)
    if spec.source == "hub":
        # The file that was just loaded lies in the cache in a folder named by its commit; the
        # rest is loaded from that same commit, whatever happens to the branch meanwhile.
        file = try_to_load_from_cache(spec.id, "config.json", revision=spec.revision or "main")
        if isinstance(file, str):
            spec = replace(spec, revision=Path(file).parent.name)
    refuse_published_adapter(spec)
    check_quantization(config, spec)
    blueprint = Blueprint(spec, task, device, config, gpus=gpus)
    _check_size(blueprint)
    return blueprint


def _check_size(blueprint: Blueprint) -> None:
    """Refuse what no memory here can hold."""
    spec, config = blueprint.spec, blueprint.config
    each = choose_dtype(spec, blueprint.task, blueprint.device, config).itemsize
    plain = settings_of(config) is None and spec.quantization is None
    room = room_on(blueprint.device) if plain else None
    check_claims(as_dict(config), spec.label, each, room)


def _read_config(spec: ModelSpec) -> Any:
    try:
        # Some configurations make a list of all their layers: what they claim comes first.
        settings, _ = transformers.PretrainedConfig.get_config_dict(
            spec.location, revision=spec.revision
        )
        check_claims(settings, spec.label, 0, None)
        return read_published(spec, AutoConfig)
    except (OSError, ValueError):
        explained = explain_no_config(spec)
        if explained is None:
            raise
        raise explained from None


def read_published(spec: ModelSpec, auto_class: Any, **options: Any) -> Any:
    """What an Auto class makes of a model's files, at the revision that was asked for."""
    return auto_class.from_pretrained(
        spec.location, revision=spec.revision, trust_remote_code=spec.trust_remote_code, **options
    )


def quieten() -> None:
    """Silence the library's messages, and its progress bars where there is no terminal."""
    transformers.logging.set_verbosity_error()
    if not sys.stderr.isatty():
        transformers.logging.disable_progress_bar()


def load_weights(
    blueprint: Blueprint, auto_class: Any, unused_weights: tuple[str, ...] = ()
) -> Loaded:
    """The module on its device, or divided over several GPUs, ready to be used.

    Weights whose names begin with one of `unused_weights` may be missing.

    Raises:
        ModelError: when weights are missing that the task's work needs.
        UnsupportedError: when the GPUs do not hold them.
    """
    spec, config, device = blueprint.spec, blueprint.config, blueprint.device
    dtype = choose_dtype(spec, blueprint.task, device, config)
    options: dict[str, Any] = check_attention(spec, auto_class, config, device, dtype)
    if quantized := settings_on_load(spec, config, device, dtype):
        options[_QUANTIZED] = quantized
    place, model_class = _choose_place(blueprint, auto_class, dtype)
    left_over: tuple[str, ...] = ()
    if spec.random_weights:
        model = _random(blueprint, model_class, dtype, place, options)
    else:
        model, left_over = _pretrained(blueprint, auto_class, dtype, place, unused_weights, options)
    census = check_quantized(model, spec)
    if not spec.random_weights:
        if census is None:
            check_loaded(model, spec)
        if settings_of(config) is not None and settings_of(model.config) is None:
            model = model.to(dtype)  # the library undid the quantization, in a dtype of its own
        if blueprint.adapter is not None:
            apply_adapter(model, blueprint.adapter)
    do_without_unfit_kernels(model)
    model = model.eval()
    if isinstance(place, dict):
        tensors = (*model.parameters(), *model.buffers())
        check_nothing_left_out((tensor.device for tensor in tensors), spec.label)
    elif getattr(model, "hf_quantizer", None) is None:
        model = model.to(place)
    return Loaded(model, left_over, census)


def choose_dtype(spec: ModelSpec, task: TaskSpec, device: str, config: Any) -> torch.dtype:
    """The dtype to compute in: what was asked for, or what the task's protocol says.

    `auto` keeps the checkpoint's own dtype where the protocol allows it, and takes the
    protocol's first otherwise. Processors compute in float32, for lack of half-precision units.
    """
    if spec.dtype != "auto":
        chosen: str = spec.dtype
    elif device == "cpu":
        chosen = "float32"
    else:
        own = str(getattr(config, "dtype", None)).removeprefix("torch.")
        chosen = own if own in task.precision else task.precision[0]
    dtype: torch.dtype = getattr(torch, chosen)
    return dtype


def _choose_place(blueprint: Blueprint, auto_class: Any, dtype: torch.dtype) -> tuple[Place, Any]:
    """Where a model goes, and the class that builds it."""
    if blueprint.device == "cpu" or blueprint.gpus is None:
        return blueprint.device, auto_class
    spec, config = blueprint.spec, blueprint.config
    try:
        sketch = sketch_of(
            auto_class,
            config,
            dtype,
            spec.label,
            kind_on_load(spec, config),
            trust_remote_code=spec.trust_remote_code,
        )
    except RuntimeError:
        if blueprint.gpus.spread is not None:
            raise
        # Code of its own that looks at its numbers while it is built: there is no sketch of it.
        return blueprint.device, auto_class
    limits = sketch.choose_gpus(blueprint.gpus, blueprint.task)
    if len(limits) == 1:
        return f"cuda:{next(iter(limits))}", auto_class
    return sketch.divide(limits), type(sketch.module)


def _random(
    blueprint: Blueprint,
    model_class: Any,
    dtype: torch.dtype,
    place: Place,
    options: Mapping[str, Any],
) -> Any:
    """A model with random weights, built where it will work: a CPU would take minutes.

    Over several GPUs it is loaded from an empty checkpoint: the library makes what is missing. One
    that is to be quantized is loaded from the plain one's weights, as from a checkpoint.
    """
    config, trusted = blueprint.config, blueprint.spec.trust_remote_code
    plain = {name: how for name, how in options.items() if name != _QUANTIZED}
    torch.manual_seed(blueprint.spec.seed)
    if isinstance(place, dict):
        if len(plain) < len(options):
            raise UnsupportedError(
                f"--quantization {blueprint.spec.quantization}: random weights that are quantized "
                "are not divided over several GPUs.",
                "Take a GPU with more memory, or leave out --random-weights.",
            )
        return model_class.from_pretrained(
            None, config=config, state_dict={}, dtype=dtype, device_map=place, **plain
        )
    with torch.device(place):
        model = model_class.from_config(config, dtype=dtype, trust_remote_code=trusted, **plain)
    if len(plain) == len(options):
        return model
    weights = model.state_dict()
    return type(model).from_pretrained(
        None, config=config, state_dict=weights, dtype=dtype, device_map={"": place}, **options
    )


def _pretrained(
    blueprint: Blueprint,
    auto_class: Any,
    dtype: torch.dtype,
    place: Place,
    unused: tuple[str, ...],
    asked: Mapping[str, Any],
) -> tuple[Any, tuple[str, ...]]:
    spec, config = blueprint.spec, blueprint.config
    check_published_weights(spec, config)
    quantized = settings_of(config) is not None
    options: dict[str, Any] = {} if quantized and spec.dtype == "auto" else {"dtype": dtype}
    options |= asked
    if quantized or _QUANTIZED in options or isinstance(place, dict):
        options["device_map"] = place if isinstance(place, dict) else {"": place}
    model, info = read_published(
        spec,
        auto_class,
        config=config,
        use_safetensors=None if spec.allow_pickle else True,
        ignore_mismatched_sizes=True,  # they are refused below, by name
        output_loading_info=True,
        **options,
    )
    left_over = list(map(str, info["unexpected_keys"]))
    refuse_unmerged(spec.label, left_over)
    refuse_mismatched(spec.label, info["mismatched_keys"])
    if blueprint.adapter is not None:
        unused += blueprint.adapter.replaced
    missing = [key for key in sorted(map(str, info["missing_keys"])) if not key.startswith(unused)]
    if missing:
        explain_missing(model, spec.label, missing, left_over)
    # Of quantized weights the library keeps some under other names.
    return model, () if quantized else check_left_over(model, spec.label, left_over)


def as_dict(config: Any) -> Mapping[str, Any]:
    """The settings of a configuration, which may be one of plain settings already."""
    settings: Mapping[str, Any] = config.to_dict() if hasattr(config, "to_dict") else config
    return settings
