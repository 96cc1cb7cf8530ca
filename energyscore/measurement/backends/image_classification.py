"""Image classification with a classification head."""

from typing import Any

from transformers import AutoModelForImageClassification

from energyscore.measurement.backends.base import class_names
from energyscore.measurement.backends.vision import ImageGroup, VisionBackend


class ImageClassification(VisionBackend):
    """One forward pass gives the index of a class."""

    auto_class = AutoModelForImageClassification

    def _values(self, group: ImageGroup) -> list[Any]:
        classes: list[Any] = self.model(**group.tensors).logits.argmax(dim=-1).tolist()
        return classes

    def labels(self) -> list[str] | None:
        """The names in the model's configuration, by their numbers."""
        return class_names(self.model)
