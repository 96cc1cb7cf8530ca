"""Answers to questions, as SQuAD's own script compares them (version 2)."""

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from energyscore.measurement.quality.metric import Judged, Names, ratio
from energyscore.protocol.workload import Query

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = frozenset(string.punctuation)


class SquadF1:
    """The overlap of words with the best of the right answers; exact match beside it."""

    higher_is_better = True
    package = None
    of_likelihoods = False

    def judge(self, answers: Sequence[Any], rows: Sequence[Query], names: Names) -> Judged:
        """Judge one text for each row."""
        right = [right_answers(row["answer"]) for row in rows]
        pairs = list(zip(answers, right, strict=True))
        items = [[max(f1(said, one) for one in answers), 1.0] for said, answers in pairs]
        exact = [max(plain(said) == plain(one) for one in answers) for said, answers in pairs]
        beside: dict[str, float | None] = {"exact_match": sum(exact) / len(exact)}
        settings = {"normalization": "SQuAD 2: case, punctuation, articles, white space"}
        return ratio(items, beside=beside, settings=settings)


def right_answers(cell: Any) -> list[str]:
    """The right answers of a row: a text, several, or SQuAD's own form; none: `""` is right."""
    if isinstance(cell, Mapping):
        cell = cell.get("text")
    several = [cell] if isinstance(cell, str) else list(cell or ())
    texts = [str(one) for one in several]
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
