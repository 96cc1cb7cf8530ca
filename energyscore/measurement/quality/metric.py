"""What a metric is: answers and references in, figures out that can be drawn from again."""

import functools
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from energyscore.base.bootstrap import FEW, draw_rows, ratio_of_sums, unseen_share
from energyscore.measurement.backend import Answerer
from energyscore.protocol.task import TaskSpec
from energyscore.protocol.workload import Query

Array: TypeAlias = Any
"""An array of numpy, which is imported where it is used."""

DRAWS = 1000
_CONFIDENCE = 0.975

Setting: TypeAlias = str | int | float | bool | None


class NotJudgedError(Exception):
    """Why answers cannot be judged: the reason of a quality without value."""


@dataclass(frozen=True)
class Names:
    """What labels are called.

    `model`: those of a model's head by their numbers; None: it writes them. `dataset`: those that
    the dataset has by what the task says; empty: those of its rows. `mapped`: the dataset's label
    for each of the model's, as the user says; None: by their names.
    """

    model: Sequence[str] | None = None
    dataset: Sequence[str] = ()
    mapped: dict[str, str] | None = None


@dataclass(frozen=True)
class Judged:
    """What a metric says of all answers.

    Attributes:
        of_draws: the metric of each draw, a row of numbers of queries.
        items: of each query [part, weight], where the metric is their ratio.
        beside: further metrics of the same answers.
        settings: what the value depends on.
    """

    of_draws: Callable[[Array], Array]
    items: list[list[float]] | None = None
    beside: dict[str, float | None] = field(default_factory=dict)
    settings: dict[str, Setting] = field(default_factory=dict)


class Metric(ABC):
    """A metric of the field. `packages` are the libraries that it needs beyond the base ones.

    With `of_likelihoods` it judges how likely texts are to the model, and not answers.
    """

    higher_is_better: ClassVar[bool] = True
    packages: ClassVar[tuple[str, ...]] = ()
    of_likelihoods: ClassVar[bool] = False

    def set_up(self, task: TaskSpec, judge: str | None) -> None:  # noqa: B027  # few need to
        """Find the model that judges, where the metric needs one: `judge`, else the task's own.

        A ModelError where it is not there.
        """

    @abstractmethod
    def references(self, rows: Sequence[Query]) -> list[Any]:
        """What is right for each row, checked; a NotJudgedError where a row says nothing usable."""

    def ask(self, backend: Answerer, queries: Sequence[Query]) -> list[Any]:
        """What a model says of one batch, or what is kept of it to be judged."""
        return backend.likelihoods(queries) if self.of_likelihoods else backend.answer(queries)

    @abstractmethod
    def judge(self, answers: Sequence[Any], right: Sequence[Any], names: Names) -> Judged:
        """Judge one answer for each reference; a NotJudgedError where that is impossible."""


def text_of(cell: Any, what: str) -> str:
    """A reference that is to be a text; a number counts as one."""
    if not isinstance(cell, str | int | float):
        raise NotJudgedError(f"{what} of the rows is no text: {str(cell)[:40]!r}")
    return str(cell)


def ratio(items: list[list[float]], **more: Any) -> Judged:
    """A metric that is the sum of parts by the sum of weights."""
    import numpy as np

    parts, weights = np.array(items, dtype=float).T
    if not weights.sum() > 0:
        raise NotJudgedError("the references hold nothing to be compared with")

    return Judged(functools.partial(ratio_of_sums, parts, weights), items, **more)


def value_of(judged: Judged, count: int) -> float:
    """The metric of all answers."""
    import numpy as np

    return float(judged.of_draws(np.arange(count)[None, :])[0])


def interval(judged: Judged, count: int, seed: int) -> tuple[float, float] | None:
    """The 95% percentile interval of a seeded bootstrap over queries.

    Where fewer than `FEW` of them are unlike the others, it is at least what so many queries leave
    unseen: all of 20 being right does not make an accuracy of 1 certain.

    None where there are too few queries, or where the metric is undefined for many draws.
    """
    import numpy as np

    if count < 2:
        return None
    found = np.concatenate([judged.of_draws(draws) for draws in draw_rows(count, DRAWS, seed)])
    finite = found[np.isfinite(found)]
    if len(finite) < 0.95 * DRAWS:
        return None
    low, high = np.percentile(finite, (2.5, 97.5))
    return _with_unseen(judged.items or [], value_of(judged, count), (float(low), float(high)))


def _with_unseen(
    items: list[list[float]], value: float, ends: tuple[float, float]
) -> tuple[float, float]:
    shares = [part / weight for part, weight in items if weight]
    alike = max(Counter(shares).values(), default=0)
    if not shares or len(shares) - alike >= FEW:
        return ends
    unseen = unseen_share(len(shares), _CONFIDENCE)
    low, most = value * (1 - unseen), max(1.0, *shares)
    return min(ends[0], low), max(ends[1], low + unseen * most)
