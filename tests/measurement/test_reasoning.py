"""Reasoning modes: each family is asked in its own way, and its thoughts are counted."""

import json
import shutil
from typing import get_args

import pytest

from energyscore.base.errors import DatasetError, ModelError, UsageError
from energyscore.base.lookup import resolve
from energyscore.cli.run_options import ReasoningMode
from energyscore.measurement.backends.chat import Chat, ThinkingCounter, is_opened
from energyscore.measurement.backends.processors import bundled_tokenizer
from energyscore.measurement.catalog import BACKENDS
from energyscore.measurement.modes import Question, why_not
from energyscore.measurement.options import RunOptions
from energyscore.protocol.bundled import chat_template
from energyscore.protocol.model import parse_model
from energyscore.protocol.reasoning import families
from energyscore.protocol.task import PROMPT_ROOM, Generation, Mode, load_tasks

TASK = load_tasks()["reasoning"].spec
TEXT = "A text about harbours."

TURNS = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
QWEN3 = TURNS + (
    "{% if enable_thinking is defined and enable_thinking is false %}"
    "{{ '<think>\n\n</think>\n\n' }}{% endif %}"
)
QWEN35 = TURNS + (
    "{% if enable_thinking is defined and enable_thinking is false %}"
    "{{ '<think>\n\n</think>\n\n' }}{% else %}{{ '<think>\n' }}{% endif %}"
)
DEEPSEEK_V31 = (
    "{% if not thinking is defined %}{% set thinking = false %}{% endif %}"
    + TURNS
    + "{% if thinking %}<think>{% else %}</think>{% endif %}"
)
GPT_OSS = "<system>Reasoning: {{ reasoning_effort | default('medium') }}<|message|>" + TURNS
FLAGS = (
    "{% set ns = namespace(mode='/think') %}"
    "{% for m in messages if m.role == 'system' and '/no_think' in m.content %}"
    "{% set ns.mode = '/no_think' %}{% endfor %}[{{ ns.mode }}]" + TURNS
)
SEED = TURNS + "{% if thinking_budget is defined and thinking_budget == 0 %}<seed:think>{% endif %}"
GRANITE = "{% if thinking %}Write <think> first.{% endif %}" + TURNS
GRANITE_32 = "{% if thinking %}Write 'Here is my thought process:' first.{% endif %}" + TURNS
GEMMA4 = "{% if enable_thinking is defined and enable_thinking %}<|think|>{% endif %}" + TURNS
OPENED = TURNS + "{{ '<think>\n' }}"


def tokenizer_with(template):
    tokenizer = bundled_tokenizer(padding_side="left", framed=False, longest=4096)
    tokenizer.chat_template = template
    return tokenizer


def chat_of(template, mode="default", model_type="llama", label="org/model"):
    return Chat(tokenizer_with(template), model_type, label, mode)


def ask(*parts):
    return "".join(parts) + f"<user>{TEXT}<assistant>"


THINK = "<think>\n"
EMPTY = "<think>\n\n</think>\n\n"


@pytest.mark.parametrize(
    ("family", "template", "model_type", "label", "expected"),
    [
        ("Qwen3", QWEN3, "qwen3", "m", {"off": ask() + EMPTY, "on": ask(), "default": ask()}),
        (
            "Qwen3",
            QWEN35,
            "qwen3_5_moe",
            "m",
            {"off": ask() + EMPTY, "on": ask() + THINK, "default": ask() + THINK},
        ),
        ("GLM", QWEN3, "glm4_moe", "m", {"off": ask() + EMPTY, "on": ask()}),
        ("EXAONE", QWEN3, "exaone4", "m", {"off": ask() + EMPTY, "on": ask()}),
        ("any with enable_thinking", QWEN3, "llama", "m", {"off": ask() + EMPTY, "on": ask()}),
        (
            "any with thinking",
            DEEPSEEK_V31,
            "deepseek_v3",
            "m",
            {"off": ask() + "</think>", "on": ask() + "<think>", "default": ask() + "</think>"},
        ),
        (
            "gpt-oss",
            GPT_OSS,
            "gpt_oss",
            "m",
            {
                mode: ask(f"<system>Reasoning: {said}<|message|>")
                for mode, said in {
                    "low": "low",
                    "medium": "medium",
                    "high": "high",
                    "default": "medium",
                }.items()
            },
        ),
        (
            "SmolLM3",
            FLAGS,
            "smollm3",
            "m",
            {
                "off": ask("[/no_think]<system>/no_think"),
                "on": ask("[/think]<system>/think"),
                "default": ask("[/think]"),
            },
        ),
        (
            "Nemotron with /no_think",
            FLAGS,
            "nemotron_h",
            "m",
            {"off": ask("[/no_think]<system>/no_think"), "on": ask("[/think]<system>/think")},
        ),
        (
            "Nemotron with detailed thinking",
            TURNS,
            "llama",
            "nvidia/Llama-3_3-Nemotron-Super-49B-v1",
            {
                "off": ask("<system>detailed thinking off"),
                "on": ask("<system>detailed thinking on"),
                "default": ask(),
            },
        ),
        ("Seed-OSS", SEED, "seed_oss", "m", {"off": ask() + "<seed:think>", "on": ask()}),
        ("Granite 3.3", GRANITE, "granite", "m", {"off": ask(), "on": ask("Write <think> first.")}),
        (
            "Granite 3.2",
            GRANITE_32,
            "granite",
            "m",
            {"off": ask(), "on": ask("Write 'Here is my thought process:' first.")},
        ),
        ("Gemma 4", GEMMA4, "gemma4_text", "m", {"off": ask(), "on": ask("<|think|>")}),
        (
            "Hunyuan",
            TURNS + "{# strips <think> #}",
            "hunyuan_v1_dense",
            "m",
            {
                "off": f"<user>/no_think {TEXT}<assistant>",
                "on": f"<user>/think {TEXT}<assistant>",
                "default": ask(),
            },
        ),
        (
            "DeepSeek-R1",
            TURNS,
            "qwen2",
            "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B",
            {"off": ask() + EMPTY, "on": ask() + THINK, "default": ask()},
        ),
        (  # its newer templates open the thinking themselves: no second mark then
            "DeepSeek-R1",
            OPENED,
            "deepseek_v3",
            "deepseek-ai/DeepSeek-R1",
            {"off": ask() + EMPTY, "on": ask() + THINK, "default": ask() + THINK},
        ),
        ("Phi-4 reasoning", TURNS, "phi3", "microsoft/Phi-4-reasoning-plus", {"on": ask()}),
        ("Magistral", "{# [THINK] #}" + TURNS, "mistral", "m", {"on": ask()}),
        ("always thinking", OPENED, "qwen3", "Qwen/Qwen3-4B-Thinking", {"on": ask() + THINK}),
        ("without reasoning", TURNS, "llama", "m", {"off": ask(), "default": ask()}),
    ],
)
def test_each_family_is_asked_in_its_own_way(family, template, model_type, label, expected):
    chats = {mode: chat_of(template, mode, model_type, label) for mode in expected}
    assert {chat.family.name for chat in chats.values()} == {family}
    assert {mode: chat.render(TEXT) for mode, chat in chats.items()} == expected


def test_every_family_of_the_table_is_tested_and_has_a_source():
    asked = test_each_family_is_asked_in_its_own_way.pytestmark[0].args[1]
    assert {case[0] for case in asked} == {family.name for family in families()}
    assert all(len(family.source) > 30 for family in families())


def test_a_mode_that_a_family_lacks_is_refused_with_those_that_it_has():
    with pytest.raises(ModelError) as caught:
        chat_of(GPT_OSS, "off", "gpt_oss", "openai/gpt-oss-20b")
    assert str(caught.value) == (
        "openai/gpt-oss-20b (gpt-oss) has no reasoning mode 'off'. "
        "It has: default, low, medium, high."
    )
    with pytest.raises(ModelError, match=r"no chat template.*It has: default, off\."):
        chat_of(None, "on")
    with pytest.raises(ModelError, match=r"unknown family.*It has: default\."):
        chat_of(TURNS + "{# reasoning, somehow #}", "on")


def test_a_template_that_ignores_its_switch_is_refused():
    with pytest.raises(ModelError, match=r"modes 'on' and 'off' \(Qwen3\) with the same words"):
        chat_of("{# enable_thinking #}" + TURNS, "on", "qwen3")
    assert chat_of("{# enable_thinking #}" + TURNS, "default", "qwen3").render(TEXT) == ask()


def test_without_a_template_a_prompt_is_the_text():
    chat = chat_of(None, "off")
    assert (chat.render(TEXT), chat.templated, chat.counter()) == (TEXT, False, None)


def test_prompts_are_those_of_the_library():
    tokenizer = tokenizer_with(chat_template())
    for mode, thinking in {"on": True, "off": False}.items():
        chat = Chat(tokenizer, "qwen3", "m", mode)
        ours = tokenizer(chat.render(TEXT), add_special_tokens=False, return_tensors="pt")
        theirs = tokenizer.apply_chat_template(
            [{"role": "user", "content": TEXT}],
            add_generation_prompt=True,
            enable_thinking=thinking,
            return_dict=True,
            return_tensors="pt",
        )
        assert ours["input_ids"].tolist() == theirs["input_ids"].tolist()


def test_a_long_text_is_cut_and_the_request_for_an_answer_is_not():
    chat = chat_of(QWEN3, "off", "qwen3")
    text = "Häfen, and many ships, come and go. " * 200
    prompt = chat.within(text, 200)
    tokens = len(tokenizer_with(None)(prompt, add_special_tokens=False)["input_ids"])
    assert 190 <= tokens <= 200
    assert prompt.startswith("<user>Häfen, and many")
    assert prompt.endswith("<assistant>" + EMPTY)
    assert chat.within(TEXT, 200) == chat.render(TEXT)
    with pytest.raises(DatasetError, match=r"no room for a text.*--max-new-tokens"):
        chat.within(text, 5)


def pieces(text):
    """A text of one token a character, and its counterpart."""
    return [ord(letter) for letter in text]


@pytest.mark.parametrize(
    ("answer", "opened", "thinking"),
    [
        ("<think>abc</think>the answer", False, 3),
        ("abc</think>the answer", True, 3),
        ("the answer", False, 0),
        ("cut off", True, 7),
        ("<think>cut", False, 3),
        ("x<think>ab</think>y<think>cde</think>z", False, 5),
        ("<think></think>answer", False, 0),
        ("", True, 0),
    ],
)
def test_thinking_is_what_stands_between_the_marks(answer, opened, thinking):
    counter = ThinkingCounter(chr, ("<think>", "</think>"), opened)
    assert counter.count(pieces(answer)) == thinking


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("<think>so</think>Answer: 6", "Answer: 6"),
        ("<think>so</think>", ""),
        ("<think>so and so", ""),
        ("Answer: 6", "Answer: 6"),
    ],
)
def test_what_is_judged_stands_after_the_thoughts(answer, said):
    chat = chat_of(chat_template(), model_type="qwen3", label="Qwen/Qwen3-0.6B")
    assert chat.after_thoughts(answer) == said


def test_marks_may_be_one_token_several_or_parts_of_some():
    table = ["<think>", "</think>", "one ", "two ", ">\n", "<th", "ink", "an", "swer."]
    counter = ThinkingCounter(table.__getitem__, ("<think>", "</think>"))
    assert counter.count([0, 2, 3, 2, 1, 7, 8]) == 3
    # "<th" "ink" ">\n": the last token ends after the mark, so it is the first of the thoughts
    assert counter.count([5, 6, 4, 2, 3, 1, 7, 8]) == 3
    harmony = ["<|channel|>", "analysis", "<|message|>", "hm ", "<|end|>", "final", "yes"]
    counter = ThinkingCounter(harmony.__getitem__, ("<|channel|>analysis<|message|>", "<|end|>"))
    assert counter.count([0, 1, 2, 3, 3, 3, 4, 0, 5, 2, 6]) == 3


def test_a_prompt_may_begin_the_thinking():
    marks = ("<think>", "</think>")
    assert is_opened("<assistant><think>\n", marks)
    assert not is_opened("<assistant><think>\n\n</think>\n\n", marks)
    assert not is_opened("<assistant>", marks)
    assert chat_of(OPENED).counter().count([50, 51, 52]) == 3
    assert chat_of(QWEN3, "off").counter().count([50, 51, 52]) == 0


def test_the_budget_is_the_usual_one_unless_asked_otherwise():
    official = TASK.generation
    assert (official.min_new_tokens, official.max_new_tokens) == (1, 8192)
    assert official.chosen("off", None).recorded() == {
        "max_new_tokens": 1024,
        "min_new_tokens": 1,
        "strategy": "greedy",
        "reasoning": "off",
    }
    assert official.chosen("high", 8192).max_new_tokens == 8192


@pytest.mark.parametrize(
    ("context", "expected"),
    [(None, 1024), (40960, 1024), (1536, 1024), (1535, 1023), (1024, 512), (600, 300)],
)
def test_the_budget_leaves_a_prompt_room_in_the_context(context, expected):
    chosen = TASK.generation.chosen("on", None).within(context)
    assert chosen.max_new_tokens == expected
    assert context is None or context - expected >= min(PROMPT_ROOM, context // 2)
    forced = Generation(max_new_tokens=10, min_new_tokens=10)
    assert forced.within(context) is forced


def test_each_mode_asked_for_is_measured_once():
    asked = RunOptions(reasoning=["off", "high", "off"], max_new_tokens=16).generations(TASK)
    assert [(one.reasoning, one.max_new_tokens) for one in asked] == [("off", 16), ("high", 16)]
    assert [one.reasoning for one in RunOptions().generations(TASK)] == ["default"]
    quick = [RunOptions(quick=True, max_new_tokens=most) for most in (None, 900)]
    assert [one.generations(TASK)[0].max_new_tokens for one in quick] == [64, 900]
    assert {mode.value for mode in ReasoningMode} == set(get_args(Mode))


@pytest.mark.parametrize("given", [{"reasoning": ["off"]}, {"max_new_tokens": 16}])
def test_other_tasks_have_no_modes_to_choose(given):
    tasks = load_tasks()
    with pytest.raises(UsageError, match="text_generation has no modes"):
        RunOptions(**given).generations(tasks["text_generation"].spec)
    with pytest.raises(UsageError, match="sentence_similarity has no modes"):
        RunOptions(**given).generations(tasks["sentence_similarity"].spec)


def save_qwen3(folder, template=QWEN35, *, context=4096, ends=(2,)):
    """A very small Qwen3 with random weights and a tokenizer, as `save_pretrained` writes."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=8192, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=16,
        max_position_embeddings=context, eos_token_id=list(ends), pad_token_id=0,
        initializer_range=0.3,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer = tokenizer_with(template)
    tokenizer.model_max_length = 10**30
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory):
    return save_qwen3(tmp_path_factory.mktemp("models") / "tiny-qwen3")


def loaded(folder, mode, limit):
    backend = resolve(BACKENDS, "reasoning")()
    task = TASK.model_copy(update={"generation": TASK.generation.chosen(mode, limit)})
    facts = backend.load(parse_model(str(folder)), task, "cpu")
    return backend, facts


def work(backend, *texts):
    phases = []
    batch = backend.prepare([{"text": text} for text in texts])
    return backend.run(batch, phases.append), phases


PROMPTS = ("A short one.", "A prompt of rather more words, and of a second clause.")


def test_batches_give_what_single_prompts_give(qwen3):
    backend, _ = loaded(qwen3, "on", 24)
    together, phases = work(backend, *PROMPTS)
    alone = [work(backend, prompt)[0] for prompt in PROMPTS]
    assert phases == ["prefill", "decode"]
    assert together.values == [one.values[0] for one in alone]
    assert together.thinking_tokens == sum(one.thinking_tokens for one in alone)


def test_an_answer_ends_at_any_of_the_models_ends(qwen3, tmp_path):
    backend, _ = loaded(qwen3, "off", 24)
    whole = work(backend, PROMPTS[0])[0]
    assert (whole.output_tokens, whole.answers_cut, whole.thinking_tokens) == (24, 1, 0)
    tokens = whole.values[0]
    end = next(token for token in tokens[4:] if token not in tokens[:4])
    backend, _ = loaded(save_qwen3(tmp_path, ends=(2, end)), "off", 24)
    ended = work(backend, PROMPTS[0])[0]
    assert ended.values == [tokens[: tokens.index(end) + 1]]
    assert (ended.output_tokens, ended.answers_cut) == (tokens.index(end) + 1, 0)


def test_a_folder_with_another_chat_template_is_another_model(qwen3, tmp_path):
    shutil.copytree(qwen3, tmp_path / "same")
    shutil.copytree(qwen3, tmp_path / "other")
    (tmp_path / "other" / "chat_template.jinja").write_text(QWEN3)
    first, same, other = (
        loaded(folder, "off", 1)[1].revision
        for folder in (qwen3, tmp_path / "same", tmp_path / "other")
    )
    assert first == same != other


def test_where_the_context_is_small_so_are_answers_and_prompts(tmp_path):
    backend, facts = loaded(save_qwen3(tmp_path, context=128), "on", None)
    assert facts.context_length == 128
    batch = backend.prepare([{"text": "word " * 500}])
    assert 56 <= batch.input_tokens <= 64
    assert backend.run(batch, lambda phase: None).output_tokens <= 64


def test_which_modes_a_model_lacks_is_known_without_its_weights(qwen3, tmp_path):
    bare, broken = tmp_path / "bare", tmp_path / "broken"
    for folder in (bare, broken):
        shutil.copytree(qwen3, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    (broken / "chat_template.jinja").write_text("{{ raise_exception('no way') }}")
    bundled = parse_model("builtin:qwen3-0.6b")
    questions = [
        Question(task, model, mode)
        for task, model, modes in (
            (TASK, parse_model(str(bare)), ("off", "low", "default", "on", "high")),
            (TASK, bundled, ("medium", "on")),
            (load_tasks()["text_generation"].spec, bundled, (None,)),
            (TASK, parse_model("org/not-here"), ("high",)),  # its loading will say why
            (TASK, parse_model(str(broken)), ("on",)),
        )
        for mode in modes
    ]
    answers = why_not(questions)
    assert [bool(answer) for answer in answers] == [
        *(False, True, False, False, True),
        *(True, False),
        *(False, False, True),
    ]
    assert answers[1].startswith("bare (Qwen")
    assert "has no reasoning mode 'low'. It has: default, off, on." in answers[1]
    assert "no way" in answers[-1]


def test_modes_are_results_of_their_own(qwen3, tmp_path, prompts_csv):
    from support.commands import energyscore

    done = energyscore(
        "run", "reasoning", "--model", qwen3, "--reasoning", "off", "--reasoning", "on",
        "--reasoning", "low", "--max-new-tokens", 12, "--queries", 3, "--quick", "--batch-size", 2,
        "--dataset", prompts_csv, "--out", tmp_path,
    )  # fmt: skip
    assert done.status == 2, done.stderr
    assert "has no reasoning mode 'low'. It has: default, off, on." in " ".join(done.error.split())
    assert "(reasoning on), reasoning: at most 12 tokens a query, 36 a pass of 3" in done.stderr
    assert done.stderr.index("error:") < done.stderr.index("[1/2]"), "before anything is measured"
    results = {
        content["workload"]["generation"]["reasoning"]: content
        for file in tmp_path.rglob("*.json")
        if (content := json.loads(file.read_text()))
    }
    assert set(results) == {"off", "on"}
    assert len({result["identity"] for result in results.values()}) == 2
    assert {result["workload"]["generation"]["max_new_tokens"] for result in results.values()} == {
        12
    }
    run = results["on"]["runs"][0]  # its prompt begins the thinking, which never ends
    assert run["thinking_tokens"] == run["output_tokens"] == 36
    assert results["off"]["runs"][0]["thinking_tokens"] == 0
    points = {point["name"]: point for point in results["off"]["conformance"]}
    assert not points["generation"]["ok"]
    assert "at most 12 tokens" in points["generation"]["actual"]
    assert "8192" in points["generation"]["required"]
    assert [line for line in done.stdout.splitlines() if "reasoning off" in line]
    assert " x " in done.stdout
    assert "12.0" in done.stdout
    header, *rows = (tmp_path / "results.csv").read_text().splitlines()
    assert len(rows) == 2
    assert "reasoning_multiple" in header
