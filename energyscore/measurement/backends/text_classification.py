"""Text classification: by a classification head, or by a model that writes the label."""

from typing import Any

from transformers import AutoModelForSequenceClassification

from energyscore.measurement.backend import Batch, BatchOutput, EnterPhase
from energyscore.measurement.backends.base import ByModel, TransformersBackend
from energyscore.measurement.backends.text import TextBackend
from energyscore.measurement.backends.text_to_text import TextToText, writes_text


class ByHead(TextBackend):
    """One forward pass gives a label."""

    auto_class = AutoModelForSequenceClassification

    def _work(self, batch: Batch, enter: EnterPhase) -> BatchOutput:
        enter("forward")
        logits = self.model(**batch.inputs).logits
        return BatchOutput(0, logits.argmax(dim=-1).tolist())


class GeneratedLabel(TextToText):
    """The label is generated."""

    prompt = "sst2 sentence: {text}"


class TextClassification(ByModel):
    """Encoder-decoder models write the label unless they were saved with a head for it."""

    @staticmethod
    def choose(config: Any) -> type[TransformersBackend]:
        """By the configuration."""
        return GeneratedLabel if writes_text(config, "ForSequenceClassification") else ByHead
