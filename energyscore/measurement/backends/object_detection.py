"""Object detection: boxes around what an image shows."""

from typing import Any

from transformers import AutoModelForObjectDetection

from energyscore.measurement.backends.vision import ImageGroup, VisionBackend

THRESHOLD = 0.5
"""The least score of a box that counts."""


class ObjectDetection(VisionBackend):
    """One forward pass, and its output made into boxes; the value is how many."""

    auto_class = AutoModelForObjectDetection

    def _values(self, group: ImageGroup) -> list[Any]:
        found = self._processor.post_process_object_detection(
            self.model(**group.tensors), threshold=THRESHOLD, target_sizes=list(group.sizes)
        )
        return [len(image["scores"]) for image in found]
