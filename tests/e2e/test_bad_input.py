"""Bad input: one clear line that names what, where and how to mend it, and the promised status."""

import json
import shutil

import pytest
from support.commands import energyscore

RUN = ("run", "text_generation", "--quick", "--queries", 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "text_generatoin"), "Did you mean 'text_generation'"),
        (("run", "--model", "builtin:gtp2"), "Did you mean 'gpt2'"),
        (("run", "--model", "builtin:minilm-l6"), "does sentence_similarity, not text_generation"),
        (("run", "--model", ""), "--model is empty"),
        (("run", "--model", "a/b/c"), "neither a hub id"),
        (("run", "--model", "./nowhere"), "does not exist"),
        (("run", "--queries", "0"), "--queries"),
        (("run", "--repeats", "-1"), "--repeats"),
        (("run", "--repeats", "automatic"), "nor auto"),
        (("run", "--half-width", "1"), "--half-width is the target of --repeats auto"),
        (("run", "--screen", "--until", "foo"), "run: --until: it must be half-width=2%, star="),
        (("run", "--repeats", "auto", "--half-width", "0"), "--half-width"),
        (("run", "--dtype", "int8"), "int8"),
        (("run", "--modle", "x"), "--model"),
        (("run", "--dataset", "nowhere.csv"), "there is no such file"),
        (("run", "--country", "FRX"), "FRA"),
        (("run", "--task-path", "nowhere"), "is not a folder"),
        (("run", "--out", "/dev/null/x"), "cannot be written"),
        (("rate", "nowhere"), "does not exist"),
        (("rate", "."), "holds no results"),
        (("rate", "x.json", "--scale", "cohrt"), "x.json does not exist"),
        (("tasks", "nothing"), "Known: "),
        (("nonsense",), "nonsense"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, arguments, said):
    done = energyscore(*arguments, cwd=tmp_path)
    assert done.status == 2
    assert said in done.error
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (TypeError("a\nb"), "TypeError: a b. Please report it"),
        (MemoryError(), "MemoryError. Please report it"),
        (ImportError("no rich"), "ImportError: no rich"),
    ],
)
def test_a_crash_is_no_verdict(monkeypatch, capsys, raised, said):
    """Python's own status, 1, would say that a gate failed."""
    from energyscore import cli
    from energyscore.cli.app import app

    def broken(*_, **__):
        raise raised

    monkeypatch.setattr(type(app), "__call__", broken)
    monkeypatch.setattr(cli, "prepare_streams", lambda: None)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 70
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def complain(model, tmp_path, *more):
    done = energyscore(*RUN, "--model", model, "--out", tmp_path / "out", *more)
    assert done.status == 2, done.stderr
    return done.error


def test_a_folder_without_a_model(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no config.json" in complain(tmp_path / "empty", tmp_path)


@pytest.fixture
def broken(tmp_path, tiny_model):
    folder = tmp_path / "broken"
    shutil.copytree(tiny_model, folder)
    return folder


def test_corrupt_weights(tmp_path, broken):
    (broken / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{broken}" + b"\0" * 64)
    assert "corrupt" in complain(broken, tmp_path)


def test_truncated_weights(tmp_path, broken):
    data = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(data[: len(data) // 2])
    assert "corrupt" in complain(broken, tmp_path)


def test_weights_that_are_missing_are_refused(tmp_path, broken):
    from safetensors.torch import load_file, save_file

    tensors = load_file(broken / "model.safetensors")
    tensors.pop("transformer.h.1.mlp.c_fc.weight")
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    error = complain(broken, tmp_path)
    assert "lacks weights" in error
    assert "h.1.mlp.c_fc.weight" in error


def test_a_head_that_a_language_model_lacks_is_refused(tmp_path, tiny_model):
    done = energyscore(
        *("run", "text_classification", "--quick", "--by", "head"),
        *("--model", tiny_model, "--out", tmp_path),
    )
    assert done.status == 2
    assert "Let it write its answers: --by generate." in done.stderr


def test_pickled_weights_need_permission(tmp_path, broken):
    import torch
    from safetensors.torch import load_file

    tensors = load_file(broken / "model.safetensors")
    (broken / "model.safetensors").unlink()
    torch.save(tensors, broken / "pytorch_model.bin")
    assert "--allow-pickle" in complain(broken, tmp_path)
    done = energyscore(*RUN, "--model", broken, "--allow-pickle", "--out", tmp_path / "allowed")
    assert done.status == 0, done.stderr


def test_a_broken_configuration(tmp_path, broken):
    (broken / "config.json").write_text("{")
    assert "broken" in complain(broken, tmp_path)


def test_code_from_a_repository_needs_permission(tmp_path, broken):
    config = json.loads((broken / "config.json").read_text())
    config["auto_map"] = {"AutoModelForCausalLM": "evil.Model", "AutoConfig": "evil.Config"}
    config["model_type"] = "evil"
    (broken / "config.json").write_text(json.dumps(config))
    (broken / "evil.py").write_text("raise SystemExit('code ran')\n")
    assert "--trust-remote-code" in complain(broken, tmp_path)


def test_a_hub_model_out_of_reach(tmp_path):
    error = complain("some-org/some-model", tmp_path)
    assert "cannot be reached" in error


def test_one_model_that_fails_does_not_stop_the_others(tmp_path, broken, tiny_model):
    (broken / "model.safetensors").write_bytes(b"nothing")
    done = energyscore(
        *RUN, "--model", broken, "--model", tiny_model, "--out", tmp_path / "out", "--format",
        "json",
    )  # fmt: skip
    assert done.status == 2
    assert "broken" in done.error
    assert len(json.loads(done.stdout)["results"]) == 1


def test_too_little_memory_says_what_to_lower(tmp_path, broken):
    """The limit is the kernel's own; the allocation that fails is torch's.

    The machine's memory would do for it: what never could is refused before.
    """
    import psutil

    limit = 12 * 2**30
    size = int(0.9 * psutil.virtual_memory().total)
    if size < limit:
        pytest.skip("the machine has less memory than torch may have here")
    config = json.loads((broken / "config.json").read_text())
    many = {"vocab_size": size // (4 * config["n_embd"])}
    (broken / "config.json").write_text(json.dumps(config | many))
    done = energyscore(
        *(*RUN, "--model", broken, "--random-weights", "--out", tmp_path / "out"),
        first=f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))",
    )
    assert done.status == 3, done.stderr
    assert "does not fit into memory" in done.stderr
    assert "--batch-size" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_token_reaches_no_file_and_no_stream(tmp_path, tiny_model):
    secret = "hf_ThisIsASecretTokenForTests"
    done = energyscore(*RUN, "--model", tiny_model, "--out", tmp_path, env={"HF_TOKEN": secret})
    assert done.status == 0
    assert secret not in done.stdout + done.stderr
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes()
