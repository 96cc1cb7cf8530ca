"""A model's answers to the first queries, by their digests: enough to tell whether they are equal.

They are taken after the runs, and nothing of them is metered.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from energyscore.base.form import Part
from energyscore.results.kinds import PositiveCount

MOST_ANSWERS = 64
"""Of the first queries; the batches are those that were measured."""

_DIGEST = re.compile("[0-9a-f]{16}")


class Answers(Part):
    """The answers to the first queries in the workload's order."""

    of: Literal["text", "label"] | None = Field(
        description="what an answer is: a text, white space apart, or the number of a label"
    )
    batch_size: PositiveCount
    digests: Annotated[list[str], Field(min_length=1, max_length=MOST_ANSWERS)] | None = Field(
        description="the first 16 hexadecimal digits of each answer's SHA-256"
    )
    reason: str = Field(description="why there are none; empty where there are")


def answers_contradictions(answers: Answers | None, queries: int, batch: int) -> Iterator[str]:
    """The fields that disagree with each other, or with the workload of so many queries."""
    if answers is None:
        return
    if len({answers.digests is None, answers.of is None, bool(answers.reason)}) != 1:
        yield "answers.reason: it says why there are no digests, and only that"
    if answers.batch_size != batch:
        yield f"answers.batch_size: it is {answers.batch_size}, and {batch} was measured"
    if answers.digests is None:
        return
    if len(answers.digests) != min(MOST_ANSWERS, queries):
        yield f"answers.digests: they are {len(answers.digests)}, of {queries} queries"
    if not all(_DIGEST.fullmatch(one) for one in answers.digests):
        yield "answers.digests: each has 16 hexadecimal digits"
