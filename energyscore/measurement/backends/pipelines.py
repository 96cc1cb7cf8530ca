"""Pipelines of diffusers: several models that make an image together, loaded as one.

A pipeline has no configuration of its own: `model_index.json` names the class of each part, and
each part lies in a folder of its name. The rules of `loading` hold for every part.
"""

import contextlib
import importlib
import inspect
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from huggingface_hub import snapshot_download
from huggingface_hub.errors import RemoteEntryNotFoundError

from energyscore.base.errors import ModelError, UsageError
from energyscore.measurement.backends.adapters import is_adapter
from energyscore.measurement.backends.facts import facts_of
from energyscore.measurement.backends.loading import (
    SPECIAL_TOKENS,
    choose_dtype,
    quieten,
)
from energyscore.measurement.backends.missing import refuse_mismatched, refuse_missing
from energyscore.measurement.backends.processors import bundled_tokenizer
from energyscore.measurement.backends.quantization import refuse_random
from energyscore.measurement.claims import check_claims, room_on
from energyscore.protocol.bundled import Architecture, find_architecture
from energyscore.protocol.model import PIPELINE_INDEX, ModelFacts, ModelSpec
from energyscore.protocol.task import TaskSpec
from energyscore.protocol.weight_files import check_pipeline

_WITHOUT_WEIGHTS = ["*.json", "*.txt", "*.model"]


def load_pipeline(spec: ModelSpec, task: TaskSpec, device: str) -> tuple[Any, ModelFacts]:
    """A pipeline on its device, quiet and ready to be called, and what it is.

    It is kept as it ships: its scheduler, its guidance, and where it has a safety checker, that
    too. Users of the model pay for all of that work.
    """
    if spec.base is not None and is_adapter(spec):
        message = "Adapters for pipelines, which make images, are not supported."
        raise ModelError(message, "Name a whole pipeline.")
    asked = {
        "quantization": spec.quantization,
        "attention": spec.attention,
        "compile": spec.compile,
    }
    if given := [f"--{name}" for name, how in asked.items() if how]:
        raise UsageError(
            f"{' and '.join(given)}: not for pipelines, which make images.", "Leave it out."
        )
    quieten()
    diffusers.logging.set_verbosity_error()
    diffusers.logging.disable_progress_bar()
    _find_moved_modules()
    dtype = choose_dtype(spec, task, device, config=None)
    if spec.source == "builtin":
        torch.manual_seed(spec.seed)
        pipeline = build_bundled(find_architecture(spec.id, task.modality), dtype, device)
    else:
        folder, spec = _fetch(spec)
        pipeline = _from_folder(folder, spec, dtype, device)
    pipeline.to(device)
    pipeline.set_progress_bar_config(disable=True)
    # No length: what is too long is cut by each text encoder for itself.
    facts = facts_of(spec, type(pipeline).__name__, list(modules_of(pipeline).values()))
    return pipeline, facts


def modules_of(pipeline: Any) -> torch.nn.ModuleDict:
    """The models of a pipeline by name, as one module."""
    parts = pipeline.components.items()
    return torch.nn.ModuleDict(
        {name: part for name, part in parts if isinstance(part, torch.nn.Module)}
    )


def build_bundled(architecture: Architecture, dtype: torch.dtype, device: str) -> Any:
    """A bundled pipeline with random weights."""
    config = architecture.config
    pipeline_class = getattr(diffusers, config["pipeline"])
    parts: dict[str, Any] = dict(config.get("settings", {}))
    for name, settings in config["parts"].items():
        own = dict(settings)
        part_class = _part_class(own.pop("library", "diffusers"), own.pop("class"))
        if issubclass(part_class, torch.nn.Module):
            parts[name] = _build_part(part_class, own, dtype, device)
        else:
            parts[name] = part_class(**own)
    for name in inspect.signature(pipeline_class).parameters:
        if name.startswith("tokenizer"):
            length = architecture.context_length or 77
            parts[name] = bundled_tokenizer(padding_side="right", framed=True, longest=length)
    return pipeline_class(**parts)


def _find_moved_modules() -> None:
    """Let Stable Cascade's index find a part of it in the module where diffusers 0.36 put it."""
    if not hasattr(diffusers.pipelines, "wuerstchen"):
        moved = importlib.import_module("diffusers.pipelines.deprecated.wuerstchen")
        diffusers.pipelines.wuerstchen = moved


def _fetch(spec: ModelSpec) -> tuple[Path, ModelSpec]:
    """The folder of a pipeline, downloaded from the hub if need be, and its spec, pinned."""
    none = ModelError(
        f"The model {spec.label} is no pipeline of diffusers: it has no {PIPELINE_INDEX}.",
        "Name one that makes images, such as stabilityai/sd-turbo.",
    )
    if spec.path is not None:
        if not (spec.path / PIPELINE_INDEX).is_file():
            raise none
        return spec.path, spec
    try:
        if spec.random_weights:
            found = snapshot_download(
                spec.id, revision=spec.revision, allow_patterns=_WITHOUT_WEIGHTS
            )
        else:
            found = diffusers.DiffusionPipeline.download(
                spec.id,
                revision=spec.revision,
                use_safetensors=None if spec.allow_pickle else True,
                load_connected_pipeline=True,
                trust_remote_code=spec.trust_remote_code,
            )
    except RemoteEntryNotFoundError as error:
        raise none from error
    folder = Path(found)
    if not (folder / PIPELINE_INDEX).is_file():
        raise none
    return folder, replace(spec, revision=folder.name)  # the cache names folders by commit


def _from_folder(folder: Path, spec: ModelSpec, dtype: torch.dtype, device: str) -> Any:
    index = json.loads((folder / PIPELINE_INDEX).read_text(encoding="utf-8"))
    check_pipeline(folder, index, spec.label, allow_pickle=spec.allow_pickle)
    parts = _random_parts(folder, index, spec, dtype, device) if spec.random_weights else {}
    with _noting_missing(spec.label) as missing:
        pipeline = diffusers.AutoPipelineForText2Image.from_pretrained(
            str(folder),
            dtype=dtype,
            use_safetensors=None if spec.allow_pickle else True,
            trust_remote_code=spec.trust_remote_code,
            **parts,
        )
    if spec.random_weights and (others := set(modules_of(pipeline)) - set(parts)):
        raise ModelError(
            f"The model {spec.label} takes {', '.join(sorted(others))} from a second pipeline, "
            "which --random-weights does not build.",
            "Leave it out.",
        )
    refuse_missing(f"The model {spec.label} lacks weights", missing, "Download or save it again")
    return pipeline


@contextlib.contextmanager
def _noting_missing(label: str) -> Iterator[list[str]]:
    """The weights that are missing in the parts that are loaded meanwhile.

    A pipeline loads its parts (and those of a second pipeline it is joined to) itself, and drops
    what their loaders say. Missing weights would be random numbers without a word. Weights of other
    shapes are refused at once.
    """
    missing: list[str] = []

    def noting(loader: Any) -> Any:
        def from_pretrained(cls: Any, *args: Any, **options: Any) -> Any:
            own = {"output_loading_info": True}
            if issubclass(cls, transformers.PreTrainedModel):
                own["ignore_mismatched_sizes"] = True  # it would not say which
            part, info = loader(cls, *args, **options | own)
            refuse_mismatched(f"{label} ({cls.__name__})", info.get("mismatched_keys") or ())
            keys = sorted(map(str, info["missing_keys"]))
            missing.extend(f"{cls.__name__} {key}" for key in keys)
            return part

        return classmethod(from_pretrained)

    bases = (diffusers.ModelMixin, transformers.PreTrainedModel)
    originals = [vars(base)["from_pretrained"] for base in bases]
    for base, original in zip(bases, originals, strict=True):
        base.from_pretrained = noting(original.__func__)
    try:
        yield missing
    finally:
        for base, original in zip(bases, originals, strict=True):
            base.from_pretrained = original


def _random_parts(
    folder: Path, index: dict[str, Any], spec: ModelSpec, dtype: torch.dtype, device: str
) -> dict[str, torch.nn.Module]:
    """The models that a folder's configurations describe, with random weights."""
    torch.manual_seed(spec.seed)
    parts = {}
    for name, entry in index.items():
        file = folder / name / "config.json"
        if isinstance(entry, list) and entry[0] and file.is_file():
            part_class = _part_class(*entry)
            if issubclass(part_class, torch.nn.Module):
                settings = json.loads(file.read_text(encoding="utf-8"))
                if quantized := settings.get("quantization_config"):
                    refuse_random(str(quantized.get("quant_method")), f"{spec.label} ({name})")
                check_claims(settings, f"{spec.label} ({name})", dtype.itemsize, room_on(device))
                parts[name] = _build_part(part_class, settings, dtype, device)
    return parts


def _part_class(library: str, name: str) -> Any:
    """The class of a pipeline's part. No other library is imported: that would run its code."""
    owners = {"diffusers": diffusers, "transformers": transformers}
    owner = owners.get(library) or getattr(diffusers.pipelines, library, None)
    if owner is None or not hasattr(owner, name):
        raise ModelError(f"A part of the pipeline is a {name} of {library}, which is not known.")
    return getattr(owner, name)


def _build_part(
    part_class: Any, settings: dict[str, Any], dtype: torch.dtype, device: str
) -> torch.nn.Module:
    with torch.device(device):  # only models: schedulers calculate on the CPU
        if issubclass(part_class, transformers.PreTrainedModel):
            part = part_class(part_class.config_class(**SPECIAL_TOKENS | settings))
        else:
            part = part_class.from_config(settings)
    return part.to(dtype).eval()
