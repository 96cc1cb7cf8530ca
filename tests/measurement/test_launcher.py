"""Jobs as forks of a process that has imported what they need: they end as fresh ones do."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from support.commands import ROOT, environment

from energyscore.measurement.child import FreshProcess, job_command, run_child
from energyscore.measurement.launcher import FRESH, Launcher, modules_of
from energyscore.measurement.options import Job, RunOptions

LIGHT = ["energyscore.measurement.__main__"]


@pytest.fixture(scope="module")
def shared():
    """One launcher without torch, for tests that leave it as it is."""
    with Launcher(LIGHT) as launcher:
        yield launcher


@pytest.fixture
def launcher():
    """One that a test may spoil."""
    with Launcher(LIGHT) as launcher:
        yield launcher


def job(tmp_path, **more):
    """A job that ends at once: its task does not exist."""
    return Job(tasks=("no_such_task",), models=("builtin:gpt2",), out=tmp_path / "out", **more)


class Hanging:
    """A job that waits to read a task that nobody writes."""

    def __init__(self, tmp_path):
        folder = tmp_path / "tasks"
        folder.mkdir()
        os.mkfifo(folder / "it.yaml")
        self._pipe = folder / "it.yaml"
        self.command = job_command(job(tmp_path, task_path=folder))

    def when_it_waits(self, act):
        """Do that in a thread then; gives the thread."""

        def watch():
            for _ in range(6000):
                time.sleep(0.01)
                with contextlib.suppress(OSError):
                    writer = os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK)
                    act()
                    time.sleep(0.5)  # or it would read to the end, and go on
                    os.close(writer)
                    return

        thread = threading.Thread(target=watch)
        thread.start()
        return thread


def run(launcher, command, **more):
    """What became of it, and its lines."""
    lines = []
    return run_child(command, lines.append, start=launcher.start, **more), lines


def forked_by(launcher):
    """Processes that were forked of what this launcher started."""
    return psutil.Process(launcher._process.pid).children()


def gone(process):
    """Or dead and not yet fetched by the machine's first process."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.wait(30)
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_job_ends_as_a_fresh_process_does(tmp_path, shared):
    command = job_command(job(tmp_path))
    forked, lines = run(shared, command)
    began = shared._process.pid
    said = []
    fresh = run_child(command, said.append)
    assert forked.exit_code == fresh.exit_code == 2
    assert "'no_such_task'" in forked.error
    assert (forked.error, forked.code, lines) == (fresh.error, fresh.code, said)
    assert run(shared, command)[0].exit_code == 2
    assert (shared._process.pid, forked_by(shared)) == (began, []), "forked again, and reaped"


def test_a_job_is_alone_in_its_group_with_what_it_inherits(tmp_path, shared):
    seen, hanging = [], Hanging(tmp_path)
    reading, writing = os.pipe()

    def look():
        (child,) = forked_by(shared)
        folder = Path(f"/proc/{child.pid}/fd")
        files = [os.readlink(one) for one in folder.iterdir()]
        inherited = os.readlink(f"/proc/self/fd/{writing}") in files
        seen.extend([os.getpgid(child.pid) == child.pid, inherited])
        seen.append(any(name.startswith("socket:") for name in files))
        child.send_signal(signal.SIGTERM)

    thread = hanging.when_it_waits(look)
    ended, _ = run(shared, hanging.command, keep_open=[writing])
    thread.join()
    os.close(writing)
    assert os.read(reading, 1) == b"", "nobody else holds it"
    os.close(reading)
    assert seen == [True, True, False]
    assert (ended.exit_code, ended.error) == (128 + signal.SIGTERM, "interrupted.")


def test_a_job_that_is_killed_is_told_and_the_next_is_forked(tmp_path, shared):
    hanging = Hanging(tmp_path)
    thread = hanging.when_it_waits(lambda: forked_by(shared)[0].kill())
    ended, _ = run(shared, hanging.command)
    thread.join()
    assert ended.exit_code == -signal.SIGKILL
    assert "SIGKILL" in ended.reason
    began = shared._process.pid
    assert run(shared, job_command(job(tmp_path)))[0].exit_code == 2
    assert shared._process.pid == began


def test_a_job_over_its_time_is_asked_to_end(tmp_path, shared):
    ended, _ = run(shared, Hanging(tmp_path).command, timeout_s=1.0)
    assert (ended.timed_out, ended.interrupted, ended.exit_code) == (True, False, 130)
    assert (ended.seconds >= 1.0, ended.error) == (True, "interrupted.")


def test_ctrl_c_is_passed_on(tmp_path, shared):
    hanging = Hanging(tmp_path)
    thread = hanging.when_it_waits(lambda: os.kill(os.getpid(), signal.SIGINT))
    ended, lines = run(shared, hanging.command)
    thread.join()
    assert (ended.interrupted, ended.exit_code, lines) == (True, 130, ["error: interrupted."])


def test_a_second_ctrl_c_ends_it_at_once(tmp_path, shared):
    def interrupt_twice():
        forked_by(shared)[0].suspend()
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)

    hanging = Hanging(tmp_path)
    thread = hanging.when_it_waits(interrupt_twice)
    ended, _ = run(shared, hanging.command)
    thread.join()
    assert (ended.interrupted, ended.exit_code) == (True, -signal.SIGKILL)


def test_where_what_is_forked_is_killed_its_job_ends_and_the_next_has_another(tmp_path, launcher):
    found, hanging = [], Hanging(tmp_path)

    def kill():
        found.extend([*forked_by(launcher), launcher._process.pid])
        os.kill(launcher._process.pid, signal.SIGKILL)

    thread = hanging.when_it_waits(kill)
    ended, _ = run(launcher, hanging.command)
    thread.join()
    child, first = found
    assert ended.exit_code == -signal.SIGKILL
    assert gone(child)
    assert run(launcher, job_command(job(tmp_path)))[0].exit_code == 2
    assert launcher._process.pid != first


PARENT = """
import sys
from energyscore.measurement.child import run_child
from energyscore.measurement.launcher import Launcher
launcher = Launcher(["energyscore.measurement.__main__"])
run_child(sys.argv[1:], print, start=launcher.start)
"""


def test_all_end_with_who_asked(tmp_path):
    hanging, found = Hanging(tmp_path), []
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, *hanging.command], env=environment({"PYTHONPATH": str(ROOT)})
    )

    def kill():
        found.extend(psutil.Process(parent.pid).children(recursive=True))
        parent.kill()

    hanging.when_it_waits(kill).join()
    assert parent.wait(60) == -signal.SIGKILL
    assert len(found) == 2
    assert all(map(gone, found))


def test_what_is_forked_has_the_environment_and_folder_of_now(tmp_path, monkeypatch):
    began = []

    def starts():
        launcher.start(job_command(job(tmp_path))).end()
        began.append(launcher._process.pid)
        return psutil.Process(began[-1])

    with Launcher([]) as launcher:
        starts()
        monkeypatch.setenv("HF_HOME", str(tmp_path))
        assert starts().environ()["HF_HOME"] == str(tmp_path)
        assert not psutil.pid_exists(began[0])
        starts()
        monkeypatch.chdir(tmp_path)
        assert starts().cwd() == str(tmp_path)
    assert len(set(began)) == 3
    assert began[1] == began[2]
    assert not psutil.pid_exists(began[3])


def test_what_is_no_plain_job_is_a_fresh_process(tmp_path, shared, monkeypatch):
    plain = job_command(job(tmp_path))
    threads = job_command(job(tmp_path, options=RunOptions(threads=2)))
    loader = job_command(job(tmp_path), "energyscore.measurement.loader")
    for command in (threads, loader, ["true"]):
        process = shared.start(command)
        assert isinstance(process, FreshProcess)
        process.end()
    process = shared.start(plain)
    assert not isinstance(process, FreshProcess)
    process.end()
    monkeypatch.setenv(FRESH, "1")
    with Launcher(LIGHT) as launcher:
        process = launcher.start(plain)
        assert isinstance(process, FreshProcess)
        process.end()


SPOILED = {
    "threads": "import threading, time; threading.Thread(target=time.sleep, args=(99,)).start()",
    "a driver": "import __main__; __main__._DRIVERS = ('/dev/null',)",
    "an error": "1 / 0",
}


@pytest.mark.parametrize("spoil", ["", *SPOILED.values()], ids=["nothing", *SPOILED])
def test_what_cannot_be_forked_is_left(tmp_path, monkeypatch, spoil):
    (tmp_path / "spoiled.py").write_text(spoil)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{tmp_path}")
    with Launcher(["spoiled"]) as launcher:
        for _ in range(2):
            process = launcher.start(job_command(job(tmp_path)))
            assert isinstance(process, FreshProcess) == bool(spoil)
            assert (launcher._process is None) == bool(spoil)
            process.end()


def test_modules_are_those_of_the_modalities():
    own, *backends = modules_of(["asr", "text_generation", "asr"])
    assert own == "energyscore.measurement.__main__"
    assert [one.rpartition(".")[2] for one in backends] == ["asr", "text_generation"]
