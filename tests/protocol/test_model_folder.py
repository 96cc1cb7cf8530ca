"""What was named as a model is named for what it is, where it is none."""

import json

import pytest

from energyscore.base.errors import ModelError
from energyscore.protocol.model import parse_model
from energyscore.protocol.parentage import Parent, parent_in_card


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    return tmp_path / "m"


def adapter(folder, base="org/base"):
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))


def complaint(text, **options):
    with pytest.raises(ModelError) as caught:
        parse_model(text, **options)
    return str(caught.value)


def test_an_adapter_alone_is_named_with_the_model_it_is_for(folder):
    adapter(folder)
    said = complaint("./m")
    assert "The folder m is an adapter" in said
    assert "--base-model org/base" in said
    spec = parse_model("./m", base_model="org/base", dtype="float16", allow_pickle=True)
    assert (spec.label, spec.path, spec.base.label) == ("m", folder.resolve(), "org/base")
    assert (spec.base.source, spec.base.dtype, spec.base.allow_pickle) == ("hub", "float16", True)
    (folder / "adapter_config.json").write_text("[")
    assert "--base-model NAME" in complaint("./m")


@pytest.mark.parametrize("name", ["config.json", "model_index.json"])
@pytest.mark.parametrize("random", [False, True])
def test_an_adapter_beside_a_whole_model_is_refused_whatever_is_installed(folder, name, random):
    (folder / name).write_text("{}")
    assert parse_model("./m", random_weights=random).label == "m"
    adapter(folder)
    said = complaint("./m", random_weights=random)
    assert "has an adapter beside its weights" in said
    assert "--base-model" in said
    assert "merge" in said
    assert "has an adapter beside its weights" in complaint("org/lora", base_model="./m")


def test_an_adapter_needs_pretrained_weights_and_a_whole_model_has_a_parent(folder):
    (folder / "config.json").write_text("{}")
    whole = parse_model("./m", base_model="org/base", base_relation="pruned")
    assert (whole.base, whole.parent) == (None, Parent("org/base", "user", "pruned", "user"))
    bundled = parse_model("builtin:distilgpt2", base_model="builtin:gpt2")
    assert (bundled.base, bundled.parent) == (None, Parent("builtin:gpt2", "user"))
    on_hub = parse_model("org/lora", base_model="org/base")
    assert (on_hub.base.label, on_hub.parent) == ("org/base", Parent("org/base", "user"))
    assert parse_model("org/lora", base_model="org/base", random_weights=True).base is None
    adapter(folder)
    wanted = "needs the pretrained weights that it was made for"
    assert wanted in complaint("./m", base_model="builtin:gpt2")
    assert wanted in complaint("./m", base_model="org/base", random_weights=True)


@pytest.mark.parametrize(
    ("front", "parent"),
    [
        ("base_model: org/a\nbase_model_relation: quantized", ("org/a", "quantized", "card")),
        ("base_model: [org/a]\nbase_model_relation: Distilled", ("org/a", "distilled", "card")),
        ("base_model:\n- org/a\n- org/b", ("org/a", "merge", "inferred")),
        ("base_model: org/a\nbase_model_relation: cousin", ("org/a", None, None)),
        ("base_model: org/a", ("org/a", None, None)),
        *((none, None) for none in ("license: mit", "base_model: ./x/../y", "base_model: {a: 1}")),
        *((none, None) for none in ("base_model: [", "- base_model: org/a", "base_model: 7")),
    ],
)
def test_a_card_names_the_parent_and_how_the_model_was_made_from_it(front, parent):
    found = parent_in_card(f"---\n{front}\n---\n# A model\nbase_model: org/no\n")
    told = found and (found.id, found.relation, found.relation_source)
    assert told == parent
    assert found is None or found.source == "card"


@pytest.mark.parametrize("text", ["x.gguf", "./x.gguf", "m"])
def test_gguf_is_named_for_what_it_is(folder, text):
    (folder.parent / "x.gguf").write_bytes(b"GGUF")
    (folder / "x.Q4_K_M.GGUF").write_bytes(b"GGUF")
    said = complaint(text)
    assert "GGUF file, which transformers cannot run" in said
    assert "safetensors, or its id on the hub" in said


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "x.pth"])
def test_a_file_of_weights_is_no_folder(folder, name):
    (folder / name).write_bytes(b"")
    assert "is a file, and a model is a folder" in complaint(f"m/{name}")
    assert "such as m." in complaint(f"m/{name}")


def test_a_trainers_folder_without_a_model_points_to_its_checkpoints(folder):
    for number in (1, 2):
        (folder / f"checkpoint-{number}").mkdir()
        (folder / f"checkpoint-{number}" / "config.json").write_text("{}")
    assert "such as m/checkpoint-2" in complaint("./m")
