"""Image generation: each family of pipelines, saved to a folder, loaded offline, called."""

import json
import shutil
import sys
import zlib

import diffusers
import numpy as np
import pytest
import torch
import transformers
import yaml
from safetensors.torch import load_file, save_file
from support.commands import energyscore, only_result
from support.fake_hub import COMMIT, FakeHub
from support.results import make_result

from energyscore.base.errors import ModelError, TaskError, UnsupportedError
from energyscore.measurement.backends.image_generation import ImageGeneration
from energyscore.protocol.bundled import find_architecture
from energyscore.protocol.model import parse_model
from energyscore.protocol.task import Diffusion, bundled_tasks_dir, load_tasks
from energyscore.results.conformance import check_conformance

OFFICIAL = load_tasks()["image_generation"].spec
STEPS = 3
TASK = OFFICIAL.model_copy(update={"diffusion": Diffusion(steps=STEPS, images=1)})
PROMPTS = [
    {"prompt": "a red boat"},
    {"prompt": "two grey herons in the rain at dusk, seen from afar"},
]


def tokenizer():
    """A CLIP tokenizer that knows letters only, with and without the end of a word."""
    letters = [*"abcdefghijklmnopqrstuvwxyz,"]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: place for place, token in enumerate(tokens)}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def text_config(width=32):
    return transformers.CLIPTextConfig(
        vocab_size=64,
        hidden_size=width,
        projection_dim=width,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        eos_token_id=55,
    )


def unet(**more):
    return diffusers.UNet2DConditionModel(
        **{
            "block_out_channels": (8, 16),
            "norm_num_groups": 4,
            "layers_per_block": 1,
            "sample_size": 16,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            "cross_attention_dim": 32,
            "attention_head_dim": 4,
        }
        | more
    )


def vae():
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 16),
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        sample_size=32,
    )


def stable_diffusion(**more):
    """Version 1 as its models are published, with a safety checker."""
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker

    vision = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    vision |= {"num_attention_heads": 1, "patch_size": 16, "image_size": 32, "projection_dim": 8}
    checker = StableDiffusionSafetyChecker(
        transformers.CLIPConfig(vision_config=vision, projection_dim=8)
    )
    for weights in (checker.concept_embeds_weights, checker.special_care_embeds_weights):
        weights.data.fill_(2.0)  # nothing is that similar: every image passes
    parts = {
        "vae": vae(),
        "text_encoder": transformers.CLIPTextModel(text_config()),
        "tokenizer": tokenizer(),
        "unet": unet(),
        "scheduler": diffusers.PNDMScheduler(skip_prk_steps=True, steps_offset=1),
        "safety_checker": checker,
        "feature_extractor": transformers.CLIPImageProcessorPil(
            size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
        ),
    }
    return diffusers.StableDiffusionPipeline(**parts | more)


def stable_diffusion_2():
    """Version 2, SD-Turbo: wider text encoder, linear projections, no safety checker."""
    return stable_diffusion(
        unet=unet(use_linear_projection=True, attention_head_dim=(2, 4)),
        scheduler=diffusers.EulerDiscreteScheduler(timestep_spacing="trailing", steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def lcm():
    return diffusers.LatentConsistencyModelPipeline(
        vae=vae(),
        text_encoder=transformers.CLIPTextModel(text_config()),
        tokenizer=tokenizer(),
        unet=unet(time_cond_proj_dim=8),
        scheduler=diffusers.LCMScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sdxl():
    return diffusers.StableDiffusionXLPipeline(
        vae=vae(),
        text_encoder=transformers.CLIPTextModel(text_config()),
        text_encoder_2=transformers.CLIPTextModelWithProjection(text_config()),
        tokenizer=tokenizer(),
        tokenizer_2=tokenizer(),
        unet=unet(
            attention_head_dim=(2, 4),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            transformer_layers_per_block=(1, 2),
            projection_class_embeddings_input_dim=80,
            cross_attention_dim=64,
        ),
        scheduler=diffusers.EulerAncestralDiscreteScheduler(steps_offset=1),
    )


def cascade():
    """Two stages, each with its text encoder."""
    from diffusers.pipelines.deprecated.wuerstchen import PaellaVQModel

    text = transformers.CLIPTextModelWithProjection(text_config())
    prior = diffusers.models.StableCascadeUNet(
        conditioning_dim=8,
        block_out_channels=(8, 8),
        num_attention_heads=(1, 1),
        down_num_layers_per_block=(1, 1),
        up_num_layers_per_block=(1, 1),
        clip_image_in_channels=8,
        switch_level=(False,),
        clip_text_in_channels=32,
        clip_text_pooled_in_channels=32,
        dropout=(0.1, 0.1),
    )
    blocks = ("SDCascadeResBlock", "SDCascadeTimestepBlock")
    decoder = diffusers.models.StableCascadeUNet(
        in_channels=4,
        out_channels=4,
        conditioning_dim=8,
        block_out_channels=(4, 4, 8, 8),
        num_attention_heads=(-1, -1, 1, 1),
        down_num_layers_per_block=(1, 1, 1, 1),
        up_num_layers_per_block=(1, 1, 1, 1),
        down_blocks_repeat_mappers=(1, 1, 1, 1),
        up_blocks_repeat_mappers=(1, 1, 1, 1),
        block_types_per_layer=(blocks, blocks, blocks, blocks),
        switch_level=None,
        clip_text_pooled_in_channels=32,
        dropout=(0.1, 0.1, 0.1, 0.1),
    )
    return diffusers.StableCascadeCombinedPipeline(
        tokenizer=tokenizer(),
        text_encoder=text,
        decoder=decoder,
        scheduler=diffusers.DDPMWuerstchenScheduler(),
        vqgan=PaellaVQModel(bottleneck_blocks=1, num_vq_embeddings=2, embed_dim=4),
        prior_prior=prior,
        prior_text_encoder=transformers.CLIPTextModelWithProjection(text_config()),
        prior_tokenizer=tokenizer(),
        prior_scheduler=diffusers.DDPMWuerstchenScheduler(),
    )


FAMILIES = {
    "stable-diffusion": (stable_diffusion, 32),
    "stable-diffusion-2": (stable_diffusion_2, 32),
    "lcm": (lcm, 32),
    "sdxl": (sdxl, 32),
    "cascade": (cascade, 512),
}


def save(make, folder):
    """A pipeline with random weights, and that it is saved."""
    torch.manual_seed(0)
    pipeline = make()
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder)
    index = json.loads((folder / "model_index.json").read_text())
    if "vqgan" in index:  # as it is published; diffusers writes what it cannot read again
        index["vqgan"] = ["wuerstchen", "PaellaVQModel"]
        (folder / "model_index.json").write_text(json.dumps(index))
    return pipeline


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A folder with a small pipeline of Stable Diffusion 2."""
    folder = tmp_path_factory.mktemp("pipelines") / "published"
    save(stable_diffusion_2, folder)
    return folder


@pytest.fixture
def broken(tmp_path, published):
    return shutil.copytree(published, tmp_path / "broken")


def load(folder, task=TASK, **options):
    backend = ImageGeneration()
    return backend, backend.load(parse_model(str(folder), **options), task, "cpu")


def images_of(backend, queries):
    entered = []
    images = backend.run(backend.prepare(queries), entered.append).values
    assert entered == ["call"]
    return [np.asarray(image, dtype=int) for image in images]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_pipeline_of_each_family_makes_the_images_that_it_makes_itself(family, tmp_path):
    make, size = FAMILIES[family]
    pipeline = save(make, tmp_path)
    backend, facts = load(tmp_path)
    modules = [one for one in pipeline.components.values() if isinstance(one, torch.nn.Module)]
    assert facts.parameters == sum(p.numel() for one in modules for p in one.parameters())
    assert (facts.architecture, facts.dtype) == (type(pipeline).__name__, "float32")
    assert (facts.weights, facts.context_length) == ("pretrained", None)
    assert facts.revision.startswith("sha256:")
    assert backend.gpu_uuids() == ()
    together = images_of(backend, PROMPTS)
    assert [image.shape for image in together] == [(size, size, 3)] * 2
    prompt = PROMPTS[1]["prompt"]
    own = pipeline(
        prompt,
        num_inference_steps=STEPS,
        generator=[torch.Generator().manual_seed(zlib.crc32(prompt.encode()))],
    ).images[0]
    assert np.std(own) > 1
    assert np.abs(np.asarray(own, dtype=int) - together[1]).max() <= 1, "in a batch as alone"
    backend.close()


def test_each_query_has_its_own_noise_in_whatever_order(published):
    backend, _ = load(published)
    forth, back = images_of(backend, PROMPTS), images_of(backend, PROMPTS[::-1])
    for one, same in zip(forth, back[::-1], strict=True):
        assert np.abs(one - same).max() <= 1
    assert np.abs(forth[0] - forth[1]).mean() > 1


def test_as_many_steps_and_images_are_made_as_the_task_says(published):
    task = OFFICIAL.model_copy(update={"diffusion": Diffusion(steps=5, images=2)})
    backend, _ = load(published, task)
    called = []
    backend.model.unet.register_forward_hook(lambda *_: called.append(1))
    images = images_of(backend, PROMPTS)
    assert len(called) == 5
    assert len(images) == 4
    assert all(np.abs(images[0] - other).mean() > 1 for other in images[1:])
    # To be judged the images of a query are together.
    answers = [[np.asarray(one, dtype=int) for one in made] for made in backend.answer(PROMPTS)]
    assert [len(made) for made in answers] == [2, 2]
    assert np.abs(answers[1][0] - images[2]).max() <= 1


def test_tokens_are_counted_without_padding(published):
    backend, _ = load(published)
    letters = len("aredboat")
    assert backend.prepare(PROMPTS[:1]).input_tokens == letters + 2
    assert backend.prepare([{"prompt": "x" * 200}]).input_tokens == 77


@pytest.mark.parametrize(
    ("file", "tensor"),
    [
        ("unet/diffusion_pytorch_model.safetensors", "conv_in.weight"),
        ("text_encoder/model.safetensors", "final_layer_norm.weight"),
    ],
)
def test_weights_that_are_missing_in_any_part_are_refused(broken, file, tensor):
    tensors = load_file(broken / file)
    save_file(
        {name: one for name, one in tensors.items() if not name.endswith(tensor)},
        broken / file,
        metadata={"format": "pt"},
    )
    with pytest.raises(ModelError, match=rf"lacks weights: \w+ \S*{tensor}"):
        load(broken)
    # The libraries load as before afterwards.
    model = diffusers.AutoencoderKL.from_pretrained(broken / "vae")
    assert isinstance(model, diffusers.AutoencoderKL)


def test_a_part_whose_weights_have_other_shapes_is_named(broken):
    file = broken / "text_encoder/config.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps(settings | {"vocab_size": settings["vocab_size"] + 1}))
    said = r"\(CLIPTextModel\) do not fit .*token_embedding.weight has the shape \["
    with pytest.raises(ModelError, match=said):
        load(broken)


def test_a_published_text_encoder_of_older_names_lacks_nothing(broken):
    file = broken / "text_encoder/model.safetensors"
    expected = images_of(load(broken)[0], PROMPTS[:1])
    renamed = {
        f"text_model.{name.removeprefix('text_model.')}": one
        for name, one in load_file(file).items()
    }
    renamed["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    save_file(renamed, file, metadata={"format": "pt"})
    assert np.array_equal(images_of(load(broken)[0], PROMPTS[:1]), expected)


def test_the_revision_of_a_folder_follows_its_weights_and_configurations(broken):
    first = load(broken)[1].revision
    assert load(broken)[1].revision == first
    file = broken / "scheduler/scheduler_config.json"
    file.write_text(file.read_text().replace("0.02,", "0.03,"))
    second = load(broken)[1].revision
    weights = broken / "vae/diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["encoder.conv_in.bias"] += 1
    save_file(tensors, weights, metadata={"format": "pt"})
    assert len({first, second, load(broken)[1].revision}) == 3


def test_pickles_need_permission(tmp_path):
    torch.manual_seed(0)
    stable_diffusion_2().save_pretrained(tmp_path, safe_serialization=False)
    with pytest.raises(ModelError, match="--allow-pickle"):
        load(tmp_path)
    assert load(tmp_path, allow_pickle=True)[1].weights == "pretrained"


def test_random_weights_need_the_configurations_only_and_are_seeded(broken):
    for file in broken.glob("*/*.safetensors"):
        file.unlink()
    with pytest.raises(ModelError, match="--allow-pickle"):
        load(broken)
    loaded = [load(broken, random_weights=True) for _ in range(2)]
    assert [facts.weights for _, facts in loaded] == ["random"] * 2
    first, second = (images_of(backend, PROMPTS[:1])[0] for backend, _ in loaded)
    assert np.array_equal(first, second)


def test_precision_is_what_was_asked_for(published):
    assert load(published, dtype="bfloat16")[1].dtype == "bfloat16"


def test_what_is_no_pipeline_is_refused(tiny_model, published):
    with pytest.raises(ModelError, match="is no pipeline of diffusers: it has no model_index"):
        load(tiny_model)


def test_a_pipeline_for_something_else_is_refused(broken):
    index = json.loads((broken / "model_index.json").read_text())
    index["_class_name"] = "DDPMPipeline"
    (broken / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="DDPMPipeline"):
        load(broken)


def test_a_task_that_says_no_steps_is_refused(published):
    with pytest.raises(TaskError, match="text_generation has no `diffusion`"):
        load(published, load_tasks()["text_generation"].spec)


def test_without_diffusers_it_says_what_to_install(monkeypatch, published):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    monkeypatch.delitem(sys.modules, "energyscore.measurement.backends.pipelines", raising=False)
    with pytest.raises(UnsupportedError, match=r"pip install 'energyscore\[diffusion\]'"):
        load(published)


@pytest.mark.parametrize(
    ("generation", "ok", "actual"),
    [
        ({"steps": 30, "images": 1}, True, "30 steps, 1 a query"),
        ({"steps": 4, "images": 1}, False, "4 steps, 1 a query"),
        ({"steps": 30, "images": 2}, False, "30 steps, 2 a query"),
        (None, False, "unknown steps, unknown a query"),
    ],
)
def test_other_steps_than_the_protocols_are_a_departure(generation, ok, actual):
    result = make_result()
    workload = result.workload.model_copy(update={"generation": generation})
    checks = check_conformance(OFFICIAL, result.model_copy(update={"workload": workload}))
    (check,) = [one for one in checks if one.name == "generation"]
    assert (check.required, check.actual, check.ok) == ("30 steps, 1 a query", actual, ok)


def test_a_bundled_pipeline_has_random_weights_of_the_dtype_asked_for():
    from energyscore.measurement.backends.pipelines import build_bundled

    pipeline = build_bundled(find_architecture("lcm-mini"), torch.bfloat16, "meta")
    assert pipeline.dtype == torch.bfloat16
    assert pipeline.tokenizer.model_max_length == 77
    assert not any(module.training for module in (pipeline.unet, pipeline.vae))


def test_the_whole_command_with_a_model_and_a_dataset_from_the_hub(published, tmp_path):
    content = yaml.safe_load((bundled_tasks_dir() / "image_generation.yaml").read_text())
    content["diffusion"]["steps"] = 2
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "image_generation.yaml").write_text(yaml.safe_dump(content))
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "train.jsonl").write_text('{"prompt": "a grey heron"}\n' * 1000)
    name = OFFICIAL.dataset.id
    hub = FakeHub({"some-org/tiny-sd": published}, {name: tmp_path / "dataset"})
    done = energyscore(
        "run", "image_generation", "--quick", "--queries", 2, "--task-path", tmp_path / "tasks",
        "--model", "some-org/tiny-sd", "--out", tmp_path / "out", "--device", "cpu",
        env={
            "HF_HUB_OFFLINE": "0",
            "HF_ENDPOINT": hub.endpoint,
            "HF_HOME": str(tmp_path / "cache"),
            "NO_PROXY": "127.0.0.1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",
        },
    )  # fmt: skip
    hub.close()
    assert done.status == 0, done.stderr
    assert "Warning" not in done.stderr
    result = only_result(tmp_path / "out")
    assert (result["model"]["id"], result["model"]["revision"]) == ("some-org/tiny-sd", COMMIT)
    assert (result["workload"]["dataset"], result["workload"]["official"]) == (name, True)
    assert result["workload"]["generation"] == {"steps": 2, "images": 1}
    assert result["workload"]["output_tokens"] == 0
    assert result["workload"]["input_tokens"] == 2 * (len("agreyheron") + 2)
    assert set(result["runs"][0]["phases"]) == {"preprocess", "call"}
    assert result["score"]["system_wh_per_1k_queries"] > 0
