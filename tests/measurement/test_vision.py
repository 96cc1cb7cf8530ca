"""Images: decoding whatever comes, sizes, and what belongs to which phase."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile
from support.vision_families import save_model

from energyscore.base.errors import DatasetError
from energyscore.base.lookup import resolve
from energyscore.measurement import work
from energyscore.measurement.backends.image_classification import ImageClassification
from energyscore.measurement.backends.loading import read_blueprint
from energyscore.measurement.backends.vision import (
    PREPARED_BYTES,
    decode_image,
)
from energyscore.measurement.benchmark import measure_run
from energyscore.measurement.catalog import BACKENDS
from energyscore.measurement.work import Plan
from energyscore.protocol.bundled import find_architecture
from energyscore.protocol.model import parse_model
from energyscore.protocol.task import bundled_tasks_dir, load_tasks
from energyscore.protocol.workload import Workload, load_workload

TASKS = load_tasks()
PHOTO = Image.open(bundled_tasks_dir() / "data/images/03_still_life.jpg").resize((80, 60))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {
        "image_classification": save_model("vit", tmp_path_factory.mktemp("vit")),
        "object_detection": save_model("detr", tmp_path_factory.mktemp("detr")),
    }


@pytest.fixture(params=["image_classification", "object_detection"])
def backend(request, folders):
    return load(request.param, folders)


def load(task, folders, **options):
    backend = resolve(BACKENDS, task)()
    backend.load(parse_model(str(folders[task]), **options), TASKS[task].spec, "cpu")
    return backend


def saved(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def run(backend, queries):
    return backend.run(backend.prepare(queries), lambda phase: None).values


def grey(image):
    return image.convert("L").convert("RGB")


def deep(image):
    """In 16 bits of grey."""
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)


def far_apart(one, other):
    return np.abs(np.asarray(one).astype(float) - np.asarray(other).astype(float)).mean()


@pytest.mark.parametrize(
    ("content", "expected", "tolerance"),
    [
        (saved(PHOTO), PHOTO, 0),
        (saved(PHOTO.convert("RGBA")), PHOTO, 0),
        (saved(PHOTO.convert("L")), grey(PHOTO), 0),
        (saved(PHOTO.convert("LA")), grey(PHOTO), 0),
        (saved(deep(PHOTO)), grey(PHOTO), 0),
        (saved(PHOTO.quantize(64)), PHOTO.quantize(64).convert("RGB"), 0),
        (saved(PHOTO.quantize(64), transparency=b"\x80\x90"), PHOTO.quantize(64).convert("RGB"), 0),
        (saved(PHOTO.convert("1")), PHOTO.convert("1").convert("RGB"), 0),
        (saved(PHOTO.convert("CMYK"), "JPEG", quality=95), PHOTO, 4),
        (saved(PHOTO, "WEBP", lossless=True), PHOTO, 0),
        (saved(PHOTO, "GIF"), PHOTO, 20),
        (saved(PHOTO, "BMP"), PHOTO, 0),
        (saved(PHOTO, "TIFF"), PHOTO, 0),
    ],
    ids=[
        "rgb",
        "rgba",
        "grey",
        "grey+alpha",
        "16-bit",
        "palette",
        "transparent",
        "1-bit",
        "cmyk",
        "webp",
        "gif",
        "bmp",
        "tiff",
    ],
)
def test_an_image_of_any_kind_is_decoded_to_rgb(content, expected, tolerance):
    image = decode_image(content)
    assert (image.mode, image.size) == ("RGB", PHOTO.size)
    assert far_apart(image, expected) <= tolerance
    assert far_apart(grey(PHOTO), PHOTO) > 10, "colours would be missed"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_that_a_camera_held_sideways_is_turned_upright(orientation):
    """What each value says must be done, by the EXIF standard; PHOTO is what is to come out."""
    undo = {
        1: [],
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }[orientation]
    stored = PHOTO
    for step in undo:
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert far_apart(decode_image(saved(stored, exif=exif)), PHOTO) == 0


JPEG, PNG, WEBP = (saved(PHOTO, kind) for kind in ("JPEG", "PNG", "WEBP"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"no image at all",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        JPEG[: len(JPEG) // 2],
        PNG[: len(PNG) // 2],
        PNG[:30],
        PNG[:60] + b"\0" * 40 + PNG[100:],
        WEBP[: len(WEBP) // 2],
        PNG[:16] + b"\x00\x0f\xff\xff" * 2 + PNG[24:],  # a million pixels wide and high
    ],
    ids=[
        "empty",
        "byte",
        "text",
        "svg",
        "jpeg-cut",
        "png-cut",
        "header",
        "overwritten",
        "webp-cut",
        "bomb",
    ],
)
def test_a_broken_image_is_one_clear_error(backend, content):
    with pytest.raises(
        DatasetError, match=r"An image of the dataset \(.* cannot be decoded: "
    ) as e:
        backend.prepare([{"image": PNG}, {"image": content}])
    assert f"({len(content):,} bytes" in e.value.message
    assert "\n" not in str(e.value)
    assert " at 0x" not in str(e.value)


def test_a_broken_image_of_a_dataset_file_is_found_when_it_is_prepared(folders, tmp_path):
    (tmp_path / "whole.png").write_bytes(PNG)
    (tmp_path / "cut.jpg").write_bytes(JPEG[:-300])
    rows = '{"image": "whole.png"}\n{"image": "cut.jpg"}\n'
    (tmp_path / "mine.jsonl").write_text(rows)
    task = TASKS["image_classification"]
    workload = load_workload(task, str(tmp_path / "mine.jsonl"), 10)
    backend = load("image_classification", folders)
    with pytest.raises(DatasetError, match="cannot be decoded"):
        measure_run(plan_of(workload, backend), backend, [], 0, Silent())


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (1, 40), (40, 1), (4, 900), (1500, 1100)])
def test_images_of_any_size_and_shape_are_work(backend, size):
    queries = [{"image": saved(PHOTO.resize(size))}, {"image": PNG}]
    assert len(run(backend, queries)) == 2
    assert run(backend, queries)[1:] == run(backend, queries[1:])


class Silent:
    def stage(self, name, total): ...

    def advance(self, done): ...


def plan_of(workload, backend):
    return Plan(workload, backend.phases, 1, 1, 0, True, 0.0)


def test_decoding_and_resizing_are_in_the_preprocess_phase(backend, monkeypatch):
    """By a clock that only they and the model move on: 3 s, 2 s and 1 s an image."""
    now_ns = 0

    def takes(seconds, done):
        def wrapped(*arguments, **options):
            nonlocal now_ns
            now_ns += round(seconds * 1e9)
            return done(*arguments, **options)

        return wrapped

    def load_image(image, load=ImageFile.ImageFile.load):
        return takes(3.0 if image.tile else 0.0, load)(image)  # no tile: decoded before

    monkeypatch.setattr(ImageFile.ImageFile, "load", load_image)
    monkeypatch.setattr(Image.Image, "resize", takes(2.0, Image.Image.resize))
    monkeypatch.setattr(backend.model, "forward", takes(1.0, backend.model.forward))
    clock = SimpleNamespace(monotonic_ns=lambda: now_ns, monotonic=lambda: now_ns / 1e9)
    monkeypatch.setattr(work, "time", clock)
    queries = ({"image": JPEG},) * 4
    measured, _ = measure_run(
        plan_of(Workload(queries, "4", None, False, 4), backend), backend, [], 0, Silent()
    )
    assert list(measured.phases) == ["preprocess", "forward"]
    assert measured.phases["preprocess"].duration_s == pytest.approx(4 * (3.0 + 2.0))
    assert measured.phases["forward"].duration_s == pytest.approx(4 * 1.0)
    assert (measured.input_tokens, measured.output_tokens) == (0, 0)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_prepared_images_stay_within_their_memory(backend, batch_size):
    batch = backend.prepare([{"image": PNG}] * batch_size)
    held = [tensor for group in batch.inputs for tensor in group.tensors.values()]
    size_bytes = sum(tensor.numel() * tensor.element_size() for tensor in held)
    assert 0.5 * PREPARED_BYTES < backend.prepare_ahead * size_bytes <= PREPARED_BYTES


def test_before_anything_is_known_few_batches_are_prepared():
    largest_bytes = 3 * 800 * 1333 * 4  # what the detectors of the leaderboard resize to
    for task in ("image_classification", "object_detection"):
        assert resolve(BACKENDS, task)().prepare_ahead * largest_bytes <= PREPARED_BYTES


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("vit-tiny", (224, 224)),
        ("vit-base", (224, 224)),
        ("resnet-18", (224, 224)),
        ("resnet-50", (224, 224)),
        ("mobilenet-v2", (224, 224)),
        ("convnext-tiny", (224, 224)),
        ("yolos-tiny", (512, 672)),  # the short side 512, both in patches of 16
        ("yolos-small", (800, 1056)),
        ("detr-resnet-50", (800, 1066)),
    ],
)
def test_bundled_architectures_get_images_of_the_published_size(name, shape):
    task = TASKS[find_architecture(name).tasks[0]].spec
    backend = ImageClassification()
    backend._load_processor(read_blueprint(parse_model(f"builtin:{name}"), task, "cpu"))
    processor = backend._processor
    photo = PHOTO.resize((640, 480))
    pixels = processor(images=photo, return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 3, *shape)
    half = name.startswith(("vit", "mobilenet"))
    mean, std = ([0.5] * 3, [0.5] * 3) if half else ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    black = processor(images=Image.new("RGB", (640, 480)), return_tensors="pt")["pixel_values"]
    expected = -torch.tensor(mean) / torch.tensor(std)
    torch.testing.assert_close(black[0, :, 100, 100], expected)


def test_pixels_come_in_the_models_own_dtype(folders):
    for task in folders:
        backend = load(task, folders, dtype="bfloat16")
        queries = [{"image": PNG}, {"image": saved(PHOTO.rotate(90, expand=True))}]
        tensors = backend.prepare(queries).inputs[0].tensors
        assert tensors["pixel_values"].dtype == torch.bfloat16
        if "pixel_mask" in tensors:
            assert not tensors["pixel_mask"].is_floating_point()
        assert len(run(backend, queries)) == 2
