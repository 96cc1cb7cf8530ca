"""What loading would open is checked before: no pickle unasked, nothing outside the folder."""

import json
import struct

import pytest

from energyscore.base.errors import ModelError
from energyscore.protocol.weight_files import check_pipeline, check_weights, lack_of_weights

HEADER = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
SAFE = struct.pack("<Q", len(HEADER)) + HEADER + b"\0" * 4


def index(folder, *names, stem="model", suffix="safetensors"):
    content = {"metadata": {}, "weight_map": {f"w{n}": name for n, name in enumerate(names)}}
    (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps(content))


def check(folder, *, allow_pickle=False, **options):
    return check_weights(folder, "m", allow_pickle=allow_pickle, **options)


def complaint(folder, **options):
    with pytest.raises(ModelError) as caught:
        check(folder, **options)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model").mkdir()
    return tmp_path / "model"


def test_whole_safetensors_are_taken_alone_and_in_parts(folder):
    assert not check(folder)
    (folder / "a.safetensors").write_bytes(SAFE)
    index(folder, "a.safetensors")
    assert check(folder)
    (folder / "model.safetensors").write_bytes(SAFE)
    assert check(folder)


@pytest.mark.parametrize(
    "name", ["w.bin", "w.pt", "w.pth", "w.ckpt", "w.pkl", "w", "w.safetensors.bin"]
)
@pytest.mark.parametrize("stem", ["model", "diffusion_pytorch_model"])
def test_an_index_that_names_anything_but_safetensors_needs_permission(folder, name, stem):
    (folder / name).write_bytes(b"\x80\x04.")
    index(folder, name, stem=stem)
    said = complaint(folder)
    assert f"names weights that are not safetensors: {name!r}" in said
    assert "--allow-pickle" in said
    assert check(folder, allow_pickle=True)


@pytest.mark.parametrize(
    "name",
    [
        *("../w.safetensors", "/w.safetensors", "a/../../w.safetensors", "..", "", "."),
        *(".w.safetensors", "checkpoint-1/w.safetensors", "optimizer.bin", "results/w.safetensors"),
    ],
)
def test_weights_lie_in_the_folder_and_among_what_its_digest_is_of(folder, name):
    (folder.parent / "w.safetensors").write_bytes(SAFE)
    index(folder, name)
    assert "outside the model's folder" in complaint(folder, allow_pickle=True)


def test_an_index_whose_parts_are_not_all_there_is_refused(folder):
    (folder / "a.safetensors").write_bytes(SAFE)
    index(folder, "a.safetensors", "b.safetensors")
    said = complaint(folder)
    assert "lacks 1 of the 2 weight files that its model.safetensors.index.json names: b" in said


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"weight_map": {}}', '{"weight_map": {"a": 1}, "metadata": {}}', "\xff"],
)
def test_a_broken_index_is_one_line(folder, content):
    (folder / "model.safetensors.index.json").write_bytes(content.encode("latin-1"))
    assert complaint(folder)


def test_links_may_lead_into_the_hubs_blobs_only(folder):
    (folder.parent / "w.safetensors").write_bytes(SAFE)
    (folder / "model.safetensors").symlink_to("../w.safetensors")
    assert "a link that leads out of its folder" in complaint(folder)
    cache = folder / "models--org--m"
    (cache / "blobs").mkdir(parents=True)
    (cache / "snapshots" / "abc").mkdir(parents=True)
    (cache / "blobs" / "1234").write_bytes(SAFE)
    (cache / "snapshots/abc/model.safetensors").symlink_to("../../blobs/1234")
    assert check(cache / "snapshots" / "abc")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x80\x02}q\x00.", "is a pickle and not safetensors"),
        (b"PK\x03\x04" + b"x" * 90, "is a pickle and not safetensors"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n", "git lfs pull"),
        (SAFE[:-1], "is not a whole safetensors file"),
        (SAFE + b"\0", "is not a whole safetensors file"),
        (b"\x08\0\0\0\0\0\0\0{broken}", "is not a whole safetensors file"),
        (struct.pack("<Q", 2**62) + b"{}", "is not a whole safetensors file"),
        (b"", "is empty"),
    ],
)
def test_what_is_called_safetensors_and_is_not_is_named(folder, content, said):
    (folder / "model.safetensors").write_bytes(content)
    assert said in complaint(folder)


def test_a_configuration_may_name_no_pickle_either(folder):
    (folder / "adapter_model.bin").write_bytes(b"\x80\x04.")
    said = complaint(folder, named="adapter_model.bin")
    assert "config.json of the model m names weights that are not safetensors" in said


def test_every_part_of_a_pipeline_is_checked(folder):
    parts = {"unet": ["diffusers", "UNet"], "text_encoder": ["transformers", "CLIP"], "_name": "x"}

    def said():
        with pytest.raises(ModelError) as caught:
            check_pipeline(folder, parts, "m", allow_pickle=False)
        return str(caught.value)

    (folder / "unet").mkdir()
    check_pipeline(folder, parts, "m", allow_pickle=False)
    index(folder / "unet", "x.bin", stem="diffusion_pytorch_model")
    assert "m (unet) names weights that are not safetensors" in said()
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(SAFE)
    check_pipeline(folder, parts, "m", allow_pickle=False)
    (folder / "unet" / "config.json").write_text('{"transformers_weights": "adapter_model.bin"}')
    assert "config.json of the model m (unet) names weights that are not safetensors" in said()
    (folder / "unet" / "config.json").write_text("{}")
    (folder.parent / "elsewhere").mkdir()
    (folder / "text_encoder").symlink_to("../elsewhere")
    assert "The part 'text_encoder' of the model m lies outside its folder" in said()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pytorch_model.bin", "--allow-pickle"),
        ("pytorch_model-00001-of-00002.bin", "--allow-pickle"),
        ("model-00001-of-00002.safetensors", "has weights in parts (model-00001-of-00002"),
        ("model.fp16.safetensors", "of a variant only: model.fp16.safetensors"),
        ("consolidated.safetensors", "consolidated.safetensors is another"),
        ("m.Q4_K_M.gguf", "m.Q4_K_M.gguf is another"),
        ("config.json", "has no weights"),
    ],
)
def test_a_folder_without_weights_says_what_it_has_instead(folder, name, said):
    (folder / name).write_bytes(b"")
    assert said in str(lack_of_weights(folder, "m", allow_pickle=False))
