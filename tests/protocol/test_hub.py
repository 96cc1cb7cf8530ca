"""Models and datasets by hub id, through the real loading code, from a hub on this machine."""

import json
import shutil

import pytest
from support.commands import energyscore, only_result
from support.fake_hub import COMMIT, FakeHub

from energyscore.base.errors import UsageError
from energyscore.base.stamps import digest_of
from energyscore.protocol.hub import endpoint, file_sizes, is_reachable


@pytest.fixture(scope="module")
def dataset_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dataset")
    rows = [{"text": f"The lighthouse keeper wrote page {number}."} for number in range(1000)]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def two_configurations(tmp_path_factory):
    """A dataset in two languages, whose column has a name of its own."""
    folder = tmp_path_factory.mktemp("two")
    head = ["---", "configs:"]
    for name in ("english", "french"):
        (folder / name).mkdir()
        head += [f"- config_name: {name}", "  data_files:"]
        for split in ("train", "held_out"):
            head += [f"  - split: {split}", f"    path: {name}/{split}.jsonl"]
            row = {"prompt": f"Written in {name} for {split}, in a few words."}
            (folder / name / f"{split}.jsonl").write_text(json.dumps(row) + "\n")
    (folder / "README.md").write_text("\n".join([*head, "---", ""]))
    return folder


@pytest.fixture(scope="module")
def unlike(tiny_model, tmp_path_factory):
    """Repositories that hold something else than a whole model in safetensors."""
    top = tmp_path_factory.mktemp("unlike")
    index = {"metadata": {}, "weight_map": {"transformer.wte.weight": "evil.bin"}}
    adapter = json.dumps({"base_model_name_or_path": "some-org/tiny-gpt2", "peft_type": "LORA"})
    for name, files in {
        "evil": {"model.safetensors.index.json": json.dumps(index), "evil.bin": "cos\nmkdir\n."},
        "lora": {"adapter_config.json": adapter, "adapter_model.safetensors": ""},
        "both": {"adapter_config.json": adapter, "model.safetensors": ""},
        "llama-cpp": {"m.Q4_K_M.gguf": "GGUF"},
    }.items():
        (top / name).mkdir()
        for file, content in files.items():
            (top / name / file).write_text(content)
        if name in ("evil", "both"):
            for file in [tiny_model / "config.json", *tiny_model.glob("tokenizer*")]:
                (top / name / file.name).write_bytes(file.read_bytes())
    return {f"some-org/{folder.name}": folder for folder in top.iterdir()}


@pytest.fixture(scope="module")
def hub(tiny_model, dataset_folder, two_configurations, unlike, tmp_path_factory):
    folder = shutil.copytree(tiny_model, tmp_path_factory.mktemp("hub") / "tiny-gpt2")
    front = "base_model:\n- some-org/gpt2\nbase_model_relation: finetune"
    (folder / "README.md").write_text(f"---\n{front}\n---\n# A card\n")
    hub = FakeHub(
        {"some-org/tiny-gpt2": folder, **unlike},
        {"EnergyStarAI/text_generation": dataset_folder, "some-org/two": two_configurations},
    )
    yield hub
    hub.close()


@pytest.fixture(scope="module")
def env(hub, tmp_path_factory):
    return {
        "HF_HUB_OFFLINE": "0",
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(tmp_path_factory.mktemp("cache")),
        "NO_PROXY": "127.0.0.1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
    }


RUN = ("run", "text_generation", "--quick", "--model", "some-org/tiny-gpt2")


@pytest.fixture(scope="module")
def measured(env, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    done = energyscore(*RUN, "--queries", 20, "--out", out, env=env)
    assert done.status == 0, done.stderr
    return out


def test_a_hub_model_gets_the_official_dataset_at_a_pinned_commit(measured):
    result = only_result(measured)
    assert result["model"]["id"] == "some-org/tiny-gpt2"
    assert result["model"]["revision"] == COMMIT
    assert result["model"]["parent"] == {
        "id": "some-org/gpt2",
        "source": "card",
        "relation": "finetune",
        "relation_source": "card",
    }
    assert result["memory"]["weights_bytes"] >= 4 * result["model"]["parameters"]
    assert result["workload"]["dataset"] == "EnergyStarAI/text_generation"
    assert result["workload"]["revision"] == COMMIT
    assert result["workload"]["official"]
    assert (measured / "some-org" / "tiny-gpt2" / "text_generation").is_dir()


CHOSEN = ("--dataset-config", "french", "--split", "held_out", "--columns", "text=prompt")
TWO = (*RUN, "--queries", "1", "--dataset", "some-org/two")


def test_what_is_taken_of_a_dataset_can_be_said_and_is_recorded(env, tmp_path):
    parent = ("--base-model", "some-org/big", "--base-relation", "pruned")
    done = energyscore(*TWO, *CHOSEN, *parent, "--out", tmp_path, env=env)
    assert done.status == 0, done.stderr
    told = only_result(tmp_path)["model"]["parent"]
    assert (told["id"], told["relation"], told["source"]) == ("some-org/big", "pruned", "user")
    workload = only_result(tmp_path)["workload"]
    chosen = {"config": "french", "split": "held_out", "columns": {"text": "prompt"}}
    assert (workload["dataset"], workload["revision"]) == ("some-org/two", COMMIT)
    assert workload["selection"] == chosen
    asked = {"text": "Written in french for held_out, in a few words."}
    assert workload["fingerprint"] == digest_of([asked])
    assert not workload["official"]


NAMES = {
    (): "has 2 configurations: english, french. Name one with --dataset-config",
    ("--dataset-config", "frensh"): "has no configuration 'frensh'. Did you mean 'french' or",
    ("--dataset-config", "french", "--split", "heldout"): "'heldout', only train, held_out. Did",
    ("--dataset-config", "french"): "its columns are: prompt. The task text_generation expects",
    ("--dataset-config", "french", "--columns", "txt=prompt"): "Did you mean 'text'?",
}


def test_wrong_names_of_parts_of_a_dataset_are_said_with_the_right_ones(env):
    """In one process: each command of its own would take a while."""
    done = energyscore(env=env, first=LOADING.format([list(words) for words in NAMES]))
    assert done.status == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(NAMES)
    for line, said in zip(lines, NAMES.values(), strict=True):
        assert said in line


LOADING = """
import sys
import typer
from energyscore.base.errors import DatasetError
from energyscore.cli.app import app
from energyscore.cli.run import options_of
from energyscore.protocol.task import load_tasks
from energyscore.protocol.workload import load_workload

command = typer.main.get_command(app).commands["run"]
for words in {}:
    with command.make_context("run", words) as context:
        options = options_of(context.params)
    try:
        load_workload(load_tasks()["text_generation"], "some-org/two", 1, options.selection)
    except DatasetError as error:
        print(error)
sys.exit()
"""


def test_once_in_the_cache_a_model_needs_no_hub(measured, env, tmp_path):
    done = energyscore(*RUN, "--queries", 3, "--out", tmp_path, env=env | {"HF_HUB_OFFLINE": "1"})
    assert done.status == 0, done.stderr
    result = only_result(tmp_path)
    assert result["workload"]["dataset"] == "bundled:text_generation"
    assert "bundled_sample" in [caution["code"] for caution in result["cautions"]]


def test_the_password_of_a_hub_is_used_and_not_told(hub, env, tmp_path):
    address = hub.endpoint.replace("://", "://me:secret@")
    done = energyscore(*RUN, "--queries", 3, "--out", tmp_path, env=env | {"HF_ENDPOINT": address})
    assert done.status == 0, done.stderr
    assert f"Asking {address.replace('me:secret', '***')} ..." in done.stderr
    kept = [file.read_text() for file in tmp_path.rglob("*") if file.suffix in (".json", ".csv")]
    assert not [text for text in (*kept, done.stdout, done.stderr) if "secret" in text]
    assert only_result(tmp_path)["workload"]["official"]


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("me:hf_private@hub.example", "does not begin with https:// or http://"),
        ("hub.example/?token=hf_private", "does not begin with"),
        ("https://hub.example/?token=hf_private", "has a query or a fragment"),
        ("https://hub.example/#hf_private", "has a query or a fragment"),
        ("https://hub.example:99999", "has a host or a port that cannot be"),
        ("https://me:hf_private", "has a host or a port that cannot be"),
        ("https://me:hf_private@[::1", "has a host or a port that cannot be"),
        ("https://me:hf_private@", "names no host"),
        ("https://hub.example/hf private", "has a blank in it"),
    ],
)
def test_an_address_of_a_hub_that_is_none_is_told_and_not_shown(monkeypatch, address, fault):
    monkeypatch.setenv("HF_ENDPOINT", address)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    for ask in (endpoint, is_reachable, lambda: file_sizes("org/m", None)):
        with pytest.raises(UsageError) as caught:
            ask()
        assert str(caught.value).startswith(f"HF_ENDPOINT is not an address of a hub: it {fault}")
        assert "private" not in str(caught.value)


def test_an_address_of_a_hub_may_have_a_path_a_port_and_who_asks(monkeypatch):
    for address in ("https://me:pw@hub.example:8443/mirror", "http://[::1]:80", "HTTPS://h"):
        monkeypatch.setenv("HF_ENDPOINT", f"{address}/")
        assert endpoint() == address


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--model", "some-org/nothing"), "is not on the hub"),
        (("--model", "some-org/tiny-gpt2", "--revision", "v9"), "has no revision 'v9'"),
        (("--model", "some-org/tiny-gpt2", "--dataset", "some-org/nothing"), "HTTP 401"),
    ],
)
def test_what_the_hub_does_not_have(env, tmp_path, more, said):
    done = energyscore(
        "run", "text_generation", "--quick", "--queries", 3, *more, "--out", tmp_path, env=env
    )
    assert done.status == 2
    assert said in done.error


def test_what_is_no_whole_model_in_safetensors_is_named(hub, env, tmp_path):
    done = energyscore(
        "run", "text_generation", "--quick", "--queries", 3, "--out", tmp_path,
        *("--model", "some-org/evil", "--model", "some-org/lora", "--model", "some-org/both"),
        *("--model", "some-org/llama-cpp"), env=env,
    )  # fmt: skip
    assert done.status == 2
    evil, lora, both, gguf = [
        line for line in done.stderr.splitlines() if line.startswith("error:")
    ]
    assert "names weights that are not safetensors: 'evil.bin'" in evil
    assert "some-org/lora is an adapter" in lora
    assert "--base-model some-org/tiny-gpt2" in lora
    assert "some-org/both has an adapter beside its weights" in both
    assert "some-org/llama-cpp is a GGUF file" in gguf
    assert not any("evil.bin" in request for request in hub.requests)


def test_a_bundled_model_asks_nobody(hub, env, tmp_path, tiny_model):
    before = len(hub.requests)
    done = energyscore(
        "run", "text_generation", "--quick", "--queries", 2, "--model", tiny_model, "--out",
        tmp_path, env=env,
    )  # fmt: skip
    assert done.status == 0, done.stderr
    assert hub.requests[before:] == []
