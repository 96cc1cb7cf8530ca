"""What is noted of GPUs, and when, by slow drivers: in virtual time, so no machine is too busy."""

import itertools
import math
import random
import statistics
from bisect import bisect_right

import numpy as np
import pynvml
import pytest
from support.virtual_gpu import MS, START_NS, VirtualGpu, watch

from energyscore.measurement.meter import Ticks, Window
from energyscore.measurement.meters import nvml_watcher as kinds
from energyscore.measurement.meters.nvml import sort_records
from energyscore.measurement.meters.nvml_reading import evaluate
from energyscore.measurement.meters.nvml_trace import Circumstances, Trace
from energyscore.measurement.meters.steps import power_steps
from energyscore.measurement.phases.regression import regress_phases

LATENCIES_MS = (0.3, 2.5, 8.0, 21.0)


def of_gpus(count, **settings):
    """GPUs whose updates come at different times."""
    period_ms = settings.setdefault("period_ms", 100.0)
    return [VirtualGpu(phase_ms=3.4 + n * period_ms * 0.37, **settings) for n in range(count)]


def p95(values):
    return sorted(values)[round(0.95 * (len(values) - 1))]


@pytest.mark.parametrize("spins", [True, False])
@pytest.mark.parametrize("latency_ms", LATENCIES_MS)
@pytest.mark.parametrize("count", [1, 4, 8])
def test_updates_are_noted_within_a_read_and_a_millisecond(latency_ms, count, spins):
    for watched in watch(*of_gpus(count, latency_ms=latency_ms, spins=spins), seconds=20):
        assert p95(watched.late_ms) <= latency_ms + 1
        assert min(watched.late_ms) >= 0, "none is noted before it came"
        if not spins:
            assert watched.share_noted > 0.75, "all but those of the learning"
            assert watched.core_share < 0.01
        gaps = [b - a for (a, _), (b, _) in itertools.pairwise(watched.noted[1:])]
        adjacent = [gap for gap in gaps if gap < 130 * MS]
        least = 4 if spins and latency_ms > 8 else 10
        assert len(adjacent) >= least, "updates in a row are what tells of phases"


@pytest.mark.parametrize(
    ("latency_ms", "most", "least_noted"),
    [
        (0.02, 0.005, 0.98),
        (0.3, 0.02, 0.98),
        (2.5, 0.05, 0.5),
        (8.0, 0.06, 0.15),
        (21.0, 0.1, 0.05),
    ],
)
def test_what_spinning_reads_cost(latency_ms, most, least_noted):
    """Of one core; the first window has the learning in it, which is 1% of a minute at 8 ms."""
    [watched] = watch(VirtualGpu(latency_ms=latency_ms), seconds=60)
    assert watched.core_share < most
    assert watched.share_noted > least_noted


@pytest.mark.parametrize(("latency_ms", "most"), [(2.5, 0.036), (8.0, 0.044), (21.0, 0.099)])
def test_later_windows_cost_no_learning(latency_ms, most):
    [watched] = watch(VirtualGpu(latency_ms=latency_ms), seconds=60, windows=3)
    assert watched.core_share < most
    assert p95(watched.late_ms) <= latency_ms + 1


@pytest.mark.parametrize("latency_ms", [8.0, 21.0])
def test_a_first_window_tells_the_period_however_few_updates_are_noted(latency_ms):
    [watched] = watch(VirtualGpu(latency_ms=latency_ms, period_ms=104.0), seconds=20)
    [period_ms] = [value for _, kind, value in watched.records if kind == kinds.COUNTER_PERIOD_MS]
    assert period_ms == pytest.approx(104.0, rel=0.003)


@pytest.mark.parametrize("taken_at", [0.0, 1.0])
@pytest.mark.parametrize("latency_ms", [2.5, 21.0])
def test_wherever_in_the_call_the_driver_takes_the_value(latency_ms, taken_at):
    """At its beginning or end, all stamps are half a read off: the regression finds such lags."""
    gpu = VirtualGpu(latency_ms=latency_ms, spins=False, taken_at=taken_at)
    [watched] = watch(gpu)
    assert p95([abs(late) for late in watched.late_ms]) <= 1.5 * latency_ms + 1
    assert watched.share_noted > 0.8


@pytest.mark.parametrize("spins", [True, False])
def test_reads_of_unlike_lengths(spins):
    """As on an H100: from 2.5 to 21 ms."""
    draw = random.Random(5)
    gpu = VirtualGpu(latency_ms=lambda: draw.choice((2.5, 4.0, 8.0, 8.4, 9.0, 21.0)), spins=spins)
    [watched] = watch(gpu, seconds=60, windows=2)
    assert p95([abs(late) for late in watched.late_ms]) <= 9.4
    assert watched.share_noted > (0.03 if spins else 0.35)


def test_a_driver_that_serves_one_call_at_a_time_delays_looks_and_falsifies_none():
    gpus = of_gpus(8, latency_ms=2.5, spins=False)
    for watched in watch(*gpus, seconds=12, shared_lock=True):
        assert p95([abs(late) for late in watched.late_ms]) <= 2 * 2.5 + 1
        assert watched.share_noted > 0.25


@pytest.mark.parametrize("latency_ms", [0.02, 2.5, 8.0])
def test_while_it_learns_looks_are_5_ms_apart(latency_ms):
    [watched] = watch(VirtualGpu(latency_ms=latency_ms, period_ms=1e5), seconds=5)
    begins = [begin for begin, _ in watched.gpu.looks]
    gaps = [b - a for a, b in itertools.pairwise(begins[:-1])]
    assert min(gaps) >= max(5, latency_ms) * MS


def test_a_fast_counter_is_noted_coarsely():
    [watched] = watch(VirtualGpu(period_ms=2.5), seconds=5)
    begins = [begin for begin, _ in watched.gpu.looks]
    assert min(b - a for a, b in itertools.pairwise(begins[:-1])) >= 5 * MS
    assert max(watched.late_ms) <= 2.5
    assert 0.3 < watched.share_noted < 0.6


@pytest.mark.parametrize(("count", "period_ms"), [(8, 100.0), (8, 20.0)])
@pytest.mark.parametrize("latency_ms", [0.02, 2.5])
def test_rests_of_the_recorder_are_no_frozen_counters(count, period_ms, latency_ms):
    """With eight GPUs its rests join to gaps of seconds: nobody looked, and nothing stood still."""
    gpus = of_gpus(count, latency_ms=latency_ms, period_ms=period_ms)
    for watched in watch(*gpus, seconds=20):
        assert judged(watched) == "counter"
        gaps = [b - a for (a, _), (b, _) in itertools.pairwise(watched.noted)]
        if latency_ms > 1:
            assert max(gaps) > 1000 * MS, "or this tests nothing"


@pytest.mark.parametrize("latency_ms", [0.02, 2.5, 21.0])
@pytest.mark.parametrize(("until_s", "method"), [(1e9, "power_integral"), (7.8, "power_integral")])
def test_a_counter_that_stands_still_is_found_whatever_a_read_costs(latency_ms, until_s, method):
    gpu = VirtualGpu(latency_ms=latency_ms, frozen_from_s=5.0, frozen_until_s=until_s)
    [watched] = watch(gpu, seconds=20)
    assert judged(watched) == method


def test_a_frozen_counter_is_not_looked_at_without_end():
    gpu = VirtualGpu(latency_ms=2.5, frozen_from_s=5.0)
    [watched] = watch(gpu, seconds=60)
    assert watched.core_share < 0.08


def judged(watched):
    """The method by which such a window is evaluated; each update is of 30 J."""
    reading, _ = evaluated(watched, lambda _, place: 30_000 * place)
    return reading.method


def evaluated(watched, counter_mj):
    """Reading and notices of such a window, where `counter_mj` has the counter of an update."""
    trace = Trace()
    records = ((t, 0, kind, value) for t, kind, value in watched.records)
    sort_records(records, [trace])
    trace.power_limits_w, trace.max_processes = {1e5}, 0
    trace.counter = [
        (t, counter_mj(watched.updates_ns[int(place)], int(place))) for t, place in trace.counter
    ]
    window = Window(START_NS + 30 * MS, START_NS + round(watched.seconds * 1e9) - 30 * MS)
    trace.start_mj, trace.end_mj = (
        counter_mj(watched.updates_ns[place], place)
        for place in (
            bisect_right(watched.updates_ns, edge) - 1 for edge in (window.start_ns, window.end_ns)
        )
    )
    return evaluate(window, trace, Circumstances("GPU 0"))


@pytest.mark.parametrize("latency_ms", [8.0, 21.0])
def test_a_load_whose_rhythm_is_near_that_of_the_power_samples(latency_ms):
    """100 W and 500 W by turns: samples in step with them would tell of one and not the other.

    However its rhythm is, counter and power of a window of 14 s are not said to disagree, and
    integrated power is off by no more than its standard error tells.
    """
    errors = []
    for rhythm_ms in range(350, 801, 50):

        def load_w(t_s, rhythm_s=rhythm_ms / 1e3):
            return 500.0 if t_s % rhythm_s < rhythm_s / 2 else 100.0

        def load_mj(t_ns, _, rhythm_s=rhythm_ms / 1e3):
            whole, part = divmod((t_ns - START_NS) / 1e9 + 100 * rhythm_s, rhythm_s)
            return 1e3 * (300 * whole * rhythm_s + 100 * part + 400 * min(part, rhythm_s / 2))

        gpu = VirtualGpu(latency_ms=latency_ms, power_w=load_w)
        [watched] = watch(gpu, seconds=14)
        reading, notices = evaluated(watched, load_mj)
        assert reading.method == "counter"
        assert "counter_power_disagree" not in {notice.code for notice in notices}
        power = [(t, value) for t, kind, value in watched.records if kind == kinds.POWER_W]
        off_j = reading.facts["power_integral_j"] - reading.energy_j
        window = Window(START_NS, START_NS + 14_000 * MS)
        errors.append(off_j / power_steps(window, power, "instant", reading.energy_j).se_j)
    assert max(map(abs, errors)) < 4
    assert 0.4 < math.sqrt(statistics.fmean(error**2 for error in errors)) < 1.3


@pytest.mark.parametrize(
    ("latency_ms", "period_ms", "spins", "within"),
    [
        (0.3, 20.0, True, 0.01),
        (0.3, 100.0, True, 0.01),
        (2.5, 20.0, True, 0.02),
        (2.5, 100.0, True, 0.01),
        (2.5, 20.0, False, 0.01),
        (8.0, 100.0, True, 0.02),
        (21.0, 100.0, False, 0.01),
    ],
)
def test_phases_from_what_is_noted(latency_ms, period_ms, spins, within):
    """Prefill of 20 to 43 ms at 600 W, decode of 73.5 ms at 200 W."""
    draw = random.Random(2)
    gpu = VirtualGpu(latency_ms=latency_ms, period_ms=period_ms, spins=spins)
    [watched] = watch(gpu, seconds=60)
    edges_ns, entered = [START_NS + 300 * MS], []
    while edges_ns[-1] < START_NS + 59_000 * MS:
        for phase, ms in ((0, draw.uniform(20, 43)), (1, 73.5)):
            entered.append(phase)
            edges_ns.append(edges_ns[-1] + round(ms * MS))
    steps_j = [
        (600.0, 200.0)[phase] * (b - a) / 1e9
        for phase, (a, b) in zip(entered, itertools.pairwise(edges_ns), strict=True)
    ]
    joules = np.cumsum([0.0, *steps_j])
    shown = np.interp(watched.updates_ns, edges_ns, joules)
    ticks = Ticks(
        tuple(t for t, _ in watched.noted), tuple(shown[int(place)] for _, place in watched.noted)
    )
    fit = regress_phases(("prefill", "decode"), entered, edges_ns, float(joules[-1]), ticks)
    for phase, name in enumerate(("prefill", "decode")):
        true_j = sum(joule for joule, one in zip(steps_j, entered, strict=True) if one == phase)
        assert fit.energy_j[name] == pytest.approx(true_j, rel=within)
        assert fit.se_j[name] < within * true_j


@pytest.mark.parametrize("latency_ms", LATENCIES_MS)
def test_power_is_sampled_often_enough_to_be_integrated(latency_ms):
    [watched] = watch(VirtualGpu(latency_ms=latency_ms), seconds=30)
    times = watched.times_of(kinds.POWER_W)
    gaps_ms = [(b - a) / MS for a, b in itertools.pairwise(times)]
    assert max(gaps_ms) < 950
    assert times[0] < START_NS + 60 * MS
    least_ms = min(700, latency_ms / 0.01)
    assert sorted(gaps_ms)[len(gaps_ms) // 2] >= 0.8 * least_ms, "no more than 1% of a core"


@pytest.mark.parametrize(("status_ms", "about_ms"), [(0.02, 250), (4.5, 2500), (21.0, 5000)])
def test_status_is_read_as_seldom_as_it_is_dear(status_ms, about_ms):
    gpu = VirtualGpu(latency_ms=0.02, power_ms=0.02, status_ms=status_ms)
    [watched] = watch(gpu, seconds=60)
    times = watched.times_of(kinds.PROCESSES)
    gaps_ms = sorted((b - a) / MS for a, b in itertools.pairwise(times[1:-1]))
    assert gaps_ms[len(gaps_ms) // 2] == pytest.approx(about_ms, rel=0.2)
    assert watched.core_share < 0.02
    assert p95(watched.late_ms) < 1, "status is read where it delays no look"
    assert watched.share_noted > 0.9


def test_no_other_call_is_in_the_way_of_a_look():
    gpu = VirtualGpu(latency_ms=0.3, status_ms=15.0, power_ms=5.0)
    watch(gpu, seconds=30)
    since_ns = START_NS + 2000 * MS
    ends = {end for _, end in gpu.chores if since_ns < end < START_NS + 29_800 * MS}
    pressed = [begin for begin, _ in gpu.looks if any(0 <= begin - end < MS // 2 for end in ends)]
    assert len(pressed) <= 0.01 * len(gpu.looks)


@pytest.mark.parametrize("latency_ms", [0.02, 2.5])
@pytest.mark.parametrize("period_ms", [20.0, 100.0])
def test_idling_is_polled_like_work(latency_ms, period_ms):
    """Reads cost some GPUs power: 88 W idle at 1 Hz are 93 W at 200 Hz. All windows are alike."""
    rates = [
        len(watch(VirtualGpu(latency_ms=latency_ms, period_ms=period_ms), seconds=30, windows=n)[0]
            .gpu.looks) / 30
        for n in (1, 2, 4)
    ]  # fmt: skip
    assert rates[1] == pytest.approx(rates[2], rel=0.1)
    assert rates[0] < 1.5 * rates[2] + 3, "the learning is in the first one"


def test_without_a_counter_power_is_sampled_more_often():
    gpu = VirtualGpu(counter_error=pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED))
    [watched] = watch(gpu, seconds=10)
    assert [value for _, kind, value in watched.records if kind == kinds.NVML_ERROR] == [3.0]
    assert len(watched.times_of(kinds.POWER_W)) > 450
    assert watched.noted == []
