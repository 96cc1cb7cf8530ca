"""The order of calls and the arithmetic of a run, with a backend, meters and a clock of our own."""

from types import SimpleNamespace

import pytest
from support.results import make_run

from energyscore.base.errors import MeterError, ModelError, UnsupportedError
from energyscore.measurement import benchmark, warmup, work
from energyscore.measurement.backend import Batch, BatchOutput, CutInputs
from energyscore.measurement.benchmark import measure_run, run_benchmark
from energyscore.measurement.compiling import compile_ahead
from energyscore.measurement.meter import Metered, Reading, Ticks, notice
from energyscore.measurement.metering import Metering
from energyscore.measurement.meters.nvml import NvmlMeter
from energyscore.measurement.warmup import warm_up
from energyscore.measurement.work import Plan
from energyscore.protocol.task import Generation
from energyscore.protocol.workload import Workload
from energyscore.results.compilation import Compilation
from energyscore.results.score import score_runs
from energyscore.results.store import Journal

QUERIES = tuple({"text": name} for name in "abcde")


class Clock:
    """Stands still unless work moves it on."""

    def __init__(self):
        self.now_ns = 1_000_000_000

    def pass_s(self, seconds):
        self.now_ns += round(seconds * 1e9)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    fake = SimpleNamespace(
        monotonic=lambda: clock.now_ns / 1e9,
        monotonic_ns=lambda: clock.now_ns,
        sleep=clock.pass_s,
    )
    monkeypatch.setattr(work, "time", fake)
    monkeypatch.setattr(warmup, "time", fake)
    monkeypatch.setattr(benchmark, "time", fake)
    return clock


class FakeBackend:
    """Takes 1 s to prepare a batch and 3 s to run it, unless told otherwise."""

    lone_phase = None

    def __init__(self, log, clock, *, prepare_ahead=1, run_s=3.0, fail=None):
        self.log, self.clock, self.prepare_ahead = log, clock, prepare_ahead
        self.run_s, self.fail = run_s, fail

    def cut_inputs(self, queries):
        """Knows no more than 3 tokens of a query, and takes "d" and "e" for longer."""
        return CutInputs.of([[9 if query["text"] in "de" else 1] for query in queries], 3, "tokens")

    def prepare(self, queries):
        names = "".join(query["text"] for query in queries)
        self.log.append(f"prepare {names}")
        self.clock.pass_s(1.0)
        return Batch(names, len(queries), 10 * len(queries))

    def run(self, batch, enter):
        enter("forward")
        self.log.append(f"run {batch.inputs}")
        if self.fail is not None:
            raise self.fail
        self.clock.pass_s(self.run_s)
        return BatchOutput(2 * batch.queries)

    def run_lone(self, batch):
        self.log.append(f"alone {batch.inputs}")
        self.clock.pass_s(0.5)

    def synchronize(self):
        self.log.append("synchronize")


class FakeMeter:
    def __init__(self, name, log, readings=None, *, notices=(), fail=None):
        self.name, self.log, self.fail = name, log, fail
        self.measurement = Metered(readings or {}, tuple(notices))
        self.started = 0

    def start(self):
        self.log.append(f"start {self.name}")
        if self.fail is not None:
            raise self.fail
        self.started += 1
        return (self.name, self.started)

    def stop(self, token):
        assert token == (self.name, self.started)
        self.log.append(f"stop {self.name}")
        return self.measurement


class Watcher:
    """An observer that keeps what it is told."""

    def __init__(self):
        self.stages, self.done = [], []

    def stage(self, name, total):
        self.stages.append((name, total))

    def advance(self, done):
        self.done.append(done)


def make_plan(queries=QUERIES, **change):
    workload = Workload(tuple(queries), "mine.csv", None, False, len(queries))
    settings = {"batch_size": 1, "repeats": 2, "seed": 42, "quick": True, "min_window_s": 0.0}
    return Plan(workload, ("preprocess", "forward"), **(settings | change))


def measure(clock, *meters, log=None, index=0, prepare_ahead=1, **change):
    backend = FakeBackend([] if log is None else log, clock, prepare_ahead=prepare_ahead)
    return measure_run(make_plan(**change), backend, meters, index, Watcher())[0]


def prepared(log):
    return [entry.removeprefix("prepare ") for entry in log if entry.startswith("prepare ")]


def test_the_order_of_calls_in_a_run(clock):
    log = []
    meters = [FakeMeter("outer", log), FakeMeter("inner", log)]
    measure(clock, *meters, log=log, queries=QUERIES[:1])
    assert log == [
        "synchronize",  # nothing from before may run into the window
        "start outer",
        "start inner",
        "synchronize",
        "prepare a",
        "synchronize",
        "run a",
        "synchronize",  # the work is done before the window ends
        "stop inner",
        "stop outer",
    ]


def test_batches_are_prepared_ahead_as_far_as_the_backend_allows(clock):
    log = []
    plan = make_plan(batch_size=2)
    order = "".join(query["text"] for query in plan.workload.shuffled(42))
    measure_run(plan, FakeBackend(log, clock, prepare_ahead=2), [], 0, Watcher())
    first, second, last = order[:2], order[2:4], order[4:]
    assert [entry for entry in log if entry != "synchronize"] == [
        f"prepare {first}",
        f"prepare {second}",
        f"run {first}",
        f"run {second}",
        f"prepare {last}",
        f"run {last}",
    ]


def test_a_meter_that_does_not_start_releases_the_earlier_ones(clock):
    log = []
    meters = [FakeMeter("a", log), FakeMeter("b", log, fail=MeterError("no")), FakeMeter("c", log)]
    with pytest.raises(MeterError):
        measure(clock, *meters, log=log)
    assert log == ["synchronize", "start a", "start b", "stop a"]


@pytest.mark.parametrize("error", [MemoryError("full"), KeyboardInterrupt()])
def test_work_that_fails_leaves_no_window_open(clock, error):
    log = []
    backend = FakeBackend(log, clock, fail=error)
    meters = [FakeMeter("a", log), FakeMeter("b", log)]
    with pytest.raises(type(error)):
        measure_run(make_plan(), backend, meters, 0, Watcher())
    assert log[-3:] == [f"run {prepared(log)[0]}", "stop b", "stop a"]


def test_a_run_counts_its_work(clock):
    run = measure(clock, batch_size=2, index=3)
    assert (run.index, run.queries, run.passes) == (3, 5, 1)
    assert (run.input_tokens, run.output_tokens) == (50, 10)
    assert run.duration_s == pytest.approx(3 * 4.0)
    durations = {name: phase.duration_s for name, phase in run.phases.items()}
    assert durations == pytest.approx({"preprocess": 3.0, "forward": 9.0})
    assert run.started_at.endswith("+00:00")


@pytest.mark.parametrize(
    ("min_window_s", "passes"), [(0.0, 1), (20.0, 1), (20.1, 2), (40.0, 2), (59.0, 3)]
)
def test_the_workload_is_repeated_until_the_window_is_long_enough(clock, min_window_s, passes):
    run = measure(clock, min_window_s=min_window_s)  # a pass takes 5 x 4 s
    assert (run.passes, run.queries) == (passes, 5 * passes)
    assert run.duration_s == pytest.approx(20.0 * passes)
    assert run.input_tokens == 50 * passes


@pytest.mark.parametrize(
    ("batch_size", "sizes"),
    [(1, [1, 1, 1, 1, 1]), (2, [2, 2, 1]), (5, [5]), (8, [5])],
)
def test_batch_sizes(clock, batch_size, sizes):
    log = []
    run = measure(clock, log=log, batch_size=batch_size, prepare_ahead=3)
    assert [len(names) for names in prepared(log)] == sizes
    assert run.queries == 5


def test_each_run_has_its_own_order_and_always_the_same_one(clock):
    def order(index):
        log = []
        measure(clock, log=log, index=index, queries=[{"text": chr(n)} for n in range(97, 123)])
        return "".join(prepared(log))

    assert order(0) != order(1)
    assert order(1) == order(1)
    assert sorted(order(0)) == sorted(order(1)) == [chr(n) for n in range(97, 123)]


def benchmark_of(
    clock, log, *, finished=(), meters=None, run_s=3.0, options=None, answer_s=0, **change
):
    told, warm, longest, watcher = [], [], [], Watcher()
    measured = run_benchmark(
        make_plan(**change),
        FakeBackend(log, clock, run_s=run_s),
        [FakeMeter("m", log)] if meters is None else meters,
        finished=finished,
        on_run=lambda run, raw: told.append(run),
        observer=watcher,
        on_warm=lambda pace: (
            warm.append((pace.runs, pace.run_s)),
            longest.append(pace.longest_s),
            clock.pass_s(answer_s),
        ),
        **(options or {}),
    )
    return SimpleNamespace(**vars(measured), told=told, warm=warm, longest=longest, watcher=watcher)


@pytest.mark.parametrize("quick", [True, False])
def test_where_answers_may_be_longer_a_longer_time_is_told_of(clock, quick):
    # 2 tokens and 4 s a query: 5 queries of 10 tokens would take 5 times their 20 s
    free = Generation(max_new_tokens=10, min_new_tokens=1, reasoning="on")
    done = benchmark_of(clock, [], generation=free, quick=quick)
    assert (done.warm, done.longest) == ([(2, 20.0)], [pytest.approx(100.0)])
    whole = Generation(max_new_tokens=2, min_new_tokens=1, reasoning="on")
    assert benchmark_of(clock, [], generation=whole, quick=quick).longest == [20.0]
    forced = Generation(max_new_tokens=10, min_new_tokens=10)
    assert benchmark_of(clock, [], generation=forced, quick=quick).longest == [None]


def test_the_quick_warm_up_is_three_batches_and_not_metered(clock):
    log = []
    done = benchmark_of(clock, log, batch_size=1, repeats=1)
    assert prepared(log)[:3] == ["a", "b", "c"]
    assert log.index("start m") > log.index("run c")
    assert len(prepared(log)) == 3 + 5
    assert (done.warmup.queries, done.warmup.duration_s, done.warmup.steady) == (3, 12.0, None)


@pytest.mark.parametrize(("answer_s", "warm_ups"), [(2.0, 1), (60.0, 2)])
def test_who_takes_long_to_answer_after_the_warm_up_finds_it_done_again(clock, answer_s, warm_ups):
    done = benchmark_of(clock, [], repeats=1, answer_s=answer_s)
    assert [name for name, _ in done.watcher.stages] == ["warm-up"] * warm_ups + ["run 1 of 1"]


def test_the_quick_warm_up_of_a_small_workload_is_all_of_it(clock):
    done = benchmark_of(clock, [], batch_size=4)
    assert done.warmup.queries == 5


def test_all_runs_are_measured_and_told_of_at_once(clock):
    done = benchmark_of(clock, [], repeats=3)
    assert [run.index for run in done.runs] == [0, 1, 2]
    assert done.told == done.runs
    assert done.watcher.stages == [
        ("warm-up", 3),
        ("run 1 of 3", 5),
        ("run 2 of 3", 5),
        ("run 3 of 3", 5),
    ]
    assert all(0 < amount <= 5 for amount in done.watcher.done)


def test_finished_runs_are_not_measured_again(clock):
    log = []
    finished = [make_run(2), make_run(0), make_run(7)]
    done = benchmark_of(clock, log, finished=finished, repeats=4)
    assert [run.index for run in done.runs] == [0, 1, 2, 3]
    assert [run.index for run in done.told] == [1, 3]
    assert (done.runs[0], done.runs[2]) == (finished[1], finished[0])
    assert log.count("start m") == 2


def test_when_all_are_finished_nothing_is_done_at_all(clock):
    log = []
    finished = [make_run(0), make_run(1), make_run(2)]
    done = benchmark_of(clock, log, finished=finished, repeats=2)
    assert done.runs == finished[:2]
    assert (log, done.told, done.warm, done.watcher.stages) == ([], [], [], [])
    assert (done.warmup.duration_s, done.warmup.queries) == (0.0, 0)


@pytest.mark.parametrize("finished", [(), (make_run(0), make_run(1))], ids=["new", "finished"])
def test_queries_that_the_model_cuts_are_counted_whether_or_not_runs_are_missing(clock, finished):
    measured = benchmark_of(clock, [], finished=finished)
    assert measured.warmup.inputs_cut == CutInputs(2, 3, "tokens", 12, 21)


def test_a_run_that_fails_keeps_those_before_it(clock):
    told = []
    backend = FakeBackend([], clock)

    def on_run(run, raw):
        told.append(run)
        backend.fail = MemoryError("full")

    with pytest.raises(MemoryError):
        run_benchmark(make_plan(), backend, [], finished=(), on_run=on_run, observer=Watcher())
    assert [run.index for run in told] == [0]


def test_a_run_in_which_a_query_fails_leaves_nothing_and_those_before_it_stay(clock, tmp_path):
    """Never an average over the queries that worked: no figure of that run at all."""

    class FailsInItsSecondRun(FakeBackend):
        def run(self, batch, enter):
            worked = sum(entry.startswith("run ") for entry in self.log)
            # Three of the warm-up, five of the first run; the third of the second fails.
            self.fail = ModelError("no answer") if broken and worked == 3 + 5 + 2 else None
            return super().run(batch, enter)

    broken = True
    journal = Journal(tmp_path, "0" * 64)
    log = []

    def measure_all(finished):
        meter = FakeMeter("m", log, {"gpu:x": counter(6000.0)})
        backend = FailsInItsSecondRun(log, clock)
        return run_benchmark(
            make_plan(repeats=3), backend, [meter],
            finished=finished, on_run=journal.append, observer=Watcher(),
        )  # fmt: skip

    with journal.lock(), pytest.raises(ModelError, match="no answer"):
        measure_all(())
    assert log.count("start m") == log.count("stop m") == 2, "energy was metered, and not used"
    (kept,) = journal.load()
    assert (kept.index, kept.queries, kept.energy_j) == (0, 5, {"gpu:x": 6000.0})
    broken = False
    with journal.lock():
        runs = measure_all(journal.load()).runs
    assert runs[0] == kept
    score = score_runs(runs, ["x"])
    assert score.gpu_wh_per_1k_queries == pytest.approx(6000.0 / 3600 / 5 * 1000)
    assert (score.runs, score.std) == (3, pytest.approx(0.0))


@pytest.mark.parametrize(("min_window_s", "seconds"), [(0.0, 20.0), (20.5, 40.0), (60.0, 60.0)])
def test_after_the_warm_up_the_time_to_come_is_known(clock, min_window_s, seconds):
    done = benchmark_of(clock, [], finished=[make_run(0)], repeats=3, min_window_s=min_window_s)
    assert done.warm == [(2, pytest.approx(seconds))]


def test_the_full_warm_up_ends_with_three_blocks_of_one_pace(clock):
    """A query takes 4 s, so a block is three of them and lasts the 10 s that it must."""
    log = []
    warmup = warm_up(make_plan(quick=False), FakeBackend(log, clock), Watcher())
    assert (warmup.queries, warmup.duration_s, warmup.steady) == (9, 36.0, True)
    assert prepared(log) == list("abc" * 3)


def test_a_block_goes_round_a_small_workload(clock):
    log = []
    plan = make_plan(quick=False, queries=QUERIES[:2])
    warm_up(plan, FakeBackend(log, clock), Watcher())
    assert "".join(prepared(log)) == "aba" * 3


def test_the_full_warm_up_gives_up_after_two_minutes(clock):
    class Slower(FakeBackend):
        def run(self, batch, enter):
            self.run_s *= 1.02
            return super().run(batch, enter)

    watcher = Watcher()
    warmup = warm_up(make_plan(quick=False), Slower([], clock), watcher)
    assert not warmup.steady
    assert 120.0 <= warmup.duration_s < 150.0
    assert watcher.stages == [("warm-up until the pace is steady", None)]


def test_a_pace_that_settles_is_steady(clock):
    class Settling(FakeBackend):
        def run(self, batch, enter):
            self.run_s = max(3.0, self.run_s - 0.5)
            return super().run(batch, enter)

    warmup = warm_up(make_plan(quick=False), Settling([], clock, run_s=6.0), Watcher())
    assert warmup.steady
    assert warmup.duration_s < 120.0


def counter(joules, **more):
    return Reading(joules, "counter", **more)


def estimate(joules):
    return Reading(joules, "estimated")


def nothing(reason):
    return Reading(None, None, reason)


def test_phases_are_told_apart_by_the_counters_ticks_and_sum_to_what_was_metered(clock):
    """100 W while a batch is prepared (1 s of 4), 300 W while it is run; five of each."""
    start_s = clock.now_ns / 1e9

    def energy_j(t_s):
        rounds, rest = divmod(t_s, 4.0)
        return rounds * 1000.0 + 100.0 * min(rest, 1.0) + 300.0 * max(rest - 1.0, 0.0)

    times_s = [place * 0.13 for place in range(154)]
    ticks = Ticks(tuple(round((start_s + t) * 1e9) for t in times_s), tuple(map(energy_j, times_s)))
    readings = {"gpu:x": counter(6000.0, ticks=ticks), "cpu": estimate(800.0)}
    run = measure(clock, FakeMeter("m", [], readings))
    shares = {name: phase.energy_j for name, phase in run.phases.items()}
    # The ticks give 500 J and 4500 J, scaled to the 6000 J of the whole window.
    assert shares["preprocess"] == pytest.approx({"gpu:x": 600.0, "cpu": 200.0}, rel=1e-3)
    assert shares["forward"] == pytest.approx({"gpu:x": 5400.0, "cpu": 600.0}, rel=1e-3)
    assert run.phase_methods == {"gpu:x": "tick_regression", "cpu": "time_share"}
    assert run.phase_facts["gpu:x"]["ticks"] > 40
    assert run.phases["forward"].se_j["gpu:x"] < 50
    assert run.phases["forward"].se_j["cpu"] is None


def test_a_domain_without_energy_is_null_in_every_phase_with_its_reason(clock):
    run = measure(clock, FakeMeter("m", [], {"gpu:x": nothing("the GPU was lost")}))
    assert run.energy_j == {"gpu:x": None}
    assert run.methods == {"gpu:x": None}
    assert run.reasons == {"gpu:x": "the GPU was lost"}
    assert {name: phase.energy_j for name, phase in run.phases.items()} == {
        "preprocess": {"gpu:x": None},
        "forward": {"gpu:x": None},
    }
    assert run.phase_methods == {}
    assert run.phase_reasons == {"gpu:x": "the GPU was lost"}


def test_domains_that_no_meter_covers_are_null_with_their_reason(clock):
    absent = {"gpu:x": "NVML does not start", "cpu": "nobody asked"}
    run = measure(clock, FakeMeter("m", [], {"cpu": estimate(5.0)}), absent=absent)
    assert run.energy_j == {"cpu": 5.0, "gpu:x": None}
    assert run.reasons == {"gpu:x": "NVML does not start"}


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    ("one", "other", "kept"),
    [
        (estimate(9.0), Reading(5.0, "rapl"), (5.0, "rapl")),
        (estimate(9.0), nothing("it did not move"), (9.0, "estimated")),
        (nothing("it did not move"), Reading(5.0, "rapl"), (5.0, "rapl")),
        (nothing("first"), nothing("second"), (None, None)),
    ],
)
def test_a_measured_figure_goes_before_an_estimate_and_that_before_none(
    clock, one, other, kept, backwards
):
    meters = [FakeMeter("a", [], {"cpu": one}), FakeMeter("b", [], {"cpu": other})]
    run = measure(clock, *(meters[::-1] if backwards else meters))
    assert (run.energy_j["cpu"], run.methods["cpu"]) == kept
    assert ("cpu" in run.reasons) is (kept == (None, None))


@pytest.mark.parametrize(
    ("dram", "domains"),
    [
        (Reading(5.0, "rapl"), {"dram": 5.0}),
        (nothing("it did not move"), {"dram": None, "ram": 9.0}),
    ],
)
def test_metered_memory_hides_the_estimate_of_it(clock, dram, domains):
    meters = [FakeMeter("a", [], {"ram": estimate(9.0)}), FakeMeter("b", [], {"dram": dram})]
    assert measure(clock, *meters).energy_j == domains


def test_another_tools_gpu_figure_is_kept_apart(clock):
    meters = [
        FakeMeter("codecarbon", [], {"codecarbon:gpu": estimate(90.0)}),
        FakeMeter("nvml", [], {"gpu:x": counter(100.0)}),
    ]
    run = measure(clock, *meters)
    assert run.energy_j == {"gpu:x": 100.0}
    assert (run.second_source.name, run.second_source.gpu_energy_j) == ("codecarbon", 90.0)
    meters[0] = FakeMeter("codecarbon", [], {"codecarbon:gpu": nothing("it found none")})
    second = measure(clock, *meters).second_source
    assert (second.gpu_energy_j, second.reason) == (None, "it found none")
    assert measure(clock, meters[1]).second_source is None


def test_notices_and_facts_of_all_meters_reach_the_run(clock):
    meters = [
        FakeMeter("a", [], {"cpu": estimate(1.0)}, notices=[notice("one", "first")]),
        FakeMeter(
            "b",
            [],
            {"gpu:x": counter(1.0, facts={"period": 100.0})},
            notices=[notice("two", "second", invalidates=True)],
        ),
    ]
    run = measure(clock, *meters)
    assert {(one.code, one.message, one.invalidates) for one in run.notices} == {
        ("one", "first", False),
        ("two", "second", True),
    }
    assert run.facts == {"gpu:x": {"period": 100.0}}


def test_runs_come_by_index_when_all_were_finished(clock):
    done = benchmark_of(clock, [], finished=[make_run(1), make_run(0)], repeats=2)
    assert [run.index for run in done.runs] == [0, 1]


def test_the_idle_machine_is_metered_before_anything_is_done(clock):
    log, idle = [], []
    meter = FakeMeter("m", log, {"gpu:x": counter(1500.0), "cpu": estimate(90.0)})
    done = benchmark_of(
        clock, log, meters=[meter], idle_s=20.0, repeats=1, options={"on_idle": idle.append}
    )
    assert log[:3] == ["start m", "stop m", "synchronize"]
    assert done.idle_w == idle[0] == {"gpu:x": 75.0}  # an estimate of idling tells nothing
    assert done.watcher.stages[0] == ("idle with the model loaded", None)


def test_without_a_time_for_it_idling_is_not_metered(clock):
    log = []
    assert benchmark_of(clock, log, repeats=1).idle_w == {}
    assert log.count("start m") == 1


class WithPhaseAlone(FakeBackend):
    lone_phase = "forward"


def test_a_phase_that_can_be_done_alone_is_metered_alone_between_warm_up_and_runs(clock):
    log = []
    reading = counter(400.0 * 20.0, facts={"update_period_ms": 100.0})
    powers = []
    plan = make_plan(repeats=1, lone_s=20.0)
    backend = WithPhaseAlone(log, clock, prepare_ahead=2)

    class Recording(FakeMeter):
        def start(self):
            powers.append(len(log))
            return super().start()

    meter = Recording("m", log, {"gpu:x": reading})
    found = warmup.measure_lone_phase(plan, backend, [meter], Watcher())
    assert found["gpu:x"].phase == "forward"
    assert found["gpu:x"].power_w == pytest.approx(400.0)
    assert found["gpu:x"].se_w == pytest.approx(400.0 * 0.1 / 6**0.5 / 20.0)
    window = log[log.index("start m") : log.index("stop m")]
    assert [entry.split()[0] for entry in window[1:]] == ["alone"] * 40 + ["synchronize"]
    assert len(set(window[1:-1])) == 2  # as many as may be prepared, over and over
    assert log[log.index("start m") - 2 :][0].startswith("alone"), "a first one is not metered"


@pytest.mark.parametrize(
    ("backend", "lone_s"), [(FakeBackend, 20.0), (WithPhaseAlone, 0.0)], ids=["none", "no-time"]
)
def test_no_phase_alone(clock, backend, lone_s):
    log = []
    plan = make_plan(lone_s=lone_s)
    found = warmup.measure_lone_phase(plan, backend(log, clock), [FakeMeter("m", log)], None)
    assert (found, log) == ({}, [])


def test_a_phase_alone_that_fails_leaves_no_window_open(clock):
    log = []
    backend = WithPhaseAlone(log, clock)
    first = backend.run_lone

    def second_fails(batch):
        if "start m" in log:
            raise MemoryError("full")
        first(batch)

    backend.run_lone = second_fails
    with pytest.raises(MemoryError):
        warmup.measure_lone_phase(make_plan(lone_s=20.0), backend, [FakeMeter("m", log)], Watcher())
    assert log[-1] == "stop m"


def test_runs_end_as_soon_as_they_are_enough(clock):
    done = benchmark_of(clock, [], repeats=9, options={"enough": lambda runs: len(runs) >= 4})
    assert [run.index for run in done.runs] == [0, 1, 2, 3]
    assert done.warm[0][0] == 9  # at most


def test_finished_runs_may_be_enough_already(clock):
    log = []
    finished = [make_run(0), make_run(1)]
    options = {"enough": lambda runs: len(runs) == 2}
    done = benchmark_of(clock, log, finished=finished, repeats=9, options=options)
    assert (done.runs, log) == (finished, [])


@pytest.mark.parametrize(
    ("temperatures", "steady"),
    [([60.0] * 40, True), ([40.0 + n for n in range(200)], False)],
    ids=["level", "rising"],
)
def test_the_warm_up_waits_for_the_temperature_too(clock, temperatures, steady):
    left = iter(temperatures)
    warmup = warm_up(make_plan(quick=False), FakeBackend([], clock), Watcher(), lambda: next(left))
    assert warmup.steady is steady
    assert (warmup.duration_s < 40.0) is steady


def test_a_temperature_that_settles_is_waited_for(clock):
    """Rising by a degree a look for 60 s, level from then on: steady 36 s later."""
    start = clock.now_ns

    def thermometer():
        return min(60.0, (clock.now_ns - start) / 1e9)

    warmup = warm_up(make_plan(quick=False), FakeBackend([], clock), Watcher(), thermometer)
    assert warmup.steady
    assert 84.0 <= warmup.duration_s <= 108.0


@pytest.mark.parametrize(
    ("asked_s", "idle_w", "said"),
    [
        (0.5, {}, "not measured in 0.5 s (it takes 2.5 s"),
        (30.0, {}, "others used the GPU"),
        (30.0, {"gpu:GPU-1": 60.0, "gpu:GPU-2": 61.0}, None),
        (30.0, {"gpu:GPU-1": 60.0}, "others used the GPU"),
        (0.0, {}, None),
    ],
)
def test_idle_power_that_was_asked_for_and_not_measured_is_told(asked_s, idle_w, said):
    uuids = ("GPU-1", "GPU-2")
    cautions = Metering(uuids, nvml=NvmlMeter(uuids)).idle_cautions(asked_s, idle_w)
    assert [caution.code for caution in cautions] == (["no_idle_power"] if said else [])
    assert said is None or said in cautions[0].message


def test_what_compiles_nothing_is_not_called_compiled(clock):
    """PyTorch may be told to leave it, and then says nothing of it."""
    backend = FakeBackend([], clock)
    backend.input_sizes = lambda queries: None
    backend.compiled = lambda: Compilation(seconds=0.0, graphs=0, breaks=0)
    watcher = SimpleNamespace(stage=lambda *_: None, advance=lambda *_: None)
    with pytest.raises(UnsupportedError, match="compiled nothing of this model"):
        compile_ahead(make_plan(), backend, watcher)
