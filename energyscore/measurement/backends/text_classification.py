"""Text classification: by a classification head, or by a model that writes the label."""

from typing import Any

from transformers import AutoModelForSequenceClassification

from energyscore.measurement.backend import Batch, BatchOutput, EnterPhase
from energyscore.measurement.backends.base import ByModel, TransformersBackend, class_names
from energyscore.measurement.backends.text import TextBackend
from energyscore.measurement.backends.text_generation import PromptedContinuation
from energyscore.measurement.backends.text_to_text import TextToText
from energyscore.measurement.backends.ways import way_of
from energyscore.measurement.prompts import PROMPTS
from energyscore.protocol.model import By


class ByHead(TextBackend):
    """One forward pass gives a label."""

    auto_class = AutoModelForSequenceClassification

    def _work(self, batch: Batch, enter: EnterPhase) -> BatchOutput:
        enter("forward")
        logits = self.model(**batch.inputs).logits
        return BatchOutput(0, logits.argmax(dim=-1).tolist())

    def labels(self) -> list[str] | None:
        """The names in the model's configuration, by their numbers."""
        return class_names(self.model)


class GeneratedLabel(TextToText):
    """The label is generated."""

    prompt = "sst2 sentence: {text}"


class ContinuedLabel(PromptedContinuation):
    """A decoder writes the label."""

    prompt = PROMPTS["text_classification"]


class TextClassification(ByModel):
    """Models that write also write the label, unless they were saved with a head for it."""

    @staticmethod
    def choose(config: Any, by: By | None = None) -> type[TransformersBackend]:
        """By the configuration, unless a way is asked for."""
        if way_of(config, "ForSequenceClassification", by) == "head":
            return ByHead
        return GeneratedLabel if config.is_encoder_decoder else ContinuedLabel
