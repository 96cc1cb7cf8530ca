"""The answers of a loaded model to the first queries, kept as digests, after the runs."""

import hashlib
from typing import Any, Literal

from energyscore.base.errors import EnergyScoreError
from energyscore.measurement.backend import Answerer
from energyscore.measurement.work import Plan
from energyscore.results.answers import MOST_ANSWERS, Answers

NOT_EQUAL = "answers that are neither texts nor labels differ in their last digits anyway"


def take_answers(backend: Answerer, plan: Plan) -> Answers:
    """Have the first queries answered once more, in the batches that were measured, unmetered."""
    size, queries = plan.batch_size, plan.workload.queries
    answers: list[Any] = []
    try:
        for place in range(0, min(MOST_ANSWERS, len(queries)), size):
            answers += backend.answer(queries[place : place + size])
    except EnergyScoreError as error:
        why = f"answering them failed: {error.message.rstrip('.')}"
        return Answers(of=None, batch_size=size, digests=None, reason=why)
    kind = _kind(answers)
    if kind is None:
        return Answers(of=None, batch_size=size, digests=None, reason=NOT_EQUAL)
    digests = [_digest(one) for one in answers[:MOST_ANSWERS]]
    return Answers(of=kind, batch_size=size, digests=digests, reason="")


def _kind(answers: list[Any]) -> Literal["text", "label"] | None:
    if all(isinstance(one, str) for one in answers):
        return "text"
    return "label" if all(type(one) is int for one in answers) else None


def _digest(answer: str | int) -> str:
    plain = " ".join(str(answer).split())
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()[:16]
