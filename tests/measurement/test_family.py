"""Which processes are a server's: those of its job, each once, whoever has ended meanwhile."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from energyscore.measurement.family import Member, ServerFamily, eldest_of

JOB = """
import os, subprocess, sys, time
below = [subprocess.Popen(["sleep", "60"]) for _ in range(2)]
print(*(one.pid for one in below), flush=True)
for line in sys.stdin:
    below[0].kill()
    below[0].wait()
    print(flush=True)
"""


@pytest.fixture
def job():
    """A process in a group of its own with two below it: it and their numbers."""
    with contextlib.ExitStack() as stack:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        command = [sys.executable, "-S", "-c", JOB]
        process = stack.enter_context(subprocess.Popen(command, process_group=0, **pipes))
        stack.callback(os.killpg, process.pid, signal.SIGKILL)
        yield process, tuple(map(int, process.stdout.readline().split()))


def test_a_family_is_all_below_its_eldest_each_once(job):
    process, (first, second) = job
    ranks = ServerFamily((Member.of(process.pid), Member.of(first)))  # both listen at the port
    assert {one.pid for one in ranks.members()} == {process.pid, first, second}
    assert ServerFamily.read(str(ranks)) == ranks
    assert ranks.strangers({process.pid, first, second, os.getpid(), 1}) == {os.getpid(), 1}


def test_what_listens_is_of_the_job_that_started_it(job):
    process, (first, _) = job
    assert eldest_of(first) == Member.of(process.pid)
    assert eldest_of(process.pid) == Member.of(process.pid)  # we started it, and are none of it


def test_what_was_its_own_stays_so_after_its_end(job):
    process, (first, second) = job
    family, fresh = ServerFamily((Member.of(process.pid),)), ServerFamily((Member.of(process.pid),))
    assert family.strangers({first, second}) == set()
    process.stdin.write("end\n")
    process.stdin.flush()
    process.stdout.readline()
    assert family.strangers({first, second}) == set()
    assert fresh.strangers({first, second}) == {first}


def test_a_process_that_was_started_anew_is_another(job):
    process, _ = job
    member = Member.of(process.pid)
    family = ServerFamily((member,))
    assert family.is_there()
    assert not ServerFamily((Member(member.start - 1, member.pid),)).is_there()
    os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 120
    while family.is_there():  # nobody has waited for it: a zombie has ended
        assert time.monotonic() < deadline
    assert family.members() == set()
