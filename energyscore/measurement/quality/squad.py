"""Answers to questions, as SQuAD's own script compares them (version 2)."""

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from energyscore.measurement.quality.metric import (
    Judged,
    Metric,
    Names,
    NotJudgedError,
    ratio,
    text_of,
)
from energyscore.protocol.workload import Query

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = frozenset(string.punctuation)


class SquadF1(Metric):
    """The overlap of words with the best of the right answers; exact match beside it."""

    def references(self, rows: Sequence[Query]) -> list[Any]:
        """The right answers of each row."""
        return [right_answers(row["answer"]) for row in rows]

    def judge(self, answers: Sequence[Any], right: Sequence[Any], names: Names) -> Judged:
        """Judge one text for each row."""
        pairs = list(zip(answers, right, strict=True))
        items = [[max(f1(said, one) for one in answers), 1.0] for said, answers in pairs]
        exact = [max(plain(said) == plain(one) for one in answers) for said, answers in pairs]
        beside: dict[str, float | None] = {"exact_match": sum(exact) / len(exact)}
        settings = {"normalization": "SQuAD 2: case, punctuation, articles, white space"}
        return ratio(items, beside=beside, settings=settings)


def right_answers(cell: Any) -> list[str]:
    """The right answers of a row: a text, several, or SQuAD's own form; none: `""` is right."""
    if isinstance(cell, Mapping):
        cell = cell.get("text", cell)
    several = [cell] if isinstance(cell, str | int | float) else cell or ()
    if not isinstance(several, Sequence):
        raise NotJudgedError(f"an answer of the rows is no text: {str(cell)[:40]!r}")
    texts = [text_of(one, "an answer") for one in several]
    return [text for text in texts if plain(text)] or [""]


def plain(text: str) -> str:
    """A text in lower case without punctuation, articles and superfluous white space."""
    kept = "".join(letter for letter in text.lower() if letter not in _PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", kept).split())


def f1(said: str, right: str) -> float:
    """The F1 of the words that both have in common."""
    ours, theirs = plain(said).split(), plain(right).split()
    if not ours or not theirs:
        return float(ours == theirs)
    common = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * common / (len(ours) + len(theirs))
