import itertools
import re

import pytest
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.repocard import REGEX_YAML_BLOCK

from energyscore.base.errors import UsageError
from energyscore.base.yaml_text import FRONT_MATTER
from energyscore.publish.card_entries import CardFigures, heading_of, task_name
from energyscore.publish.card_merge import BEGIN, END, merge_card

SECTION = "\n| a | b |\n|---|---|\n| 1 Wh | ★★★★☆ |\n"

FRONTS = {
    "plain": "license: mit\ntags:\n- a\n- b",
    "comments": "# who wrote it\nlicense: mit  # really\n\n# the end",
    "unknown keys": (
        "license: 'mit'\nx_ours: {a: 1, b: [2, 3]}\nlanguage: no\nn: 0x1F\nd: 2024-01-02"
    ),
    "other results": (
        "license: mit\nmodel-index:  # by hand\n- name: theirs\n  results:\n"
        "  # measured twice\n  - task: {type: text-generation}\n    dataset:\n"
        '      name: "A set"\n      type: a/set\n    metrics:\n    - type: accuracy\n'
        "      value: 0.50  # half\n    # still that result\nlibrary_name: transformers"
    ),
    "indented results": (
        "model-index:\n  - name: theirs\n    results:\n      - task:\n          type: asr\n"
        "        dataset: {name: A, type: a}\n        metrics:\n          - type: wer\n"
        "            value: 1.0\n        note: |\n          a\n\n          b\n\nlicense: mit"
    ),
    "two models": (
        "model-index:\n- name: theirs\n  results:\n  - task: {type: t}\n"
        "    dataset: {name: A, type: a}\n    metrics: [{type: wer, value: .nan}]\n"
        "- name: second\n  results: []\nlicense: mit"
    ),
    "anchors": "base: &b {x: 1}\nother: *b\nlicense: mit",
    "broken entries": "model-index:\n- name: theirs\n  results:\n  - no: metrics\nlicense: mit",
}
BODIES = {
    "text": "# A model\n\nText.\n",
    "no break at the end": "\n# A model\n\n---\nmodel-index: none\n---\nText",
    "none": "",
    "spaces": "\n\n  # A model  \n\n```yaml\n---\na: 1\n---\n```\n\n\n",
}
BREAKS = {"LF": "\n", "CRLF": "\r\n"}


def ours(value=1.5, task="text-generation", extra=(), model=None):
    metric = {"type": "energyscore_gpu_wh_per_1k_queries", "value": value, **dict(extra)}
    if model:
        metric["args"] = {"model": model}
    return {
        "task": {"type": task},
        "dataset": {"name": "D", "type": "d/d"},
        "metrics": [metric],
    }


def merged_and_remarks(card, *results, section=SECTION, model="org/model", **options):
    results = list(results) or [ours()]
    blocks = {
        task_name(result): f"{heading_of(task_name(result))}\n{section}" for result in results
    }
    name = model.rpartition("/")[2]
    return merge_card(card, CardFigures(name, model, results, blocks), "README.md", **options)


def merge(card, *results, **options):
    return merged_and_remarks(card, *results, **options)[0]


def front_of(card):
    return yaml.safe_load(re.search(r"^\ufeff?\s*---\s*\n(.*?)\n---", card, re.S)[1])


def without_ours(card):
    """The card without what stands between our markers, as a reader would cut it out."""
    card = re.sub(rf"(?s){BEGIN}.*?{END}", "", card)
    return re.sub(r"(?ms)^[ ]*# energyscore: begin\r?\n.*?^[ ]*# energyscore: end\r?\n", "", card)


def test_the_front_matter_is_looked_for_as_the_hub_does():
    assert FRONT_MATTER.pattern == REGEX_YAML_BLOCK.pattern


@pytest.fixture(params=itertools.product(FRONTS, BODIES, BREAKS), ids=", ".join)
def card(request):
    front, body, line_break = request.param
    return f"---\n{FRONTS[front]}\n---\n{BODIES[body]}".replace("\n", BREAKS[line_break])


def test_nothing_of_the_card_is_changed(card):
    left = without_ours(merge(card))
    assert left.startswith(card)
    assert not left.removeprefix(card).strip()


def test_the_hub_reads_the_old_and_the_new(card, caplog):
    merged = merge(card)
    read = ModelCard(merged, ignore_metadata_errors=True)
    old = ModelCard(card, ignore_metadata_errors=True)
    assert read.text.startswith(old.text)
    for name in ("license", "tags", "language", "x_ours", "d", "library_name", "base", "other"):
        assert read.data.get(name) == old.data.get(name)
    front = front_of(merged)
    entries = front.pop("model-index")
    before = front_of(card)
    theirs = before.pop("model-index", [])
    assert repr(front) == repr(before)
    # The only model takes our results; of several none has our name, and ours is added.
    place = 0 if len(theirs) < 2 else len(theirs)
    assert entries[place]["results"][-1] == ours()
    del entries[place]["results"][-1]
    if place == len(theirs):
        assert entries.pop() == {"name": "model", "results": []}
    assert repr(entries) == repr(theirs)


def test_twice_is_once(card):
    merged = merge(card)
    assert merge(merged) == merged


def test_new_results_take_the_place_of_the_old_of_their_task_and_others_stay(card):
    first = merge(card, ours(1.5), ours(2.5, "asr"), section="old\n")
    second = merge(first, ours(9.5), section="new\n")
    assert second == merge(merge(card, ours(9.5), ours(0.0, "asr"), section="new\n"),
                           ours(2.5, "asr"), section="old\n")  # fmt: skip
    assert second.count("old") == card.count("old") + 1 and second.count("new") == 1
    (entry,) = [e for e in front_of(second)["model-index"] if ours(9.5) in e["results"]]
    assert entry["results"][-2:] == [ours(9.5), ours(2.5, "asr")]
    assert merge(second, ours(9.5), section="new\n") == second


def test_tasks_written_one_after_the_other_are_as_those_written_at_once(card):
    both = merge(card, ours(1.5), ours(2.5, "asr"))
    assert merge(merge(card, ours(1.5)), ours(2.5, "asr")) == both
    assert both.count("### ") == card.count("### ") + 2


def names_of(card):
    return [entry["name"] for entry in front_of(card)["model-index"]]


TWO = "---\nmodel-index:\n- name: a\n  results: []\n- name: {}\n  results:\n  - x: 1\n---\ntext\n"


@pytest.mark.parametrize("name", ["model", "org/model"])
def test_results_stand_under_the_entry_of_the_models_name(name):
    merged, remarks = merged_and_remarks(TWO.format(name), ours(9.5))
    first, second = front_of(merged)["model-index"]
    assert first == {"name": "a", "results": []}
    assert second == {"name": name, "results": [{"x": 1}, ours(9.5)]}
    assert remarks == ()
    assert merge(merged, ours(9.5)) == merged


def test_among_models_of_other_names_ours_is_added_and_that_is_said():
    merged, remarks = merged_and_remarks(TWO.format("b"), ours(9.5))
    assert names_of(merged) == ["a", "b", "model"]
    assert front_of(merged)["model-index"][2]["results"] == [ours(9.5)]
    assert remarks == ("none of the 2 models of its model-index is called model: it was added",)
    assert merged_and_remarks(merged, ours(9.5)) == (merged, ())


def test_under_which_other_name_results_stand_is_said():
    card = "---\nmodel-index:\n- name: theirs\n  results:\n  - x: 1\n---\n"
    merged, remarks = merged_and_remarks(card)
    assert names_of(merged) == ["theirs"]
    assert remarks == ("the results stand under the only model of its model-index, theirs",)


@pytest.mark.parametrize("front", ["license: mit", FRONTS["other results"]])
def test_figures_of_another_model_are_not_replaced_unless_asked_for(front):
    old = [ours(1.5, model="org/model"), ours(3, "asr", model="org/model")]
    card = merge(f"---\n{front}\n---\ntext\n", *old)
    with pytest.raises(UsageError) as error:
        merge(card, ours(9.5, model="b/other"), model="b/other")
    assert "holds figures of another model, org/model; these are of b/other" in str(error.value)
    assert "--replace" in error.value.remedy
    new, remarks = merged_and_remarks(
        card, ours(9.5, model="b/other"), model="b/other", replace=True
    )
    assert remarks[0] == "figures of org/model were taken out"
    values = [
        result["metrics"][0]["value"]
        for e in front_of(new)["model-index"]
        for result in e["results"]
    ]
    assert 1.5 not in values and values[-1] == 9.5
    assert names_of(new) == (["theirs"] if "theirs" in front else ["other"])


def test_line_ends_stay_what_they_are(card):
    merged = merge(card)
    kinds = set(re.findall(r"\r\n|\n|\r", merged))
    assert kinds == set(re.findall(r"\r\n|\n|\r", card))


@pytest.mark.parametrize("front", [name for name in FRONTS if name != "broken entries"])
def test_a_card_saved_by_the_hub_in_between_is_not_added_to_twice(front):
    """The hub's writer drops comments, and with them our markers."""
    merged = merge(f"---\n{FRONTS[front]}\n---\n\n# A model\n")
    saved = str(ModelCard(merged))
    assert "# energyscore" not in saved
    again = merge(saved, ours(9.5))
    values = [
        result["metrics"][0]["value"]
        for entry in front_of(again)["model-index"]
        for result in entry["results"]
        if result["metrics"][0]["type"].startswith("energyscore_")
    ]
    assert values == [9.5]
    assert merge(again, ours(9.5)) == again


def test_what_others_wrote_between_our_markers_is_kept():
    merged = merge("---\nlicense: mit\n---\ntext\n")
    theirs = (
        "  - task: {type: t}\n    dataset: {name: A, type: a}\n"
        "    metrics: [{type: wer, value: 3}]\n# energyscore: end\n"
    )
    edited = merged.replace("# energyscore: end\n", theirs)
    again = front_of(merge(edited, ours(9.5)))["model-index"][0]["results"]
    assert [result["metrics"][0]["value"] for result in again] == [3, 9.5]


def test_a_new_card_can_be_read():
    merged = merge("")
    read = ModelCard(merged)
    assert read.data.model_name == "model"
    assert read.data.eval_results[0].metric_value == 1.5
    assert f"## Inference energy\n\n### text-generation\n{SECTION}" in read.text
    assert merge(merged) == merged


@pytest.mark.parametrize("text", ["# A model\n", "text", "\n\ntext\n", "- a\n- b\n", "\ufefftext"])
def test_a_card_without_a_front_matter_gets_one(text):
    merged = merge(text)
    assert ModelCard(merged.removeprefix("\ufeff")).data.model_name == "model"
    assert text.removeprefix("\ufeff") in merged
    assert merged.startswith("\ufeff") == text.startswith("\ufeff")
    assert merge(merged) == merged


@pytest.mark.parametrize(
    "card",
    ["---\n---\ntext\n", "---\n\n---\ntext\n", "---\n# nothing\n---\ntext", "\ufeff---\n---\n",
     "---\nmodel-index: []\n---\n", "---\nmodel-index:\n---\n",
     "---\nmodel-index:\n- name: x\n  results: []\nlicense: mit\n---\n",
     "---\nmodel-index:\n- name: x\nlicense: mit\n---\n", "\n\n---\na: 1\n---\n"],
)  # fmt: skip
def test_empty_parts_of_a_card_can_be_filled(card):
    merged = merge(card)
    front = front_of(merged)
    assert front["model-index"][0]["results"] == [ours()]
    assert front.get("license") == ("mit" if "license" in card else None)
    assert merged.count("model-index:") == 1
    assert merge(merged) == merged
    assert merge(merge(card, ours(7.0))) == merged


def test_a_value_may_be_any_text():
    values = ["a: b # c", "---", "'\"", "line\nbreak", "★ \u2028 \x85", "# energyscore: end", "no"]
    results = [ours(value, extra={"name": value}) for value in values]
    merged = merge("---\nlicense: mit\n---\ntext\n", *results)
    assert front_of(merged)["model-index"][0]["results"] == results
    assert merge(merged, *results) == merged


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ("---\nlicense: mit\n", "not between two lines of ---"),
        ("---", "not between two lines of ---"),
        ("---\nlicense: [mit\n---\n", "not YAML in line"),
        ("---\na: b: c\n---\n", "not YAML in line 2"),
        ("---\nb: 1\na: 2\nb: 3\n---\n", 'not YAML in line 4: found duplicate key "b"'),
        ("---\na: 2024-99-99\n---\n", "not YAML"),
        ("---\n- a\n---\n", "no keys and values"),
        ("---\n{license: mit}\n---\n", "one a line, without { } or [ ] around them"),
        ("---\nmodel-index: [{name: x, results: []}] # mine\n---\n", "without { } or [ ]"),
        ("---\nmodel-index:\n- {name: x, results: []}\n---\n", "without { } or [ ]"),
        ("---\nmodel-index:\n- name: x\n  results: [{n: 1.10}]\n---\n", "without { } or [ ]"),
        ("---\nmodel-index: {name: x}\n---\n", "not a list of models"),
        ("---\nmodel-index:\n- results: []\n---\n", "not a list of models"),
        ("---\nmodel-index:\n- name: x\n  results: 3\n---\n", "not a list of models"),
        (f"text {BEGIN} text", "1 times"),
        (f"{END}\n{BEGIN}", "1 times"),
        (f"{BEGIN}{END}{BEGIN}{END}", "2 times"),
        ("--- \na: 1\n---\ntext\n", "not between two lines of ---"),
    ],
)
def test_broken_cards_are_refused_in_one_line(card, words):
    with pytest.raises(UsageError) as error:
        merge(card)
    assert words in str(error.value)
    assert str(error.value).startswith("README.md: ")
    assert "\n" not in str(error.value)


HAND_WRITTEN = {
    "no results yet": (
        'model-index:\n# who\n- name: "x"   # name\n  results: []   # none yet\n# end\ntags: [a]\n',
        'model-index:\n# who\n- name: "x"   # name\n  results:    # none yet\n# end\ntags: [a]\n',
    ),
    "results that are null": ("model-index:\n- name: x # n\n  results: # r\na: 1.10\n", None),
    "results of no key": ("model-index:\n- name: 'x' # n\n\n# c\na: 1.10\n", None),
    "an empty index": ("model-index: [] # keep\na: 1.10\n", "model-index:  # keep\na: 1.10\n"),
    "an index that is null": (
        "model-index: ~ # keep\na: 1.10\n",
        "model-index:  # keep\na: 1.10\n",
    ),
    "ours without markers": (
        "model-index:\n- name: a # A\n  results:\n  # theirs\n  - task: {type: t}\n"
        "    metrics:\n    - type: acc\n      value: 1.10 # exact\n  - task:\n"
        "      type: text-generation\n    metrics:\n"
        "    - type: energyscore_gpu_wh_per_1k_queries\n      value: 3\n  # last\nb: 1.10\n",
        "model-index:\n- name: a # A\n  results:\n  # theirs\n  - task: {type: t}\n"
        "    metrics:\n    - type: acc\n      value: 1.10 # exact\n  # last\nb: 1.10\n",
    ),
    "others between": (
        "model-index:\n- name: a\n  results:\n  # energyscore: begin\n  - task: {type: t}\n"
        "    metrics: [{type: acc, value: 1.10}] # exact\n  # energyscore: end\n",
        "model-index:\n- name: a\n  results:\n  - task: {type: t}\n"
        "    metrics: [{type: acc, value: 1.10}] # exact\n",
    ),
    "metrics of another tool": (
        "model-index:\n- name: a\n  results:\n  - task: {type: t}\n    metrics:\n"
        "    - type: energyscore_of_another_tool\n      value: 3\n",
        None,
    ),
}


@pytest.mark.parametrize("line_break", BREAKS.values(), ids=BREAKS)
@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_hand_written_entries_keep_every_character(name, line_break):
    before, left = HAND_WRITTEN[name]
    card = f"---\n{before}---\ntext\n".replace("\n", line_break)
    merged = merge(card)
    assert merge(merged) == merged
    left = f"---\n{left or before}---\ntext\n".replace("\n", line_break)
    assert without_ours(merged).startswith(left)
    assert ours() in [r for entry in front_of(merged)["model-index"] for r in entry["results"]]


@pytest.mark.parametrize("fence", ["```", "~~~~", "  ```md"])
def test_markers_in_a_block_of_code_are_an_example(fence):
    example = f"{fence}\n{BEGIN}\nexample\n{END}\n{fence.removesuffix('md')}\n"
    card = f"---\na: 1\n---\n{example}text\n"
    merged = merge(card)
    assert merged.count("\nexample\n") == 1
    assert example in merged
    assert merged.count(BEGIN) == 2
    assert merge(merged) == merged


def test_a_block_of_code_that_never_ends_hides_no_markers():
    merged = merge("---\na: 1\n---\n```\ntext\n")
    assert merge(merged) == merged


@pytest.mark.parametrize("card", ["---\na: 1\n---", "---\n---", "---\nmodel-index: []\n---"])
def test_a_card_may_end_with_its_front_matter(card):
    merged = merge(card)
    assert ModelCard(merged).data.model_name == "model"
    assert merge(merged) == merged
