"""Text classification with encoders (or decoders) that carry a classification head."""

from transformers import AutoModelForSequenceClassification

from energyscore.backend import Batch, BatchOutput, EnterPhase
from energyscore.backends.text import TextBackend


class TextClassification(TextBackend):
    """One forward pass gives a label."""

    auto_class = AutoModelForSequenceClassification

    def _work(self, batch: Batch, enter: EnterPhase) -> BatchOutput:
        enter("forward")
        logits = self.model(**batch.inputs).logits
        return BatchOutput(0, logits.argmax(dim=-1).tolist())
