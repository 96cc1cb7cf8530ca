"""Sentence similarity with encoders and mean pooling."""

from collections.abc import Sequence

import torch
from transformers import AutoModel

from energyscore.measurement.backend import Batch, BatchOutput, EnterPhase
from energyscore.measurement.backends.text import TextBackend
from energyscore.protocol.workload import Query


class SentenceSimilarity(TextBackend):
    """Both sentences are embedded in one pass (mean pooling); the cosine compares them."""

    auto_class = AutoModel
    # Mean pooling reads the last hidden states; the pooler's weights are not used.
    unused_weights = ("pooler.",)

    def _texts(self, queries: Sequence[Query]) -> list[str]:
        return [query[side] for query in queries for side in ("sentence1", "sentence2")]

    def _work(self, batch: Batch, enter: EnterPhase) -> BatchOutput:
        enter("forward")
        states = self.model(**batch.inputs).last_hidden_state
        mask = batch.inputs["attention_mask"].unsqueeze(-1).to(states.dtype)
        embeddings = (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        first, second = embeddings[0::2], embeddings[1::2]
        return BatchOutput(0, torch.cosine_similarity(first, second).tolist())
