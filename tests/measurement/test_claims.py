"""Sizes that a configuration claims are looked at before anything is built by them."""

import json

import pytest
from transformers import CONFIG_MAPPING

from energyscore.base.errors import ModelError
from energyscore.measurement.backends.loading import read_blueprint
from energyscore.measurement.claims import check_claims
from energyscore.protocol.bundled import architectures
from energyscore.protocol.model import parse_model
from energyscore.protocol.task import load_tasks

LLAMA_70B = {
    "vocab_size": 128_256, "hidden_size": 8192, "num_hidden_layers": 80,
    "intermediate_size": 28_672, "num_attention_heads": 64, "num_key_value_heads": 8,
    "max_position_embeddings": 131_072, "rope_theta": 500_000.0, "bos_token_id": 128_000,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"vocab_size": 10**12}, "vocab_size: 1,000,000,000,000; no model has so many"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers: 1,000,000,000; no model"),
        ({"hidden_size": 10**30}, r"hidden_size: 1.0e\+30; no model"),
        ({"num_local_experts": 10**7}, "num_local_experts: 10,000,000; no model"),
        ({"text_config": {"n_embd": 10**10}}, "text_config.n_embd: 10,000,000,000; no model"),
        ({"depths": [2, 10**10]}, None),
        ({"vocab_size": 900_000_000}, "vocab_size: 900,000,000; its weights would take 29,491.2"),
        ({"hidden_size": 10**6}, "hidden_size: 1,000,000; its weights would take"),
        ({"num_hidden_layers": 9000}, "num_hidden_layers: 9,000; its weights would take"),
        ({"intermediate_size": 10**8}, "intermediate_size: 100,000,000; its weights would take"),
        ({"num_hidden_layers": 9000, "num_hidden_groups": 1}, None),
        ({"rope_theta": 10**12, "timestamp": 10**15, "eos_token_id": 10**10}, None),
        ({"quantization_config": {"bits": 4, "group_size": -1}}, None),
    ],
)
def test_a_size_beyond_all_bounds_is_refused_by_its_key(change, said):
    settings = LLAMA_70B | change
    if said is None:
        check_claims(settings, "org/model", 4, 640e9)
        return
    with pytest.raises(ModelError, match=f"^The configuration of org/model says {said}") as caught:
        check_claims(settings, "org/model", 4, 640e9)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_weights_without_room_are_refused_and_unknown_room_refuses_nothing():
    """70 billion parameters of 4 bytes are 280 GB; 24 GB of memory hold none of that."""
    with pytest.raises(ModelError, match=r"its weights would take 96\.6 GB"):
        check_claims(LLAMA_70B, "m", 4, 24e9)
    check_claims(LLAMA_70B, "m", 4, None)
    check_claims(LLAMA_70B, "m", 0.5, 80e9)


def test_what_is_counted_is_never_more_than_there_is():
    """Of every bundled architecture: in as much memory as its weights take, none is refused."""
    for name, one in architectures().items():
        settings = dict(one.config)
        kind = settings.get("model_type")
        if kind in CONFIG_MAPPING:
            settings = CONFIG_MAPPING[kind](**settings).to_dict()
        check_claims(settings, name, 4, 4 * one.parameters)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"vocab_size": 9 * 10**11}, "vocab_size: 900,000,000,000; no model has so many"),
        ({"num_hidden_layers": 2 * 10**9}, "num_hidden_layers: 2,000,000,000; no model has"),
        ({"hidden_size": 10**7, "head_dim": 8}, "hidden_size: 10,000,000; its weights would take"),
    ],
)
def test_a_model_of_absurd_size_is_refused_before_anything_is_built(tmp_path, change, said):
    """The library makes a list of a name for each layer, of whatever number there are."""
    settings = {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], **LLAMA_70B}
    small = {"hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 64}
    (tmp_path / "config.json").write_text(json.dumps(settings | small | change))
    model = parse_model(str(tmp_path), random_weights=True)
    with pytest.raises(ModelError, match=said):
        read_blueprint(model, load_tasks()["text_generation"].spec, "cpu")
