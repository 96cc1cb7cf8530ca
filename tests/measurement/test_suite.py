"""The suite's processes: whatever ends one of them, or all, at any moment."""

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.commands import ROOT, energyscore, environment
from support.fake_suite import Watcher, fake_command, fake_plan, forked, known, planned_by_names

from energyscore.base.errors import OutOfMemory, ResultError
from energyscore.base.interrupts import heed_signals
from energyscore.measurement import __main__ as measurement_main
from energyscore.measurement.child import run_child
from energyscore.measurement.suite import runner
from energyscore.measurement.suite.listing import Listing, parse_yaml
from energyscore.measurement.suite.report import SuiteReport
from energyscore.measurement.suite.runner import run_suite
from energyscore.publish.results_folder import ResultsFolder
from energyscore.results import store
from energyscore.results.result import parse_result
from energyscore.results.store import load_results


def run(tmp_path, *names, how=None, **options):
    """Run a suite of such models; each ends as `how` says, else as its name's last part does."""
    out, watcher = tmp_path / "out", Watcher()
    told = how or (lambda name: name.partition("/")[2].replace("-", " "))
    command = fake_command(tmp_path, out, told)
    return run_suite(fake_plan(*names), "fake", known(out), command, watcher, **options), watcher


def results_in(out):
    """The models' folders of all results, each parsed."""
    files = [file for file in out.rglob("*.json") if file.name != "suite.json"]
    for file in files:
        parse_result(file.read_text(), str(file))
    return sorted(file.parent.parent.name for file in files)


ENDS = {
    "exit": ("status 7", 7),
    "nothing": ("left no result", 0),
    "error": ("no such thing.", 2),
    "segfault": ("SIGSEGV", -signal.SIGSEGV),
    "memory": ("MemoryError", 1),
    "oom": ("memory runs out", -signal.SIGKILL),
}


def test_an_entry_that_ends_badly_is_a_row_and_stops_no_other(tmp_path):
    names = [name for bad in ENDS for name in (f"a/{bad}", f"good-{bad}/measure")]
    report, watcher = run(tmp_path, *names)
    records = {record.model: record for record in report.entries}
    assert list(records) == names
    for bad, (reason, code) in ENDS.items():
        assert records[f"a/{bad}"].status == "failed"
        assert reason in records[f"a/{bad}"].reason
        assert records[f"a/{bad}"].exit_code == code
        assert records[f"a/{bad}"].result is None
        assert records[f"good-{bad}/measure"].status == "done"
    assert report.exit_status == 3
    assert [record.model for record in watcher.ended] == names
    assert "caution: soon" in watcher.lines
    written = SuiteReport.model_validate_json((tmp_path / "out/suite.json").read_text())
    assert written.entries == report.entries
    one = records["good-exit/measure"]
    content = json.loads((tmp_path / "out" / one.result).read_text())
    assert (content["identity"], content["request"]) == (one.identity, one.key)
    assert one.wh_per_1k_queries == content["score"]["system_wh_per_1k_queries"]
    assert (one.basis, one.estimated) == ("system", True)
    # the report is no result, and no obstacle to those who read the folder
    assert len(load_results([tmp_path / "out"])) == len(ENDS)


def test_a_result_stands_though_its_process_crashes_after_writing_it(tmp_path):
    report, _ = run(tmp_path, "a/late-crash")
    assert [record.status for record in report.entries] == ["done"]
    assert report.entries[0].exit_code == -signal.SIGSEGV


def test_what_is_finished_is_skipped_and_what_is_not_is_measured(tmp_path):
    names = ["a/measure", "b/invalid", "c/measure", "d/exit"]
    first, _ = run(tmp_path, *names)
    assert [r.status for r in first.entries] == ["done", "invalid", "done", "failed"]
    assert first.entries[1].reason == "the GPU was shared"
    (tmp_path / "out" / first.entries[2].result).unlink()
    second, watcher = run(tmp_path, *names, how=lambda name: "measure")
    assert [r.status for r in second.entries] == ["skipped", "done", "done", "done"]
    assert [name for name, _ in watcher.begun] == names[1:]
    assert second.entries[0].identity == first.entries[0].identity
    assert second.entries[0].result == first.entries[0].result
    third, _ = run(tmp_path, *names)
    assert [r.status for r in third.entries] == ["skipped"] * 4
    assert third.exit_status == 0
    fresh, _ = run(tmp_path, *names, fresh=True)
    assert [r.status for r in fresh.entries] == ["done", "invalid", "done", "failed"]
    assert fresh.entries[0].result != first.entries[0].result


def test_each_result_is_read_once_and_the_table_is_written_after_each_entry(tmp_path, monkeypatch):
    run(tmp_path, "a/measure", "b/measure")
    read, tables = [], []
    load_result = store.load_result
    monkeypatch.setattr(store, "load_result", lambda path: read.append(path) or load_result(path))
    out = tmp_path / "out"
    of_folder = known(out)
    write_csv = ResultsFolder(of_folder).write_csv

    def on_result():
        write_csv()
        tables.append(len((out / "results.csv").read_text().splitlines()) - 1)

    plan = fake_plan("a/measure", "b/measure", "c/measure", "d/measure")
    command = fake_command(tmp_path, out)
    report = run_suite(plan, "fake", of_folder, command, Watcher(), on_result)
    assert [one.status for one in report.entries] == ["skipped", "skipped", "done", "done"]
    assert sorted(read) == sorted(out / one.result for one in report.entries)
    assert tables == [1, 1, 1], "all are results of one identity"


def test_a_result_of_another_request_finishes_nothing(tmp_path):
    report, _ = run(tmp_path, "a/measure")
    file = tmp_path / "out" / report.entries[0].result
    content = json.loads(file.read_text())
    assert content["request"] == report.entries[0].key
    file.write_text(json.dumps(content | {"request": None, "identity": content["request"]}))
    again, _ = run(tmp_path, "a/measure")
    assert again.entries[0].status == "done"


def test_stop_on_failure_leaves_the_rest_pending(tmp_path):
    report, watcher = run(tmp_path, "a/measure", "b/exit", "c/measure", stop_on_failure=True)
    assert [r.status for r in report.entries] == ["done", "failed", "pending"]
    assert [name for name, _ in watcher.begun] == ["a/measure", "b/exit"]


def test_an_entry_that_takes_too_long_is_ended(tmp_path):
    report, watcher = run(tmp_path, "a/measure", "b/hang", "c/measure", timeout_s=3.0)
    assert [r.status for r in report.entries] == ["done", "failed", "done"]
    assert "time limit" in report.entries[1].reason
    assert 3.0 <= report.entries[1].seconds < 60
    # two and one of three are left, each like the one that was measured
    left = [left_s for _, left_s in watcher.begun]
    assert left[0] is None
    assert left[1] == pytest.approx(2 * report.entries[0].seconds)


def test_two_suites_do_not_measure_into_one_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "LOCK_WAIT_S", 0.1)
    other = forked(lambda: run(tmp_path, "a/hang"))
    wait_for(tmp_path / "out/suite.json")
    with pytest.raises(ResultError, match="Another suite"):
        run(tmp_path, "b/measure")
    os.kill(other, signal.SIGKILL)
    os.waitpid(other, 0)


def wait_for(path):
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.005)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_child_politely_and_says_what_is_pending(tmp_path, number):
    names = ("a/measure", "b/polite", "c/measure")

    def suite():
        heed_signals()
        report, _ = run(tmp_path, *names)
        os._exit(report.exit_status)

    process = forked(suite)
    wait_for(tmp_path / "out/a")
    deadline = time.monotonic() + 120
    while '"done"' not in (tmp_path / "out/suite.json").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    wait_for(tmp_path / "template.json.waiting")
    os.kill(process, number)  # to the suite alone: it passes it on
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + number
    assert (tmp_path / "template.json.kept").read_text() == "journal"
    report = SuiteReport.model_validate_json((tmp_path / "out/suite.json").read_text())
    assert report.interrupted
    assert [(r.status, r.reason) for r in report.entries] == [
        ("done", ""),
        ("pending", "interrupted; 1 of 2 runs are kept."),
        ("pending", "not measured yet"),
    ]


def test_a_result_that_was_written_before_ctrl_c_is_done_and_no_longer_pending(tmp_path):
    names = ("a/late-polite", "b/measure")

    def suite():
        report, watcher = run(tmp_path, *names)
        assert [record.status for record in watcher.ended] == ["done"]
        os._exit(report.exit_status)

    process = forked(suite)
    wait_for(tmp_path / "template.json.waiting")
    os.kill(process, signal.SIGINT)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 130
    report = SuiteReport.model_validate_json((tmp_path / "out/suite.json").read_text())
    assert report.interrupted
    assert [r.status for r in report.entries] == ["done", "pending"]
    again, watcher = run(tmp_path, *names)
    assert [r.status for r in again.entries] == ["skipped", "done"]
    assert again.entries[0].identity == report.entries[0].identity
    assert [name for name, _ in watcher.begun] == ["b/measure"]


def test_finished_entries_wait_to_be_measured_anew(tmp_path):
    names = ["a/measure", "b/exit", "c/measure"]
    run(tmp_path, "a/measure", "c/measure")
    report, _ = run(tmp_path, *names, fresh=True, stop_on_failure=True)
    assert [(r.status, r.reason) for r in report.entries if r.status != "failed"] == [
        ("done", ""),
        ("pending", "not measured anew yet (--fresh)"),
    ]


def test_killed_at_any_moment_and_repeated_it_yields_each_result_once(tmp_path):
    names = [f"{letter}/measure" for letter in "abcde"]
    chance, killed, unfinished = random.Random(7), 0, 0
    plan = fake_plan(*names)
    for number in range(21):
        folder = mkdir(tmp_path, str(number))
        out, command = folder / "out", fake_command(folder, folder / "out")

        def suite(out=out, command=command):
            return run_suite(plan, "fake", known(out), command, Watcher())

        if number == 0:
            start = time.monotonic()
            suite()
            whole_s = time.monotonic() - start
            continue
        process = forked(suite)
        time.sleep(chance.uniform(0, 0.8 * whole_s))
        # the suite alone, or with its whole group: its child is in one of its own
        (os.kill if number % 2 else os.killpg)(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        report = suite()  # at once: its child may not have noticed yet
        killed += os.WIFSIGNALED(status)
        unfinished += any(record.status == "done" for record in report.entries)
        assert {record.status for record in report.entries} <= {"done", "skipped"}
        assert results_in(out) == ["measure"] * 5
        assert len({record.result for record in report.entries}) == 5
        assert {record.model for record in report.entries} == set(names)
        SuiteReport.model_validate_json((out / "suite.json").read_text())
    assert killed >= 5, "most were killed before their end"
    assert unfinished >= 5, "most had something left to do"


def mkdir(parent, name):
    (parent / name).mkdir()
    return parent / name


PARENT = """
import resource, sys, threading
from pathlib import Path
from support.fake_suite import Watcher, fake_command, fake_plan, known
from energyscore.measurement.child import run_child
from energyscore.measurement.suite.runner import run_suite

HEAVY = {"torch", "transformers", "diffusers", "datasets", "codecarbon", "pandas"}
folder, peaks, children = Path(sys.argv[1]), [], []

class Peaks(Watcher):
    def line(self, text):
        pass
    def end(self, number, record):
        assert record.status == "done", record
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        children.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)

plan = fake_plan(*(f"m{number}/noisy" for number in range(33)))
command = fake_command(folder, folder / "out", lambda name: "noisy")
before = set(sys.modules) & HEAVY
run_suite(plan, "fake", known(folder / "out"), command, Peaks())
start = resource.getrusage(resource.RUSAGE_SELF)
run_child(["sleep", "2"], print)
end = resource.getrusage(resource.RUSAGE_SELF)
print(len(peaks[3:]), peaks[-1] - peaks[2], children[-1] - children[2],
      end.ru_nvcsw - start.ru_nvcsw,
      end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime,
      threading.active_count(), len(before | set(sys.modules) & HEAVY))
"""


def test_the_parent_is_small_and_sleeps_while_a_child_works(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment({"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    entries, growth_kb, of_children_kb, *rest = map(float, done.stdout.split())
    waits, cpu_s, threads, heavy = rest
    assert entries == 30, "after three that let it reach its size"
    assert growth_kb < 3000, "each of 30 entries wrote 2 MB of lines"
    assert of_children_kb < 3000, "a later child is no larger than an early one"
    assert waits < 15, "it was woken by its child's end and no clock"
    assert cpu_s < 0.1
    assert (threads, heavy) == (1, 0)


def test_a_mode_that_a_model_has_not_is_a_row_and_the_others_are_resumed(tmp_path):
    entries = parse_yaml(
        "entries: [{task: reasoning, model: [a/m, b/m], reasoning: [off, low], max_new_tokens: 9}]",
        "it",
    )
    plan = planned_by_names(Listing("it", entries, ours=True))
    asked, out = [], tmp_path / "out"
    measure = fake_command(tmp_path, out)
    refuse = fake_command(tmp_path, out, lambda name: "error")

    def command(planned):
        asked.append(planned.entry.options.given())
        lacks = planned.model_name == "b/m" and planned.mode == "low"
        return (refuse if lacks else measure)(planned)

    run_suite(plan, "it", known(out), command, Watcher())
    off, low = ({"reasoning": [mode], "max_new_tokens": 9} for mode in ("off", "low"))
    assert asked == [off, low] * 2
    report = SuiteReport.model_validate_json((out / "suite.json").read_text())
    assert [(r.model, r.reasoning, r.status) for r in report.entries] == [
        ("a/m", "off", "done"),
        ("a/m", "low", "done"),
        ("b/m", "off", "done"),
        ("b/m", "low", "failed"),
    ]
    assert report.entries[3].reason == "no such thing."
    assert report.exit_status == 3
    again = run_suite(plan, "it", known(out), command, Watcher())
    assert [r.status for r in again.entries] == ["skipped"] * 3 + ["failed"]
    assert asked[4:] == [low]
    assert len(results_in(out)) == 3


def test_a_process_that_outlives_the_child_does_not_hold_the_suite_up():
    lines, start = [], time.monotonic()
    code = "sleep 500 & echo $! >&2; printf '10%%\\r20%%\\rdownloaded\\nno newline' >&2; exit 3"
    ended = run_child(["sh", "-c", code], lines.append)
    assert time.monotonic() - start < 50
    assert ended.exit_code == 3
    assert lines[1:] == ["downloaded", "no newline"]
    deadline = time.monotonic() + 40
    while not gone(lines[0]):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_child_tells_which_kind_of_error_it_met_in_a_line_for_the_parent_only(monkeypatch, capfd):
    def without_memory(job, observer):
        observer.fail("m: this is another thing.")
        raise OutOfMemory("m does not fit into memory.")

    monkeypatch.setattr(measurement_main, "run_session", without_memory)
    status = measurement_main.main('{"tasks": ["text_generation"], "out": "results"}')
    said, lines = capfd.readouterr().err, []
    ended = run_child(["sh", "-c", f"printf '%s' {shlex.quote(said)} >&2; exit 3"], lines.append)
    assert (status, ended.exit_code) == (3, 3)
    assert (ended.code, ended.error) == ("out_of_memory", "m does not fit into memory.")
    assert lines == ["error: m: this is another thing.", "error: m does not fit into memory."]
    other = run_child(["sh", "-c", "echo 'error: no such thing.' >&2; exit 2"], lines.append)
    assert (other.code, other.error) == ("", "no such thing.")


def gone(pid):
    """Or dead and not yet fetched by the machine's first process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_two_entries_with_a_real_model_are_measured_once(tmp_path, tiny_model, prompts_csv):
    (tmp_path / "list.yaml").write_text(
        f"defaults: {{quick: true, queries: 4, dataset: {prompts_csv}, country: FRA}}\n"
        "entries:\n"
        f"  - {{task: text_generation, model: {tiny_model}}}\n"
        f"  - {{task: text_generation, model: {tiny_model}, batch_size: 2}}\n"
    )
    out = tmp_path / "out"
    arguments = ("suite", tmp_path / "list.yaml", "--out", out, "--format", "json")
    # By a launcher that is a fresh process: other tests have forks of theirs.
    fresh = "import subprocess; subprocess.Popen = subprocess.Popen.__base__"
    done = energyscore(*arguments, first=fresh)
    assert done.status == 0, done.stderr
    report = SuiteReport.model_validate_json(done.stdout)
    assert [record.status for record in report.entries] == ["done", "done"]
    sizes = [json.loads((out / r.result).read_text())["workload"] for r in report.entries]
    assert [(size["queries"], size["batch_size"]) for size in sizes] == [(4, 1), (4, 2)]
    assert "[2/2] tiny-gpt2, text_generation: run 1 of 1" in done.stderr
    again = energyscore(*arguments)
    assert again.status == 0
    skipped = SuiteReport.model_validate_json(again.stdout).entries
    assert [record.status for record in skipped] == ["skipped", "skipped"]
    assert [r.identity for r in skipped] == [r.identity for r in report.entries]
    assert len(results_in(out)) == 2


def test_a_process_is_asked_to_end_where_its_parent_blocks_ctrl_c():
    """As workers of Ray do."""
    code = "import time\ntry: time.sleep(60)\nexcept KeyboardInterrupt: raise SystemExit(7)"
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        ended = run_child([sys.executable, "-I", "-S", "-c", code], print, timeout_s=0.5)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert (ended.timed_out, ended.exit_code) == (True, 7)
    assert ended.seconds < 20
