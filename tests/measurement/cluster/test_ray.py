"""Suites on Ray: two pretended nodes, each with a simulated GPU, and whatever befalls them."""

import json
import os
import platform
import signal
import socket
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from support.commands import energyscore, environment, gpu
from support.fake_nodes import (
    attempts_in,
    await_file,
    await_that,
    drive,
    pretend_nodes,
    processes_of,
    start_driving,
)
from support.fake_suite import fake_plan

from energyscore.base.errors import UsageError
from energyscore.base.interrupts import unchanged
from energyscore.base.packages import MissingPackage
from energyscore.base.version import __version__ as here
from energyscore.cli.console import Talk
from energyscore.cli.suite_cluster import check_place
from energyscore.cli.suite_view import ClusterProgress, show_nodes
from energyscore.measurement.cluster.engine import Came
from energyscore.measurement.cluster.node import NodeFacts, is_of_type
from energyscore.measurement.cluster.order import make_order
from energyscore.measurement.cluster.ray_engine import RayEngine, RayNode
from energyscore.measurement.cluster.ray_join import (
    address_of,
    check_answer,
    environment_of,
    join,
)
from energyscore.measurement.cluster.ray_nodes import have_usual_priority
from energyscore.measurement.suite.report import make_record
from energyscore.results.store import load_results

WATTS = {
    "GPU-aaaaaaaa-0000-4000-8000-000000000000": 300.0,
    "GPU-bbbbbbbb-0000-4000-8000-000000000000": 200.0,
}


def test_the_address_is_that_of_the_cluster_and_never_of_the_client():
    assert address_of("ray") == "auto"
    assert address_of("ray://head:6379") == "head:6379"
    with pytest.raises(UsageError, match="10001 is the port of the Ray Client"):
        address_of("ray://head:10001")


@pytest.mark.parametrize("wrong", ["rayx", "ray://nonsense", "ray://a:b", "ray://:1"])
def test_what_is_no_address_is_refused(wrong):
    with pytest.raises(UsageError, match="write it as ray or ray://HOST:PORT"):
        address_of(wrong)


def test_where_no_cluster_answers_it_says_so_at_once():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"

        def answer():
            with server.accept()[0] as asked:
                asked.recv(99)
                asked.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(UsageError, match=f"What answers at {address} is no cluster of Ray"):
            check_answer(address)
        thread.join()
    with pytest.raises(UsageError, match=f"No cluster of Ray answers at {address}: Conn.* refused"):
        check_answer(address)
    with pytest.raises(UsageError, match=r"answers at no\.such\.host\.invalid:1: "):
        check_answer("no.such.host.invalid:1")


def test_without_ray_the_line_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPackage, match=r"needs ray.* pip install 'energyscore\[ray\]'"):
        join("auto")


def test_a_node_has_room_for_as_many_gpus_as_are_free():
    node = RayNode("1", "n", 4, 8, running={0: 1})
    assert node.has_room(3, 4)
    assert not node.has_room(4, 1)
    assert not node.has_room(0, 5), "the other has five, too"
    assert RayNode("1", "n", 0, 1).has_room(0, 1)


FLAGS = ("--share-nodes", "--stop-on-failure", "--fresh")
OPTIONS = (
    *("--retries", "--cpus", "--pip", "--slurm"),
    *("--gpu-type", *FLAGS),
)


@pytest.mark.parametrize(
    ("on", "sbatch", "gather", "heeded"),
    [
        ("local", None, None, {"--stop-on-failure", "--fresh"}),
        ("ray://head:6379", None, None, {*OPTIONS} - {"--slurm"}),
        ("slurm", None, None, {*OPTIONS} - {"--cpus", "--pip"}),
        ("local", Path("job"), None, {"--slurm", "--gpu-type", "--share-nodes", "--fresh"}),
        ("local", None, Path("job"), {"--slurm", "--gpu-type", "--share-nodes"}),
    ],
)
def test_an_option_that_a_place_would_not_heed_is_refused(on, sbatch, gather, heeded):
    none = dict.fromkeys(OPTIONS)
    check_place(on, sbatch, gather, none | dict.fromkeys(FLAGS, False))
    for name in OPTIONS:
        given = none | {name: 0 if name == "--retries" else True}
        if name in heeded:
            check_place(on, sbatch, gather, given)
        else:
            with pytest.raises(UsageError, match=f"{name} goes with --on "):
                check_place(on, sbatch, gather, given)


def test_nothing_is_installed_unless_it_is_asked_for():
    RuntimeEnv = pytest.importorskip("ray.runtime_env").RuntimeEnv
    assert environment_of(()) is None
    asked = environment_of(["energyscore[ray]==0.1.0", "bitsandbytes"])
    assert RuntimeEnv(**asked).pip_config()["packages"] == asked["pip"]["packages"]
    assert asked["pip"]["packages"] == ["energyscore[ray]==0.1.0", "bitsandbytes"]


def test_what_is_no_place_to_measure_and_two_places_at_once_are_refused():
    none = dict.fromkeys(OPTIONS)
    with pytest.raises(UsageError, match="--on cloud: it is local, slurm, ray or"):
        check_place("cloud", None, None, none)
    with pytest.raises(UsageError, match="--on ray and --gather exclude each other"):
        check_place("ray://head:6379", None, Path("job"), none)
    with pytest.raises(UsageError, match="--write-sbatch and --gather exclude each other"):
        check_place("local", Path("job"), Path("job"), none)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may raise a priority")
def test_a_worker_has_the_priority_of_its_node_and_not_that_which_ray_gives_it():
    if (pid := os.fork()) == 0:
        mine = os.getpriority(os.PRIO_PROCESS, os.getppid())
        os.nice(3)
        have_usual_priority()
        os._exit(os.getpriority(os.PRIO_PROCESS, 0) - mine)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def facts(**said):
    """What a node with one GPU says of itself, as far as it is not said otherwise."""
    gpus = (("GPU-1", "NVIDIA H100 80GB HBM3"),)
    usual = NodeFacts(
        "n", "m", here, platform.python_version(), "2.9.0", gpus, ("GPU-1",), "580.1", 9.0, True, ()
    )
    return replace(usual, **said)


@pytest.mark.parametrize(
    ("said", "asked", "why", "remedy"),
    [
        ({}, {"gpu_type": "h100 80gb"}, "", ""),
        ({}, {"gpu_type": "A100"}, "it has no A100", "--gpu-type chooses"),
        ({"version": "0.0.1"}, {}, "it has energyscore 0.0.1, and", f"energyscore=={here}"),
        ({"python": "3.9.1"}, {}, "it has Python 3.9.1, and here is", "Ray needs the same"),
        ({"gpus": (), "metered": ()}, {}, "NVML lists no GPU there", "`energyscore doctor`"),
        ({"gpus": (), "metered": ()}, {"promised": 0}, "", ""),
        ({"metered": ()}, {}, "no GPU there tells its energy", "`energyscore doctor`"),
        ({"free_gb": 0.4}, {}, "only 0.4 GB are free", "Make room"),
    ],
)
def test_a_node_that_cannot_measure_says_why_and_what_to_do(said, asked, why, remedy):
    found = facts(**said).why_not(**{"promised": 1, "gpu_type": None} | asked)
    assert found[0].startswith(why)
    assert remedy in found[1]
    assert bool(found[0]) == bool(why)


def test_a_type_is_words_of_a_name():
    assert not is_of_type("NVIDIA A100-SXM4-40GB", "A100 80GB")
    assert is_of_type("NVIDIA A100-SXM4-80GB", "A100 80GB")


def test_progress_names_the_node_and_an_entry_keeps_its_number(capsys):
    first, second = fake_plan("a/one", "a/two")
    with ClusterProgress(2, Talk()) as progress:
        progress.begin_on("n1", 1, first, None)
        progress.begin_on("", 2, second, 60.0)
        progress.line("caution: a/one, text_generation: failed on n1: it broke; it is tried again")
        progress.end(2, make_record(second, "done"))
    assert capsys.readouterr().err.splitlines() == [
        "[1/2] a/one, text_generation: starting on n1",
        "[2/2] a/two, text_generation: starting, about 1 min 00 s left",
        "caution: a/one, text_generation: failed on n1: it broke; it is tried again",
        "[2/2] a/two, text_generation: done",
    ]


def test_nodes_are_one_table_on_stderr_and_those_without_entries_come_first(capsys):
    eight = tuple((f"GPU-{number}", "NVIDIA H100") for number in range(8))
    show_nodes(
        [
            RayNode("1", "able", 8, 8, facts=facts(gpus=eight)),
            RayNode("2", "old", 1, 8, facts(version="0.0.1"), "it has energyscore 0.0.1", "Mend."),
            RayNode("3", "silent", 1, 8, problem="ModuleNotFoundError", remedy="Install it."),
        ]
    )
    shown = capsys.readouterr()
    assert shown.out == ""
    head, *rows = [" ".join(line.split()) for line in shown.err.splitlines()]
    assert head == "node GPUs driver Python torch free hub"
    machine = f"580.1 {platform.python_version()} 2.9.0 9 GB reached"
    assert rows == [
        f"no entry old NVIDIA H100 80GB HBM3 {machine}",
        "no entry silent" + " unknown" * 6,
        f"ok able 8 x NVIDIA H100 {machine}",
        "caution: node old gets no entry: it has energyscore 0.0.1. Mend.",
        "caution: node silent gets no entry: ModuleNotFoundError. Install it.",
    ]


@pytest.fixture
def start_cluster(simulate):
    """Start a head without GPUs, and for each GPU a node that has this one, of so many watts."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    started = []

    def start(more, gpus=WATTS):
        made = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
        )
        started.append(made)
        for uuid, watts in gpus.items():
            env = simulate(gpu(uuid, power_schedule=((0.0, watts),))).env()
            kept = {name: env[name] for name in ("NVML_SIM_CONFIG", "LD_LIBRARY_PATH", "PATH")}
            usual = {"RAY_worker_niceness": "0"}
            made.add_node(num_cpus=2, num_gpus=1, env_vars=kept | more | usual, wait=True)
        return made

    with unchanged(signal.SIGTERM):  # else this process ends as Ray has it, in later tests too
        yield start
        ray.shutdown()
        for made in started:
            made.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_entries_are_measured_on_the_nodes_and_lost_workers_cost_nothing(
    tmp_path, monkeypatch, start_cluster
):
    import ray

    cluster = start_cluster(pretend_nodes(tmp_path, monkeypatch))
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    names = ("a/measure", "b/kill-worker", "c/measure", "d/error", "e/oom")
    shown = []
    keys = [one.key for one in fake_plan(*names)]
    engine = RayEngine(cluster.address, keys=keys, show=shown.extend, shared_node=True)
    told = {uuid for node in shown for uuid, _ in node.facts.gpus}
    assert told == set(WATTS)
    report, watcher = drive(tmp_path, engine, *names)
    assert [one.status for one in report.entries] == ["done", "done", "done", "failed", "done"]
    attempts = [[attempt.status for attempt in one.attempts] for one in report.entries]
    assert attempts == [["done"], ["lost", "done"], ["done"], ["failed"], ["failed", "done"]]
    lost, again = report.entries[1].attempts
    assert "its worker was lost" in lost.reason
    assert lost.node != again.node, "it is tried elsewhere"
    by_node = {(a.node, *a.gpus) for one in report.entries for a in one.attempts if a.gpus}
    assert {uuid for _, uuid in by_node} == set(WATTS)
    assert len(by_node) == 2, "each node has its GPU"
    assert len(load_results([tmp_path / "out"])) == 4
    assert sum("it is tried again" in line for line in watcher.lines) == 2

    # What a node finished and no driver took is fetched by the next command, and not measured.
    (planned,) = fake_plan("f/measure")
    engine.offer(0, make_order(planned, online=False), (), dict)
    while not any(isinstance(event, Came) for event in engine.wait()):
        pass
    (tmp_path / "f_measure").unlink()
    # What no node has is told before anything runs.
    for asked, more in ({"spread": 2}, {}), ({}, {"cpus": 3}):
        small = RayEngine(cluster.address, keys=(), show=lambda nodes: None, **more)
        with pytest.raises(UsageError, match="the most that one has are 1 and 2"):
            drive(tmp_path, small, "i/measure", asked=asked)
    with pytest.raises(UsageError, match=r"No node of the cluster can measure. .* has no B200"):
        RayEngine(cluster.address, keys=(), show=lambda nodes: None, gpu_type="B200")
    # The nodes are of one machine, which is not shared unless it is said.
    alone = RayEngine(cluster.address, keys=(), show=lambda nodes: None)
    orders = [make_order(one, online=False) for one in fake_plan("g/measure", "h/measure")]
    begun = [alone.offer(number, order, (), dict) for number, order in enumerate(orders)]
    assert begun == [True, False]
    alone.cancel()
    engine = RayEngine(cluster.address, keys=[planned.key], show=lambda nodes: None)
    report, _ = drive(tmp_path, engine, "f/measure")
    assert [one.status for one in report.entries] == ["done"]
    assert len(report.entries[0].attempts) == 1
    assert not (tmp_path / "f_measure").exists()
    assert len(load_results([tmp_path / "out"])) == 5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_whatever_is_ended_or_killed_the_same_command_goes_on_from_there(
    tmp_path, monkeypatch, start_cluster
):
    cluster = start_cluster(pretend_nodes(tmp_path, monkeypatch))

    # Who ends the command ends what runs; what it has is kept, and gone on from.
    command = start_driving(cluster.address, tmp_path, "a/measure", "b/journal")
    await_file(tmp_path / "template.json.waiting")
    await_that(lambda: list(tmp_path.glob("out/.attempts/*.json")))
    command.send_signal(signal.SIGTERM)
    assert command.wait(90) == 128 + signal.SIGTERM
    assert processes_of(tmp_path, "child.py") == []
    assert attempts_in(tmp_path) == [("done", ["done"]), ("pending", ["interrupted"])]
    told = json.loads((tmp_path / "out/suite.json").read_text())["entries"][1]["reason"]
    assert told.startswith("interrupted; kept of it: 1 of 2 runs. (on ")

    # A command that is killed leaves nothing that measures.
    names = "b/journal", "c/sleep-4", "d/poison"
    command = start_driving(cluster.address, tmp_path, *names)
    await_file(tmp_path / "c_sleep-4")
    command.kill()
    command.wait()
    await_that(lambda: not processes_of(tmp_path, "child.py"))

    # An entry whose node is lost is measured elsewhere; one that kills its workers kills no other.
    command = start_driving(cluster.address, tmp_path, *names)
    await_that(lambda: processes_of(tmp_path, "sleep 4"))
    (process,) = processes_of(tmp_path, "sleep 4")
    its_own = Path(f"/proc/{process}/environ").read_text()
    (lost,) = (node for node in cluster.worker_nodes if simulation_of(node) in its_own)
    cluster.remove_node(lost, allow_graceful=False)
    assert command.wait(300) == 3
    measured, retried, poisoned = attempts_in(tmp_path)
    assert measured[1] == ["interrupted", "done"]
    assert retried == ("done", ["lost", "done"])
    assert poisoned[0] == "failed"
    assert set(poisoned[1][-3:]) == {"lost"}
    assert processes_of(tmp_path, "child.py") == []
    requests = [result.request for _, result in load_results([tmp_path / "out"])]
    assert len(requests) == len(set(requests)) == 3


def simulation_of(node):
    """The file that tells a node's simulated GPU from the other's."""
    return node._ray_params.env_vars["NVML_SIM_CONFIG"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_nodes_give_the_results_of_the_local_suite_each_by_its_own_gpu(
    tmp_path, tiny_model, prompts_csv, start_cluster
):
    """Two entries on two nodes; `bench/cluster_suite.py` has 40 on four."""
    own = {"XDG_STATE_HOME": str(tmp_path / "state")}
    cluster = start_cluster(environment(own) | {"HF_HUB_OFFLINE": "1"})
    listing, out = tmp_path / "list.yaml", tmp_path / "out"
    listing.write_text(
        f"defaults: {{quick: true, queries: 8, dataset: {prompts_csv}, device: cpu, gpu: 0}}\n"
        f"entries: [{{task: text_generation, model: {tiny_model}, batch_size: [1, 2]}}]\n"
    )
    suite = ("suite", listing, "--out", out, "--format", "json")
    local = json.loads(energyscore(*suite, "--dry-run", env=own).stdout)["plan"]
    nodes = ("--on", f"ray://{cluster.address}", "--share-nodes")
    done = energyscore(*suite, *nodes, env=own)
    assert done.status == 0, done.stderr
    assert "driver" in done.stderr, "the nodes are shown"
    entries = json.loads(done.stdout)["entries"]
    assert [one["key"] for one in entries] == [one["key"] for one in local]
    loaded = [result for _, result in load_results([out])]
    results = {one.request: one for one in loaded}
    assert len(loaded) == len(results) == 2, "none twice, none missing"
    gpu_of = {}
    for entry in entries:
        (attempt,), result = entry["attempts"], results[entry["key"]]
        (uuid,) = result.protocol.metered_gpus
        assert attempt["gpus"] == [uuid]
        assert gpu_of.setdefault(attempt["node"], uuid) == uuid, "a node has its GPU only"
        for run in result.runs:
            truth_j = WATTS[uuid] * run.duration_s
            assert run.energy_j[f"gpu:{uuid}"] == pytest.approx(truth_j, rel=0.01)
        assert "shared_node" in {caution.code for caution in result.cautions}
    assert set(gpu_of.values()) == set(WATTS)
    again = energyscore(*suite, *nodes, env=own)
    assert {one["status"] for one in json.loads(again.stdout)["entries"]} == {"skipped"}
    here = json.loads(energyscore(*suite, "--dry-run", env=own).stdout)["plan"]
    assert {one["status"] for one in here} == {"pending"}, "another machine measured them"
    assert not list((tmp_path / "state").rglob("*.zip")), "what was taken is kept no more"


def test_a_cluster_that_cannot_be_joined_says_why_in_one_line(monkeypatch):
    ray = pytest.importorskip("ray")
    told = "Version mismatch: The cluster was started with:\n  Ray: 1.0\nThis process:\n  2.0."
    for error in (RuntimeError(told), ray.exceptions.AuthenticationError(told)):

        def refuse(error=error, **asked):
            raise error

        monkeypatch.setattr(ray, "init", refuse)
        monkeypatch.setattr(ray, "is_initialized", lambda: False)
        with pytest.raises(UsageError, match=r"Ray: 1.0 This process: 2.0") as caught:
            join("auto")
        assert "\n" not in str(caught.value)
