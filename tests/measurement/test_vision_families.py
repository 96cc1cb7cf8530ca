"""Every family of image models on the official leaderboard loads from a folder and works."""

import io
import json

import pytest
import torch
from PIL import Image
from support.vision_families import CLASSIFIERS, DETECTORS, DETR, save_model

from energyscore.base.errors import ModelError
from energyscore.base.lookup import resolve
from energyscore.measurement.catalog import BACKENDS
from energyscore.protocol.model import parse_model
from energyscore.protocol.task import bundled_tasks_dir, load_tasks

TASKS = load_tasks()
PADDED = {"detr": "DETR", "conditional_detr": "conditional DETR"}


def load(task, folder, **options):
    backend = resolve(BACKENDS, task)()
    facts = backend.load(parse_model(str(folder), **options), TASKS[task].spec, "cpu")
    return backend, facts


def two_unlike(edge=240):
    """A broad image and a high one from the sample."""
    queries = []
    for name, size in (("02_street", (edge * 4 // 3, edge)), ("07_street", (edge, edge * 4 // 3))):
        file = io.BytesIO()
        Image.open(bundled_tasks_dir() / f"data/images/{name}.jpg").resize(size).save(file, "PNG")
        queries.append({"image": file.getvalue()})
    return queries


def logits(backend, queries):
    """What the model says of each query when they are one batch."""
    found = [None] * len(queries)
    with torch.inference_mode():
        for group in backend.prepare(queries).inputs:
            said = backend.model(**group.tensors).logits
            for row, place in enumerate(group.places):
                found[place] = said[row]
    return found


def values(backend, queries):
    return backend.run(backend.prepare(queries), lambda phase: None).values


@pytest.mark.parametrize("family", [*CLASSIFIERS, *DETECTORS])
def test_a_family_gives_for_a_batch_what_it_gives_for_each_image(family, tmp_path):
    task = "image_classification" if family in CLASSIFIERS else "object_detection"
    backend, facts = load(task, save_model(family, tmp_path))
    assert backend.model.config.model_type == family
    assert (facts.weights, facts.dtype) == ("pretrained", "float32")
    queries = two_unlike()
    alone = [logits(backend, [query])[0] for query in queries]
    together = logits(backend, queries)
    scale = max(float(one.abs().max()) for one in alone)
    # What convolutions see at the edge of an image is padding: not alike to the last digit.
    allowed = 0.05 if family in PADDED else 1e-4
    for one, both in zip(alone, together, strict=True):
        assert float((one - both).abs().max()) < allowed * scale
    if family not in PADDED:
        assert float((alone[0] - alone[1]).abs().max()) > 100 * allowed * scale
    assert values(backend, queries) == [values(backend, [query])[0] for query in queries]


@pytest.mark.parametrize("family", PADDED)
def test_without_its_mask_padding_would_be_taken_for_a_part_of_the_image(family, tmp_path):
    backend, _ = load("object_detection", save_model(family, tmp_path))
    queries = two_unlike()
    (group,) = backend.prepare(queries).inputs
    mask, pixels = group.tensors["pixel_mask"], group.tensors["pixel_values"]
    assert pixels.shape == (2, 3, 192, 192)  # 128 x 170 and 170 x 128, to whole cells of 32
    assert mask.sum(dim=(1, 2)).tolist() == [128 * 170, 170 * 128]
    assert (pixels * (1 - mask[:, None])).abs().max() == 0
    alone = logits(backend, queries[:1])[0]
    with torch.inference_mode():
        right = backend.model(**group.tensors).logits[0]
        wrong = backend.model(pixel_values=pixels).logits[0]
    assert (wrong - alone).abs().max() > 3 * (right - alone).abs().max()


def test_images_of_unlike_size_go_by_themselves_where_there_is_no_mask(tmp_path):
    backend, _ = load("object_detection", save_model("yolos", tmp_path))
    broad, high = two_unlike()
    groups = backend.prepare([broad, high, broad]).inputs
    assert [group.places for group in groups] == [(0, 2), (1,)]
    assert [group.sizes[0] for group in groups] == [(240, 320), (320, 240)]


def test_boxes_are_counted_above_the_threshold(tmp_path):
    """Against a count from the model's own scores: 91 kinds of things, and nothing as the last."""
    backend, _ = load("object_detection", save_model("yolos", tmp_path))
    for weights in backend.model.parameters():
        if weights.dim() > 1:
            torch.nn.init.kaiming_normal_(weights)
    with torch.no_grad():
        backend.model.class_labels_classifier.layers[-1].weight.mul_(1.5)
    queries = two_unlike()
    expected = [
        int((said.softmax(-1)[:, :-1].max(-1).values > 0.5).sum())
        for said in logits(backend, queries)
    ]
    assert all(0 < count < 10 for count in expected), "some of ten, not all of them"
    assert values(backend, queries) == expected
    # To be judged all boxes are given, in pixels of the image: left, top, width, height.
    backend.answer_as(TASKS["object_detection"].spec)
    assert backend.labels()[3] == backend.model.config.id2label[3]
    for query, count, found in zip(queries, expected, backend.answer(queries), strict=True):
        width, height = Image.open(io.BytesIO(query["image"])).size
        assert (found.width, found.height, len(found.boxes)) == (width, height, 10)
        assert sum(score > 0.5 for score, _, _ in found.boxes) == count
        with torch.inference_mode():
            said = backend.model(**backend.prepare([query]).inputs[0].tensors)
        scores, labels = said.logits[0].softmax(-1)[:, :-1].max(-1)
        x, y, w, h = (said.pred_boxes[0] * torch.tensor([width, height] * 2)).unbind(-1)
        shapes = torch.stack([x - w / 2, y - h / 2, w, h], dim=1).tolist()
        for box, own in zip(found.boxes, zip(scores, labels, shapes, strict=True), strict=True):
            assert box[:2] == pytest.approx((own[0].item(), own[1].item()), rel=1e-4)
            assert box[2] == pytest.approx(own[2], abs=1e-3)


@pytest.mark.parametrize("family", ["vit", "resnet", "segformer", "perceiver", "yolos", "detr"])
def test_processors_saved_by_old_versions_of_the_library_load(family, tmp_path):
    """Many published ones were: without a class, and their size as one number."""
    task = "image_classification" if family in CLASSIFIERS else "object_detection"
    file = save_model(family, tmp_path) / "preprocessor_config.json"
    new = load(task, tmp_path)[0].prepare(two_unlike()).inputs
    settings = json.loads(file.read_text())
    kind = settings.pop("image_processor_type").removesuffix("Pil")
    settings["feature_extractor_type"] = kind.replace("ImageProcessor", "FeatureExtractor")
    size = settings["size"]
    settings["size"] = size.get("shortest_edge") or size["height"]
    if "longest_edge" in size:
        settings["max_size"] = size["longest_edge"]
    file.write_text(json.dumps(settings))
    old = load(task, tmp_path)[0].prepare(two_unlike()).inputs
    for one, other in zip(new, old, strict=True):
        assert torch.equal(one.tensors["pixel_values"], other.tensors["pixel_values"])


@pytest.mark.parametrize("name", ["detr", "conditional_detr"])
@pytest.mark.parametrize("dilated", [False, True], ids=["", "dc5"])
@pytest.mark.parametrize("random_weights", [False, True], ids=["pretrained", "random"])
def test_a_backbone_from_timm_is_refused_with_the_remedy(tmp_path, name, dilated, random_weights):
    config = {"model_type": name, "backbone": "resnet50", "use_timm_backbone": True, **DETR}
    (tmp_path / "config.json").write_text(json.dumps(config | {"dilation": dilated}))
    with pytest.raises(ModelError, match="timm, which is not installed") as refusal:
        load("object_detection", tmp_path, random_weights=random_weights)
    assert "Install timm" in refusal.value.remedy
    assert "--revision no_timm" in refusal.value.remedy
