from dataclasses import replace

import pytest
from transformers import (
    AutoFeatureExtractor,
    AutoImageProcessor,
    CanineConfig,
    GPT2Config,
    LongT5Config,
    PegasusConfig,
    T5Config,
    ViTConfig,
    WhisperConfig,
)

from energyscore.base.errors import ModelError
from energyscore.measurement.backends.facts import revision_of
from energyscore.measurement.backends.loading import Blueprint
from energyscore.measurement.backends.processors import load_processor, load_tokenizer
from energyscore.protocol.model import parse_model
from energyscore.protocol.task import load_tasks


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a model in `my model` and none in `empty`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "my model").mkdir()
    (tmp_path / "my model" / "config.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("text", "source", "name", "label", "kept_under"),
    [
        ("builtin:gpt2", "builtin", "gpt2", "builtin:gpt2", ("builtin", "gpt2")),
        ("org/model", "hub", "org/model", "org/model", ("org", "model")),
        ("gpt2", "hub", "gpt2", "gpt2", ("hub", "gpt2")),
        ("Org-1/m_2.5-x", "hub", "Org-1/m_2.5-x", "Org-1/m_2.5-x", ("Org-1", "m_2.5-x")),
        ("my model", "local", "my_model", "my_model", ("local", "my_model")),
        ("./my model", "local", "my_model", "my_model", ("local", "my_model")),
        ("~/my model", "local", "my_model", "my_model", ("local", "my_model")),
        ("empty/../my model/", "local", "my_model", "my_model", ("local", "my_model")),
    ],
)
def test_names_are_read_as_what_they_are(folder, text, source, name, label, kept_under):
    spec = parse_model(text)
    assert (spec.source, spec.id, spec.label, spec.folder) == (source, name, label, kept_under)
    local = source == "local"
    assert spec.path == (folder.resolve() / "my model" if local else None)
    assert spec.location == (str(folder.resolve() / "my model") if local else name)


def test_a_folder_is_taken_before_the_hub(folder):
    (folder / "org" / "model").mkdir(parents=True)
    (folder / "org" / "model" / "config.json").write_text("{}")
    assert parse_model("org/model").path == folder.resolve() / "org" / "model"


def test_a_pipeline_has_an_index_in_place_of_a_configuration(folder):
    (folder / "pipeline").mkdir()
    (folder / "pipeline" / "model_index.json").write_text("{}")
    assert parse_model("./pipeline").path == folder.resolve() / "pipeline"


def test_the_folder_one_stands_in_has_its_own_name(folder, monkeypatch):
    monkeypatch.chdir(folder / "my model")
    assert parse_model(".").id == "my_model"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "--model is empty"),
        (" ", "neither a hub id"),
        ("a/b/c", "neither a hub id"),
        ("org/", "neither a hub id"),
        ("org/..", "neither a hub id"),
        ("a..b/c", "neither a hub id"),
        ("-x/y", "neither a hub id"),
        ("org/mo del", "neither a hub id"),
        ("org/model?x", "neither a hub id"),
        ("https://huggingface.co/gpt2", "neither a hub id"),
        ("Builtin:gpt2", "neither a hub id"),
        ("a\0b", "neither a hub id"),
        ("/", "there is no config.json in it"),
        ("./nowhere", "The model folder ./nowhere does not exist"),
        ("../nowhere", "does not exist"),
        ("~/nowhere", "does not exist"),
        ("./my model/config.json", "is a file, and a model is a folder"),
        ("empty", "The folder empty holds no model: there is no config.json in it"),
    ],
)
def test_a_wrong_name_says_what_is_wrong(folder, text, said):
    with pytest.raises(ModelError) as caught:
        parse_model(text)
    assert said in str(caught.value)


def test_options_reach_the_model():
    spec = parse_model(
        "org/model",
        revision="v1",
        random_weights=True,
        dtype="float32",
        trust_remote_code=True,
        allow_pickle=True,
    )
    assert (spec.revision, spec.random_weights, spec.dtype) == ("v1", True, "float32")
    assert (spec.trust_remote_code, spec.allow_pickle) == (True, True)


def test_code_and_pickles_are_not_trusted_unless_asked_for():
    spec = parse_model("org/model")
    assert (spec.trust_remote_code, spec.allow_pickle, spec.random_weights) == (False,) * 3
    assert (spec.revision, spec.dtype) == (None, "auto")


def test_bundled_architectures_have_random_weights():
    spec = parse_model("builtin:gpt2", dtype="float16")
    assert (spec.random_weights, spec.dtype) == (True, "float16")


@pytest.mark.parametrize("text", ["builtin:gpt2", "my model"])
def test_only_the_hub_has_revisions(folder, text):
    with pytest.raises(ModelError, match="--revision v1 does not go with"):
        parse_model(text, revision="v1")


@pytest.mark.parametrize("text", ["~nosuchuser/model", "x" * 300], ids=["user", "long"])
def test_a_path_that_pathlib_refuses_is_a_wrong_name(folder, text):
    with pytest.raises(ModelError):
        parse_model(text)


@pytest.mark.parametrize("text", ["org/model\n", "org/modèle"])
def test_only_what_the_hub_can_know_is_an_id(folder, text):
    with pytest.raises(ModelError):
        parse_model(text)


@pytest.mark.parametrize(
    ("name", "part", "weights"),
    [
        *((name, True, False) for name in ("preprocessor_config.json", "processor_config.json")),
        *((name, True, False) for name in ("generation_config.json", "vocab.txt", "merges.txt")),
        *((name, True, False) for name in ("spiece.model", "modeling.py", "vae/config.json")),
        *((name, True, True) for name in ("model.safetensors", "unet/model.bin")),
        *((name, False, False) for name in ("README.md", "LICENSE", ".git/HEAD", "picture.png")),
        *((name, False, False) for name in ("results/r.json", "code/__pycache__/a.pyc")),
        *((name, False, False) for name in ("optimizer.pt", "scheduler.pt", "trainer_state.json")),
        *((name, False, False) for name in ("rng_state.pth", "rng_state_0.pth", "scaler.pt")),
        *((name, False, False) for name in ("training_args.bin", "checkpoint-5/model.safetensors")),
        *((name, True, True) for name in ("best.pth", "training_args.bin.safetensors")),
    ],
)
def test_all_of_a_folder_that_can_decide_the_work_is_its_revision(folder, name, part, weights):
    file = folder / "my model" / name
    file.parent.mkdir(parents=True, exist_ok=True)

    def revisions():
        pretrained = parse_model("my model")
        return revision_of(pretrained), revision_of(replace(pretrained, random_weights=True))

    seen = [revisions()]
    for content in ("one", "two"):
        file.write_text(content)
        assert revisions() == revisions()
        seen.append(revisions())
    pretrained, random = (len(set(several)) for several in zip(*seen, strict=True))
    assert pretrained == (3 if part else 1)
    assert random == (3 if part and not weights else 1)


def test_a_file_of_the_folder_that_has_another_place_is_another_model(folder):
    file = folder / "my model" / "vocab.txt"
    file.write_text("a")
    first = revision_of(parse_model("my model"))
    file.rename(file.with_name("words.txt"))
    assert revision_of(parse_model("my model")) != first


TEXT_CONFIGS = {
    "knows no words": GPT2Config(),
    "knows special tokens only": T5Config(),
    "cannot be made": LongT5Config(),
    "cannot be read": PegasusConfig(),
}


def blueprint_of(config, folder):
    config.save_pretrained(folder)
    task = load_tasks()["text_generation"].spec
    return Blueprint(parse_model(str(folder)), task, "cpu", config)


@pytest.mark.parametrize("config", TEXT_CONFIGS.values(), ids=TEXT_CONFIGS.keys())
@pytest.mark.parametrize(
    "settings", [{}, {"tokenizer_config.json": "{}"}], ids=["none", "settings"]
)
def test_a_folder_without_a_tokenizer_says_what_it_lacks(tmp_path, config, settings):
    for name, content in settings.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(ModelError) as caught:
        load_tokenizer(blueprint_of(config, tmp_path), padding_side="right", framed=True)
    assert "has no tokenizer files: none of tokenizer.json, vocab." in caught.value.message
    assert f"tokenizer.save_pretrained('{tmp_path}')" in caught.value.remedy


def test_a_tokenizer_without_files_of_its_own_is_none_that_is_missing(tmp_path):
    blueprint = blueprint_of(CanineConfig(), tmp_path)
    tokenizer = load_tokenizer(blueprint, padding_side="right", framed=True)
    assert tokenizer("ab", add_special_tokens=False)["input_ids"] == [97, 98]


def test_a_tokenizer_that_is_there_and_broken_is_not_said_to_be_missing(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(Exception) as caught:  # the library's own, told elsewhere
        load_tokenizer(blueprint_of(GPT2Config(), tmp_path), padding_side="right", framed=True)
    assert "save_pretrained" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "auto_class"),
    [(WhisperConfig(), AutoFeatureExtractor), (ViTConfig(), AutoImageProcessor)],
    ids=["sound", "images"],
)
def test_a_folder_without_a_processor_says_what_it_lacks(tmp_path, config, auto_class):
    with pytest.raises(ModelError) as caught:
        load_processor(blueprint_of(config, tmp_path), auto_class, "feature_extractor")
    said = "has no processor files: none of preprocessor_config.json, processor_config.json"
    assert said in caught.value.message
    assert f"processor.save_pretrained('{tmp_path}')" in caught.value.remedy


def test_a_digest_stays_what_it_was(folder):
    for name in ("model.safetensors", "vocab.txt", "sub/a.json"):
        (folder / "my model" / name).parent.mkdir(exist_ok=True)
        (folder / "my model" / name).write_text(name)
    spec = parse_model("my model")
    assert revision_of(spec) == "sha256:38dda25063a3c515"
    assert revision_of(replace(spec, random_weights=True)) == "sha256:afec60c3bdc3cc9c"
