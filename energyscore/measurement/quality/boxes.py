"""Boxes around things: COCO's mean average precision.

Boxes are matched with the references by pycocotools. The averages are taken here, as COCO takes
them, since a bootstrap needs those of each draw: an image that is drawn twice counts twice.
"""

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from energyscore.measurement.backend import Detected
from energyscore.measurement.quality.labels import match, normalized
from energyscore.measurement.quality.metric import (
    Array,
    Judged,
    Metric,
    Names,
    NotJudgedError,
    Setting,
    text_of,
    value_of,
)
from energyscore.protocol.workload import Query

MOST_BOXES = 100
"""Boxes of an image and a class that count: those of the highest scores."""

_NAMES = ("category", "label", "category_id")
_EDGE = 2.0  # pixels by which annotations may reach beyond their image

Box: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True)
class Thing:
    """A thing that an image shows; a crowd is found by any number of boxes in it, or by none."""

    name: str
    box: Box  # left, top, width, height, in pixels
    crowd: bool


@dataclass(frozen=True)
class _Class:
    """The boxes of one class that a model drew, from the highest score down.

    `right` and `wrong` say so at each of COCO's thresholds (one a line); `images` are the numbers
    of their images, `truths` how many things each image shows.
    """

    right: Array
    wrong: Array
    images: Array
    truths: Array


class MeanAveragePrecision(Metric):
    """AP over IoU .5 to .95, the mean of the classes that the references have; AP50 beside it."""

    packages = ("pycocotools",)

    def references(self, rows: Sequence[Query]) -> list[Any]:
        """The things that each image shows."""
        found = [things_of(row["objects"]) for row in rows]
        if not any(not thing.crowd for things in found for thing in things):
            raise NotJudgedError("the references hold no box")
        return found

    def judge(self, answers: Sequence[Any], right: Sequence[Any], names: Names) -> Judged:
        """Judge what was detected in each image."""
        from importlib.metadata import version

        import numpy as np

        for found, things in zip(answers, right, strict=True):
            _check_boxes(found, things)
        known = {normalized(thing.name): thing.name for things in right for thing in things}
        classes = _matched(answers, right, _meant(names, known), sorted(known))

        def of_draws(draws: Array, thresholds: slice = slice(None)) -> Array:
            counts = (np.bincount(draw, minlength=len(right)) for draw in draws)
            return np.array([_mean_precision(classes, one, thresholds) for one in counts])

        settings: dict[str, Setting] = {
            "library": f"pycocotools {version('pycocotools')}",
            "iou": "0.50:0.95",
            "boxes_at_most": MOST_BOXES,
            "least_score": 0,
            "classes": len(known),
            "labels": "by name" if names.mapped is None else "by the file of --labels",
        }
        at_half = Judged(lambda draws: of_draws(draws, slice(1)))
        return Judged(of_draws, beside={"AP50": value_of(at_half, len(right))}, settings=settings)


def things_of(cell: Any) -> list[Thing]:
    """The things of a row: a list of mappings, or a mapping of lists, as datasets have them."""
    if isinstance(cell, Mapping):
        lengths = {len(value) for value in cell.values() if isinstance(value, list)}
        if len(lengths) != 1 or not all(isinstance(value, list) for value in cell.values()):
            raise _unlike(cell)
        cell = [dict(zip(cell, values, strict=True)) for values in zip(*cell.values(), strict=True)]
    if not isinstance(cell, list):
        raise _unlike(cell)
    return [_thing(one) for one in cell]


def _thing(one: Any) -> Thing:
    name = next((one[key] for key in _NAMES if key in one), None) if isinstance(one, dict) else None
    if name is None:
        raise _unlike(one)
    box = one.get("bbox")
    numbers = isinstance(box, list) and all(isinstance(side, int | float) for side in box)
    if not numbers or len(box) != 4 or not all(abs(side) < 1e6 for side in box):
        raise _unlike(one)
    left, top, width, height = map(float, box)
    return Thing(text_of(name, "a category"), (left, top, width, height), bool(one.get("iscrowd")))


def _unlike(cell: Any) -> NotJudgedError:
    return NotJudgedError(
        "the objects of the rows are not as COCO has them, each with its bbox and category: "
        f"{str(cell)[:60]!r}"
    )


def _check_boxes(found: Detected, things: Sequence[Thing]) -> None:
    """Refuse boxes that are no [left, top, width, height] in pixels: corners, or shares."""
    for left, top, width, height in (thing.box for thing in things):
        beyond = left + width > found.width + _EDGE or top + height > found.height + _EDGE
        if beyond or min(left, top) < -_EDGE or min(width, height) < 0:
            raise NotJudgedError(
                f"a box of the references reaches beyond its image of {found.width} x "
                f"{found.height} pixels: [{left:g}, {top:g}, {width:g}, {height:g}]; it must be "
                "[left, top, width, height]"
            )
    if things and found.width > 1 and all(max(thing.box) <= 1 for thing in things):
        raise NotJudgedError("the boxes of the references are no pixels: none is larger than 1")


def _meant(names: Names, known: Mapping[str, str]) -> list[str | None]:
    """The references' class for each number of the model's, which may know many more.

    What a file of labels does not name has its own name.
    """
    own = list(names.model or ())
    mapped = {label: normalized(name) for label, name in (names.mapped or {}).items()}
    others = {name: said for name, said in known.items() if name not in mapped.values()}
    by_name = iter(match(Names([label for label in own if label not in mapped]), others))
    return [mapped[label] if label in mapped else next(by_name) for label in own]


def _matched(
    answers: Sequence[Detected],
    right: Sequence[Sequence[Thing]],
    meant: Sequence[str | None],
    known: Sequence[str],
) -> list[_Class]:
    """The boxes of each class, matched by pycocotools."""
    import numpy as np

    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does
        from pycocotools.cocoeval import COCOeval

        number = {name: place for place, name in enumerate(known, start=1)}
        truths = [
            _annotation(image, number[normalized(thing.name)], thing.box, iscrowd=int(thing.crowd))
            for image, things in enumerate(right)
            for thing in things
        ]
        boxes = [
            _annotation(image, number[name], box, score=score)
            for image, found in enumerate(answers)
            for score, label, box in found.boxes
            if (name := meant[label]) in number
        ]
        evaluation = COCOeval(
            _dataset(truths, len(right), known), _dataset(boxes, len(right), known), "bbox"
        )
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.params.maxDets = [MOST_BOXES]
        evaluation.evaluate()
    found = np.array(evaluation.evalImgs, dtype=object).reshape(len(known), len(right))
    return [_class_of(list(images)) for images in found]


def _annotation(image: int, category: int, box: Box, **more: Any) -> dict[str, Any]:
    area = box[2] * box[3]
    own = {"image_id": image, "category_id": category, "bbox": list(box), "area": area}
    return {"iscrowd": 0, **own, **more}


def _dataset(annotations: Sequence[dict[str, Any]], images: int, known: Sequence[str]) -> Any:
    """They are numbered from 1: to pycocotools 0 is no annotation."""
    from pycocotools.coco import COCO

    dataset = COCO()
    dataset.dataset = {
        "images": [{"id": image} for image in range(images)],
        "categories": [{"id": place} for place in range(1, len(known) + 1)],
        "annotations": [{**one, "id": place} for place, one in enumerate(annotations, start=1)],
    }
    dataset.createIndex()
    return dataset


def _class_of(images: Sequence[dict[str, Any] | None]) -> _Class:
    """What pycocotools says of a class in each image, in one line from the highest score down."""
    import numpy as np

    seen = [(place, one) for place, one in enumerate(images) if one is not None]
    truths = np.zeros(len(images))
    for place, one in seen:
        truths[place] = (np.asarray(one["gtIgnore"]) == 0).sum()
    scores = np.concatenate([np.asarray(one["dtScores"], float) for _, one in seen])
    order = np.argsort(-scores, kind="mergesort")  # COCO's own: ties stay as they are
    matches, ignored = (
        np.concatenate([one[name] for _, one in seen], axis=1)[:, order].astype(bool)
        for name in ("dtMatches", "dtIgnore")
    )
    where = np.concatenate([np.full(len(one["dtScores"]), place) for place, one in seen])
    return _Class(matches & ~ignored, ~matches & ~ignored, where[order].astype(int), truths)


def _mean_precision(classes: Sequence[_Class], counts: Array, thresholds: slice) -> float:
    """The mean over classes that are shown in the images drawn; NaN where none is."""
    import numpy as np

    found = [
        _precision(one, counts, thresholds) for one in classes if (one.truths * counts).sum() > 0
    ]
    return float(np.mean(found)) if found else float("nan")


def _precision(one: _Class, counts: Array, thresholds: slice) -> float:
    """The mean precision at 101 levels of recall, each the best at that recall or more."""
    import numpy as np

    weights = counts[one.images]
    right = np.cumsum(one.right[thresholds] * weights, axis=1, dtype=float)
    wrong = np.cumsum(one.wrong[thresholds] * weights, axis=1, dtype=float)
    recall = right / (one.truths * counts).sum()
    precision = right / (right + wrong + np.spacing(1))
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    best = np.hstack([best, np.zeros((len(best), 1))])  # a recall that is not reached
    levels = np.linspace(0, 1, 101)
    places = [np.searchsorted(line, levels, side="left") for line in recall]
    return float(np.mean([line[place] for line, place in zip(best, places, strict=True)]))
