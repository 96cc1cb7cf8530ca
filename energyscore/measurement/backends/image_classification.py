"""Image classification with a classification head."""

from typing import Any

from transformers import AutoModelForImageClassification

from energyscore.measurement.backends.vision import ImageGroup, VisionBackend


class ImageClassification(VisionBackend):
    """One forward pass gives the index of a class."""

    auto_class = AutoModelForImageClassification

    def _values(self, group: ImageGroup) -> list[Any]:
        classes: list[Any] = self.model(**group.tensors).logits.argmax(dim=-1).tolist()
        return classes
