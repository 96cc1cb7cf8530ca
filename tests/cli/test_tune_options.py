"""What `energyscore tune` says of options that make no sense, before anything is measured."""

from dataclasses import replace

import pytest

from energyscore.base.errors import UsageError
from energyscore.base.interrupts import Interrupted
from energyscore.cli.console import Talk
from energyscore.cli.tune_options import options_of_trials, read_batch_sizes, read_limits
from energyscore.cli.tune_run import Dimensions
from energyscore.cli.tune_view import TuneProgress
from energyscore.measurement.options import RunOptions
from energyscore.measurement.tune.request import Limits
from energyscore.measurement.tune.space import Settings, Space, TrialOutcome
from energyscore.measurement.tune.trial import Trial

MODEL = ("text_classification", "--model", "builtin:distilbert-sst2")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--batch-size 0", "--batch-size '0' is neither auto nor batch sizes from 1 to"),
        ("--batch-size 1,two", "--batch-size 'two' is neither auto nor batch sizes"),
        ("--batch-size 99999999999", "is neither auto nor batch sizes from 1 to 1,048,576"),
        ("--batch-size 1,2,1", "--batch-size '1,2,1' names 1 twice. Name it once."),
        ("--batch-size 1,,2", "--batch-size '1,,2' has an empty place. Write such as 1,2,4."),
        ("--dtype float33", "--dtype: unknown: 'float33'. Did you mean 'float32'"),
        ("--quantization int9", "--quantization: unknown: 'int9'. Did you mean 'int8'"),
        ("--quantization int8,int8", "names int8 twice."),
        ("--attention fast", "--attention: unknown: 'fast'."),
        ("--set compile=true", "--set compile: it is tuned. Name its values with --compile."),
        ("--power-limit hot", "--power-limit 'hot' is no number with its unit."),
        ("--max-latency 2", "--max-latency '2' is no number with its unit."),
        ("--max-latency 0s", "--max-latency 0s: nothing keeps to it. Write such as 2s."),
        ("--max-memory 20", "--max-memory '20' is no number with its unit."),
        ("--max-quality-loss 100%", "--max-quality-loss 100% allows any quality."),
        ("--budget 0s", "--budget 0s is no time to tune in. Write such as 30m."),
        ("--quick --full", "--quick and --full are given. Give one of both."),
        ("--set batch_size=2", "--set batch_size: it is tuned. Name its values with --batch-size."),
        ("--set quality=true", "--set quality: tune sets it itself. Leave it out."),
        ("--set repeats=3", "--set repeats is for whole runs, and trials are screens."),
        ("--set device=gpu", "did you mean 'cuda'"),
        ("--set nothing", "--set nothing: it is no OPTION=VALUE"),
    ],
)
def test_an_option_that_makes_no_sense_is_one_line(command, tmp_path, options, said):
    done = command("tune", *MODEL, "--out", tmp_path / "out", *options.split())
    assert done.status == 2
    assert said in done.error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["text_classification"], "Missing option '--model'"),
        (["text_clasification", *MODEL[1:]], "Did you mean 'text_classification'"),
        (["text_classification", "--model", "builtin:nothing"], "builtin:nothing"),
        (["text_classification", "--model", "./not-there"], "./not-there"),
    ],
)
def test_a_task_or_model_that_is_not_there_is_one_line(command, tmp_path, words, said):
    done = command("tune", *words, "--out", tmp_path / "out")
    assert done.status == 2
    assert said in done.error


def test_a_report_that_cannot_be_written_is_found_before_anything_is_measured(command, tmp_path):
    (tmp_path / "out/tune.json").mkdir(parents=True)
    done = command("tune", *MODEL, "--out", tmp_path / "out")
    assert done.status == 2
    assert "tune.json is a folder" in done.error


def test_progress_says_once_what_every_process_says(capsys):
    with TuneProgress(Talk()) as progress:
        for number, batch in enumerate((1, 8), start=1):
            progress.begin(number, Settings(batch), "trial", 60.0 if number > 1 else None)
            progress.line(f"caution: other processes use {50 + number}% of the processor now")
            progress.line("[1/1] builtin:m, t: loading the model")
            progress.line("[1/1] builtin:m, t: block 1")
            progress.line("[1/1] builtin:m, t: block 2")
            progress.line("[1/1] builtin:m, t: block 12 (1.2 Wh +/- 3.0% per 1,000 queries so far)")
            outcome = TrialOutcome(Settings(batch), "measured", 1.0 / batch, None, 0.1)
            best = None if number == 1 else TrialOutcome(Settings(1), "measured", 1.0)
            progress.end(number, Trial("trial", outcome, seconds=9.0), best)
        full = TrialOutcome(Settings(16), "failed", reason="it broke")
        progress.end(3, Trial("repeat", full), None)
    assert capsys.readouterr().err.splitlines() == [
        "[1] batch 1: starting",
        "[1] caution: other processes use 51% of the processor now",
        "[1] loading the model",
        "[1] block 1",
        "[1] batch 1: 1.00 Wh per 1,000 queries, 100 ms a query (p90)",
        "[2] batch 8: starting, at most about 1 min 00 s left",
        "[2] loading the model",
        "[2] block 1",
        "[2] batch 8: 125 mWh per 1,000 queries, 100 ms a query (p90); best before: batch 1, 1.00 "
        "Wh",
        "[3] batch 16 once more, against drift: failed, measured before, it broke",
    ]


def test_what_takes_over_an_hour_is_begun_with_consent(monkeypatch):
    asked = []
    progress = TuneProgress(Talk())
    monkeypatch.setattr(progress, "agree", lambda question: asked.append(question))
    progress.begin(1, Settings(1), "trial", 3000.0)
    with pytest.raises(Interrupted, match="as you chose"):
        progress.begin(2, Settings(2), "trial", 7200.0)
    assert asked == ["The trials may take up to about 2 h 00 min."]


def test_trials_are_screens_unless_they_are_to_be_full():
    given = RunOptions(queries=20)
    none = Limits()
    usual = options_of_trials(given, none, quick=False, full=False)
    assert (usual.screen, usual.quick, usual.budget, usual.queries) == (True, False, 300.0, 20)
    quick = options_of_trials(given, Limits(quality_loss=0.01), quick=True, full=False)
    assert (quick.screen, quick.quick, quick.until) == (True, True, "half-width=10%")
    assert (quick.quality, quick.budget) == (True, 20.0)
    whole = options_of_trials(RunOptions(repeats=3), none, quick=False, full=True)
    assert whole.given() == {"repeats": 3}


def test_lists_and_limits_are_read():
    assert read_batch_sizes(" AUTO ") is None
    assert read_batch_sizes("8, 2") == (8, 2)
    assert read_limits("500ms", "20 GiB", "1%") == Limits(0.5, 20 * 2.0**30, 0.01)
    with pytest.raises(UsageError, match="Units are ms"):
        read_limits("fast", None, None)


def test_the_space_follows_from_the_default_as_it_was_measured():
    from support.results import make_cpu_run, make_result

    result = make_result(runs=[make_cpu_run()], gpu=None, dtype="float32")
    default = Settings(1)
    first = Trial("trial", TrialOutcome(default, "measured", 1.0, None, 0.09), result=result)
    assert Dimensions().space(default, first) == Space(default, None, 512, ("bfloat16",))
    quick = Dimensions(quick=True).space(default, first)
    assert (quick.most_batch, quick.dtypes) == (22, ())
    slow = Trial("trial", TrialOutcome(default, "measured", 1.0, None, 5.0), result=result)
    assert Dimensions(quick=True).space(default, slow).most_batch == 4
    with_own = replace(
        first,
        result=result.model_copy(
            update={"model": result.model.model_copy(update={"attention_default": "sdpa"})}
        ),
    )
    more = Dimensions((1,), (), ("none", "int8"), ("eager", "sdpa"), (150.0,), compiled=True)
    assert more.space(default, with_own).dimensions == {
        "quantization": ("none", "int8"),
        "attention": (None, "eager"),
        "compile": (False, True),
        "power_limit_w": (None, 150.0),
    }
    named = Dimensions((1, 3), ("float32", "float16")).space(default, first)
    assert (named.rungs, named.dtypes) == ((1, 3), ("float16",))
    none = Trial("trial", TrialOutcome(default, "out_of_memory"))
    assert Dimensions().space(default, none).dtypes == ("float32", "float16", "bfloat16")


def test_what_cannot_be_tried_here_is_said_before_anything_is_measured(command, tmp_path):
    random = command("tune", *MODEL, "--max-quality-loss", "1%")
    assert random.status == 2
    assert "builtin:distilbert-sst2 has random weights: its answers mean nothing" in random.error
    power = command("tune", *MODEL, "--power-limit", "150,200W", "--set", "device=cpu")
    assert power.status == 2
    assert "--power-limit 150 is for GPUs" in power.error
