"""Mean average precision: against pycocotools, and what its references may be."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from energyscore.measurement.backend import Detected
from energyscore.measurement.quality.boxes import MeanAveragePrecision, things_of
from energyscore.measurement.quality.metric import Names, NotJudgedError, interval, value_of

METRIC = MeanAveragePrecision()
NUMBERS = {"person": 1, "traffic light": 10, "cat": 17, "toothbrush": 90}
"""As COCO has them: with gaps."""

NAMES = Names(["N/A", "Toothbrush", "person", "N/A", "traffic_light", "zebra", "cat"])
"""A model's own, in another order, with more than the references have."""


def cocos_own(truths, boxes, images):
    """AP and AP50 by pycocotools' whole evaluation, of things and boxes by COCO's numbers."""

    def dataset(annotations):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": image} for image in images],
            "categories": [{"id": number} for number in NUMBERS.values()],
            "annotations": [
                {"id": place, "iscrowd": 0, "area": one["bbox"][2] * one["bbox"][3], **one}
                for place, one in enumerate(annotations, start=1)
            ],
        }
        coco.createIndex()
        return coco

    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(dataset(truths), dataset(boxes), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats[:2]


def scene(chance, count):
    """Things and boxes near them, as COCO has both and as ours come."""
    rows, answers, truths, boxes = [], [], [], []
    names = list(NUMBERS)[:3]
    for image in range(count):
        objects, found = {"bbox": [], "category": [], "iscrowd": []}, []
        for _ in range(chance.integers(0, 6)):
            box = [*chance.uniform(0, 60, 2), *chance.uniform(5, 38, 2)]
            name, crowd = str(chance.choice(names)), int(chance.random() < 0.1)
            for key, value in (("bbox", box), ("category", name), ("iscrowd", crowd)):
                objects[key].append(value)
            number = NUMBERS[name]
            own = {"image_id": image, "category_id": number, "bbox": box, "iscrowd": crowd}
            truths.append(own)
            for _ in range(chance.integers(0, 3)):
                near = [
                    *np.add(box[:2], chance.normal(0, 1, 2)),
                    *np.multiply(box[2:], chance.uniform(0.95, 1.05)),
                ]
                said = str(chance.choice([name, name, *names, "toothbrush"]))
                score = float(chance.random())
                boxes.append(
                    {"image_id": image, "category_id": NUMBERS[said], "bbox": near, "score": score}
                )
                wanted = said.replace(" ", "_")
                label = [one.lower() for one in NAMES.model].index(wanted)
                found.append((score, label, tuple(near)))
        found.append((0.9, 5, (1.0, 1.0, 5.0, 5.0)))  # a zebra, which no reference names
        rows.append({"objects": objects})
        answers.append(Detected(100, 100, found))
    return rows, answers, truths, boxes


def test_average_precision_is_that_of_pycocotools_and_so_is_that_of_a_draw():
    rows, answers, truths, boxes = scene(np.random.default_rng(5), 40)
    right = METRIC.references(rows)
    judged = METRIC.judge(answers, right, NAMES)
    ap, ap50 = cocos_own(truths, boxes, range(40))
    assert 0.05 < ap < ap50 < 0.95
    assert value_of(judged, 40) == pytest.approx(ap, abs=1e-9)
    assert judged.beside == {"AP50": pytest.approx(ap50, abs=1e-9)}
    assert judged.settings["classes"] == 3
    # An image that is drawn twice is two images.
    draw = np.random.default_rng(6).integers(0, 40, 40)
    again = [
        [{**one, "image_id": new} for new, old in enumerate(draw) for one in part
         if one["image_id"] == old]
        for part in (truths, boxes)
    ]  # fmt: skip
    expected = cocos_own(*again, range(40))[0]
    assert judged.of_draws(draw[None, :])[0] == pytest.approx(expected, abs=1e-9)
    low, high = interval(judged, 40, 42)
    assert low < ap < high


def test_what_a_model_does_not_find_or_invents_counts():
    rows = [{"objects": [{"bbox": [10, 10, 20, 20], "category": "cat"}]}, {"objects": []}]
    right, box = METRIC.references(rows), (10.0, 10.0, 20.0, 20.0)

    def precision(first, second=()):
        answers = [Detected(100, 80, first), Detected(100, 80, second)]
        return value_of(METRIC.judge(answers, right, NAMES), 2)

    assert precision([]) == 0
    assert precision([(0.1, 6, box)]) == pytest.approx(1)  # doubtful, and right
    assert precision([(0.1, 6, box)], [(0.9, 6, box)]) == pytest.approx(0.5)
    assert precision([(0.1, 6, box)], [(0.9, 5, box)]) == pytest.approx(1)  # of a class not asked
    assert precision([(0.1, 5, box)]) == 0


def test_draws_without_anything_to_find_are_left_out():
    rows = [{"objects": [{"bbox": [10, 10, 20, 20], "category": "cat"}]}, {"objects": []}]
    right = METRIC.references(rows)
    judged = METRIC.judge([Detected(100, 80, [])] * 2, right, NAMES)
    assert np.isnan(judged.of_draws(np.array([[1, 1]]))[0])


def test_things_come_as_mappings_or_as_lists():
    as_list = [{"bbox": [1, 2, 3, 4], "category": "cat", "iscrowd": 1, "id": 7}]
    as_lists = {"bbox": [[1, 2, 3, 4]], "label": ["cat"], "iscrowd": [True], "id": [7]}
    assert things_of(as_list) == things_of(as_lists)
    assert things_of(as_list)[0].box == (1, 2, 3, 4) and things_of(as_list)[0].crowd
    assert things_of([]) == things_of({"bbox": [], "category": []}) == []


@pytest.mark.parametrize(
    "cell",
    [
        "cat",
        7,
        ["cat"],
        [{"bbox": [1, 2, 3, 4]}],
        [{"category": "cat"}],
        [{"bbox": [1, 2, 3], "category": "cat"}],
        [{"bbox": [1, 2, 3, "4"], "category": "cat"}],
        [{"bbox": [1, 2, 3, float("nan")], "category": "cat"}],
        {"bbox": [[1, 2, 3, 4]], "category": ["cat", "dog"]},
        {"bbox": [[1, 2, 3, 4]], "category": "cat"},
        {"bbox": [[1, 2, 3, 4]], "category": [None]},
    ],
)
def test_things_of_another_form_are_named(cell):
    with pytest.raises(NotJudgedError, match="of the rows"):
        METRIC.references([{"objects": cell}])


def test_references_without_a_box_are_no_references():
    with pytest.raises(NotJudgedError, match="no box"):
        METRIC.references([{"objects": []}])


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ([40, 40, 90, 70], "reaches beyond its image of 100 x 80 pixels"),  # corners
        ([0.1, 0.1, 0.3, 0.4], "are no pixels"),  # shares
    ],
)
def test_boxes_of_another_kind_are_refused(box, said):
    right = METRIC.references([{"objects": [{"bbox": box, "category": "cat"}]}])
    with pytest.raises(NotJudgedError, match=said):
        METRIC.judge([Detected(100, 80, [])], right, NAMES)


def test_classes_are_matched_by_name_and_never_by_number():
    right = METRIC.references([{"objects": [{"bbox": [1, 1, 9, 9], "category_id": 17}]}])
    answers = [Detected(100, 80, [(0.8, 6, (1.0, 1.0, 9.0, 9.0))])]
    with pytest.raises(NotJudgedError, match=r"the dataset alone has '17'.*--labels FILE"):
        METRIC.judge(answers, right, NAMES)
    mapped = Names(NAMES.model, (), {"cat": "17"})
    assert value_of(METRIC.judge(answers, right, mapped), 1) == pytest.approx(1)
