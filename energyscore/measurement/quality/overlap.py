"""Summaries and captions: the overlap of their words with those of references."""

import re
from collections.abc import Sequence
from typing import Any

from energyscore.measurement.quality.metric import (
    Judged,
    Metric,
    Names,
    Setting,
    ratio,
    text_of,
)
from energyscore.protocol.workload import Query

_WORD = re.compile(r"\w+")
_BESIDE = ("rouge1", "rouge2")


class UnicodeWords:
    """Words in lower case, of any script: the library's own drop all that is not ASCII."""

    def tokenize(self, text: str) -> list[str]:
        """The words of a text."""
        return _WORD.findall(text.casefold())


class RougeL(Metric):
    """The mean F1 of the longest common subsequence of words; ROUGE-1, -2 and chrF beside it.

    chrF is of all texts together, 0 to 100, as sacrebleu has it.
    """

    packages = ("rouge_score", "sacrebleu")

    def references(self, rows: Sequence[Query]) -> list[Any]:
        """The reference texts."""
        return [text_of(row["reference"], "a reference") for row in rows]

    def judge(self, answers: Sequence[Any], right: Sequence[Any], names: Names) -> Judged:
        """Judge one text for each row."""
        from importlib.metadata import version

        from rouge_score.rouge_scorer import RougeScorer
        from sacrebleu.metrics import CHRF

        chrf = CHRF()
        scorer = RougeScorer([*_BESIDE, "rougeL"], tokenizer=UnicodeWords())
        scores = [scorer.score(one, said) for said, one in zip(answers, right, strict=True)]
        beside: dict[str, float | None] = {
            name: sum(one[name].fmeasure for one in scores) / len(scores) for name in _BESIDE
        }
        beside["chrF"] = chrf.corpus_score(list(answers), [list(right)]).score
        settings: dict[str, Setting] = {
            "chrF": f"sacrebleu {chrf.get_signature()}",
            "library": f"rouge-score {version('rouge-score')}",
            "words": "of any script, lower case",
            "stemmer": False,
        }
        return ratio(
            [[one["rougeL"].fmeasure, 1.0] for one in scores], beside=beside, settings=settings
        )
