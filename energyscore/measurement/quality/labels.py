"""Labels: matched by their names, never by their numbers."""

import re
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

_NAMELESS = re.compile(r"(label )?\d+")
_MOST_NAMED = 5
_REMEDY = "--labels FILE maps the model's labels to the dataset's"


class Accuracy(Metric):
    """The share of rows whose label is right; macro-F1 beside it."""

    def references(self, rows: Sequence[Query]) -> list[Any]:
        """The labels as the dataset has them."""
        for row in rows:
            text_of(row["label"], "a label")
        return [row["label"] for row in rows]

    def judge(self, answers: Sequence[Any], right: Sequence[Any], names: Names) -> Judged:
        """Judge numbers of a head's labels, or written labels."""
        gold = [normalized(label) for label in right]
        known = {normalized(label): str(label) for label in (*names.dataset, *right)}
        if names.model is None:
            said = [written(answer, known) for answer in answers]
            how = "written: the answer is the label, or begins with it"
        else:
            meant = match(names, known)
            said = [meant[int(number)] for number in answers]
            how = "by name" if names.mapped is None else "by the file of --labels"
        items = [[float(one == other), 1.0] for one, other in zip(said, gold, strict=True)]
        settings = {
            "labels": how,
            "classes": len(known),
            "answers_without_label": sum(one is None for one in said),
        }
        beside: dict[str, float | None] = {"macro_f1": macro_f1(said, gold)}
        return ratio(items, beside=beside, settings=settings)


def normalized(label: object) -> str:
    """A label in lower case, its letters and digits only, so that `not_spam` is `Not spam`."""
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return re.sub(r"[\W_]+", " ", str(label).casefold()).strip()


def match(names: Names, known: Mapping[str, str]) -> list[str | None]:
    """The dataset's label, normalized, for each number of the model's.

    Where the task says which labels there are, the model must have the same; else it must have
    all of the rows' labels. A NotJudgedError says which are whose alone.
    """
    own = list(names.model or ())
    if names.mapped is not None:
        return _mapped(own, names.mapped, known)
    if nameless := [label for label in own if _NAMELESS.fullmatch(normalized(label))]:
        raise NotJudgedError(
            f"the model's labels have no names ({_first(nameless)}), and the order of labels "
            f"differs from model to model; {_REMEDY}"
        )
    found = [normalized(label) for label in own]
    if any(found.count(label) > 1 for label in known):
        raise NotJudgedError(f"labels of the model have one name ({_first(own)}); {_REMEDY}")
    missing = [known[label] for label in known if label not in found]
    extra = [label for label in own if names.dataset and normalized(label) not in known]
    if missing or extra:
        whose = [f"the dataset alone has {_first(missing)}"] if missing else []
        whose += [f"the model alone has {_first(extra)}"] if extra else []
        raise NotJudgedError(f"labels do not match: {', '.join(whose)}; {_REMEDY}")
    return [label if label in known else None for label in found]


def written(answer: str, known: Mapping[str, str]) -> str | None:
    """The label that an answer is or begins with, the longest that fits; None: it has none."""
    text = normalized(answer)
    fitting = [label for label in known if text == label or text.startswith(f"{label} ")]
    return max(fitting, key=len, default=None)


def macro_f1(said: Sequence[str | None], gold: Sequence[str]) -> float:
    """The mean of the F1 of each label that occurs among the references."""
    scores = []
    for label in set(gold):
        right = sum(one == label == other for one, other in zip(said, gold, strict=True))
        named = sum(one == label for one in said) + sum(one == label for one in gold)
        scores.append(2 * right / named)
    return sum(scores) / len(scores)


def _mapped(
    own: Sequence[str], mapped: Mapping[str, str], known: Mapping[str, str]
) -> list[str | None]:
    if missing := [label for label in own if label not in mapped]:
        raise NotJudgedError(f"the file of --labels lacks the model's labels {_first(missing)}")
    found = [normalized(mapped[label]) for label in own]
    if other := [mapped[label] for label in own if normalized(mapped[label]) not in known]:
        raise NotJudgedError(
            f"the file of --labels names {_first(other)}, which the dataset does not have "
            f"({_first(list(known.values()))})"
        )
    return list(found)


def _first(names: Sequence[object]) -> str:
    shown = ", ".join(repr(str(name)[:40]) for name in names[:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
