"""Work that is yet to be done, wherever it is in what a function gave back."""

import argparse
import asyncio
import dataclasses
import io
import itertools
import logging
import multiprocessing.pool
import re
import subprocess
import sys
import threading
import time
import types
import typing
from collections import ChainMap, OrderedDict, deque
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
import torch

import energyscore
from energyscore.api.afterwards import children, children_left, threads_at_work
from energyscore.api.unfinished import MOST_ITEMS, find_unfinished


async def later():
    await asyncio.sleep(0)


async def one_by_one():
    yield 1


@dataclasses.dataclass
class Answer:
    text: str
    work: object


@dataclasses.dataclass
class Slotted:
    __slots__ = ("never_set", "work")
    work: object
    never_set: object


class Pair(typing.NamedTuple):
    first: object
    second: object


def slotted(work):
    made = Slotted(work, 1)
    del made.never_set
    return made


class Own:
    """As people write their own."""

    def __init__(self, work):
        self.work = work

    def __getattribute__(self, name):
        raise AssertionError("nothing of it is run")


def objects(*things):
    made = np.empty(len(things), dtype=object)
    made[:] = things
    return made


PENDING = Future()
WAYS = {
    "[0]": lambda one: [one],
    "[1]": lambda one: ("a", one),
    "['job']": lambda one: {"job": one},
    " (a key)": lambda one: {one: "url"},
    " (in a set)": lambda one: {1, one},
    "[2]": lambda one: deque([1, 2, one]),
    ".work": lambda one: Answer("text", one),
    "['work']": lambda one: OrderedDict(work=one),
    ".job": lambda one: types.SimpleNamespace(job=one),
    ".second": lambda one: types.SimpleNamespace(second=one),
    "[0][1]": lambda one: [Pair(1, one)],
    "[0].work.work": lambda one: [Own(Own(one))],
    ".flat[1]": lambda one: objects(1, one),
    ".flat[3]['a']": lambda one: objects(1, 2, 3, {"a": one}).reshape(2, 2),
    "['proxy']": lambda one: types.MappingProxyType({"proxy": one}),
    "['of values']": lambda one: {"of values": one}.values(),
    ".maps[1]['chained']": lambda one: ChainMap({}, {"chained": one}),
    "['a'][0].work[0]": lambda one: {"a": [Answer("x", (one,))]},
    f"[{MOST_ITEMS - 1}]": lambda one: [0] * (MOST_ITEMS - 1) + [one],
}


@pytest.mark.parametrize("place", WAYS)
def test_it_is_found_at_any_depth_and_its_place_is_told(place):
    (found,) = find_unfinished(WAYS[place](PENDING))
    assert (found.work, found.place) == (PENDING, place)
    assert str(found) == f"a Future at {place}"


def test_attributes_are_found_in_slots_and_namespaces():
    assert find_unfinished(slotted(PENDING))[0].place == ".work"
    assert find_unfinished(argparse.Namespace(a=1, b=PENDING))[0].place == ".b"


def sleeping(seconds=30.0):
    return [sys.executable, "-c", f"import time; time.sleep({seconds})"]


def test_every_kind_is_told_with_how_to_mend_it():
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    program = subprocess.Popen(sleeping(), stdout=subprocess.PIPE)
    loop, pool = asyncio.new_event_loop(), multiprocessing.pool.ThreadPool(1)
    failed, cancelled = Future(), Future()
    failed.set_exception(KeyError("no such model"))
    cancelled.cancel()
    coroutine = later()
    kinds = [
        (PENDING, "a Future", ".result()"),
        (failed, "a Future that failed (KeyError: 'no such model')", ".result()"),
        (cancelled, "a Future that was cancelled", ".result()"),
        (loop.create_future(), "a Future", "asyncio.run(f(query))"),
        (torch.futures.Future(), "a Future", ".wait()"),
        (coroutine, "a coroutine", "asyncio.run(f(query))"),
        (one_by_one(), "an async generator", "async for one in f(query)"),
        ((n for n in [1]), "a generator", "list(f(query))"),
        (map(str, [1]), "a map", "list(f(query))"),
        (zip([1], [2], strict=True), "a zip", "list(f(query))"),
        (iter([1]), "a list iterator", "list(f(query))"),
        (program.stdout, "a BufferedReader", "list(f(query))"),
        (thread, "a Thread", ".join()"),
        (threading.Thread(), "a Thread that was not started", ".start() and .join()"),
        (program, "a Popen", ".wait()"),
        (multiprocessing.Process(), "a Process that was not started", ".start"),
        (pool.apply_async(stop.wait), "an ApplyResult", ".get()"),
        (pool.imap(str, [1, 2]), "an IMapIterator", "list(f(query))"),
    ]
    try:
        for work, name, remedy in kinds:
            (found,) = find_unfinished(work)
            assert str(found) == name
            assert remedy in found.remedy
            assert find_unfinished([work])[0].remedy
        assert next(kinds[7][0]) == 1, "nothing was consumed"
        assert program.returncode is None, "nor was its status taken"
    finally:
        coroutine.close()
        stop.set()
        program.kill()
        program.wait()
        program.stdout.close()
        pool.terminate()
        loop.close()
        thread.join()
    done = Future()
    done.set_result([PENDING])
    assert [one.place for one in find_unfinished(done)] == [".result()[0]"]
    (left,) = find_unfinished([thread, program, coroutine, cancelled])
    assert (left.work, left.place) == (cancelled, "[3]")


def test_what_is_done_is_done(tmp_path):
    """Finished work, ordinary outputs, and what only looks like work."""
    finished, tried = Future(), torch.futures.Future()
    finished.set_result({"text": "a"})
    tried.set_result(1)
    consumed = (n for n in [1])
    list(consumed)
    circle = []
    circle += [circle, {"again": circle}]
    kept = (tmp_path / "log").open("w")
    outputs = [
        *(None, "text", b"bytes", 1.5, range(3), [1, "a"], {"a": (1, 2)}, torch.ones(3)),
        *(
            finished,
            tried,
            consumed,
            io.StringIO("a"),
            io.BytesIO(b"a"),
            iter([]),
            circle,
            print,
            Answer("a", 1),
        ),
        [{"label": "x", "score": 0.5}] * 2000,
        *(Own(itertools.count()), Own(Own(io.BytesIO())), np.zeros((3, 3)), {"a": 1}.values()),
        *(logging.getLogger("x"), Own(kept)),
    ]
    for output in outputs:
        assert find_unfinished(output) == [], output
    program = subprocess.Popen([sys.executable, "-c", ""])
    deadline = time.monotonic() + 60
    while find_unfinished(program) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert find_unfinished(program) == []
    kept.close()
    assert program.wait() == 0, "its status was left to whoever started it"


def test_looking_has_bounds():
    deep = inner = []
    for _ in range(5000):
        inner.append([])
        inner = inner[0]
    inner.append(PENDING)
    assert find_unfinished(deep) == []
    for output in ([{"label": "x", "score": 0.5}] * 10**6, list(range(10**6))):
        begin = time.process_time()
        find_unfinished(output)
        assert time.process_time() - begin < 0.1


def test_a_function_that_gives_back_what_is_not_done_is_refused():
    jobs = ThreadPoolExecutor(1)
    stop = threading.Event()
    try:
        with pytest.raises(energyscore.WorkError) as caught:
            energyscore.measure(
                lambda query: {"jobs": [jobs.submit(stop.wait)]}, ["a"], quick=True, device="cpu"
            )
    finally:
        stop.set()
        jobs.shutdown()
    assert "gave back a Future at ['jobs'][0] for query 1 ('a'): its work is not done" in str(
        caught.value
    )
    with pytest.raises(energyscore.WorkError, match=r"a coroutine at \[0\]"):
        energyscore.measure(lambda query: [later(), later()], ["a"], quick=True, device="cpu")


def test_threads_that_go_on_are_told_and_a_pool_that_waits_is_not():
    before = threading.enumerate()
    assert threads_at_work(before) == ""
    with ThreadPoolExecutor(2, thread_name_prefix="pool") as pool:
        assert pool.submit(str, 1).result() == "1"
        deadline = time.monotonic() + 60
        while threads_at_work(before) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert threads_at_work(before) == ""
        assert len(threading.enumerate()) > len(before)
        begun, over = threading.Event(), threading.Event()

        def work():
            begun.set()
            while not over.is_set():
                time.sleep(0.01)

        working = pool.submit(work)
        try:
            assert begun.wait(60)
            assert re.fullmatch(r"1 thread \(pool_[01]\)", threads_at_work(before))
        finally:
            over.set()
        working.result()


def test_work_that_goes_on_after_the_return_is_a_caution():
    """A thread and a process of each call, which nobody gives back."""
    programs = []

    def work(query):
        threading.Thread(target=time.sleep, args=(0.3,), name="later").start()
        programs.append(subprocess.Popen(sleeping()))

    try:
        measured = energyscore.measure(work, ["a"], quick=True, device="cpu", min_window_s=0.0)
    finally:
        for program in programs:
            program.kill()
            program.wait()
    said = [one.message for one in measured.cautions if one.code == "work_goes_on"]
    assert len(said) == 2
    assert "work started 1 thread (later) and did not wait" in said[0]
    assert "work started 1 process (python" in said[1]
    assert children_left(children()) == ""
