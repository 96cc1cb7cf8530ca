"""Transcripts: how many words are wrong."""

import re
from collections.abc import Sequence
from typing import Any

from energyscore.base.version import __version__
from energyscore.measurement.quality.metric import Judged, Names, Setting, ratio
from energyscore.protocol.workload import Query

_NO_WORD = re.compile(r"[^\w\s']|_")


class WordErrors:
    """Word error rate by jiwer: the errors of all rows by the words of all their references."""

    higher_is_better = False
    package = "jiwer"
    of_likelihoods = False

    def judge(self, answers: Sequence[Any], rows: Sequence[Query], names: Names) -> Judged:
        """Judge one text for each row."""
        import jiwer

        pairs = zip(answers, (row["transcript"] for row in rows), strict=True)
        items = [_errors(normalized(right), normalized(said)) for said, right in pairs]
        settings: dict[str, Setting] = {
            "library": f"jiwer {_version_of(jiwer)}",
            "normalization": f"energyscore {__version__}: lower case, no punctuation but '",
        }
        return ratio(items, settings=settings)


def normalized(text: object) -> str:
    """A text in lower case, without punctuation other than apostrophes; for both sides."""
    return " ".join(_NO_WORD.sub(" ", str(text).replace("\u2019", "'").casefold()).split())


def _errors(right: str, said: str) -> list[float]:
    """Errors and words; where nothing was said, every word that was written is one too many."""
    import jiwer

    if not right:
        return [float(len(said.split())), 0.0]
    found = jiwer.process_words(right, said)
    errors = found.substitutions + found.deletions + found.insertions
    return [float(errors), float(len(right.split()))]


def _version_of(module: Any) -> str:
    from importlib.metadata import version

    return version(module.__name__)
