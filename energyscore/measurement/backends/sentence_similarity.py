"""Sentence similarity with encoders and mean pooling."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModel, AutoModelForTextEncoding
from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES

from energyscore.measurement.backend import Batch, BatchOutput, EnterPhase
from energyscore.measurement.backends.base import ByModel, TransformersBackend
from energyscore.measurement.backends.text import TextBackend
from energyscore.protocol.model import By
from energyscore.protocol.workload import Query


class ByPooling(TextBackend):
    """Both sentences are embedded in one pass (mean pooling); the cosine compares them."""

    auto_class = AutoModel
    own_inputs = ("attention_mask",)
    # Mean pooling reads the last hidden states; the pooler's weights are not used.
    unused_weights = ("pooler.",)

    def _texts(self, queries: Sequence[Query]) -> list[str]:
        return [query[side] for query in queries for side in ("sentence1", "sentence2")]

    def _work(self, batch: Batch, enter: EnterPhase) -> BatchOutput:
        enter("forward")
        states = self.model(**self._for_model(batch.inputs)).last_hidden_state
        mask = batch.inputs["attention_mask"].unsqueeze(-1).to(states.dtype)
        embeddings = (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        first, second = embeddings[0::2], embeddings[1::2]
        return BatchOutput(0, torch.cosine_similarity(first, second).tolist())


class ByEncoderAlone(ByPooling):
    """Of a T5 the encoder alone embeds, as in sentence-t5 and gtr-t5."""

    auto_class = AutoModelForTextEncoding


class SentenceSimilarity(ByModel):
    """The T5 family embeds with its encoder, as sentence-transformers does; all others whole."""

    @staticmethod
    def choose(config: Any, by: By | None = None) -> type[TransformersBackend]:
        """By the configuration."""
        encoder = MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES.get(config.model_type, "")
        return ByEncoderAlone if encoder.endswith("EncoderModel") else ByPooling
