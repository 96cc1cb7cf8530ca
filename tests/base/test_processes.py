"""The same work by several processes: nothing is lost, doubled or out of order."""

import os
import signal

import pytest
from support.commands import python

BEGIN = """
import multiprocessing, os, signal, threading, time
from energyscore.base.processes import MANY, worked_on
things, ours = range(2 * MANY), os.getpid()
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor")
def test_many_things_are_worked_on_by_several_processes_in_their_order():
    code = """
def work(n):
    time.sleep(0.0005)
    return n * n, os.getpid()
done = list(worked_on(work, things))
assert [square for square, _ in done] == [n * n for n in things]
assert done[0][1] == ours  # what the first one imports, all have
assert len({pid for _, pid in done} - {ours}) > 1
"""
    done = python(BEGIN + code)
    assert not done.stderr


@pytest.mark.parametrize(
    "asked",
    [
        "worked_on(pid_of, things, alone=True)",
        "worked_on(pid_of, things[: MANY - 1])",
        "in_a_thread()",
    ],
)
def test_nothing_is_copied_for_few_things_nor_beside_other_threads(asked):
    code = f"""
def in_a_thread():
    end = threading.Event()
    threading.Thread(target=end.wait).start()
    try:
        return list(worked_on(pid_of, things))
    finally:
        end.set()
pid_of = lambda n: os.getpid()
assert set({asked}) == {{ours}}
"""
    done = python(BEGIN + code)
    assert not done.stderr


def test_what_a_killed_process_leaves_is_done_here():
    code = """
def work(n):
    if n == MANY and os.getpid() != ours:
        os.kill(os.getpid(), signal.SIGKILL)
    return n
assert list(worked_on(work, things)) == list(things)
"""
    done = python(BEGIN + code)
    assert not done.stderr


def test_who_wants_no_more_leaves_no_process():
    code = """
some = worked_on(lambda n: n, things)
assert [next(some) for _ in range(3)] == [0, 1, 2]
some.close()
assert not multiprocessing.active_children()
"""
    done = python(BEGIN + code)
    assert not done.stderr


def test_a_terminal_that_is_closed_ends_a_process_as_ctrl_c_does():
    code = """
import os, signal
from energyscore.base.interrupts import heed_signals, interrupted_status
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may have it ignored
heed_signals()
try:
    os.kill(os.getpid(), signal.SIGHUP)
except KeyboardInterrupt:
    print(interrupted_status())
"""
    assert python(code).stdout == f"{128 + signal.SIGHUP}\n"
