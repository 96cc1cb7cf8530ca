"""Object detection: boxes around what an image shows."""

from typing import Any

from transformers import AutoModelForObjectDetection

from energyscore.measurement.backend import Detected
from energyscore.measurement.backends.base import class_names
from energyscore.measurement.backends.vision import ImageGroup, VisionBackend
from energyscore.protocol.task import TaskSpec

THRESHOLD = 0.5
"""The least score of a box that counts."""


class ObjectDetection(VisionBackend):
    """One forward pass, and its output made into boxes; the value is how many.

    To be judged the boxes themselves are, whatever their scores: the metric weighs the doubtful.
    """

    auto_class = AutoModelForObjectDetection
    _judged = False

    def answer_as(self, task: TaskSpec) -> None:
        """From now on, give all boxes."""
        self._judged = True

    def labels(self) -> list[str] | None:
        """The names in the model's configuration, by their numbers."""
        return class_names(self.model)

    def _values(self, group: ImageGroup) -> list[Any]:
        found = self._processor.post_process_object_detection(
            self.model(**group.tensors),
            threshold=0.0 if self._judged else THRESHOLD,
            target_sizes=list(group.sizes),
        )
        if not self._judged:
            return [len(image["scores"]) for image in found]
        return [_detected(size, image) for size, image in zip(group.sizes, found, strict=True)]


def _detected(size: tuple[int, int], found: dict[str, Any]) -> Detected:
    """The boxes of one image, of which the library gives the corners."""
    scores, labels, corners = (found[name].tolist() for name in ("scores", "labels", "boxes"))
    boxes = [
        (score, label, (left, top, right - left, bottom - top))
        for score, label, (left, top, right, bottom) in zip(scores, labels, corners, strict=True)
    ]
    return Detected(width=size[1], height=size[0], boxes=boxes)
