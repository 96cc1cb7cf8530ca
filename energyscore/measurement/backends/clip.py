"""CLIP: how well an image fits its prompt. It judges the answers of models that make images."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoImageProcessor, AutoModel

from energyscore.base.errors import ModelError
from energyscore.measurement.backend import Batch, BatchOutput, EnterPhase
from energyscore.measurement.backends.base import TransformersBackend
from energyscore.measurement.backends.loading import Blueprint
from energyscore.measurement.backends.processors import load_processor, load_tokenizer
from energyscore.protocol.workload import Query


class Clip(TransformersBackend):
    """Queries are an image with its prompt, answers the cosines of the two. Long prompts are cut.

    `longest` is the most tokens that it takes of a prompt.
    """

    auto_class = AutoModel
    longest = 0
    _processor: Any = None
    _tokenizer: Any = None

    def _load_processor(self, blueprint: Blueprint) -> None:
        config = blueprint.config
        if config.model_type != "clip":
            kind = f"{blueprint.spec.label} is a {config.model_type}"
            raise ModelError(f"The model {kind} and no CLIP model.")
        self._processor = load_processor(
            blueprint, AutoImageProcessor, "image_processor", backend="pil"
        )
        self._tokenizer = load_tokenizer(blueprint, padding_side="right", framed=True)
        positions = config.text_config.max_position_embeddings
        self.longest = min(positions, self._tokenizer.model_max_length)

    def _prepare(self, queries: Sequence[Query]) -> Batch:
        images = self._processor(images=[one["image"] for one in queries], return_tensors="pt")
        texts = self._tokenizer(
            [one["prompt"] for one in queries],
            padding=True,
            truncation=True,
            max_length=self.longest,
            return_tensors="pt",
        )
        taken = {name: texts[name] for name in ("input_ids", "attention_mask")}
        return Batch({**images, **taken}, len(queries), 0)

    def _work(self, batch: Batch, enter: EnterPhase) -> BatchOutput:
        enter("forward")
        said = self.model(**batch.inputs)
        images, texts = (
            torch.nn.functional.normalize(embedded, dim=-1)
            for embedded in (said.image_embeds, said.text_embeds)
        )
        return BatchOutput(0, (images * texts).sum(dim=-1).tolist())
