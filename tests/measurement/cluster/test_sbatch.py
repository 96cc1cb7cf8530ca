"""The array job that needs no submitit: what the scripts say, and what their elements do."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import energyscore, environment, gpu
from support.fake_nodes import await_file, pretend_nodes, processes_of
from support.fake_suite import fake_plan

from energyscore.base.errors import UnsupportedError, UsageError
from energyscore.measurement.cluster import gather, sbatch
from energyscore.measurement.cluster.order import Order, make_order, read_order, to_lines
from energyscore.measurement.entries import SessionEntry, with_finished
from energyscore.measurement.options import RunOptions
from energyscore.measurement.suite import key
from energyscore.measurement.suite.entry import Entry
from energyscore.measurement.suite.listing import Listing
from energyscore.measurement.suite.plan import make_plan
from energyscore.protocol.task import bundled_tasks_dir, load_tasks

NODE = ("GPU-aaaaaaaa-0000-4000-8000-000000000000", "GPU-bbbbbbbb-0000-4000-8000-000000000000")


def orders_for(*names, **options):
    return [make_order(one, online=False) for one in fake_plan(*names, **options)]


def scripts_for(orders, slurm=(), **more):
    read = sbatch.read_slurm(slurm)
    return sbatch.make_scripts(orders, "/s/it's/o.jsonl", "/s/logs", ["/v/python"], read, **more)


def test_the_orders_are_cut_into_arrays_by_the_gpus_they_need():
    orders = [*orders_for("a/b", device="cpu"), *orders_for(*(f"m/{n}" for n in range(5)))]
    scripts = scripts_for(orders, ["partition=gpu", "time=1:00:00"], most=2, gpu_type="h100")
    assert [script.elements for script in scripts] == [1, 2, 2, 1]
    starts = [re.search(r"\$\(\((\d+) \+", script.text)[1] for script in scripts]
    assert starts == ["0", "1", "3", "5"]
    assert "gres" not in scripts[0].text
    assert "#SBATCH --gres=gpu:h100:1\n#SBATCH --partition=gpu\n" in scripts[1].text
    assert "#SBATCH --array=0-1\n" in scripts[1].text
    assert "#SBATCH --signal=B:USR2@90\n" in scripts[1].text
    for script in scripts:
        assert "#SBATCH --exclusive\n" in script.text
        checked = subprocess.run(["bash", "-n"], input=script.text, text=True, check=False)
        assert checked.returncode == 0
    shared = scripts_for(orders, ["gpus-per-task=1"], shared_node=True)
    assert not any("exclusive" in script.text or "gres" in script.text for script in shared)


@pytest.mark.parametrize("wrong", ["partition", "a b=c", "array=0-9", "x=", "time=1\n2"])
def test_what_is_no_option_of_sbatch_is_refused(wrong):
    with pytest.raises(UsageError, match="--slurm"):
        sbatch.read_slurm([wrong])


def test_an_order_is_read_as_it_was_written(tmp_path):
    orders = orders_for("a/b", "c/d", queries=7, quick=True)
    file = tmp_path / "orders.jsonl"
    file.write_text(to_lines(orders))
    assert read_order(file, 1) == orders[1]
    assert read_order(file, 1).job.options.given() == {"queries": 7, "quick": True}
    with pytest.raises(UsageError, match="no order 2: it has 2"):
        read_order(file, 2)
    file.write_text("{}\n")
    with pytest.raises(UsageError, match="line 1: it is no order"):
        read_order(file, 0)


def test_a_node_with_other_files_at_the_same_paths_measures_nothing(
    tmp_path, tiny_model, prompts_csv, monkeypatch
):
    """A copy with another time is the same, also of a file that is too large to be read."""
    monkeypatch.setattr(key, "LARGE_BYTES", 1000)
    monkeypatch.setattr(key, "_END_BYTES", 100)
    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    data, tasks = Path(shutil.copy(prompts_csv, tmp_path)), tmp_path / "tasks"
    shutil.copytree(bundled_tasks_dir(), tasks)
    asked = RunOptions(dataset=str(data), queries=3)
    entry = Entry("here", "text_generation", str(model), options=asked)
    listing = Listing("it", (entry,), ours=True)
    plan = make_plan(listing, load_tasks(tasks), RunOptions(), key.key_here(online=False), str)
    order = make_order(plan[0], online=False, task_path=tasks)
    assert Order.model_validate_json(order.to_line(), strict=False) == order

    def session(folder=tasks):
        task = load_tasks(folder)["text_generation"]
        return SessionEntry(task, asked.model_spec(str(model), task.spec), None, (), None)

    weights = model / "model.safetensors"
    assert weights.stat().st_size > 1000
    for changed in (data, weights):
        os.utime(changed, (1, 1))
    (one,) = with_finished([session()], order.job, online=True)
    assert one.key == order.key
    whole = weights.read_bytes()
    for file, text, name in (
        (weights, whole[:-1] + b"!", "model"),
        (data, data.read_bytes().replace(b"1", b"2"), "dataset"),
        (tasks / "text_generation.yaml", None, "task"),
    ):
        before = file.read_bytes()
        text = before.replace(b"queries: 1000", b"queries: 999") if text is None else text
        assert text != before
        file.write_bytes(text)
        with pytest.raises(UnsupportedError, match=rf"than where the .* was given: {name}\. "):
            with_finished([session()], order.job, online=False)
        file.write_bytes(before)


@pytest.mark.slow
def test_an_element_measures_its_entry_on_its_gpu_and_a_second_command_gathers(
    tmp_path, tiny_model, prompts_csv, simulate
):
    sim = simulate(gpu(NODE[0]), gpu(NODE[1], power_schedule=((0.0, 200.0),)))
    listing, job, out = tmp_path / "list.yaml", tmp_path / "the job", tmp_path / "out"
    listing.write_text(
        f"defaults: {{quick: true, queries: 20, dataset: {prompts_csv}, device: cpu, gpu: 0}}\n"
        f"entries: [{{task: text_generation, model: {tiny_model}, batch_size: [1, 2]}}]\n"
    )
    suite = ("suite", listing, "--out", out, "--format", "json")
    written = energyscore(*suite, "--write-sbatch", job, "--slurm", "partition=gpu")
    assert written.status == 0, written.stderr
    assert f"then the same command with --gather '{job}' for --write-sbatch:" in written.stderr
    (command,) = json.loads(written.stdout)["commands"]
    script = job / "job-1.sh"
    assert command == f"sbatch '{script}'"
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0

    slurm = {"SLURM_ARRAY_TASK_ID": "1", "SLURMD_NODENAME": "node7", "CUDA_VISIBLE_DEVICES": "1"}
    env = environment() | sim.env() | slurm
    for said in ("text_generation: done", "measured before"):
        done = subprocess.run(
            ["bash", script], capture_output=True, text=True, env=env, check=False
        )
        assert done.returncode == 0, done.stderr
        assert said in done.stderr
    assert len(list((job / "attempts").iterdir())) == 1

    gathered = energyscore(*suite, "--gather", job)
    assert gathered.status == 3
    assert "1 of 2 entries have no result yet" in gathered.stderr
    missing, measured = json.loads(gathered.stdout)["entries"]
    assert (missing["status"], measured["status"]) == ("pending", "done")
    (attempt,) = measured["attempts"]
    assert (attempt["node"], attempt["gpus"]) == ("node7", [NODE[1]])
    result = json.loads((out / measured["result"]).read_text())
    assert result["protocol"]["metered_gpus"] == [NODE[1]]
    run = result["runs"][0]
    energy = run["energy_j"][f"gpu:{NODE[1]}"]
    assert energy == pytest.approx(200 * run["duration_s"], rel=0.01)
    assert attempt["gpu_wh"] * 3600 > energy
    again = energyscore(*suite, "--write-sbatch", job)
    assert json.loads(again.stdout)["to_measure"] == 1


@pytest.mark.slow
def test_an_element_that_is_warned_keeps_its_runs_and_the_next_attempt_goes_on(
    tmp_path, monkeypatch
):
    pretend_nodes(tmp_path, monkeypatch)
    file, orders = tmp_path / "orders.jsonl", orders_for("a/journal", device="cpu")
    file.write_text(to_lines(orders))
    (script,) = sbatch.make_scripts(orders, str(file), str(tmp_path), [sys.executable], {})
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
    element = subprocess.Popen(["bash", "-c", script.text])
    await_file(tmp_path / "template.json.waiting")
    element.send_signal(signal.SIGUSR2)  # as B:USR2@90 does: to the batch script itself
    assert element.wait(60) == 128 + signal.SIGUSR2
    assert processes_of(tmp_path, "child.py") == []
    assert subprocess.run(["bash", "-c", script.text], check=False).returncode == 0
    kept = gather.kept(tmp_path / sbatch.ATTEMPTS, orders[0].key, pytest.fail)
    assert [one.attempt.status for one in kept] == ["interrupted", "done"]
    assert b"going on from a run" in kept[1].log
    assert kept[1].journals == {}
