"""How likely texts are to a decoder: what its predictions of their tokens cost."""

from collections.abc import Sequence
from typing import Any

import torch

from energyscore.base.errors import ModelError
from energyscore.measurement.backend import Likelihood
from energyscore.measurement.backends.written_text import tokens_of

LONGEST_WINDOW = 1024
"""Tokens at most: a large vocabulary takes half a gigabyte for the predictions of so many."""


def text_likelihoods(
    model: Any, tokenizer: Any, texts: Sequence[str], context: int | None
) -> list[Likelihood]:
    """One for each text; windows do not overlap, and a beginning token stands before each.

    Without that token some models foresee next to nothing. So many windows as there are texts
    go through the model at once.
    """
    first = tokenizer.bos_token_id
    first = tokenizer.eos_token_id if first is None else first
    if first is None:
        raise ModelError("the tokenizer names no token that a text begins with.")
    window = min(context or LONGEST_WINDOW, LONGEST_WINDOW) - 1
    tokens = [tokens_of(tokenizer, text) for text in texts]
    parts = [
        (place, [first, *one[start : start + window]])
        for place, one in enumerate(tokens)
        for start in range(0, len(one), window)
    ]
    nats = [0.0] * len(texts)
    for start in range(0, len(parts), len(texts)):
        batch = parts[start : start + len(texts)]
        costs = _costs(model, [part for _, part in batch], first)
        for (place, _), cost in zip(batch, costs, strict=True):
            nats[place] += cost
    begins_with, unknown = str(tokenizer.convert_ids_to_tokens(first)), tokenizer.unk_token_id
    return [
        Likelihood(cost, window, begins_with, one.count(unknown) if unknown is not None else 0)
        for cost, one in zip(nats, tokens, strict=True)
    ]


def _costs(model: Any, parts: Sequence[Sequence[int]], filler: int) -> list[float]:
    """The nats of all tokens but the first of each part; filled up behind, where nobody looks."""
    longest = max(map(len, parts))
    ids = torch.tensor([[*part, *[filler] * (longest - len(part))] for part in parts])
    mask = torch.tensor([[1] * len(part) + [0] * (longest - len(part)) for part in parts])
    ids, mask = ids.to(model.device), mask.to(model.device)
    logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1].float()
    costs = torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
    return (costs.double() * mask[:, 1:]).sum(dim=1).tolist()
