"""Image captioning: a text model writes what an image shows, without a prompt."""

from collections.abc import Sequence
from typing import Any

from transformers import AutoImageProcessor, AutoModelForImageTextToText

from energyscore.base.errors import ModelError
from energyscore.measurement.backend import Batch, BatchOutput
from energyscore.measurement.backends.generation import GeneratingBackend, first_of
from energyscore.measurement.backends.loading import Blueprint
from energyscore.measurement.backends.processors import load_processor, tokenizer_of
from energyscore.measurement.backends.vision import decode_image
from energyscore.protocol.workload import Query


class ImageCaptioning(GeneratingBackend):
    """`prefill` encodes the image and makes the first token, `decode` the others."""

    prepare_ahead = 128  # a prepared image takes one to six megabytes
    auto_class = AutoModelForImageTextToText
    _processor: Any = None

    def _load_processor(self, blueprint: Blueprint) -> None:
        family = blueprint.config.model_type
        if family not in _FAMILIES:
            raise ModelError(
                f"Models of the family {family} do not caption an image without a prompt.",
                f"Those that do: {', '.join(_FAMILIES)}.",
            )
        self._processor = load_processor(blueprint, AutoImageProcessor, "image_processor")
        self._read_tokenizer = tokenizer_of(blueprint)
        if family == "pix2struct":
            self._processor.is_vqa = False  # no question is asked, so none is drawn on the image

    def _said(self, output: BatchOutput) -> list[Any]:
        return self._decoded(output)

    def _special_tokens(self) -> tuple[int | None, Any]:
        config, settings = self.model.config, self.model.generation_config
        text = config.get_text_config(decoder=True)
        if config.model_type == "blip-2" and config.image_token_index is None:
            # Older checkpoints name no token that keeps the image's places: any will do.
            config.image_token_index = text.vocab_size - 1
        # BLIP's decoder ends with its separator, and says so to `generate` itself.
        separator = text.sep_token_id if config.model_type == "blip" else None
        end = first_of(separator, settings.eos_token_id, text.eos_token_id)
        first_end = end[0] if isinstance(end, list) else end
        return first_of(settings.pad_token_id, text.pad_token_id, first_end), end

    def _prepare(self, queries: Sequence[Query]) -> Batch:
        images = [decode_image(query["image"]) for query in queries]
        inputs = self._processor(images=images, return_tensors="pt")
        return Batch(dict(inputs.to(self._device, self.model.dtype)), len(queries), 0)


_FAMILIES = ("blip", "blip-2", "git", "pix2struct", "vision-encoder-decoder")
