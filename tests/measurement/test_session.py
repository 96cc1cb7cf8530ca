"""A session beside others in one folder: each measurement is made once."""

import contextlib
import gzip
import json
import shutil
import time

import pytest
from support.results import make_cpu_run

from energyscore.base.errors import UnsupportedError
from energyscore.measurement import session
from energyscore.measurement.observer import LineObserver
from energyscore.measurement.options import Job, RunOptions
from energyscore.measurement.prepare import prepare
from energyscore.measurement.session import run_session
from energyscore.results.store import load_result

BEGIN, LOADING = "a model begins", "loading the model"


class Watcher(LineObserver):
    """Does something at a moment, as another process would."""

    def __init__(self, moment, act):
        super().__init__(self.line)
        self.moment, self.act, self.lines = moment, act, []

    def model(self, label, task, place):
        super().model(label, task, place)
        self.line(BEGIN)

    def line(self, text):
        self.lines.append(text)
        if self.moment in text:
            self.act()


@pytest.mark.parametrize("moment", [BEGIN, LOADING])
def test_what_another_process_finished_meanwhile_is_not_measured_again(
    tmp_path, tiny_model, prompts_csv, moment
):
    options = RunOptions(dataset=str(prompts_csv), device="cpu", queries=2, quick=True)
    kept, out = tmp_path / "kept", tmp_path / "out"

    def run(out, watcher, **change):
        model = {"tasks": ("text_generation",), "models": (str(tiny_model),)}
        outcome = run_session(Job(**model, options=options, out=out, **change), watcher)
        assert outcome.exit_status == 0, watcher.lines
        return outcome.results[0][0]

    path = run(kept, Watcher("never", None))
    watcher = Watcher(moment, lambda: shutil.copytree(kept, out, dirs_exist_ok=True))
    again = run(out, watcher)
    assert again == out / path.relative_to(kept)
    assert load_result(again) == load_result(path)
    assert any("measured before" in line for line in watcher.lines)
    assert any(LOADING in line for line in watcher.lines) == (moment == LOADING)
    assert len(list(out.rglob("*.json"))) == 1
    assert load_result(again).answers is None
    tuned = run(out, Watcher("never", None), fresh=True, tuning=True)
    assert tuned != again
    answers = load_result(tuned).answers
    assert (answers.of, len(answers.digests), answers.batch_size) == ("text", 2, 1)
    assert len(list(out.rglob("*.json"))) == 2


def test_a_screen_that_goes_on_has_what_is_left_of_its_budget(
    tmp_path, tiny_model, prompts_csv, monkeypatch
):
    left_s = []

    def interrupted(plan, backend, meters, asked, *, on_run, **_):
        left_s.append(asked.deadline_s - time.monotonic())
        on_run(make_cpu_run(len(left_s) - 1), {})  # it took 100 s
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "run_screen", interrupted)
    asked = {"screen": True, "budget": 300.0, "idle": 0.0, "device": "cpu", "queries": 8}
    options = RunOptions(dataset=str(prompts_csv), **asked)
    job = Job(tasks=("text_generation",), models=(str(tiny_model),), options=options, out=tmp_path)
    for _ in range(3):
        assert run_session(job, Watcher("never", None)).exit_status == 130
    assert left_s == pytest.approx([300, 200, 100], abs=20), "loading counts too"


@pytest.mark.parametrize("until", ["star=99%", "gpu_wh_per_1k_queries<=1"])
def test_a_screen_by_gpu_energy_is_refused_before_a_model_is_loaded(tmp_path, prompts_csv, until):
    options = {"dataset": str(prompts_csv), "device": "cpu", "screen": True, "until": until}
    job = Job(
        tasks=("text_generation",),
        models=("builtin:distilgpt2",),
        options=RunOptions(**options),
        out=tmp_path,
    )
    with pytest.raises(UnsupportedError, match=f"--until {until}: no GPU is metered here"):
        prepare(job, LineObserver(lambda line: None), contextlib.ExitStack())


class Recorded:
    """A backend or a meter whose calls are written down, in one list for all of them."""

    def __init__(self, real, name, log):
        self.real, self.name, self.log = real, name, log

    def __getattr__(self, attribute):
        value = getattr(self.real, attribute)
        if not callable(value):
            return value

        def called(*arguments):
            has_queries = attribute in ("cut_inputs", "prepare", "answer")
            seen = [query["text"] for query in arguments[0]] if has_queries else None
            self.log.append((self.name, attribute, seen))
            if attribute != "run":
                return value(*arguments)
            batch, enter = arguments
            output = value(batch, lambda phase: self.log.append(("enters", phase)) or enter(phase))
            self.log.append(("gives", output.output_tokens))
            return output

        return called


def test_quality_adds_nothing_to_the_metered_windows(tmp_path, tiny_model, monkeypatch):
    """Backend and meters are called alike, in one order, until the last window is closed."""
    rows = [{"text": f"Report {one}, all is well.", "label": "positive"} for one in "abcdef"]
    rows[0]["label"] = "negative"
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    open_meters, find = session.open_metering, session.resolve
    log = []

    def open_recorded(metering, *known):
        open_meters(metering, *known)
        metering.meters[:] = [Recorded(one, one.name, log) for one in metering.meters]

    monkeypatch.setattr(session, "open_metering", open_recorded)
    monkeypatch.setattr(
        session, "resolve", lambda *names: lambda: Recorded(find(*names)(), "backend", log)
    )

    def measured(out, **options):
        log.clear()
        plain = {"dataset": str(tmp_path / "rows.jsonl"), "device": "cpu", "quick": True}
        asked = RunOptions(**plain, repeats=2, batch_size=4, **options)
        models = (str(tiny_model),)
        job = Job(tasks=("text_classification",), models=models, options=asked, out=out)
        ((_, result),) = run_session(job, Watcher("never", None)).results
        (raw,) = out.rglob("*.raw.jsonl.gz")
        lines = gzip.decompress(raw.read_bytes()).splitlines()[1:]
        return list(log), result, [json.loads(line) for line in lines]

    calls, result, raws = measured(tmp_path / "plain")
    judged_calls, judged_result, judged_raws = measured(tmp_path / "judged", quality=True)
    # Without it nothing follows the last window but what ends the measurement.
    last = max(place for place, call in enumerate(calls) if call[1] == "stop")
    closing = [call[1] for call in calls[last + 1 :]]
    assert closing == ["memory", "compiled", *["close"] * (len(closing) - 2)]
    assert sum(call[1] == "stop" for call in calls) == 2 * (len(closing) - 3)
    judging = slice(last + 3, last + 3 + len(judged_calls) - len(calls))
    assert [*judged_calls[: judging.start], *judged_calls[judging.stop :]] == calls
    texts = [row["text"] for row in rows]
    assert judged_calls[judging] == [
        ("backend", "answer_as", None),
        ("backend", "answer", texts[:4]),
        ("backend", "answer", texts[4:]),
        ("backend", "labels", None),
    ]
    assert judged_result.quality.n == 6 and result.quality is None
    assert ("gives", 40) in calls
    counts = [
        [(run.queries, run.passes, run.input_tokens, run.output_tokens, list(run.phases))
         for run in one.runs]
        for one in (result, judged_result)
    ]  # fmt: skip
    assert counts[0] == counts[1] and counts[0][0][3] == 60
    phases = [
        [(raw["phases"]["names"], raw["phases"]["entered"], sorted(raw["domains"])) for raw in part]
        for part in (raws, judged_raws)
    ]
    assert len(raws) == 2 and phases[0] == phases[1]
