"""What the image backends share: decoding, processing, batches of images of different sizes."""

import hashlib
import importlib.util
import inspect
import io
import math
import struct
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from transformers import AutoImageProcessor

from energyscore.base.errors import DatasetError, ModelError
from energyscore.measurement.backend import Batch, BatchOutput, EnterPhase
from energyscore.measurement.backends.base import TransformersBackend
from energyscore.measurement.backends.loading import Blueprint
from energyscore.measurement.backends.processors import load_processor
from energyscore.protocol.task import TaskSpec
from energyscore.protocol.workload import Query

PREPARED_BYTES = 1e9
"""How much memory images may take that are prepared and not yet run."""

CELL = 32
"""Pixels of an image's side to a cell of a model's last feature map, at most."""

_Part: TypeAlias = tuple[tuple[int, ...], dict[str, torch.Tensor]]
"""Some images of a batch: their places in it, and the tensors that they make."""

_DECODING_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    RuntimeError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow's decoders raise on broken files and on files that are no images."""


@dataclass(frozen=True)
class ImageGroup:
    """Images of a batch that go through the model at once; sizes are (height, width) as decoded."""

    places: tuple[int, ...]
    tensors: dict[str, torch.Tensor]
    sizes: tuple[tuple[int, int], ...]


class VisionBackend(TransformersBackend):
    """A backend for images; a modality adds its Auto class and `_values`.

    If the processed images of a batch differ in size, they are padded for models that take a mask
    of the padding (the DETR family). Other models would take the padding for a part of the image:
    they get the images of each size separately.
    """

    prepare_ahead = 64  # until the first batch has shown how large prepared images are
    _processor: Any = None
    _takes_mask = False
    _largest_bytes = 1

    def _load_processor(self, blueprint: Blueprint) -> None:
        _check_timm(blueprint)
        # On Pillow, whether or not torchvision is installed: preprocessing is measured, and should
        # be the same work everywhere.
        self._processor = load_processor(
            blueprint, AutoImageProcessor, "image_processor", backend="pil"
        )

    def _set_up(self, task: TaskSpec) -> None:
        self._takes_mask = "pixel_mask" in inspect.signature(self.model.forward).parameters

    def _prepare(self, queries: Sequence[Query]) -> Batch:
        images = [decode_image(query["image"]) for query in queries]
        pixels = [
            self._processor(images=image, return_tensors="pt")["pixel_values"] for image in images
        ]
        unlike = len({one.shape for one in pixels}) > 1
        groups = [
            ImageGroup(
                places,
                {name: self._on_device(tensor) for name, tensor in tensors.items()},
                tuple((images[place].height, images[place].width) for place in places),
            )
            for places, tensors in (_pad if unlike and self._takes_mask else _by_size)(pixels)
        ]
        self._bound_memory(groups)
        return Batch(groups, len(queries), 0)

    def _work(self, batch: Batch, enter: EnterPhase) -> BatchOutput:
        enter("forward")
        values: list[Any] = [None] * batch.queries
        for group in batch.inputs:
            for place, value in zip(group.places, self._values(group), strict=True):
                values[place] = value
        return BatchOutput(0, values)

    @abstractmethod
    def _values(self, group: ImageGroup) -> list[Any]:
        """What the model says of each image of a group."""

    def _on_device(self, tensor: torch.Tensor) -> torch.Tensor:
        """Pixels in the model's dtype, masks as they are."""
        dtype = self.model.dtype if tensor.is_floating_point() else tensor.dtype
        return tensor.to(self._device, dtype)

    def _bound_memory(self, groups: Sequence[ImageGroup]) -> None:
        tensors = [tensor for group in groups for tensor in group.tensors.values()]
        size_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        self._largest_bytes = max(self._largest_bytes, size_bytes)
        self.prepare_ahead = max(1, int(PREPARED_BYTES / self._largest_bytes))


def _by_size(pixels: Sequence[torch.Tensor]) -> Iterator[_Part]:
    """Images of one size together, each as if it were alone."""
    alike: dict[torch.Size, list[int]] = {}
    for place, one in enumerate(pixels):
        alike.setdefault(one.shape, []).append(place)
    for places in alike.values():
        yield tuple(places), {"pixel_values": torch.cat([pixels[place] for place in places])}


def _pad(pixels: Sequence[torch.Tensor]) -> Iterator[_Part]:
    """All images together, padded below and at the right, with the mask of what is image.

    To whole cells: the models shrink the mask to their cells, and would else count a cell too
    many or too few of an image. So an image keeps the cells that it has alone. What is left of a
    difference is at its edges, where convolutions look into the padding.
    """
    height, width = (
        math.ceil(max(one.shape[side] for one in pixels) / CELL) * CELL for side in (-2, -1)
    )
    padded = torch.zeros(len(pixels), pixels[0].shape[1], height, width)
    mask = torch.zeros(len(pixels), height, width, dtype=torch.int64)
    for place, one in enumerate(pixels):
        padded[place, :, : one.shape[-2], : one.shape[-1]] = one[0]
        mask[place, : one.shape[-2], : one.shape[-1]] = 1
    yield tuple(range(len(pixels))), {"pixel_values": padded, "pixel_mask": mask}


def decode_image(content: bytes) -> Image.Image:
    """The image in a file that Pillow reads, upright and in RGB; a DatasetError for others."""
    try:
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
        if image.mode.startswith("I"):  # 16 bits, which Pillow would clip to 8
            image = Image.fromarray((np.asarray(image) // 257).clip(0, 255).astype(np.uint8))
        if "transparency" in image.info:  # of a palette: read only on the way to RGBA
            image = image.convert("RGBA")
        return image.convert("RGB")
    except _DECODING_ERRORS as error:
        unknown = isinstance(error, UnidentifiedImageError)  # it only names an address in memory
        reason = "it is of no format that Pillow knows" if unknown else error
        digest = hashlib.sha256(content).hexdigest()[:12]
        raise DatasetError(
            f"An image of the dataset ({len(content):,} bytes, SHA-256 {digest}...) cannot be "
            f"decoded: {reason}.",
            "Remove it, or save it again as JPEG, PNG or WebP.",
        ) from error


def _check_timm(blueprint: Blueprint) -> None:
    """Refuse a model with a backbone from timm where timm is not installed."""
    backbone = getattr(blueprint.config, "backbone_config", None)
    kinds = {getattr(config, "model_type", "") for config in (blueprint.config, backbone)}
    if not kinds & {"timm_backbone", "timm_wrapper"} or importlib.util.find_spec("timm"):
        return
    raise ModelError(
        f"The model {blueprint.spec.label} takes its backbone from timm, which is not installed.",
        "Install timm and the torchvision that fits your torch; or, where its repository has "
        "that branch (facebook/detr-resnet-50 and detr-resnet-101 do), load it without timm by "
        "--revision no_timm.",
    )
