"""A server that is started here: where it answers, what is said of it, and that nothing is left."""

import contextlib
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time

import psutil
import pytest
from support import api_server
from support.commands import environment, gpu
from support.nvml_sim import Process

from energyscore.base.errors import ServerError, UsageError
from energyscore.base.masking import masked_command
from energyscore.measurement.observer import LineObserver
from energyscore.measurement.server.command import words_of
from energyscore.measurement.server.keeper import write_log
from energyscore.measurement.server.launch import KeptServer, check_port, of, port_in
from energyscore.results.loading import Loading


def program(**ways):
    return [sys.executable, api_server.__file__, json.dumps(ways)]


@contextlib.contextmanager
def kept(tmp_path, words, said, secrets=(), grace_s=20.0):
    """A server that was started and answers; it is ended with this."""
    server, observer = (
        KeptServer(words, secrets, tmp_path / "log", grace_s),
        LineObserver(said.append),
    )
    try:
        server.start()
        server.wait_until_it_answers(None, "org/model", None, observer)
        yield server
    finally:
        server.end({}, observer)


def test_it_is_found_where_it_listens_and_all_of_it_is_ended(tmp_path):
    said = []
    words = program(worker=True, prints="my key is sk-secret")
    with kept(tmp_path, words, said, {"sk-secret"}) as server:
        (port,) = (line for line in (tmp_path / "log").read_text().split() if line.isdecimal())
        assert server.address == f"http://127.0.0.1:{port}/v1"
        family = server.family.members()
        names = sorted(psutil.Process(one.pid).name() for one in family)
        assert len(family) == 3
        assert "sleep" in names  # although it is in a session of its own
        assert server.why_ended() == ""
        with pytest.raises(ServerError, match=f"listens at port {port} already"):
            check_port(None, ["serve", f"--port={port}"])
    assert not any(one.is_there for one in family)
    assert "my key is ***" in (tmp_path / "log").read_text()
    assert not [line for line in said if line.startswith("caution")]


def test_what_does_not_heed_is_killed(tmp_path):
    with kept(tmp_path, program(deaf=True), [], grace_s=0.5) as server:
        family = server.family.members()
    assert not any(one.is_there for one in family)


def test_what_ends_at_once_says_why(tmp_path):
    said = []
    with (
        pytest.raises(ServerError, match=r"ended before it answered: it ended with status 7"),
        kept(tmp_path, program(fails_at_once=7, prints="no such model"), said),
    ):
        pass
    assert "  no such model" in said
    with (
        pytest.raises(ServerError, match=r"no-such-program cannot be started: No such file"),
        kept(tmp_path, ["no-such-program"], said),
    ):
        pass


def test_one_that_dies_takes_its_workers_with_it(tmp_path):
    said = []
    with kept(tmp_path, program(worker=True), said) as server:
        family = server.family.members()
        os.kill(max(server.family.eldest).pid, signal.SIGKILL)
        deadline = time.monotonic() + 120
        while any(one.is_there for one in family):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert server.why_ended() == "SIGKILL ended it"
    assert "the server ended by itself: SIGKILL ended it" in "".join(said)


LEFT = """
import os, sys
from energyscore.measurement.server.launch import left_on_gpus

print(*left_on_gpus({sys.argv[1]: int(float(sys.argv[2]))}, {os.getpid()}, 0.2), sep="|")
"""


@pytest.mark.parametrize(("used_mb", "listed"), [(4, False), (4, True), (2000, False)])
def test_what_is_left_on_its_gpus_is_told(simulate, used_mb, listed):
    """The process that asks stands for one of the server's."""
    sim = simulate(gpu(memory_total_mb=80_000, memory_used_mb=used_mb))
    command = [sys.executable, "-c", LEFT, sim.gpus[0].uuid, str(79_996 * 2**20)]
    with subprocess.Popen(
        command, env=environment(sim.env()), stdout=subprocess.PIPE, text=True
    ) as asks:
        if listed:
            sim.update(0, process=(Process(asks.pid),))
        told = asks.stdout.read()
    assert ("still lists processes" in told) == listed
    assert ("2.1 GB less are free" in told) == (used_mb == 2000)


ORPHANING = """
import os, signal, sys
from pathlib import Path
from energyscore.measurement.observer import LineObserver
from energyscore.measurement.server.launch import KeptServer

server = KeptServer(sys.argv[2:], (), Path(sys.argv[1]))
server.start()
server.wait_until_it_answers(None, "org/model", None, LineObserver(lambda line: None))
print(*(one.pid for one in server.family.members()), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_is_left_when_energyscore_itself_is_killed(tmp_path):
    command = [sys.executable, "-c", ORPHANING, tmp_path / "log", *program(worker=True)]
    done = subprocess.run(
        list(map(str, command)), env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    pids = list(map(int, done.stdout.split()))
    assert len(pids) == 3
    deadline = time.monotonic() + 120
    while any(map(psutil.pid_exists, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("path", ["/dev/full", "/no/such/folder/log"])
def test_what_a_server_says_is_read_also_where_its_log_cannot_be_written(path):
    said = io.BytesIO(b"a line\n" * 5)
    write_log(said, path, ())
    assert not said.read()


def test_a_line_of_a_server_that_does_not_end_is_kept_in_parts(tmp_path):
    write_log(io.BytesIO(b"x" * 2**17), str(tmp_path / "log"), ())
    assert (tmp_path / "log").read_text() == ("x" * 2**16 + "\n") * 2


def test_secrets_of_a_command_are_masked():
    words = shlex.split("env HF_TOKEN=hf_abc vllm serve org/m --api-key k-1 k-2 --tokenizer t")
    masked, secrets = masked_command(
        [*words, "--max-num-batched-tokens", "9", "--x-token=abcd", "k-1"]
    )
    assert masked == [
        *("env", "HF_TOKEN=***", "vllm", "serve", "org/m", "--api-key", "***", "***"),
        *("--tokenizer", "t", "--max-num-batched-tokens", "9", "--x-token=***", "k-1"),
    ]
    assert secrets == {"hf_abc", "k-1", "k-2", "abcd"}


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("no-such-program --port 1", "there is no program no-such-program"),
        ("HF_TOKEN=hf_abc vllm serve", r"there is no program HF_TOKEN=\*\*\*"),
        ("a 'b --api-key x", "^--launch: it cannot be read: No closing quotation"),
        (" ", "no command"),
    ],
)
def test_a_command_that_cannot_be_is_refused_before_anything_is_metered(command, problem):
    with pytest.raises(UsageError, match=problem):
        words_of(command)


@pytest.mark.parametrize(
    ("command", "port"),
    [
        *[("a --port 8000", 8000), ("a --port=81 b", 81), ("a --port", None)],
        *[("a --http-port 1", None), ("a --port 65536", None), (f"a --port {'9' * 5000}", None)],
    ],
)
def test_the_port_that_a_command_names(command, port):
    assert port_in(shlex.split(command)) == port


def test_gpus_on_which_it_is_not_are_left_out_of_its_loading():
    loading = Loading(
        duration_s=2.0,
        energy_j={"gpu:a": 3.0, "gpu:b": None, "cpu": 1.0},
        reason="gpu:b: no counter",
        methods={"gpu:a": "counter", "cpu": "estimated"},
        floor_w={"gpu:a": 1.0, "gpu:b": 2.0, "cpu": 1.0},
    )
    kept = of(loading, {"gpu:a"})
    assert kept.energy_j == {"gpu:a": 3.0, "cpu": 1.0}
    assert kept.floor_w == {"gpu:a": 1.0, "cpu": 1.0}
    assert kept.reason == ""
    assert of(loading, {"gpu:a", "gpu:b"}) == loading
