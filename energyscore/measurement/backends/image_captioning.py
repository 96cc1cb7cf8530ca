"""Image captioning: a text model writes what an image shows, without a prompt."""

from collections.abc import Sequence
from typing import Any

from transformers import AutoImageProcessor, AutoModelForImageTextToText

from energyscore.base.errors import ModelError
from energyscore.measurement.backend import Batch, BatchOutput, EnterPhase
from energyscore.measurement.backends.base import TransformersBackend
from energyscore.measurement.backends.generation import Generator, set_decoder_start
from energyscore.measurement.backends.loading import Blueprint
from energyscore.measurement.backends.processors import load_published, make_bundled
from energyscore.measurement.backends.vision import decode_image
from energyscore.protocol.task import TaskSpec
from energyscore.protocol.workload import Query


class ImageCaptioning(TransformersBackend):
    """`prefill` encodes the image and makes the first token, `decode` the others."""

    prepare_ahead = 128  # a prepared image takes one to six megabytes
    phases = ("preprocess", "prefill", "decode")
    lone_phase = "prefill"
    auto_class = AutoModelForImageTextToText

    def __init__(self) -> None:
        """Start without a model."""
        super().__init__()
        self._processor: Any = None

    def _load_processor(self, blueprint: Blueprint) -> None:
        family = blueprint.config.model_type
        if family not in _FAMILIES:
            raise ModelError(
                f"Models of the family {family} do not caption an image without a prompt.",
                f"Those that do: {', '.join(_FAMILIES)}.",
            )
        if blueprint.architecture is not None:
            self._processor = make_bundled(blueprint)
        else:
            self._processor = load_published(blueprint, AutoImageProcessor)
        if family == "pix2struct":
            self._processor.is_vqa = False  # no question is asked, so none is drawn on the image

    def _set_up(self, task: TaskSpec) -> None:
        assert task.generation is not None
        config, settings = self.model.config, self.model.generation_config
        text = config.get_text_config(decoder=True)
        if config.model_type == "blip-2" and config.image_token_index is None:
            # Older checkpoints name no token that keeps the image's places: any will do.
            config.image_token_index = text.vocab_size - 1
        set_decoder_start(self.model)
        # BLIP's decoder ends with its separator, and says so to `generate` itself.
        separator = text.sep_token_id if config.model_type == "blip" else None
        end = _first(separator, settings.eos_token_id, text.eos_token_id)
        first_end = end[0] if isinstance(end, list) else end
        pad = _first(settings.pad_token_id, text.pad_token_id, first_end)
        self._generator = Generator(self.model, task.generation, pad, end)

    def _prepare(self, queries: Sequence[Query]) -> Batch:
        images = [decode_image(query["image"]) for query in queries]
        inputs = self._processor(images=images, return_tensors="pt")
        return Batch(dict(inputs.to(self._device, self.model.dtype)), len(queries), 0)

    def _work(self, batch: Batch, enter: EnterPhase) -> BatchOutput:
        return self._generator.run(batch.inputs, enter)


_FAMILIES = ("blip", "blip-2", "git", "pix2struct", "vision-encoder-decoder")


def _first(*values: Any) -> Any:
    """The first that is not None."""
    return next((value for value in values if value is not None), None)
