"""Similarities: do they rank pairs as people did?"""

import math
from collections.abc import Sequence
from typing import Any

from energyscore.measurement.quality.metric import Array, Judged, Metric, Names, NotJudgedError
from energyscore.protocol.workload import Query


class Spearman(Metric):
    """The correlation of ranks between cosines and the scores that people gave; ties halved."""

    def references(self, rows: Sequence[Query]) -> list[Any]:
        """The scores that people gave."""
        gold = [_number(row["score"]) for row in rows]
        if len(set(gold)) < 2:
            raise NotJudgedError("all scores of the rows are the same: there is nothing to rank")
        return gold

    def judge(self, answers: Sequence[Any], right: Sequence[Any], names: Names) -> Judged:
        """Judge one similarity for each row."""
        import numpy as np

        pairs = np.array([list(map(float, answers)), right])

        def of_draws(draws: Array) -> Array:
            return correlations(*(_ranks(values[draws]) for values in pairs))

        return Judged(of_draws, settings={"similarity": "cosine", "ties": "mean rank"})


def correlations(first: Array, second: Array) -> Array:
    """Pearson's correlation of each row of both; NaN where one is constant."""
    import numpy as np

    first = first - first.mean(axis=1, keepdims=True)
    second = second - second.mean(axis=1, keepdims=True)
    squares = (first**2).sum(axis=1) * (second**2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (first * second).sum(axis=1) / np.sqrt(squares)


def _ranks(values: Array) -> Array:
    from scipy.stats import rankdata

    return rankdata(values, axis=1)


def _number(score: Any) -> float:
    try:
        number = float(score)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise NotJudgedError(f"a score of the rows is no number: {str(score)[:40]!r}")
    return number
