"""Image captioning apart from models: decoding images, and the sample."""

import io
import json
import sys

import numpy as np
import pytest
from PIL import Image

from energyscore.base.errors import DatasetError
from energyscore.measurement.backends.vision import decode_image
from energyscore.protocol.selection import BUNDLED
from energyscore.protocol.task import bundled_tasks_dir, load_tasks
from energyscore.protocol.workload import load_workload


def encode(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


RED = Image.new("RGB", (40, 30), (200, 30, 40))


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("RGB", "JPEG"),
        ("RGB", "PNG"),
        ("RGB", "WEBP"),
        ("CMYK", "JPEG"),
        ("P", "GIF"),
        ("P", "PNG"),
        ("RGBA", "PNG"),
        ("RGB", "BMP"),
        ("RGB", "TIFF"),
    ],
)
def test_images_of_all_kinds_become_rgb(mode, kind):
    image = decode_image(encode(RED.convert(mode), kind))
    assert (image.mode, image.size) == ("RGB", (40, 30))
    assert np.allclose(np.asarray(image).mean(axis=(0, 1)), (200, 30, 40), atol=16)


@pytest.mark.parametrize("mode", ["L", "1", "LA", "I;16"])
def test_grey_images_become_rgb(mode):
    image = decode_image(encode(Image.new(mode, (40, 30))))
    assert (image.mode, image.size) == ("RGB", (40, 30))


def test_images_are_turned_upright():
    lying = Image.new("RGB", (40, 30))
    lying.paste((255, 255, 255), (0, 0, 20, 30))  # the left half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    upright = decode_image(encode(lying, "PNG", exif=exif))
    assert upright.size == (30, 40)
    assert upright.getpixel((15, 2)) == (255, 255, 255)
    assert upright.getpixel((15, 37)) == (0, 0, 0)


@pytest.mark.parametrize(
    "content",
    [b"this is no image", encode(RED, "JPEG")[:300], encode(RED, "PNG")[:60], b"\x89PNG\r\n\x1a\n"],
    ids=["text", "cut jpeg", "cut png", "no png"],
)
def test_broken_images_are_told(content):
    with pytest.raises(DatasetError, match=r"An image .* cannot be decoded.*JPEG, PNG or WebP"):
        decode_image(content)


def test_images_that_would_fill_the_memory_are_told(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DatasetError, match="decompression bomb"):
        decode_image(encode(RED))


def test_the_sample_is_many_images_of_many_sizes():
    workload = load_workload(load_tasks()["image_captioning"], BUNDLED, 1000)
    images = [decode_image(query["image"]) for query in workload.queries]
    assert len(images) >= 25
    assert len({image.size for image in images}) >= 10
    assert min(min(image.size) for image in images) >= 300
    assert min(np.asarray(image).std() for image in images) > 20, "none is empty"
    assert sum(len(query["image"]) for query in workload.queries) < 1e6


def test_the_images_are_what_the_script_draws(monkeypatch):
    folder = bundled_tasks_dir() / "data"
    monkeypatch.syspath_prepend(str(folder))
    import draw

    monkeypatch.delitem(sys.modules, "draw")
    lines = (folder / "image_captioning.jsonl").read_text().splitlines()
    for number in (0, 7, 39):
        row = json.loads(lines[number])
        drawn, caption = draw.draw_scene(number)
        stored = decode_image((folder / row["image"]).read_bytes())
        assert caption == row["text"]
        assert stored.size == drawn.size
        apart = np.asarray(stored, dtype=float) - np.asarray(drawn, dtype=float)
        assert np.abs(apart).mean() < 5
