"""Transcripts: how many words are wrong."""

import re
from collections.abc import Sequence
from typing import Any

from energyscore.base.version import __version__
from energyscore.measurement.quality.metric import (
    Judged,
    Metric,
    Names,
    Setting,
    ratio,
    text_of,
)
from energyscore.protocol.workload import Query

_NO_WORD = re.compile(r"[^\w\s']|_")


class WordErrors(Metric):
    """Word error rate by jiwer: the errors of all rows by the words of all their references."""

    higher_is_better = False
    packages = ("jiwer",)

    def references(self, rows: Sequence[Query]) -> list[Any]:
        """The transcripts."""
        return [text_of(row["transcript"], "a transcript") for row in rows]

    def judge(self, answers: Sequence[Any], right: Sequence[Any], names: Names) -> Judged:
        """Judge one text for each row."""
        from importlib.metadata import version

        pairs = zip(answers, right, strict=True)
        items = [_errors(normalized(one), normalized(said)) for said, one in pairs]
        settings: dict[str, Setting] = {
            "library": f"jiwer {version('jiwer')}",
            "normalization": f"energyscore {__version__}: lower case, no punctuation but '",
        }
        return ratio(items, settings=settings)


def normalized(text: str) -> str:
    """A text in lower case, without punctuation other than apostrophes; for both sides."""
    return " ".join(_NO_WORD.sub(" ", text.replace("\u2019", "'").casefold()).split())


def _errors(right: str, said: str) -> list[float]:
    """Errors and words; where nothing was said, every word that was written is one too many."""
    import jiwer

    if not right:
        return [float(len(said.split())), 0.0]
    found = jiwer.process_words(right, said)
    errors = found.substitutions + found.deletions + found.insertions
    return [float(errors), float(len(right.split()))]
