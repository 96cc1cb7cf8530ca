"""Where a model's parts go: onto one GPU, or divided over several by accelerate.

Here a model is a sketch, built on torch's `meta` device: all sizes are known, and no memory is
taken. What divides it has been tested on sketches only, and not yet met a machine with several
GPUs: `tests/gpu/test_two_gpus.py` is for one.
"""

import contextlib
import copy
import gc
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from energyscore.base.errors import UnsupportedError, UsageError
from energyscore.base.packages import needed_by
from energyscore.measurement.backend import Gpus
from energyscore.measurement.backends.devices import device_uuid
from energyscore.measurement.placement import Candidate, GpuRoom, place
from energyscore.protocol.task import TaskSpec
from energyscore.results.conformance import max_gpus_of

UNKNOWN_BITS = 4
"""Of a quantized model that does not say its bits: few, so that nothing is refused wrongly."""

PROMPT_TOKENS = 4096
"""Prompts are taken to be no longer: a model's context may be thirty times what a dataset needs."""

WORKING_SHARE = 0.2
"""Working memory as a share of the weights where a configuration does not tell it: the official
protocol's own factor (memory = 1.2 x weights)."""


@dataclass(frozen=True)
class Sketch:
    """A model before it has weights: its module on `meta`."""

    module: Any
    label: str
    dtype: torch.dtype
    bits: int | None = None  # of a quantized parameter, for its class; None: none, or not known
    stored_bits: int | None = None  # that a parameter takes in memory; None: its dtype's

    @property
    def weights_bytes(self) -> int:
        """Bytes of parameters and buffers, those of tied ones once."""
        return self._bytes_of(self.module)

    @property
    def piece_bytes(self) -> int:
        """Bytes of the largest part that stays whole: a layer, or a matrix outside of them."""
        whole = self._whole()
        pieces = (
            part
            for part in self.module.modules()
            if type(part).__name__ in whole or not list(part.children())
        )
        return max(map(self._bytes_of, pieces))

    def choose_gpus(self, gpus: Gpus, task: TaskSpec) -> dict[int, int]:
        """The GPUs for it, and how many bytes of weights each may hold, by torch's index."""
        parameters = sum(parameter.numel() for parameter in self.module.parameters())
        size = task.class_of(parameters, self.bits)
        candidate = Candidate(
            label=self.label,
            dtype=str(self.dtype).removeprefix("torch."),
            quantized=self.stored_bits is not None,
            weights_bytes=self.weights_bytes,
            piece_bytes=self.piece_bytes,
            working_bytes=self.working_bytes(task),
            rule=f"class {size}" if size else f"task {task.id}",
            max_gpus=max_gpus_of(task, size),
        )
        return place(candidate, _rooms(gpus), gpus.spread)

    def divide(self, limits: Mapping[int, int]) -> dict[str, int]:
        """Which part goes to which GPU: accelerate's device map, evenly if possible.

        `limits` are the bytes of weights that each GPU may hold, by torch's index.

        Raises:
            UnsupportedError: when accelerate is missing, or the model cannot be divided so:
                nothing is left to the processor's memory or the disk.
            UsageError: when it has fewer parts than there are GPUs.
        """
        need = f"The model {self.label} needs {len(limits)} GPUs"
        with needed_by(f"{need}; to divide it"):
            from accelerate import infer_auto_device_map
            from accelerate.utils import CustomDtype, get_balanced_memory
        whole = self._whole()
        if not whole:
            raise UnsupportedError(
                f"{need}, but {type(self.module).__name__} does not say which of its parts must "
                "stay together.",
                "Take a GPU with more memory, or a quantized model.",
            )
        sizes: dict[str, Any] = {}
        if self.stored_bits is not None and self.stored_bits <= 8:
            stored = CustomDtype.INT4 if self.stored_bits <= 4 else torch.int8
            sizes = {"dtype": stored, "special_dtypes": self._kept()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what is left to the processor: refused below
            even = get_balanced_memory(self.module, dict(limits), whole, **sizes)
            for budget in (even, limits):
                found = infer_auto_device_map(self.module, dict(budget), whole, **sizes)
                if set(found.values()) == set(limits):
                    return dict(found)
        if set(found.values()) < set(limits):
            raise UsageError(
                f"The model {self.label} has too few parts for {len(limits)} GPUs.",
                "Lower --spread.",
            )
        raise UnsupportedError(
            f"The model {self.label} cannot be divided so that {len(limits)} GPUs hold it: parts "
            f"of up to {self.piece_bytes / 1e9:.1f} GB must stay together.",
            "Take more GPUs, GPUs with more memory, or a quantized model.",
        )

    def _whole(self) -> list[str]:
        """Classes of the parts that must stay on one GPU, as the model names them."""
        return sorted(getattr(self.module, "_no_split_modules", None) or ())

    def _bytes_of(self, part: Any) -> int:
        if self.stored_bits is None:
            return sum(t.numel() * t.element_size() for t in (*part.parameters(), *part.buffers()))
        total, kept = sum(b.numel() * b.element_size() for b in part.buffers()), self._kept_ids()
        for p in part.parameters():
            bits = 8 * p.element_size() if id(p) in kept else self.stored_bits
            total += p.numel() * bits // 8
        return total

    def _kept_ids(self) -> set[int]:
        """Parameters that are not quantized with the others: the embeddings, as a rule."""
        kept: set[int] = set()
        for find in (self.module.get_input_embeddings, self.module.get_output_embeddings):
            with contextlib.suppress(NotImplementedError):  # models of images have none
                found = find()
                kept |= {id(p) for p in found.parameters()} if found is not None else set()
        return kept

    def _kept(self) -> dict[str, torch.dtype]:
        kept = self._kept_ids()
        return {name: p.dtype for name, p in self.module.named_parameters() if id(p) in kept}

    def working_bytes(self, task: TaskSpec) -> int:
        """An estimate of what its work takes beside its weights.

        By its configuration; a share of the weights where that does not tell.
        """
        config = self.module.config.get_text_config(decoder=True)
        names = ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size")
        layers, width, heads, vocabulary = (_whole_number(config, name) for name in names)
        if layers is None or width is None or heads is None or vocabulary is None:
            return int(WORKING_SHARE * self.weights_bytes)
        context = _whole_number(config, "max_position_embeddings") or PROMPT_TOKENS
        prompt, made = min(PROMPT_TOKENS, context), task.generation
        cached_heads = _whole_number(config, "num_key_value_heads") or heads
        head_width = _whole_number(config, "head_dim") or width // heads
        widest = max(_whole_number(config, "intermediate_size") or 0, 4 * width)
        tokens = prompt + (made.max_new_tokens if made else 0)
        cache = layers * 2 * cached_heads * head_width * tokens  # keys and values
        # A feed-forward layer holds a few tensors of its width at once; logits are made of one
        # token.
        activations = 4 * widest * prompt + 2 * vocabulary
        return task.batch_size * self.dtype.itemsize * (cache + activations)


def sketch_of(
    auto_class: Any,
    config: Any,
    dtype: torch.dtype,
    label: str,
    quantization: tuple[str | None, int | None],
    *,
    trust_remote_code: bool = False,
) -> Sketch:
    """The sketch of a model of that configuration.

    `quantization` is its kind (None for none), and the bits of a parameter if they are known.
    """
    with torch.device("meta"):
        module = auto_class.from_config(
            copy.deepcopy(config), dtype=dtype, trust_remote_code=trust_remote_code
        )
    kind, bits = quantization
    return Sketch(module, label, dtype, bits, None if kind is None else bits or UNKNOWN_BITS)


def check_nothing_left_out(devices: Iterable[torch.device], label: str) -> None:
    """Refuse a model of which a part is not on a GPU: its energy would not be theirs alone."""
    elsewhere = sorted({device.type for device in devices} - {"cuda"})
    if elsewhere:
        raise UnsupportedError(
            f"The model {label} does not fit on the GPUs: a part of it was put elsewhere "
            f"({', '.join(elsewhere)}).",
            "Take more GPUs (--spread), or a quantized model.",
        )


def _whole_number(config: Any, name: str) -> int | None:
    value = getattr(config, name, None)
    return value if isinstance(value, int) and value > 0 else None


def _rooms(gpus: Gpus) -> list[GpuRoom]:
    """The GPUs that torch sees, and what this process could take of each."""
    gc.collect()  # a model that was spread holds on to itself: its memory is free only now
    rooms = []
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        free = gpus.free_bytes.get(device_uuid(index), facts.total_memory)
        # Torch keeps what it freed, and the driver counts that as used.
        kept = torch.cuda.memory_reserved(index) - torch.cuda.memory_allocated(index)
        rooms.append(GpuRoom(index, facts.name, min(free + kept, facts.total_memory)))
    return rooms
