"""Lists, plans and keys: all that is decided before anything is measured."""

import contextlib
import dataclasses
import inspect
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pandas
import pytest
from support.commands import ROOT, energyscore, environment, gpu, python
from support.fake_hub import FakeHub
from support.fake_suite import fake_plan, known
from support.results import make_cpu_run, make_result, make_run

from energyscore.base.errors import EnergyScoreError, UsageError
from energyscore.cli import run as run_module
from energyscore.cli.run_options import read_settings
from energyscore.cli.suite_view import forecast_of_plan, show_plan
from energyscore.measurement.environment import describe
from energyscore.measurement.options import RunOptions, read_options
from energyscore.measurement.suite.entry import Entry
from energyscore.measurement.suite.estimate import Estimate, estimate, needed_bytes
from energyscore.measurement.suite.finished import by_key, find_finished
from energyscore.measurement.suite.key import key_here, key_of, work_here, work_of
from energyscore.measurement.suite.listing import Listing, parse_yaml, read_listing
from energyscore.measurement.suite.official import parse_csv
from energyscore.measurement.suite.plan import make_plan, select
from energyscore.measurement.suite.report import hidden_by, make_record
from energyscore.measurement.suite.runner import record_before, run_suite
from energyscore.measurement.suite.states import mode_of_row
from energyscore.measurement.suite.where import Where, here, machine_of, on_nodes
from energyscore.protocol import hub
from energyscore.protocol.model import parse_model
from energyscore.protocol.task import load_task, load_tasks
from energyscore.protocol.workload import load_workload, locate
from energyscore.results.parts import GpuPart
from energyscore.results.store import save_result

LIST = """
defaults: {quick: true, queries: 10, repeats: auto, half_width: 2, gpu: 1}
entries:
  - task: [text_generation, text_classification]
    model: [org/a, builtin:gpt2]
    class: A
    quick: false
    repeats: 3
    half_width: null
  - {task: reasoning, model: org/b, reasoning: [High, off], max_new_tokens: 9, gpu: [GPU-x, 2]}
"""
ONE = "{task: text_generation, model: a/b}"


def test_our_form_each_model_at_each_task_with_options_over_the_defaults():
    entries = parse_yaml(LIST, "it")
    assert [(e.place, e.task, e.model, e.model_class) for e in entries] == [
        ("line 4, entries[0]", "text_generation", "org/a", "A"),
        ("line 4, entries[0]", "text_generation", "builtin:gpt2", "A"),
        ("line 4, entries[0]", "text_classification", "org/a", "A"),
        ("line 4, entries[0]", "text_classification", "builtin:gpt2", "A"),
        ("line 10, entries[1]", "reasoning", "org/b", None),
    ]
    assert entries[0].options.given() == {
        **{"quick": False, "queries": 10, "repeats": 3, "half_width": None, "gpu": ["1"]},
    }
    assert entries[4].options.given() == {
        **{"quick": True, "queries": 10, "reasoning": ["high", "off"], "max_new_tokens": 9},
        **{"repeats": "auto", "half_width": 2.0, "gpu": ["GPU-x", "2"]},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must hold a mapping"),
        ("- a", "must hold a mapping"),
        ("entries: [", ", line 1: not valid YAML: "),
        ("entries: [3]", ", line 1: entries[0]: it must be a mapping (got 3)."),
        (
            "entries: []\n--- 1",
            ", line 2: not valid YAML: expected a single document in the stream,",
        ),
        ("a: 1\nb: {c: ]", ", line 2: not valid YAML: "),
        ("{}", "the key 'entries' is missing"),
        ("entries: []", ", line 1: entries: it is empty; name one at least."),
        ("entries:\n  - {task: t, model: m}\n  - task: t\n    class: A", ", line 3: the key"),
        ("entries:\n  - task: t\n    model: m\n    clas: A", ", line 4: unknown key"),
        (f"entrys: [{ONE}]\nentries: [{ONE}]", "unknown key 'entrys'. Did you mean 'entries'?"),
        (f"defaults: {{quik: true}}\nentries: [{ONE}]", "'defaults.quik'. Did you mean 'quick'?"),
        (
            f"entries: [{ONE}, {{task: t, model: m, modell: x}}]",
            "unknown key 'entries[1].modell'. Did you mean 'model' or 'base_model'?",
        ),
        ("entries: [{task: text_generation}]", "'entries[0].model' is missing"),
        ("entries: [{task: t, model: []}]", "entries[0].model: it is empty"),
        ("entries: [{task: t, model: [a, 1.5]}]", "entries[0].model[1]: "),
        (
            "entries: [{task: t, model: m, task: u}]",
            'line 1: not valid YAML: found duplicate key "task"',
        ),
        ("entries: [{task: t, model: m, reasoning: very}]", "entries[0].reasoning: "),
        ("entries: [{task: t, model: m, reasoning: []}]", "entries[0].reasoning: it is empty"),
        ("entries: [{task: t, model: m, max_new_tokens: 0}]", "entries[0].max_new_tokens: "),
        ("entries: [{task: t, model: m, class: big}]", "entries[0].class: "),
        ("entries: [{task: t, model: m, quick: 'yes'}]", "entries[0].quick: "),
        ("entries: [{task: t, model: m, queries: 0}]", "entries[0].queries: "),
        ("entries: [{task: t, model: m, repeats: some}]", "entries[0].repeats: neither"),
        ("entries: [{task: t, model: m, half_width: 1}]", "entries[0]: half_width is the target"),
        ("entries: [{task: t, model: m, device: tpu}]", "entries[0].device: "),
    ],
)
def test_what_is_wrong_with_a_list_of_our_form_is_named_with_its_path(text, said):
    with pytest.raises(UsageError) as caught:
        parse_yaml(text, "The list x.yaml")
    assert str(caught.value).startswith("The list x.yaml")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_option_with_several_values_makes_an_entry_of_each_combination():
    text = (
        "defaults: {dtype: [float16, bfloat16], quick: true}\n"
        "entries:\n"
        "  - {task: t, model: [a, b], batch_size: [1, 8]}\n"
        "  - {task: t, model: c, dtype: float32, reasoning: [off, on], gpu: [0, 1]}\n"
    )
    entries = parse_yaml(text, "it")
    names = [(one.model, one.options.dtype, one.options.batch_size) for one in entries]
    combined = [(dtype, size) for dtype in ("float16", "bfloat16") for size in (1, 8)]
    assert names[:8] == [(model, *rest) for rest in combined for model in ("a", "b")]
    assert names[8:] == [("c", "float32", None)]
    last = entries[8].options
    assert (last.reasoning, last.gpu, last.quick) == (["off", "on"], ["0", "1"], True)
    assert entries[0].said == {"batch_size"}


def test_a_grid_that_is_wrong_or_too_large_is_refused_with_its_place():
    with pytest.raises(UsageError, match=r"entries\[0\]\.queries\[1\]: "):
        parse_yaml("entries: [{task: t, model: m, queries: [5, 0]}]", "it")
    with pytest.raises(UsageError, match=r"line 1, .*over 1,000 combinations"):
        many = list(range(1, 40))
        parse_yaml(f"entries: [{{task: t, model: m, queries: {many}, batch_size: {many}}}]", "it")


def test_a_short_list_of_a_huge_value_is_refused_at_once():
    doubled = ", ".join(f"&a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20))
    with pytest.raises(UsageError, match=r"entries\[0\]\.queries\[0\]: ") as caught:
        parse_yaml(f"entries: [{{task: t, model: m, queries: [&a0 x, {doubled}]}}]", "it")
    assert len(str(caught.value)) < 200


OFFICIAL = """\ufeff,models to add , PRIORITY (1=hi),Class,Task,Reasoning State,Chat Template
,https://huggingface.co/some/last,,,image_gen,,N/A (default)
,https://huggingface.co/some/third,3,C,text_gen,On,enable_thinking=True
,some/first ,1,a,Text Gen,Off (N/A),N/A (default)
,https://huggingface.co/some/second/,1,B,text_gen,On (High),"  reasoning: True
  reasoning_params:
    reasoning_effort: high"
,,,,,,
,some/odd,2,N/A,text_gen,Sometimes,
,some/sentence,2,N/A,summarization,On,
,,4,A,text_gen,,
"""


def test_the_official_form_by_priority():
    entries = parse_csv(OFFICIAL, "it")
    assert [(e.place, e.task, e.model, e.model_class, e.options.reasoning) for e in entries] == [
        ("line 4", "text_generation", "some/first", "A", None),
        ("line 5", "reasoning", "some/second", "B", ["high"]),
        ("line 9", "text_generation", "some/odd", None, None),
        ("line 10", "summarization", "some/sentence", None, ["on"]),
        ("line 3", "reasoning", "some/third", "C", ["on"]),
        ("line 11", "text_generation", "", "A", None),
        ("line 2", "image_generation", "some/last", None, None),
    ]
    assert [e.place for e in entries if e.problem] == ["line 9", "line 11"]
    assert "'Sometimes' is not known" in entries[2].problem
    limits = [e.options.max_new_tokens for e in entries]
    whole = load_tasks()["reasoning"].spec.generation.max_new_tokens
    assert limits == [None, whole, None, None, whole, None, None]


@pytest.mark.parametrize(
    ("state", "template", "mode"),
    [
        ("", "", None),
        ("N/A", "N/A (default)", None),
        ("Off (N/A)", "N/A (default)", "off"),
        ("Off", "reasoning: False", "off"),
        ("Off", "enable_thinking=False", "off"),
        ("Off", "Reasoning OFF Mode: /no_think in the system prompt.", "off"),
        ("On", "", "on"),
        ("On", "N/A (default)", "on"),
        ("On", "default", "default"),
        ("Off", "default", "off"),
        ("on", "reasoning: True", "on"),
        ("On", "enable_thinking = true", "on"),
        ("", "enable_thinking=True", "on"),
        ("On", "Thinking Mode: Prepend input with <think>.", "on"),
        ("On", "Slow-Thinking Mode (Default): /think before the prompt.", "on"),
        ("On", "It supports only thinking mode, without an explicit <think>, not </think>.", "on"),
        ("ON(LOW)", "", "low"),
        ("On (High)", "reasoning: True reasoning_params: reasoning_effort: high", "high"),
        ("On", "reasoning_effort: medium", "medium"),
        ("On (Medium)", "enable_thinking=True", "medium"),
    ],
)
def test_the_mode_of_a_row_is_what_its_state_and_its_chat_template_ask_for(state, template, mode):
    assert mode_of_row(state, template) == (mode, "")


@pytest.mark.parametrize(
    ("state", "template", "said"),
    [
        ("On (Huge)", "", "'On (Huge)' is not known"),
        ("On (High)", "reasoning_effort: low", "says 'On (High)', the chat template 'reasoning_ef"),
        ("Off", "enable_thinking=True", "says 'Off', the chat template 'enable_thinking=True'"),
        ("On", "It has only instruct (non-thinking) mode.", "says 'On', the chat template 'It has"),
        ("Off (N/A)", "reasoning_effort: high", "says 'Off (N/A)'"),
        ("On", "enable_thinking=True, thinking_budget=512", "asks for what this version cannot"),
        ("On", "{{ messages }}", "'{{ messages }}' asks for what this version cannot do"),
        ("On", "a word " * 99, "a word a ...' asks for what"),
    ],
)
def test_a_row_that_contradicts_itself_or_cannot_be_obeyed_has_no_mode(state, template, said):
    mode, problem = mode_of_row(state, template)
    assert mode is None
    assert said in problem
    assert len(problem) < 200


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: no names of columns"),
        ("Models to Add;Task\na/b;text_gen", "Separate the columns by commas."),
        ("Models to Add,Task,Notes\na/b,text_gen,x", "line 1: unknown column 'Notes'. Known: Chat"),
        ("Models to Add,Task,Priority (1=hi)\na,b,nan", "line 2: Priority (1=hi): 'nan'"),
        ('Models to Add,Task\n"a\n",t\nb,"t', "line 4: no valid CSV"),
        ("Models to Add\nx", "no column 'Task'"),
        (
            "model,task\nx,y",
            "The file's columns are: model, task. A list of the AI",
        ),
        ("Model to Add,Task\na/b,text_gen", "Did you mean 'Model to Add'?"),
        ("Models to Add,Task,Task\na,b,c", "duplicate column 'Task'"),
        ("Models to Add,Task,Piority (1=hi)\na,b,1", "unknown column 'Piority (1=hi)'"),
        ("Models to Add,Task,Priority (1=hi)\na,b,hi", "line 2: Priority (1=hi): 'hi'"),
        ("Models to Add,Task,Class\na,b,huge", "line 2: Class: 'HUGE'"),
        ('Models to Add,Task\na,"b', "line 2: no valid CSV"),
        ("Models to Add,Task\n,\n", "names no models"),
    ],
)
def test_what_is_wrong_with_an_official_list_is_named_with_its_line(text, said):
    with pytest.raises(UsageError) as caught:
        parse_csv(text, "The list x.csv")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("list.txt", b"", r"neither a YAML .* End it with \.yaml or \.csv"),
        ("none.yaml", None, "cannot be read: No such file or directory"),
        ("latin.csv", b"\xff\xfe\xfa", "no text in UTF-8"),
        ("empty.csv", b"\n \n", "is empty"),
        ("empty.yaml", b"", "is empty"),
    ],
)
def test_files_that_are_no_lists(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=said):
        read_listing(tmp_path / name)


def test_every_option_of_a_list_is_one_of_run():
    options = inspect.signature(run_module.run).parameters
    assert set(RunOptions.model_fields) <= set(options)


def test_settings_of_the_command_line_are_read_as_those_of_a_list():
    options = read_settings(["quick=true", "batch-size=4", "device=cpu", "repeats=auto"])
    assert options.given() == {
        **{"quick": True, "batch_size": 4, "device": "cpu", "repeats": "auto"},
    }
    for wrong, said in {
        "quick": "no OPTION=VALUE",
        "quik=true": "'quik'. Did you mean 'quick'?",
        "queries=many": "queries: ",
        "queries=[": "cannot be read",
    }.items():
        with pytest.raises(UsageError, match=said.replace("?", r"\?")):
            read_settings([wrong])


def plan_of(*entries, ours=True, override=None, work_of=work_of):
    def key(task, model, options):
        return f"{task.spec.id} {model.label} {options.given()}"

    def work(task, model, options):
        return work_of(task, model, options, online=False)

    listing = Listing("it", entries, ours)
    return make_plan(listing, load_tasks(), override or RunOptions(), key, work)


def entry(model="org/a", task="text_generation", **more):
    return Entry("entries[0]", task, model, **more)


def test_entries_are_chosen_by_name_and_class():
    entries = [entry("Qwen/x", model_class="A"), entry("qwen/y"), entry("g/z", model_class="B")]
    assert [e.model for e in select(entries, ["QWEN/*"])] == ["Qwen/x", "qwen/y"]
    assert [e.model for e in select(entries, [], ["b", "A"])] == ["Qwen/x", "g/z"]
    assert [e.model for e in select(entries, ["*/y", "*/z"], ["B"])] == ["g/z"]
    assert select(entries) == entries


def test_of_entries_that_ask_for_the_same_the_first_stays():
    quick = RunOptions(quick=True)
    again = dataclasses.replace(entry(), place="line 9")
    plan = plan_of(entry(), entry("org/b"), again, entry(options=quick), ours=False)
    assert [p.key for p in plan] == [
        "text_generation org/a {}", "text_generation org/b {}",
        "text_generation org/a {'quick': True}",
    ]  # fmt: skip
    assert [p.repeated for p in plan] == [("line 9",), (), ()]
    overridden = plan_of(entry(), entry(options=RunOptions(quick=False)), override=quick)
    assert [p.key for p in overridden] == ["text_generation org/a {'quick': True}"]
    with pytest.raises(UsageError, match=r"it: line 9: org/a, text_generation: entries\[0\] asks"):
        plan_of(entry(), again)


WRONG = [
    (entry(task="text_generatoin"), "Did you mean 'text_generation'"),
    (entry("not a model!"), "neither a hub id"),
    (entry("./no-such-folder"), "does not exist"),
    (entry("builtin:nothing"), "Unknown bundled model"),
    (entry("builtin:minilm-l6"), "not text_generation"),
]


@pytest.mark.parametrize(("wrong", "said"), WRONG)
@pytest.mark.parametrize(("ours", "status"), [(True, "failed"), (False, "unsupported")])
def test_an_entry_of_what_is_not_there_is_a_row_beside_the_others(wrong, said, ours, status):
    good, row = plan_of(entry("org/good"), wrong, ours=ours)
    assert (good.problem, row.key) == ("", "")
    assert said in row.problem
    assert record_before(good, {}, fresh=False).status == "pending"
    record = record_before(row, {}, fresh=False)
    assert (record.status, record.reason) == (status, row.problem)


def test_a_missing_folder_leaves_the_rest_of_the_night_alone(command, tmp_path):
    (tmp_path / "list.yaml").write_text(
        "defaults: {queries: 5}\n"
        "entries:\n"
        "  - {task: text_generation, model: ./gone}\n"
        "  - {task: text_generation, model: builtin:gpt2, dataset: gone.csv}\n"
        "  - {task: text_generation, model: builtin:gpt2, country: Atlantis}\n"
        "  - {task: text_generation, model: builtin:gpt2}\n"
    )
    told = [
        "The model folder ./gone does not exist.",
        "--dataset gone.csv: there is no such file or folder.",
        "--country: no grid intensity is known for 'Atlantis'.",
    ]
    done = command("suite", "list.yaml", "--dry-run", "--format", "json")
    *rows, last = json.loads(done.stdout)["plan"]
    assert (done.status, last["status"]) == (0, "pending")
    assert [row["status"] for row in rows] == ["failed"] * 3
    assert all(said in row["reason"] for said, row in zip(told, rows, strict=True))
    # measured: those three alone, which is done at once
    (tmp_path / "list.yaml").write_text((tmp_path / "list.yaml").read_text().rpartition("  -")[0])
    done = command("suite", "list.yaml", "--format", "json")
    assert done.status == 3
    report = json.loads(done.stdout)
    assert json.loads((tmp_path / "results/suite.json").read_text()) == report
    assert [row["status"] for row in report["entries"]] == ["failed"] * 3
    assert all(said in " ".join(done.stderr.split()) for said in told)
    # what is wrong with the form stops at once, and nothing is written
    (tmp_path / "list.yaml").write_text("entries: [{task: text_generation, modle: ./gone}]")
    assert command("suite", "list.yaml", "--out", "other").status == 2
    assert not (tmp_path / "other").exists()


HIDING = [
    ({}, {"repeats": 3}, "repeats"),
    ({"repeats": "auto"}, {"repeats": "auto", "half_width": 2}, "half_width"),
    ({"idle": 5, "repeats": 9}, {"idle": 0}, "repeats and idle"),
    ({}, {"allow_pickle": True}, "allow_pickle"),
    ({"device": "cpu"}, {"device": "cpu", "dtype": "float32"}, "dtype"),
    ({"queries": 10**6}, {"queries": 10**5}, "queries"),  # the sample has fewer
]


@pytest.mark.parametrize(("one", "other", "names"), HIDING)
def test_entries_whose_results_could_not_be_told_apart_are_refused(one, other, names):
    first = entry("./m", options=read_options(one, "it"))
    second = dataclasses.replace(first, place="line 9", options=read_options(other, "it"))
    with pytest.raises(UsageError) as caught:
        planned_of_a_folder(first, second)
    message = str(caught.value)
    assert message.startswith("it: line 9: m, text_generation: entries[0] asks for the same work")
    assert f"they differ in {names} only" in message
    assert "Leave one of both out" in message
    # what is told apart by is none of these
    for apart in ({"queries": 7}, {"batch_size": 2}, {"quick": True}, {"dtype": "float16"}):
        options = read_options(other | apart, "it")
        assert len(planned_of_a_folder(first, dataclasses.replace(second, options=options))) == 2


def test_entries_of_one_model_are_told_apart_by_their_options():
    plan = plan_of(
        entry(options=RunOptions(quick=True)),
        entry(options=RunOptions(quick=True, batch_size=8, dtype="float16")),
        entry("org/b", options=RunOptions(quick=True, batch_size=8)),
    )
    assert [one.label for one in plan] == ["org/a", "org/a (float16, batch 8)", "org/b"]
    records = [make_record(one, "pending") for one in plan]
    assert [record.label for record in records] == [one.label for one in plan]


def planned_of_a_folder(*entries):
    """The plan of entries of a model in a folder `./m`."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("m").mkdir()
        Path("m/config.json").write_text("{}")
        return plan_of(*entries)


def test_datasets_are_told_apart_by_their_queries(tmp_path, command):
    """A copy under another name holds the same work; the dry run refuses it as the suite does."""
    for name, text in (
        ("a.csv", "text\none\n"),
        ("b.csv", "text\none\n"),
        ("c.csv", "text\ntwo\n"),
    ):
        (tmp_path / name).write_text(text)
    form = "entries:\n- {{task: asr, model: a/b}}\n" + "".join(
        f"- {{{{task: text_generation, model: builtin:gpt2, dataset: {name}}}}}\n"
        for name in ("a.csv", "{}.csv")
    )
    (tmp_path / "list.yaml").write_text(form.format("c"))
    assert command("suite", "list.yaml", "--dry-run").status == 0
    (tmp_path / "list.yaml").write_text(form.format("b"))
    for more in ([], ["--dry-run"]):
        done = command("suite", "list.yaml", *more)
        assert done.status == 2
        assert "line 4, entries[2]: builtin:gpt2, text_generation: line 3" in done.error
        assert "they differ in dataset only" in done.error


def test_results_of_one_identity_are_mentioned_where_it_was_not_known_before():
    (a, b, c) = (f"{name}/m" for name in "abc")
    plan = fake_plan(a, b, c)
    results = [make_result(identity=f"{number:064}") for number in (1, 2, 1)]
    records = [make_record(p, "done", result=r) for p, r in zip(plan, results, strict=True)]
    assert hidden_by(records) == [(0, 2)]
    assert hidden_by([*records[:2], make_record(plan[2], "failed")]) == []


def reasoning(*modes, said=True, **more):
    options = read_options({"reasoning": list(modes), **more}, "it")
    return {"options": options, "said": frozenset(["reasoning", *more] if said else ())}


def test_each_mode_is_a_measurement_of_its_own():
    asked = entry(task="reasoning", **reasoning("off", "high", "off", max_new_tokens=99))
    plan = plan_of(asked, entry("org/b", task="reasoning"))
    assert [(p.label, p.mode) for p in plan] == [
        ("org/a (reasoning off)", "off"),
        ("org/a (reasoning high)", "high"),
        ("org/b (reasoning default)", "default"),
    ]
    assert len({p.key for p in plan}) == 3
    assert [p.entry.options.given() for p in plan] == [
        {"reasoning": ["off"], "max_new_tokens": 99},
        {"reasoning": ["high"], "max_new_tokens": 99},
        {"reasoning": ["default"]},
    ]
    assert [record_before(p, {}, fresh=True).reasoning for p in plan] == [
        "off",
        "high",
        "default",
    ]


def test_modes_and_limits_of_defaults_are_for_tasks_that_have_them():
    unsaid = entry(**reasoning("high", said=False, max_new_tokens=9))
    (plain,) = plan_of(unsaid, override=read_options({"reasoning": "low"}, "it"))
    assert (plain.mode, plain.label, plain.entry.options.given()) == (None, "org/a", {})
    (overridden,) = plan_of(
        entry(task="reasoning", **reasoning("high", max_new_tokens=9)),
        override=read_options({"reasoning": "low", "max_new_tokens": 5}, "it"),
    )
    assert overridden.entry.options.given() == {"reasoning": ["low"], "max_new_tokens": 5}


def test_an_entry_that_says_a_mode_itself_needs_a_task_that_has_it():
    wrong = entry(**reasoning("off", max_new_tokens=9))
    said = "reasoning and max_new_tokens: the task text_generation has no modes of reasoning."
    for ours in (True, False):
        (row,) = plan_of(wrong, ours=ours)
        assert row.problem == f"{said} Name the task reasoning."
    other = entry(problem="it contradicts itself")
    rows = plan_of(wrong, other, other, ours=False)
    assert [p.repeated for p in rows] == [(), ("entries[0]",)], "each reason is a row"
    assert record_before(row, {}, fresh=False).status == "unsupported"


def test_modes_that_models_lack_are_said_before_any_is_measured(tmp_path):
    (tmp_path / "list.yaml").write_text(
        "entries:\n"
        "  - {task: reasoning, model: builtin:qwen3-0.6b, reasoning: [high, low]}\n"
        "  - {task: reasoning, model: builtin:qwen3-0.6b, reasoning: medium, quick: true}\n"
    )
    done = energyscore("suite", "list.yaml", "--format", "json", cwd=tmp_path)
    assert done.status == 3
    rows = json.loads(done.stdout)["entries"]
    assert [(row["reasoning"], row["status"]) for row in rows] == [
        ("high", "failed"), ("low", "failed"), ("medium", "failed")
    ]  # fmt: skip
    cautions = [line for line in done.stderr.splitlines() if line.startswith("caution: line")]
    for row, caution in zip(rows, cautions, strict=True):
        assert f"has no reasoning mode '{row['reasoning']}'. It has: default, off, on." in caution
        assert row["reason"] in caution


def test_the_process_that_is_asked_for_modes_begins_by_itself():
    asked = [sys.executable, "-m", "energyscore.measurement.modes"]
    env = environment()
    done = subprocess.run(asked, input="[]", capture_output=True, text=True, env=env, check=True)
    assert json.loads(done.stdout) == []


def pictures(folder):
    """A task whose texts are images."""
    text = (ROOT / "tasks/text_classification.yaml").read_text()
    text = text.replace("columns: {text: text}", "columns: {text: text}\n  kinds: {text: image}")
    (folder / "mine.yaml").write_text(text)
    task = load_task(folder / "mine.yaml")
    assert task.spec.dataset.kinds == {"text": "image"}
    return task


class TestKeys:
    def key(self, options=None, model="org/a", task="text_generation", **change):
        content = {"online": True} | change
        tasks = load_tasks()
        options = options or RunOptions()
        spec = options.model_spec(model, tasks[task].spec)
        return key_of(tasks[task], spec, options, **content)

    def test_what_decides_what_is_measured_changes_the_key(self):
        options = [
            {"quick": True}, {"queries": 5}, {"batch_size": 2}, {"repeats": 3}, {"repeats": "auto"},
            {"idle": 1.0}, {"device": "cpu"}, {"gpu": "0"}, {"allow_shared": True},
            {"revision": "v1"}, {"dataset": "bundled"}, {"dataset": "some/data"},
            {"power_limit": 150}, {"power_limit": "0.2kW"},
            {"quantization": "nf4"}, {"attention": "eager"}, {"compile": True},
        ]  # fmt: skip
        keys = [
            self.key(),
            self.key(model="org/b"),
            self.key(model="builtin:gpt2"),
            self.key(task="text_classification"),
            self.key(online=False, model="org/c"),
            self.key(online=True, model="org/c"),
            self.key(gpu_type="h100"),
            *(self.key(read_options(one, "it")) for one in options),
        ]
        assert len(set(keys)) == len(keys)

    @pytest.mark.parametrize(
        "options",
        [
            {"queries": 1000, "repeats": 10, "batch_size": 1},
            # what these ask for is derived from a finished result, or it is judged by them
            {"country": "FRA"},
            {"strict": True},
            {"quantization": "none", "compile": False},
            {"quick": False, "device": "auto"},
            {"dataset": "official"},
        ],
    )
    def test_what_changes_nothing_leaves_it(self, options):
        assert self.key(read_options(options, "it")) == self.key()

    def test_where_it_is_asked_changes_nothing(self, monkeypatch):
        task, model = load_tasks()["text_generation"], parse_model("a/b")

        def both():
            options = RunOptions()
            return key_here(online=True)(task, model, options), here()(options).machine

        before = both()
        for name, value in (("CUDA_VISIBLE_DEVICES", "1"), ("OMP_NUM_THREADS", "3")):
            monkeypatch.setenv(name, value)
            key, machine = both()
            assert key == before[0], name
            assert machine != before[1], name
            before = key, machine

    def test_modes_and_limits_of_answers_change_the_key_of_a_task_that_has_them(self):
        said = [{}, {"reasoning": "on"}, {"reasoning": "high"}, {"max_new_tokens": 8192}]
        options = [read_options(one, "it") for one in said]
        assert len({self.key(one, task="reasoning") for one in options}) == len(said)
        usual = load_tasks()["reasoning"].spec.generation.usual_max_new_tokens
        same = read_options({"reasoning": "default", "max_new_tokens": usual}, "it")
        assert self.key(same, task="reasoning") == self.key(task="reasoning")

    def test_files_are_told_by_their_content(self, tmp_path):
        data, folder = tmp_path / "d.csv", tmp_path / "model"
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        data.write_text("text\na\n")
        options = read_options({"dataset": str(data)}, "it")
        keys = [self.key(options, model=str(folder))]
        os.utime(data, (1, 1))
        (folder / ".cache").write_text("x")
        assert self.key(options, model=str(folder)) == keys[0]
        data.write_text("text\nb\n")
        keys.append(self.key(options, model=str(folder)))
        (folder / "model.safetensors").write_bytes(b"weights")
        keys.append(self.key(options, model=str(folder)))
        (folder / "model.safetensors").write_bytes(b"changed")
        keys.append(self.key(options, model=str(folder)))
        assert len(set(keys)) == 4
        with pytest.raises(EnergyScoreError, match="no such file"):
            self.key(read_options({"dataset": str(tmp_path / "none.csv")}, "it"))

    def test_what_is_taken_of_a_dataset_counts(self):
        asked = [
            *({}, {"dataset_config": "a"}, {"split": "a"}),
            *({"columns": {"text": "a"}}, {"columns": {"text": "b"}}),
        ]
        keys = [self.key(read_options({"dataset": "org/data", **one}, "it")) for one in asked]
        assert len(set(keys)) == len(keys)

    @pytest.mark.parametrize(
        "name", ["name.csv", "name.json", "path.json", "path.jsonl", "name.parquet", "path.parquet"]
    )
    def test_images_that_a_dataset_names_count_as_its_content(self, tmp_path, name):
        cells, kind = name.split(".")
        task = pictures(tmp_path)
        rows = [{"text": one if cells == "name" else {"path": one}} for one in ("a.png", "b.png")]
        data = tmp_path / f"d.{kind}"
        if kind == "parquet":
            pandas.DataFrame(rows).to_parquet(data)
        elif kind == "csv":
            data.write_text("text\na.png\nb.png\n")
        else:
            data.write_text(
                json.dumps(rows) if kind == "json" else "\n".join(map(json.dumps, rows))
            )

        def both(queries):
            """The key, and what the workload says of the same files."""
            options = read_options({"dataset": str(data), "queries": queries}, "it")
            key = key_of(task, parse_model("a/b"), options, online=True)
            return key, load_workload(task, str(data), queries).fingerprint

        for one in ("a.png", "b.png"):
            (tmp_path / one).write_bytes(b"first")
        first, second = both(1), both(2)
        (tmp_path / "b.png").write_bytes(b"other")
        assert both(1) == first, "the second row is not used"
        assert all(new != old for new, old in zip(both(2), second, strict=True))
        (tmp_path / "b.png").unlink()
        assert both(1) == first
        with pytest.raises(EnergyScoreError, match=r"b\.png"):
            both(2)

    def test_an_adapter_on_another_base_is_another_model(self, tmp_path):
        for name, file in (("base", "config.json"), ("lora", "adapter_config.json")):
            (tmp_path / name).mkdir()
            (tmp_path / name / file).write_text("{}")
        task, options = load_tasks()["text_generation"], read_options({}, "it")
        lora = str(tmp_path / "lora")
        models = [
            *(parse_model("org/lora", base_model=base) for base in (None, "org/a", "org/b")),
            *(parse_model(lora, base_model=base) for base in ("org/a", str(tmp_path / "base"))),
        ]
        keys = {key_of(task, model, options, online=False) for model in models}
        assert len(keys) == len(models)
        assert len({work_of(task, model, options, online=False) for model in models}) == len(models)

    def test_a_dataset_is_read_once_for_all_entries_of_a_list(self, tmp_path):
        task, models = load_tasks()["text_generation"], [parse_model("org/a"), parse_model("org/b")]
        data = tmp_path / "rows.jsonl"

        def rows(text):
            data.write_text("".join(f'{{"text": "{text} {n}"}}\n' for n in range(3)))

        options = RunOptions(dataset=str(data), queries=3)
        for now in (key_here, work_here):
            rows("first")
            of = now(online=False)
            before = [of(task, model, options) for model in models]
            rows("other")
            assert [of(task, model, options) for model in models] == before
            assert now(online=False)(task, models[0], options) != before[0]
            data.unlink()
            with pytest.raises(EnergyScoreError):
                now(online=False)(task, models[0], options)

    def test_a_file_is_the_same_to_the_key_and_to_the_workload(self, tmp_path, monkeypatch):
        """`official` is the hub's, whatever lies in the working directory."""
        monkeypatch.chdir(tmp_path)
        task = load_tasks()["text_generation"]
        (tmp_path / "official").mkdir()
        (tmp_path / "mine").mkdir()
        assert locate(task, "official") is None
        assert locate(task, "mine") == Path("mine")
        assert locate(task, "org/none") is None

    def test_large_files_are_told_by_size_and_time(self, tmp_path, monkeypatch):
        monkeypatch.setattr("energyscore.measurement.suite.key.LARGE_BYTES", 3)
        data = tmp_path / "d.csv"
        options = read_options({"dataset": str(data)}, "it")
        keys = []
        for content, seconds in (("abcd", 1), ("wxyz", 1), ("wxyz", 2), ("vwxyz", 2)):
            data.write_text(content)
            os.utime(data, (seconds, seconds))
            keys.append(self.key(options))
        assert keys[0] == keys[1]
        assert len(set(keys)) == 3


class TestWhere:
    machine = describe()

    def of(self, options=None, threads="2 processors", visible=None, **change):
        machine = self.machine.model_copy(update=change)
        options = read_options(options or {}, "it")
        return machine_of(machine, options, visible_gpus=visible, threads=threads)

    def test_a_machine_is_told_by_all_that_decides_what_it_measures(self):
        gpu = GpuPart.model_construct(uuid="GPU-1", name="H100", power_limit_w=700.0)
        other = gpu.model_copy(update={"uuid": "GPU-2"})
        machines = [
            self.of(), self.of(driver="999"), self.of(energyscore="9"), self.of(gpus=[gpu]),
            self.of(gpus=[other]), self.of(gpus=[gpu, other]), self.of(visible="1"),
            self.of(threads="OMP_NUM_THREADS=1 2 processors"),
        ]  # fmt: skip
        assert len(set(machines)) == len(machines)
        assert self.of(selftest="abc") == self.of()
        assert self.of({"threads": 1}, "1") == self.of({"threads": 1}, "2")

    def test_a_limit_that_is_asked_for_counts_and_not_the_one_that_is_set_now(self):
        gpu = GpuPart.model_construct(uuid="GPU-1", name="H100", power_limit_w=700.0)
        both = [[gpu.model_copy(update={"power_limit_w": watts})] for watts in (700.0, 150.0)]
        assert len({self.of(gpus=gpus) for gpus in both}) == 2
        assert len({self.of({"power_limit": "150W"}, gpus=gpus) for gpus in both}) == 1

    def test_on_one_machine_its_own_results_count_and_on_a_cluster_those_of_any_node(self):
        on_gpu = make_result().model_copy(update={"machine": "mine"})
        (name,) = [gpu.name for gpu in on_gpu.environment.gpus]
        on_cpu = make_result(runs=[make_cpu_run()], gpu=None)
        usual, on_processor = RunOptions(), RunOptions(device="cpu")
        assert Where(machine="mine").has(on_gpu)
        assert not Where(machine="other").has(on_gpu)
        assert not here()(usual).has(on_cpu), "it does not say where it was measured"
        assert on_nodes(None)(usual).has(on_gpu)
        assert not on_nodes(None)(usual).has(on_cpu), "a node gives it a GPU"
        assert on_nodes("H100 80GB")(on_processor).has(on_cpu)
        assert on_nodes(name)(usual).has(on_gpu)
        assert not on_nodes("P40")(usual).has(on_gpu)


def test_what_another_machine_measured_does_not_finish_an_entry_here(tmp_path):
    (planned,) = fake_plan("org/m")
    saved(planned, tmp_path)
    mine = dataclasses.replace(planned, where=here()(planned.entry.options))
    finished = by_key(known(tmp_path))
    assert record_before(planned, finished, fresh=False).status == "skipped"
    assert record_before(mine, finished, fresh=False).status == "pending"


def test_only_a_valid_result_of_the_same_request_finishes_an_entry(tmp_path):
    (planned,) = fake_plan("org/m")
    folder = planned.folder(tmp_path)

    def save(second, request, invalid=()):
        at = f"2026-01-01T00:00:{second:02}Z"
        result = make_result(created_at=at, invalid=invalid, identity=f"{second:064}")
        return save_result(folder, result.model_copy(update={"request": request}))

    def found():
        finished = by_key(known(tmp_path))
        return find_finished(
            planned.key, finished, planned.entry.options, planned.task.spec, planned.where
        )

    assert found() is None
    save(1, None)
    save(2, "f" * 64)
    (folder / "foreign.json").write_text(f'{{"request": "{planned.key}"}}')
    assert found() is None
    old, new = save(3, planned.key), save(4, planned.key)
    save(5, planned.key, invalid=["no"])
    file, result = found()
    assert (tmp_path / file, result.identity) == (new, f"{4:064}")
    assert record_before(planned, by_key(known(tmp_path)), fresh=False).status == "skipped"
    assert record_before(planned, by_key(known(tmp_path)), fresh=True).status == "pending"
    new.unlink()
    assert tmp_path / found()[0] == old


def saved(planned, out, queries=1000):
    """A stored result of an entry, of so many queries, without a country."""
    result = make_result()
    work = result.workload.model_copy(update={"queries": queries})
    whole = queries == result.workload.queries
    points = [
        point.model_copy(update={"ok": whole}) if point.name == "queries" else point
        for point in result.conformance
    ]
    change = {"request": planned.key, "workload": work, "conformance": points, "official": whole}
    return save_result(planned.folder(out), result.model_copy(update=change))


@pytest.mark.parametrize(
    ("options", "queries", "status"),
    [
        ({}, 999, "skipped"),
        ({"strict": True}, 999, "pending"),
        ({"strict": True}, 1000, "skipped"),
        ({"strict": True, "queries": 5}, 5, "skipped"),
        ({"strict": True, "queries": 6}, 5, "pending"),
    ],
)
def test_strict_judges_what_was_measured_without_it(tmp_path, options, queries, status):
    """It is measured once more only in name: the process refuses the dataset at once."""
    (planned,) = fake_plan("org/m", **options)
    saved(planned, tmp_path, queries)
    assert record_before(planned, by_key(known(tmp_path)), fresh=False).status == status


def test_a_country_that_is_asked_for_later_changes_no_finished_result(tmp_path):
    """CO2 is derived when it is shown: `rate --country`."""

    def no_command(planned):
        raise AssertionError

    (planned,) = fake_plan("org/m")
    file = saved(planned, tmp_path)
    before = file.read_bytes()
    (asking,) = fake_plan("org/m", country="fra")
    assert asking.key == planned.key
    report = run_suite([asking], "it", known(tmp_path), no_command, Mock())
    assert [record.status for record in report.entries] == ["skipped"]
    assert file.read_bytes() == before


def test_what_another_process_measured_meanwhile_is_not_measured_again(tmp_path):
    def no_command(planned):
        raise AssertionError

    (planned,) = fake_plan("org/m")
    meanwhile = lambda: saved(planned, tmp_path)  # noqa: E731
    report = run_suite([planned], "it", known(tmp_path), no_command, Mock(), meanwhile)
    assert [record.status for record in report.entries] == ["skipped"]


def test_an_entry_is_what_its_process_wrote_whatever_the_clock_said(tmp_path):
    (planned,) = fake_plan("org/m")
    folder = planned.folder(tmp_path)

    def made(at, second):
        result = make_result(created_at=at, runs=[make_run(joules=3600.0 * second)])
        return result.model_copy(update={"request": planned.key})

    later = datetime.now(UTC) + timedelta(hours=12)
    future = save_result(folder, made(f"{later:%Y-%m-%dT%H:%M:%SZ}", 1))
    new = save_result(tmp_path / "aside", made("2026-01-01T00:00:00Z", 2))
    move = f"import os; os.rename({str(new)!r}, {str(folder / new.name)!r})"
    report = run_suite(
        [planned], "it", known(tmp_path), lambda _: [sys.executable, "-c", move], Mock(), fresh=True
    )
    (record,) = report.entries
    assert (record.status, tmp_path / record.result) == ("done", folder / new.name)
    assert future.exists()


class TestEstimates:
    def planned(self, **options):
        (planned,) = fake_plan("org/m")
        options = read_options(options, "it")
        return dataclasses.replace(
            planned, entry=dataclasses.replace(planned.entry, options=options)
        )

    def test_the_protocol_tells_the_least(self):
        on_cpu = estimate(self.planned(), [], on_gpu=False)
        # ten windows of 60 s after three warm-up blocks of 10 s
        assert (on_cpu.estimated_seconds, on_cpu.estimate_basis) == (10 * 60 + 30, "at_least")
        # on a GPU 20 s of prefill alone too, and 30 s idle without and with the model
        assert estimate(self.planned(), [], on_gpu=True).estimated_seconds == 630 + 20 + 60
        assert estimate(self.planned(idle=5), [], on_gpu=True).estimated_seconds == 630 + 20 + 10
        assert (
            estimate(self.planned(repeats="auto"), [], on_gpu=False).estimated_seconds
            == 5 * 60 + 30
        )

    def test_a_quick_entry_of_which_nothing_is_known_stays_unknown(self):
        assert estimate(self.planned(quick=True), [], on_gpu=False).estimated_seconds is None
        slow = make_result(runs=[make_run(seconds=500.0)])
        assert estimate(self.planned(quick=True), [slow], on_gpu=True).estimated_seconds is None

    def test_earlier_results_of_the_same_work_tell_more(self):
        runs = [make_run(index, seconds=s) for index, s in enumerate((80.0, 100.0))]
        old = make_result(runs=[make_run(seconds=7.0)], created_at="2025-01-01T00:00:00Z")
        found = estimate(self.planned(), [make_result(runs=runs), old], on_gpu=True)
        # ten runs of 90 s, 30 s of warm-up, and 30 s idle twice
        assert (found.estimated_seconds, found.estimate_basis) == (10 * 90 + 30 + 60, "earlier")
        on_cpu = make_result(runs=[make_cpu_run()], gpu=None)
        assert estimate(self.planned(), [on_cpu], on_gpu=True).estimate_basis == "at_least"


class TestCostOfReasoning:
    def estimated(self, *earlier, on_gpu=True, **options):
        options = {"reasoning": "high", "max_new_tokens": 2000, "queries": 10} | options
        asked = entry(task="reasoning", options=read_options(options, "it"))
        return estimate(plan_of(asked)[0], earlier, on_gpu=on_gpu)

    def earlier(self, mode, tokens=500, limit=2000, seconds=50.0):
        runs = [make_run(seconds=seconds).model_copy(update={"output_tokens": tokens})]
        result = make_result(runs=runs)
        generation = {
            **{"max_new_tokens": limit, "min_new_tokens": 1},
            **{"strategy": "greedy", "reasoning": mode},
        }
        work = {"generation": generation, "queries": 10, "batch_size": 1}
        return result.model_copy(
            update={"workload": result.workload.model_copy(update=work)}, deep=True
        )

    def test_the_most_tokens_are_known_before_anything_is_measured(self):
        found = self.estimated()
        assert (found.most_tokens_a_query, found.most_tokens_a_pass) == (2000, 20_000)
        assert found.estimate_basis == "at_least"
        usual = self.estimated(max_new_tokens=None)
        assert (
            usual.most_tokens_a_query
            == load_tasks()["reasoning"].spec.generation.usual_max_new_tokens
        )
        plain = estimate(plan_of(entry())[0], [], on_gpu=True)
        assert (plain.most_tokens_a_query, plain.most_tokens_a_pass) == (None, None)

    def test_the_same_mode_tells_the_time_another_one_the_pace(self):
        same = self.estimated(self.earlier("high"), self.earlier("off", seconds=1.0))
        assert (same.estimated_seconds, same.estimate_basis) == (10 * 50 + 30 + 60, "earlier")
        # 0.1 s a token: ten runs of ten answers of 2,000 tokens, 30 s idle twice
        for other in (self.earlier("off"), self.earlier("high", limit=500)):
            found = self.estimated(other)
            assert found.estimated_seconds == pytest.approx(10 * 10 * 2000 * 0.1 + 60)
            assert found.estimate_basis == "at_most"

    def test_people_are_told_before_they_wait(self, capsys):
        (planned,) = plan_of(entry(task="reasoning", **reasoning("high")))
        record = record_before(planned, {}, fresh=True)
        outlooks = [
            (record, Estimate(7200.0, "at_most", 8192, 8_192_000, 0)),
            (record, Estimate(60.0, "earlier", 10, 10_000, 0)),
        ]
        show_plan(outlooks)
        shown = " ".join(capsys.readouterr().out.split())
        assert "up to about 2 h 00 min" in shown
        assert "8,192,000 a pass" in shown
        said = forecast_of_plan(outlooks).describe("--set max_new_tokens=N")
        assert said == (
            "2 of 2 to measure, at least 1 min 00 s; 1 of them may take up to about 2 h 00 min. "
            "Answers that reason may be long: --set max_new_tokens=N limits them."
        )


def test_the_dry_run_of_an_official_list_says_what_each_row_comes_to(tmp_path):
    (tmp_path / "list.csv").write_text(
        "Models to Add,Task,Reasoning State,Chat Template\n"
        "builtin:qwen3-0.6b,text_gen,On,enable_thinking=True\n"
        "builtin:gpt2,text_gen,Off (N/A),N/A (default)\n"
        "builtin:gpt2,text_gen,,\n"
        "builtin:qwen3-0.6b,text_gen,Off,enable_thinking=True\n"
        "builtin:qwen3-0.6b,text_gen,On (High),\n"
    )
    command = ("suite", tmp_path / "list.csv", "--dry-run", "--format", "json", "--out", tmp_path)
    done = energyscore(*command, "--set", "queries=3")
    assert done.status == 0
    rows = json.loads(done.stdout)["plan"]
    assert [
        (r["task"], r["reasoning"], r["status"], r["most_tokens_a_query"], r["most_tokens_a_pass"])
        for r in rows
    ] == [
        ("reasoning", "on", "pending", 8192, 3 * 8192),
        ("text_generation", None, "pending", None, None),
        ("text_generation", None, "unsupported", None, None),
        ("reasoning", "high", "unsupported", None, None),
    ]
    assert "has no reasoning mode 'high'" in rows[3]["reason"]
    assert "caution: line 4 asks for the same as line 3" in done.stderr


def test_what_a_measurement_loads_of_a_repository():
    sizes = {
        "config.json": 1, "tokenizer.model": 2, "model-00001-of-00002.safetensors": 100,
        "model-00002-of-00002.safetensors": 200, "consolidated.safetensors": 300,
        "pytorch_model.bin": 300, "onnx/model.onnx": 300, "onnx/config.json": 5, "README.md": 7,
    }  # fmt: skip
    (planned,) = fake_plan("org/m")

    def needed(sizes, **options):
        changed = dataclasses.replace(planned.entry, options=read_options(options, "it"))
        return needed_bytes(sizes, dataclasses.replace(planned, entry=changed))

    assert needed(sizes) == 303
    assert needed(sizes, allow_pickle=True) == 303
    assert needed(sizes, random_weights=True) == 3
    pickled = {"config.json": 1, "pytorch_model.bin": 300}
    assert needed(pickled) == 1
    assert needed(pickled, allow_pickle=True) == 301
    parts = {
        "model_index.json": 1, "unet/diffusion_pytorch_model.safetensors": 40,
        "text_encoder/model.safetensors": 2, "unet/diffusion_pytorch_model.fp16.safetensors": 20,
    }  # fmt: skip
    assert needed(parts) == 43


def test_the_hub_tells_sizes_or_nothing(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text("{}")
    served = FakeHub({"org/m": tmp_path}, {})
    monkeypatch.setenv("HF_ENDPOINT", served.endpoint)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    try:
        assert hub.file_sizes("org/m", None) == {"config.json": 2}
        assert hub.file_sizes("org/m", "no-such-branch") is None
        assert hub.file_sizes("org/none", None) is None
    finally:
        served.close()
    assert hub.file_sizes("org/m", None) is None


def test_run_all_is_every_task_with_its_own_models(tmp_path, monkeypatch):
    """Up to the command that would measure: `energyscore run --all` itself takes minutes."""
    from energyscore.cli import suite_run
    from energyscore.cli.app import app

    seen = {}
    monkeypatch.setattr(suite_run, "measure", lambda plan, *_, **__: seen.update(plan=plan) or 0)

    def run(*words):
        app(["run", "--all", *words, "--out", str(tmp_path)], standalone_mode=False)
        job = json.loads(
            suite_run._command(
                seen["plan"][0], out=tmp_path, task_path=None, fresh=False, verbose=False
            )[-1]
        )
        return job["options"]

    asked = run("--quick", "--repeats", "2", "--device", "cpu", "--idle", "0", "--gpu", "1")
    assert {(planned.task_name, planned.entry.model) for planned in seen["plan"]} == {
        (name, model) for name, task in load_tasks().items() for model in task.spec.default_models
    }
    few = {"quick": True, "queries": 3, "repeats": 2, "device": "cpu", "idle": 0, "gpu": ["1"]}
    assert few.items() <= asked.items()
    assert run("--quick", "--queries", "9")["queries"] == 9
    assert "queries" not in run("--repeats", "auto")
    assert run("--repeats", "auto")["repeats"] == "auto"
    run("--reasoning", "off", "--reasoning", "on", "--max-new-tokens", "9")
    modes = [(p.task_name, p.mode) for p in seen["plan"] if p.mode]
    assert modes == [("reasoning", "off"), ("reasoning", "on")]
    with pytest.raises(UsageError, match="--all"):
        run("text_generation")


def test_the_gpus_that_the_driver_lists_are_part_of_the_machine(simulate):
    simulation = simulate(gpu("GPU-a"), gpu("GPU-b"))
    code = (
        "from energyscore.measurement.metering import describe_machine\n"
        "machine = describe_machine()\n"
        "print(*(one.uuid for one in machine.gpus), machine.driver)"
    )
    done = python(code, simulation.env())
    *uuids, driver = done.stdout.split()
    assert uuids == ["GPU-a", "GPU-b"]
    assert driver != "None"
