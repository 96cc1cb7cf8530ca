"""Loading: a model from the hub, a folder, or a bundled architecture.

Nothing is loaded that could run code from elsewhere unless it was asked for, and nothing is
measured whose weights are not what they claim to be: missing weights are refused.
"""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import torch
import transformers
from huggingface_hub import try_to_load_from_cache
from transformers import AutoConfig

from energyscore.base.errors import ModelError
from energyscore.base.files import model_files
from energyscore.measurement.backend import Gpus
from energyscore.measurement.backends.adapters import Adapter, apply_adapter, fetch_adapter
from energyscore.measurement.backends.left_over import check_left_over, refuse_unmerged
from energyscore.measurement.backends.missing import explain_missing, refuse_mismatched
from energyscore.measurement.backends.origin import parent_of
from energyscore.measurement.backends.published import (
    check_published_weights,
    explain_no_config,
    refuse_published_adapter,
)
from energyscore.measurement.backends.quantization import (
    check_loaded,
    check_quantization,
    quantization_of,
    settings_of,
    without_quantized_weights,
)
from energyscore.measurement.backends.spreading import check_nothing_left_out, sketch_of
from energyscore.measurement.claims import check_claims, room_on
from energyscore.protocol.bundled import Architecture, find_architecture
from energyscore.protocol.model import ModelFacts, ModelSpec
from energyscore.protocol.task import TaskSpec

Place: TypeAlias = str | dict[str, int]
"""The device of a model, or the GPU of each of its parts."""

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
    room = room_on(blueprint.device) if settings_of(config) is None else None
    check_claims(_as_dict(config), spec.label, each, room)


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
) -> tuple[Any, tuple[str, ...]]:
    """The module on its device, or divided over several GPUs, ready to be used.

    Weights whose names begin with one of `unused_weights` may be missing. With it come the weights
    of its files that belong into its layers and were not taken.

    Raises:
        ModelError: when weights are missing that the task's work needs.
        UnsupportedError: when the GPUs do not hold them.
    """
    spec = blueprint.spec
    dtype = choose_dtype(spec, blueprint.task, blueprint.device, blueprint.config)
    place, model_class = _choose_place(blueprint, auto_class, dtype)
    left_over: tuple[str, ...] = ()
    if spec.random_weights:
        model = _random(blueprint, model_class, dtype, place)
    else:
        model, left_over = _pretrained(blueprint, auto_class, dtype, place, unused_weights)
        check_loaded(model, spec)
        if settings_of(blueprint.config) is not None and settings_of(model.config) is None:
            model = model.to(dtype)  # the library undid the quantization, in a dtype of its own
        if blueprint.adapter is not None:
            apply_adapter(model, blueprint.adapter)
    model = model.eval()
    if isinstance(place, dict):
        tensors = (*model.parameters(), *model.buffers())
        check_nothing_left_out((tensor.device for tensor in tensors), spec.label)
    elif getattr(model, "hf_quantizer", None) is None:
        model = model.to(place)
    return model, left_over


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
            quantization_of(config),
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


def _random(blueprint: Blueprint, model_class: Any, dtype: torch.dtype, place: Place) -> Any:
    """A model with random weights, built where it will work: a CPU would take minutes.

    Over several GPUs it is loaded from an empty checkpoint: the library makes what is missing.
    """
    config, trusted = blueprint.config, blueprint.spec.trust_remote_code
    torch.manual_seed(blueprint.spec.seed)
    if isinstance(place, dict):
        return model_class.from_pretrained(
            None, config=config, state_dict={}, dtype=dtype, device_map=place
        )
    with torch.device(place):
        return model_class.from_config(config, dtype=dtype, trust_remote_code=trusted)


def _pretrained(
    blueprint: Blueprint, auto_class: Any, dtype: torch.dtype, place: Place, unused: tuple[str, ...]
) -> tuple[Any, tuple[str, ...]]:
    spec, config = blueprint.spec, blueprint.config
    check_published_weights(spec, config)
    quantized = settings_of(config) is not None
    options: dict[str, Any] = {} if quantized and spec.dtype == "auto" else {"dtype": dtype}
    if quantized or isinstance(place, dict):
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


def facts_of_loaded(
    blueprint: Blueprint, model: Any, context_length: int | None = None
) -> ModelFacts:
    """What a model is that was loaded by a blueprint, with its adapter if it has one."""
    facts = facts_of(blueprint.spec, type(model).__name__, [model], context_length)
    if facts.quantization is None and facts.weights == "pretrained":
        facts = replace(facts, dequantized=quantization_of(blueprint.config)[0])
    if blueprint.adapter is not None:
        base = f"{blueprint.spec.label}@{facts.revision}"
        spec = blueprint.adapter.spec
        facts = replace(
            facts,
            revision=revision_of(spec),
            base_model=base,
            parent=parent_of(spec, "adapter"),
        )
    return facts


def facts_of(
    spec: ModelSpec, architecture: str, parts: Sequence[Any], context_length: int | None = None
) -> ModelFacts:
    """What a loaded model is; `parts` are its modules: one, or several of a pipeline."""
    largest = max(parts, key=lambda part: sum(p.numel() for p in part.parameters()))
    found = [quantization_of(getattr(part, "config", None)) for part in parts]
    quantization, bits = next((one for one in found if one[0]), (None, None))
    return ModelFacts(
        revision=revision_of(spec),
        architecture=architecture,
        parameters=count_parameters(parts),
        dtype=str(largest.dtype).removeprefix("torch."),
        quantization=quantization,
        quantization_bits=bits,
        weights="random" if spec.random_weights else "pretrained",
        context_length=context_length,
        experts=count_experts(_as_dict(getattr(largest, "config", {}))),
        parent=parent_of(spec, "quantized" if quantization else None),
    )


def count_parameters(parts: Sequence[Any]) -> int:
    """Parameters of modules, those that they share once.

    Quantized weights are packed several to a number, each method in its own way, some as buffers;
    so they are counted in the same architecture without quantization, built on `meta`.
    """
    plain = torch.nn.ModuleList(map(without_quantized_weights, parts))
    return sum(parameter.numel() for parameter in plain.parameters())


def _as_dict(config: Any) -> Mapping[str, Any]:
    settings: Mapping[str, Any] = config.to_dict() if hasattr(config, "to_dict") else config
    return settings


def count_experts(config: Mapping[str, Any]) -> int | None:
    """Experts of a layer by a configuration and its parts; None for dense models.

    Families name it `num_local_experts`, `num_experts`, `n_routed_experts`, `moe_num_experts`;
    dense members of such families say null, 0 or 1.
    """
    own = [n for key, n in config.items() if str(key).endswith("experts") and isinstance(n, int)]
    parts = [count_experts(part) for part in config.values() if isinstance(part, Mapping)]
    most = max([*own, *(n for n in parts if n)], default=0)
    return most if most > 1 else None


def revision_of(spec: ModelSpec) -> str | None:
    """The commit of what was loaded, None for a bundled one; of a folder a digest.

    That is the SHA-256 over all that can decide the work, so that a result names what it measured.
    """
    if spec.path is None:
        return spec.revision
    digest = hashlib.sha256()
    for file in model_files(spec.path, weights=not spec.random_weights):
        name = file.relative_to(spec.path).as_posix()
        digest.update(f"{name}\0".encode("utf-8", "surrogateescape"))
        try:
            with file.open("rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
        except OSError as error:
            raise ModelError(
                f"{file} cannot be read: {error.strerror}.",
                "It is part of the model's folder: make it readable, or take it out.",
            ) from error
    return f"sha256:{digest.hexdigest()[:16]}"
