"""One form of a run's options, and the process that does a job."""

import json
import subprocess
from pathlib import Path

import pytest
import typer
from support.commands import environment

from energyscore.base.errors import UsageError
from energyscore.cli.app import app
from energyscore.cli.run import options_of
from energyscore.measurement.child import job_command
from energyscore.measurement.options import Job, RunOptions, read_options
from energyscore.measurement.suite.estimate import estimate_of
from energyscore.protocol.task import load_tasks

WORDS = {
    ("--quick", "--device", "cpu", "--idle", "0"): {"quick": True, "device": "cpu", "idle": 0.0},
    ("--repeats", "AUTO", "--half-width", "2"): {"repeats": "auto", "half_width": 2.0},
    ("--repeats", "7", "--gpu", "1", "--gpu", "GPU-x"): {"repeats": 7, "gpu": ["1", "GPU-x"]},
    ("--reasoning", "off", "--max-new-tokens", "9"): {"reasoning": "off", "max_new_tokens": 9},
    ("--columns", "text=prompt", "--columns", "b=c=d", "--split", "test"): {
        **{"columns": {"text": "prompt", "b": "c=d"}, "split": "test"},
    },
    ("--by", "generate"): {"by": "generate"},
    ("--power-limit", "250W"): {"power_limit": 250},
    ("--quantization", "nf4", "--attention", "eager", "--compile"): {
        **{"quantization": "nf4", "attention": "eager", "compile": True},
    },
    ("--dataset-config", "fr", "--columns", "text=a"): {
        **{"dataset_config": "fr", "columns": ["text=a"]},
    },
    ("--dtype", "float16", "--dataset", "a.csv", "--random-weights", "--country", "FRA"): {
        **{"dtype": "float16", "dataset": "a.csv", "random_weights": True, "country": "FRA"},
    },
}


@pytest.mark.parametrize("words", WORDS)
def test_the_command_line_fills_the_form_of_lists_and_python(words):
    command = typer.main.get_command(app).commands["run"]
    with command.make_context("run", list(words)) as context:
        assert options_of(context.params) == read_options(WORDS[words], "it")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["text"], "columns: it must be FIELD=COLUMN, such as text=prompt"),
        (["=a"], "columns: it must be FIELD=COLUMN"),
        (["text="], "columns: it must be FIELD=COLUMN"),
        (["text=a", "text=b"], "columns: the field 'text' is given two columns"),
        ({"text": ""}, "columns.text: it must be at least 1 characters long"),
    ],
)
def test_columns_that_make_no_sense_are_refused(columns, said):
    with pytest.raises(UsageError) as caught:
        read_options({"columns": columns}, "it")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        *(("power_limit", value, 250.0) for value in (250, 250.0, "250", " 250W ", "0.25kW")),
        *(("budget", value, 300.0) for value in (300, "5m", "300s")),
    ],
)
def test_quantities_are_read_with_their_units(name, value, read):
    assert getattr(read_options({name: value}, "it"), name) == read


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("power_limit", "250V", "such as 250W; its units are W or kW (got '250V')."),
        ("power_limit", 0, "it must be a power such as 250W; its units are W or kW (got 0)."),
        ("power_limit", True, "it must be a power such as 250W; its units are W or kW (got true)."),
        ("budget", "abc", "it must be a time such as 5m; its units are ms or s or m or min or h"),
    ],
)
def test_a_quantity_that_is_none_is_told_of_once(name, value, said):
    with pytest.raises(UsageError) as caught:
        read_options({name: value}, "it")
    assert str(caught.value).startswith(f"it: {name}: it must be a ")
    assert said in str(caught.value)


DRAWN = {"min_new_tokens": 0, "strategy": "sample", "temperature": 0.7, "top_p": 0.9, "top_k": 50}


def test_by_v2_answers_are_drawn_and_not_forced_in_the_tasks_that_it_changed():
    tasks = {name: file.spec for name, file in load_tasks().items()}
    greedy, drawn = RunOptions(), RunOptions(protocol="v2")
    for name, task in tasks.items():
        one, other = greedy.generations(task), drawn.generations(task)
        assert (one != other) == (name in ("text_generation", "reasoning")), name
        assert (greedy.decisive(task) != drawn.decisive(task)) == (one != other), name
    made = drawn.generation(tasks["text_generation"]).recorded()
    assert made == {"max_new_tokens": 10, "seed": 42, **DRAWN}
    asked = drawn.over(RunOptions(reasoning=["off", "high"], max_new_tokens=8192))
    assert [one.recorded() for one in asked.generations(tasks["reasoning"])] == [
        {"max_new_tokens": 8192, "reasoning": mode, "seed": 42, **DRAWN} for mode in ("off", "high")
    ]
    # What v1 measured is asked for as before: results are found again.
    assert "generation" not in greedy.decisive(tasks["text_generation"])


def test_what_is_said_ahead_of_long_answers_is_of_modes_only():
    tasks, drawn = load_tasks(), RunOptions(protocol="v2")
    of_tokens = {
        name: estimate_of(tasks[name].spec, drawn, [], on_gpu=False).most_tokens_a_query
        for name in ("text_generation", "reasoning")
    }
    assert of_tokens == {"text_generation": None, "reasoning": 1024}


def test_a_star_is_no_end_of_a_screen_by_v2():
    asked = RunOptions(protocol="v2", screen=True, until="star=99%")
    assert "stars of a screen are those of protocol v1" in asked.problem()
    assert RunOptions(protocol="v2", screen=True, until="half-width=2%").problem() == ""


def test_options_win_over_defaults_by_being_given():
    defaults = RunOptions(quick=True, queries=6, repeats=3)
    own = RunOptions(queries=None, repeats="auto")
    both = own.over(defaults)
    assert both.given() == {"quick": True, "queries": None, "repeats": "auto"}
    assert both.without(["quick", "queries"]).given() == {"repeats": "auto"}
    assert (both.target_half_width, RunOptions(repeats=3).target_half_width) == (0.01, None)


JOB = Job(
    tasks=("text_generation",),
    models=("org/a",),
    options=RunOptions(quick=True, gpu=["0"], half_width=None, columns={"text": "a"}),
    out=Path("folder/\udcff"),
    request="a" * 64,
)


def test_a_job_is_the_same_in_its_process():
    text = job_command(JOB)[-1]
    assert text.isascii()
    arrived = Job.model_validate(json.loads(text), strict=False)
    assert arrived == JOB
    assert arrived.options.given() == JOB.options.given()


def done(text):
    command = [*job_command(JOB)[:-1], text]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment(), check=False, timeout=300
    )


def test_a_job_that_cannot_be_done_says_why_in_one_line(tmp_path):
    wrong = {"tasks": ["text_generatoin"], "out": str(tmp_path)}
    ended = done(json.dumps(wrong))
    assert ended.returncode == 2
    code, said = ended.stderr.splitlines()
    assert code == "energyscore-error: usage", "for the process that started it"
    assert said.startswith("error: ")
    assert "Did you mean 'text_generation'" in said
    assert ended.stdout == ""
    broken = done("{")
    assert (broken.returncode, broken.stderr.count("error: ")) == (70, 1)
    assert "failed unexpectedly: JSONDecodeError" in broken.stderr


def test_the_way_of_a_task_that_has_one_is_refused():
    options, tasks = RunOptions(by="head"), load_tasks()
    assert options.model_spec("org/model", tasks["question_answering"].spec).by == "head"
    with pytest.raises(UsageError, match="--by head: the task text_generation is done in one way"):
        options.model_spec("org/model", tasks["text_generation"].spec)


def test_how_a_model_runs_is_its_base_models_too_and_none_means_as_it_is(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    task = load_tasks()["text_generation"].spec
    asked = RunOptions(quantization="nf4", attention="eager", compile=True, base_model="org/base")
    model = asked.model_spec(str(tmp_path), task)
    for one in (model, model.base):
        assert (one.quantization, one.attention, one.compile) == ("nf4", "eager", True)
    plain = RunOptions().model_spec("org/model", task)
    assert RunOptions(quantization="none").model_spec("org/model", task) == plain


def test_an_unknown_quantization_is_refused_in_one_line():
    with pytest.raises(UsageError, match=r"^it: quantization: it must be 'none', 'int8', .*'q4'"):
        read_options({"quantization": "q4"}, "it")
