"""From a window's records to joules: pure, so every driver's misbehaviour can be written down."""

import math

import pytest

from energyscore.measurement.meter import Window
from energyscore.measurement.meters.nvml_reading import evaluate
from energyscore.measurement.meters.nvml_trace import Circumstances, Trace
from energyscore.measurement.meters.update_period import settled_period_ms, update_period_ms

S = 1_000_000_000
START = 50 * S
ABOUT = Circumstances("GPU 0 (Test)", own_processes=1)
MS = S // 1000


def trace_of(watts=300.0, seconds=10.0, *, period_ms=100, **change):
    """A GPU of constant power, its counter and its power as the recorder notes them."""
    end = START + round(seconds * S)

    def counter_mj(t_ns):
        return 1_000_000 + watts * (t_ns - START) / 1e6

    ticks = range(START - 30 * MS, end, period_ms * MS)
    trace = Trace(
        start_mj=round(counter_mj(ticks[0])),
        end_mj=round(counter_mj(ticks[-1])),
        counter=[(t, round(counter_mj(t))) for t in ticks],
        power=[(t, watts) for t in range(START - 5 * MS, end + 20 * MS, 20 * MS)],
        max_processes=1,
        power_limits_w={700.0},
    )
    for name, value in change.items():
        setattr(trace, name, value)
    return trace


def judge(trace, seconds=10.0, about=ABOUT):
    reading, notices = evaluate(Window(START, START + round(seconds * S)), trace, about)
    return reading, {notice.code: notice for notice in notices}


def test_a_sound_counter_gives_its_difference():
    trace = trace_of(start_mj=1_000_000, end_mj=3_999_500)
    reading, notices = judge(trace)
    assert (reading.energy_j, reading.method, reading.reason) == (2999.5, "counter", "")
    assert notices == {}
    assert reading.ticks.t_ns == tuple(t for t, _ in trace.counter)
    assert reading.ticks.energy_j[0] == trace.counter[0][1] / 1000


def unwatched(trace, *, at=START + 2 * S, seconds=1.5):
    """Take away the counter's changes for a while, as if nobody had looked."""
    trace.counter = [(t, mj) for t, mj in trace.counter if not at < t < at + round(seconds * S)]
    return trace


def frozen(trace, *, at=START + 2 * S, seconds=1.5):
    """As above, but looks every 5 ms saw nothing."""
    trace.still.append((at, at + round(seconds * S) - 5 * MS))
    return unwatched(trace, at=at, seconds=seconds)


def stuck(trace):
    """The counter never moves."""
    trace.counter, trace.end_mj = trace.counter[:1], trace.start_mj
    return trace


def reset(trace):
    """In the middle the counter begins at zero again."""
    half = len(trace.counter) // 2
    offset = trace.counter[half][1]
    trace.counter[half:] = [(t, mj - offset) for t, mj in trace.counter[half:]]
    trace.end_mj -= offset
    return trace


def reset_unseen(trace):
    """As above, where the recorder saw nothing of it."""
    trace.counter, trace.end_mj = [], 5
    return trace


def reset_and_above(trace):
    """It began again and has come further than it was: only the records tell."""
    reset(trace).end_mj = trace.start_mj + 1
    return trace


UNREADABLE = {"counter": [], "counter_error": "Not Supported"}


@pytest.mark.parametrize(
    ("trace", "code"),
    [
        (trace_of(start_mj=None, end_mj=None, **UNREADABLE), "counter_unsupported"),
        (trace_of(end_mj=None, **UNREADABLE), "counter_unsupported"),
        (trace_of(start_mj=None, **UNREADABLE), "counter_unsupported"),
        (reset(trace_of()), "counter_reset"),
        (reset_unseen(trace_of()), "counter_reset"),
        (reset_and_above(trace_of()), "counter_reset"),
        (frozen(trace_of()), "counter_frozen"),
        (frozen(trace_of(), at=START - S, seconds=2.5), "counter_frozen"),
        (frozen(trace_of(), at=START + 8 * S, seconds=5), "counter_frozen"),
        (stuck(trace_of()), "counter_frozen"),
    ],
)
def test_where_the_counter_cannot_be_trusted_power_is_integrated(trace, code):
    reading, notices = judge(trace)
    assert (reading.energy_j, reading.method) == (pytest.approx(3000.0), "power_integral")
    assert reading.ticks is None
    assert list(notices) == [code]
    assert not notices[code].invalidates
    assert ABOUT.label in notices[code].message


@pytest.mark.parametrize("spoil", [lambda trace: trace, stuck])
@pytest.mark.parametrize(
    ("seconds", "period_ms", "said"),
    [
        (0.05, 100, "was updated 0 times in a window of 0.05 s"),
        (0.95, 100, "holds 9.5 updates of its energy counter (100 ms each), and it takes 20"),
    ],
)
def test_a_short_window_has_no_energy_whether_or_not_the_counter_moved(
    spoil, seconds, period_ms, said
):
    """Of power all readings are alike: it may be renewed every 100 ms, which is as slow."""
    trace = spoil(trace_of(seconds=seconds, period_ms=period_ms))
    reading, notices = judge(trace, seconds=seconds)
    assert (reading.energy_j, reading.method, reading.steps) == (None, None, None)
    assert list(notices) == ["counter_too_slow"]
    assert "its power is renewed every 100 ms, which takes windows of 2.0 s" in reading.reason
    if spoil is not stuck:
        assert said in reading.reason


@pytest.mark.parametrize(("known_ms", "method"), [(None, None), (100.0, "counter"), (200.0, None)])
def test_where_few_updates_were_noted_the_period_is_that_of_an_earlier_window(known_ms, method):
    trace = trace_of(seconds=3.0)
    trace.counter, trace.power = trace.counter[:3], []
    about = Circumstances("GPU 0 (Test)", own_processes=1, update_period_ms=known_ms)
    reading, _ = judge(trace, seconds=3.0, about=about)
    assert reading.method == method
    assert method is None or reading.steps.largest_j == pytest.approx(30.0, rel=0.05)


def test_in_a_window_too_short_for_the_counter_fast_power_serves():
    trace = trace_of(seconds=1.9)
    trace.power = [(t, 300.0 + place % 2) for place, (t, _) in enumerate(trace.power)]
    reading, notices = judge(trace, seconds=1.9)
    assert (reading.method, reading.ticks) == ("power_integral", None)
    assert reading.energy_j == pytest.approx(300.5 * 1.9, rel=2e-3)
    assert reading.steps.period_s == pytest.approx(0.02)
    assert reading.steps.largest_j == pytest.approx(301 * 0.02, rel=2e-3)
    assert set(notices) == {"counter_too_slow", "short_window"}


def by_power(watts, times_ms, seconds):
    """A GPU without a counter, whose power is read at these times."""
    power = [(START + round(t * MS), watts(t)) for t in times_ms]
    return judge(trace_of(start_mj=None, end_mj=None, **UNREADABLE, power=power), seconds=seconds)[
        0
    ]


@pytest.mark.parametrize("every_ms", [455, 700, 840])
@pytest.mark.parametrize("seconds", [2.05, 5.0])
def test_power_is_not_known_better_than_it_was_sampled(every_ms, seconds):
    """A wave of 0.7 s read about as seldom can look constant, and be 70% off."""
    times = range(-5, round(seconds * 1e3), every_ms)
    reading = by_power(lambda t: 700.0, times, seconds)
    assert (reading.energy_j, reading.method) == (None, None)
    assert f"windows of {20 * every_ms / 1e3:.1f} s or more" in reading.reason


def test_one_late_sample_among_many_does_not_spoil_a_window():
    times = [t for t in range(-5, 10_000, 20) if not 4000 < t < 4600]
    reading = by_power(lambda t: 300.0, times, 10.0)
    assert reading.energy_j == pytest.approx(3000.0)
    assert reading.steps.period_s == 0.1
    assert reading.steps.largest_j == pytest.approx(300.0 * 0.62, rel=0.05)


@pytest.mark.parametrize(("seconds", "usable"), [(3.0, False), (10.0, False), (40.0, True)])
def test_power_that_is_seldom_renewed_needs_long_windows_however_often_it_is_read(seconds, usable):
    """It is renewed every 1.5 s here: the window is wrong by up to that much of 700 W."""
    watts = lambda t: 700.0 if t // 1500 % 2 else 100.0  # noqa: E731
    reading = by_power(watts, range(-5, round(seconds * 1e3), 20), seconds)
    assert (reading.energy_j is not None) is usable
    if usable:
        assert reading.steps.period_s == pytest.approx(1.5, rel=0.02)
        assert reading.steps.largest_j >= 700.0 * 1.5
    else:
        assert "as far as its samples tell" in reading.reason


def test_steady_power_that_seldom_changes_a_little_can_be_used():
    reading = by_power(lambda t: 300.0 + t // 4000, range(-5, 10_000, 20), 10.0)
    assert reading.energy_j == pytest.approx(3010.0, rel=1e-3)
    assert reading.steps.period_s == 0.1


def test_the_standard_error_of_power_holds_what_lies_between_its_samples():
    """A wave of 0.7 s read every 0.5 s for 60 s: at whatever phase, it is off by so much."""
    errors, stated = [], []
    for phase in range(0, 700, 35):
        every_ms = 500 + phase / 100
        watts = lambda t, at=phase: 700.0 if (t + at) % 700 < 350 else 100.0  # noqa: E731
        reading = by_power(watts, [n * every_ms for n in range(-1, int(60e3 / every_ms))], 60.0)
        errors.append(reading.energy_j - 400.0 * 60.0)
        stated.append(reading.steps.se_j)
    assert max(map(abs, errors)) <= 2 * min(stated)
    assert max(stated) < 0.15 * 400.0 * 60.0


@pytest.mark.parametrize(
    ("known_ms", "gaps", "period_ms"),
    [
        (100.0, (3, 3, 3, 3), 100.0),  # nobody looked at the others
        (100.0, (2, 3, 2, 3, 12), 100.0),
        (None, (3, 3, 3, 3), 300.0),
        (100.0, (1.7, 1.7, 1.7, 1.7), 170.0),  # it has another period now
        (100.0, (0.2, 0.2, 0.2, 0.2), 20.0),
        (100.0, (), 100.0),
    ],
)
def test_a_period_known_from_earlier_explains_gaps_of_several(known_ms, gaps, period_ms):
    times = [0.0, 30.0]
    for gap in gaps:
        times.append(times[-1] + gap * 100.0)
    counter = [(round(t * MS), t) for t in times]
    assert settled_period_ms(counter, known_ms) == pytest.approx(period_ms)


def test_where_no_two_updates_were_noted_in_a_row_the_counter_serves_by_its_known_period():
    trace = trace_of(seconds=2.5)
    trace.counter = trace.counter[::3]
    about = Circumstances("GPU 0 (Test)", own_processes=1, update_period_ms=100.0)
    reading, _ = judge(trace, seconds=2.5, about=about)
    assert (reading.method, reading.facts["update_period_ms"]) == ("counter", 100.0)
    assert reading.steps.largest_j == pytest.approx(30.0, rel=0.05)


def test_a_period_that_the_recorder_learned_explains_the_gaps_of_a_first_window():
    trace = trace_of(seconds=10.0)
    trace.counter = trace.counter[::7]
    assert set(judge(trace)[1]) == {"counter_too_slow"}  # as if of 700 ms
    trace.learned_ms = 100.0
    reading, notices = judge(trace)
    assert (reading.method, reading.facts["update_period_ms"]) == ("counter", 100.0)
    assert notices == {}


def windows(seconds, watts=300.0, period_ms=100, every_ms=5):
    """The readings of a window that begins at each of many phases of the counter's updates."""
    for phase_ms in range(0, period_ms, every_ms):
        start, end = START + phase_ms * MS, START + phase_ms * MS + round(seconds * S)
        ticks = range(START - 10 * period_ms * MS, end + 1, period_ms * MS)
        value = lambda t: round((t - START) / 1e6 * watts) + 10**7  # noqa: E731
        last = [max(t for t in ticks if t <= edge) for edge in (start, end)]
        trace = Trace(
            *map(value, last),
            counter=[(t, value(t)) for t in ticks if t >= last[0]],
            power=[(t, watts) for t in range(start - 5 * MS, end, 40 * MS)],
            power_limits_w={700.0},
            max_processes=1,
        )
        yield evaluate(Window(start, end), trace, ABOUT)


@pytest.mark.parametrize("seconds", [0.12, 0.35, 0.99, 1.5, 1.97, 2.0, 2.05, 2.51, 3.0])
def test_a_constant_power_is_measured_within_the_stated_bound_or_not_at_all(seconds):
    """300 W: by a counter of 100 ms a window of 0.12 s has none, or one or two of its steps."""
    found = list(windows(seconds))
    counted = [reading for reading, _ in found if reading.energy_j is not None]
    assert len(counted) in (0, len(found)), "some windows were measured for how they fell"
    assert bool(counted) is (seconds >= 2.0)
    for _, notices in found:
        codes = {notice.code for notice in notices}
        assert codes == ({"short_window"} if counted else {"counter_too_slow"})
    if not counted:
        return
    errors = [reading.energy_j - 300.0 * seconds for reading in counted]
    bounds = [reading.steps.largest_j for reading in counted]
    assert max(map(abs, errors)) <= min(bounds) * 1.001
    assert max(bounds) / (300 * seconds) < 0.0501
    assert sum(errors) / len(errors) == pytest.approx(0.0, abs=0.1 * min(bounds))
    assert bounds == pytest.approx([30.0] * len(bounds), rel=0.06)  # 300 W x 100 ms


def test_the_standard_error_for_the_steps_is_that_of_windows_of_all_lengths():
    errors, stated = [], []
    for centi in range(200, 210):
        for reading, _ in windows(centi / 100):
            errors.append(reading.energy_j - 3.0 * centi)
            stated.append(reading.steps.se_j)
    spread = (sum(e * e for e in errors) / len(errors)) ** 0.5
    assert spread == pytest.approx(sum(stated) / len(stated), rel=0.05)  # 30 J / sqrt(6)


def test_the_steps_of_bursts_are_those_of_the_highest_power():
    """700 W for a tenth of the time: a window can end in a burst, at 2.4 times the mean."""
    trace, energy_mj = trace_of(seconds=10.0), 1_000_000
    for place, (t, _) in enumerate(trace.counter):
        trace.counter[place] = (t, energy_mj)
        energy_mj += 70_000 if place % 10 == 5 else 24_000
    trace.end_mj = trace.counter[-1][1]
    reading, _ = judge(trace)
    assert reading.steps.largest_j == pytest.approx(70.0)
    assert reading.steps.se_j == pytest.approx(70.0 / 6**0.5)


def test_updates_that_were_not_noted_do_not_make_a_step_larger():
    reading, _ = judge(frozen(trace_of(), seconds=0.85))
    assert reading.steps.largest_j == pytest.approx(30.0, rel=0.01)


@pytest.mark.parametrize(("read_ms", "told"), [(2.5, False), (21.0, False), (400.0, True)])
def test_what_a_read_at_an_edge_takes_is_part_of_the_error(read_ms, told):
    """At 300 W 0.4 s are 120 J, of which any part may be missing, at either edge."""
    reading, notices = judge(trace_of(read_ns=round(read_ms * MS)))
    step_j = 300.0 * math.hypot(0.1, read_ms / 1e3)
    assert reading.steps.se_j == pytest.approx(step_j / math.sqrt(6), rel=0.01)
    assert set(notices) == ({"slow_read"} if told else set())
    if told:
        assert "took 400 ms" in notices["slow_read"].message


def test_a_gpu_of_which_nothing_tells_whether_it_is_a_module_is_not_rated_in_silence():
    trace = trace_of()
    trace.power, trace.average_power = [], trace.power
    about = Circumstances("GPU 0 (GB10)", own_processes=1, module=None)
    reading, notices = judge(trace, about=about)
    assert (reading.method, set(notices)) == ("counter", {"module_unknown"})


def test_a_pause_of_less_than_a_second_is_no_freeze():
    reading, notices = judge(frozen(trace_of(), seconds=0.85))
    assert (reading.method, notices) == ("counter", {})


def test_the_first_record_is_a_state_and_no_change():
    trace = frozen(trace_of(), at=START - S, seconds=2.2)
    trace.counter.insert(0, (START + S // 2, trace.start_mj))
    assert list(judge(trace)[1]) == ["counter_frozen"]


def test_why_there_is_no_counter_is_told_in_the_drivers_words():
    _, notices = judge(trace_of(start_mj=None, end_mj=None, **UNREADABLE))
    assert "Not Supported" in notices["counter_unsupported"].message


def test_power_counts_from_edge_to_edge_and_each_sample_until_the_next():
    samples = [(START - S // 2, 100.0), (START + S // 2, 200.0), (START + S, 400.0)]
    reading, _ = judge(stuck(trace_of(power=samples)), seconds=1.5)
    assert reading.facts["power_integral_j"] == pytest.approx(
        100.0 * 0.5 + 200.0 * 0.5 + 400.0 * 0.5
    )


def test_the_first_sample_serves_from_the_beginning():
    samples = [(START + S // 4, 100.0), (START + S // 2, 200.0)]
    reading, _ = judge(stuck(trace_of(power=samples)), seconds=1.0)
    assert reading.facts["power_integral_j"] == pytest.approx(100.0 * 0.5 + 200.0 * 0.5)


def test_samples_before_the_window_do_not_count():
    samples = [(START - S, 900.0), (START - S // 2, 100.0), (START + S // 4, 200.0)]
    reading, _ = judge(stuck(trace_of(power=samples)), seconds=0.5)
    assert reading.facts["power_integral_j"] == pytest.approx(100.0 * 0.25 + 200.0 * 0.25)


def test_samples_after_the_window_do_not_count():
    samples = [(START, 100.0), (START + S // 2, 200.0), (START + 3 * S // 4, 900.0)]
    reading, _ = judge(stuck(trace_of(power=samples)), seconds=0.6)
    assert reading.facts["power_integral_j"] == pytest.approx(100.0 * 0.5 + 200.0 * 0.1)


def test_average_power_serves_where_there_is_no_instant_power():
    samples = trace_of().power
    long = trace_of(seconds=20.0, power=[], average_power=trace_of(seconds=20.0).power)
    reading, _ = judge(stuck(long), seconds=20.0)
    assert (reading.energy_j, reading.method) == (pytest.approx(6000.0), "power_integral")
    assert reading.facts["power_source"] == "average"
    short, _ = judge(stuck(trace_of(power=[], average_power=samples)))
    assert "its power is renewed every 1000 ms, which takes windows of 20.0 s" in short.reason
    both, _ = judge(stuck(trace_of(average_power=[(t, 9.0) for t, _ in samples])))
    assert both.energy_j == pytest.approx(3000.0)
    assert both.facts["power_source"] == "instant"


@pytest.mark.parametrize(
    ("power", "said"),
    [
        ([], "its power cannot be read either"),
        ([(START, 300.0)], "its power cannot be read either"),
        ([(START, 300.0), (START + 2 * S, 300.0)], "could not be read for over a second"),
        ([(t * S // 10, 300.0) for t in range(500, 580)], "could not be read for over a second"),
        ([(t * S // 10, 0.0) for t in range(500, 601)], "its power reads as zero"),
    ],
)
@pytest.mark.parametrize("spoil", [stuck, reset])
def test_without_counter_and_power_there_is_nothing_but_a_reason(spoil, power, said):
    reading, notices = judge(spoil(trace_of(power=power)))
    assert (reading.energy_j, reading.method) == (None, None)
    assert reading.reason.endswith(said)
    assert reading.reason.startswith(next(iter(notices.values())).message)


@pytest.mark.parametrize(("at_s", "seconds"), [(2.0, 1.8), (2.0, 5.0), (-1.0, 4.0), (7.0, 3.1)])
def test_where_nobody_looked_nothing_stood_still(at_s, seconds):
    """Rests of the recorder may last for seconds; what it did not see is no proof."""
    reading, notices = judge(unwatched(trace_of(), at=START + round(at_s * S), seconds=seconds))
    assert (reading.method, notices) == ("counter", {})


@pytest.mark.parametrize(("seconds", "believed"), [(1.0, True), (1.01, False)])
@pytest.mark.parametrize("edge", ["start", "middle", "end"])
def test_two_looks_over_a_second_apart_prove_that_it_stands_still(seconds, believed, edge):
    trace, span = trace_of(), round(seconds * S)
    if edge == "middle":
        trace.still = [(START + S, START + S + span)]
    elif edge == "start":  # the reading at the window's edge is a look as well
        trace.counter = [(t, mj) for t, mj in trace.counter if t > START + span]
        trace.counter.insert(0, (START + span, trace.start_mj))
    else:
        trace.counter = [(t, mj) for t, mj in trace.counter if t < START + 10 * S - span]
        trace.end_mj = trace.counter[-1][1] + 9_000
        trace.counter.append((START + 10 * S - span, trace.end_mj))
    reading, notices = judge(trace)
    assert reading.method == ("counter" if believed else "power_integral")
    assert ("counter_frozen" in notices) is not believed


def test_a_lost_gpu_has_no_energy_however_good_its_records_look():
    reading, notices = judge(trace_of(lost=True))
    assert (reading.energy_j, reading.method) == (None, None)
    assert "was lost" in reading.reason
    assert notices["gpu_lost"].invalidates


@pytest.mark.parametrize(
    ("bits", "code", "invalidates"),
    [
        (0x00, None, False),
        (0x01, None, False),  # idle
        (0x02, None, False),  # clocks as the user set them
        (0x04, "power_cap", False),
        (0x20, "thermal_slowdown", True),
        (0x40, "thermal_slowdown", True),
        (0x80, "power_brake", True),
    ],
)
def test_what_held_the_clocks_down(bits, code, invalidates):
    reading, notices = judge(trace_of(event_reasons=bits))
    assert list(notices) == ([code] if code else [])
    assert any(notice.invalidates for notice in notices.values()) is invalidates
    assert reading.method == "counter"
    assert reading.facts["clocks_event_reasons"] == bits


def test_all_that_held_the_clocks_down_is_told():
    _, notices = judge(trace_of(event_reasons=0x04 | 0x20 | 0x40 | 0x80))
    assert set(notices) == {"power_cap", "thermal_slowdown", "power_brake"}


@pytest.mark.parametrize(
    ("own", "seen", "others"),
    [(1, 1, 0), (1, 0, 0), (1, 2, 1), (1, None, 0), (0, 0, 0), (0, 3, 3), (2, 4, 2)],
)
def test_other_processes_on_the_gpu_invalidate(own, seen, others):
    about = Circumstances("GPU 0", own_processes=own)
    _, notices = judge(trace_of(max_processes=seen), about=about)
    assert ("contention" in notices) is (others > 0)
    if others:
        assert notices["contention"].invalidates
        assert notices["contention"].message.startswith(f"{others} other process")


@pytest.mark.parametrize(("change", "said"), [({"mig": True}, "MIG"), ({"vgpu": True}, "virtual")])
def test_parts_of_gpus_are_not_metered(change, said):
    _, notices = judge(trace_of(), about=Circumstances("GPU 0", own_processes=1, **change))
    assert notices["mig_or_vgpu"].invalidates
    assert said in notices["mig_or_vgpu"].message


def with_power(factor, *, seconds=20.0, source="power", **change):
    trace = trace_of(seconds=seconds, **change)
    samples = [(t, watts * factor) for t, watts in trace.power]
    trace.power, trace.average_power = (samples, []) if source == "power" else ([], samples)
    return trace


@pytest.mark.parametrize(
    ("source", "seconds", "allowed"),
    [
        ("power", 60.0, 0.05),
        ("power", 20.0, 0.05),
        ("power", 10.0, 0.10),  # a second of it
        ("power", 2.0, 0.50),
        ("average_power", 60.0, 0.05),
        ("average_power", 40.0, 0.05),
        ("average_power", 20.0, 0.10),  # two seconds of it
        ("average_power", 5.0, 0.40),
    ],
)
@pytest.mark.parametrize("way", [+1, -1])
@pytest.mark.parametrize(("share", "told"), [(0.85, False), (1.15, True)])
def test_counter_and_power_that_are_too_far_apart_are_told(
    source, seconds, allowed, way, share, told
):
    """5% in long windows; in short ones the edges alone can make a difference."""
    trace = with_power(1 + way * share * allowed, seconds=seconds, source=source, period_ms=10)
    reading, notices = judge(trace, seconds=seconds)
    assert (reading.energy_j, reading.method) == (pytest.approx(300 * seconds, rel=0.01), "counter")
    assert list(notices) == (["counter_power_disagree"] if told else [])
    assert not any(notice.invalidates for notice in notices.values())


@pytest.mark.parametrize("source", ["power", "average_power"])
def test_a_counter_that_is_wrong_by_43_percent_is_not_silent(source):
    trace = with_power(1 / 1.43, seconds=40.0, source=source)
    assert list(judge(trace, seconds=40.0)[1]) == ["counter_power_disagree"]


def noisy(samples, every_ms):
    """Power as a sensor renews it: no two readings alike."""
    return [(t, watts + (t // (every_ms * MS)) % 97 / 1e3) for t, watts in samples]


@pytest.mark.parametrize(("every_ms", "told"), [(20, True), (100, True), (500, True), (900, False)])
def test_power_that_is_seldom_renewed_judges_only_longer_windows(every_ms, told):
    """6% apart in 20 s: two renewals of 0.9 s are 9% of them."""
    trace = with_power(1.06)
    trace.power = noisy(trace.power, every_ms)
    reading, notices = judge(trace, seconds=20.0)
    assert reading.facts["power_period_ms"] == pytest.approx(every_ms, rel=0.05)
    assert list(notices) == ["counter_power_disagree"] * told


def test_of_a_steady_power_no_period_is_known():
    assert judge(trace_of())[0].facts["power_period_ms"] is None


def test_power_that_reads_zero_does_not_check_the_counter_and_that_is_told():
    reading, notices = judge(with_power(0.0, seconds=10.0))
    assert (reading.energy_j, reading.method) == (pytest.approx(3000.0, rel=0.01), "counter")
    assert list(notices) == ["counter_unchecked"]
    assert "zero" in notices["counter_unchecked"].message


def test_a_counter_that_has_no_power_beside_it_is_told():
    reading, notices = judge(trace_of(power=[]))
    assert (reading.energy_j, reading.method) == (pytest.approx(3000.0, rel=0.01), "counter")
    assert list(notices) == ["counter_unchecked"]
    assert "none can be read" in notices["counter_unchecked"].message


SUPERCHIP = Circumstances("GPU 0 (GH200)", own_processes=1, module=True)


def test_of_a_superchip_the_gpus_own_power_is_integrated():
    """Its counter has the processor's energy too: 300 W against 150 W of the GPU."""
    reading, notices = judge(with_power(0.5, seconds=10.0), about=SUPERCHIP)
    assert (reading.energy_j, reading.method) == (pytest.approx(1500.0), "power_integral")
    assert list(notices) == ["module_scope"]
    assert not notices["module_scope"].invalidates
    assert "processor included" in notices["module_scope"].message


@pytest.mark.parametrize("method", ["counter", "power_integral"])
def test_of_a_superchip_without_its_gpus_power_the_modules_energy_is_not_rated(method):
    trace = with_power(1.0, seconds=20.0, source="average_power")
    if method == "power_integral":
        stuck(trace)
    reading, notices = judge(trace, seconds=20.0, about=SUPERCHIP)
    assert (reading.energy_j, reading.method) == (pytest.approx(6000.0, rel=0.01), method)
    assert notices["module_energy"].invalidates
    assert "whole module" in notices["module_energy"].message


def test_of_a_superchip_power_with_a_gap_is_no_reason_to_take_the_modules():
    trace = trace_of(power=[(START, 150.0), (START + 5 * S, 150.0)])
    reading, notices = judge(trace, about=SUPERCHIP)
    assert (reading.energy_j, reading.method) == (None, None)
    assert "over a second" in reading.reason
    assert "module_energy" not in notices


def test_more_than_the_power_limit_allows_is_impossible():
    reading, notices = judge(trace_of(watts=300.0, power_limits_w={250.0}))
    assert reading.energy_j == pytest.approx(3000.0, rel=0.02)
    assert notices["impossible_power"].invalidates
    assert "limit of 250 W" in notices["impossible_power"].message


@pytest.mark.parametrize("limits", [{300.0}, {290.0}, {100.0, 350.0}, set()])
def test_up_to_the_highest_limit_and_a_little_above_is_possible(limits):
    assert "impossible_power" not in judge(trace_of(watts=300.0, power_limits_w=limits))[1]


def test_a_power_limit_that_changes_during_the_window_invalidates():
    _, notices = judge(trace_of(power_limits_w={700.0, 350.0}))
    assert list(notices) == ["power_limit_changed"]
    assert notices["power_limit_changed"].invalidates
    assert notices["power_limit_changed"].message.endswith("350 W, 700 W")
    assert judge(trace_of(power_limits_w={700.0}))[1] == {}


@pytest.mark.parametrize(
    ("idle_w", "told"), [(None, False), (70.0, False), (330.0, False), (340.0, True), (400.0, True)]
)
@pytest.mark.parametrize("spoil", [lambda trace: trace, stuck])
def test_less_power_than_idling_takes_is_implausible(idle_w, told, spoil):
    """300 W at work: 0.9 times an idle power of 333 W, within the counter's last update."""
    about = Circumstances("GPU 0 (Test)", own_processes=1, idle_power_w=idle_w)
    reading, notices = judge(spoil(trace_of(watts=300.0)), about=about)
    assert reading.energy_j > 0, "kept for information"
    assert ("implausible_power" in notices) is told
    if told:
        assert notices["implausible_power"].invalidates
        assert f"less than the {idle_w} W of its idling" in notices["implausible_power"].message


@pytest.mark.parametrize(("watts", "told"), [(6.5, True), (7.5, False)])
def test_without_a_baseline_under_1_percent_of_the_limit_is_a_caution(watts, told):
    _, notices = judge(trace_of(watts=watts, power_limits_w={700.0}))
    assert list(notices) == ["implausible_power"] * told
    if told:
        assert not notices["implausible_power"].invalidates
        said = notices["implausible_power"].message
        assert "W on average is under 1% of its limit of 700 W" in said


def test_with_a_baseline_the_share_of_the_limit_says_nothing():
    about = Circumstances("GPU 0 (Test)", own_processes=1, idle_power_w=5.0)
    assert judge(trace_of(watts=6.0, power_limits_w={700.0}), about=about)[1] == {}


def test_what_the_counter_lacks_at_a_short_windows_end_is_not_held_against_it():
    trace = trace_of(watts=300.0, seconds=2.1)
    trace.end_mj = trace.start_mj + 300 * 2000  # an update of 100 ms came too late
    about = Circumstances("GPU 0 (Test)", own_processes=1, idle_power_w=310.0)
    assert set(judge(trace, seconds=2.1, about=about)[1]) == {"short_window"}


def clocks(*thirds, each=14):
    """Four samples a second, a third of the window after the other."""
    values = [mhz for mhz in thirds for _ in range(each)]
    return [(START + place * S // 4, mhz) for place, mhz in enumerate(values)]


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        (clocks(1980.0, 1980.0, 1980.0), False),
        (clocks(1980.0, 1200.0, 1980.0), False),  # it came back
        (clocks(1980.0, 1950.0, 1890.0), False),  # 4.8%
        (clocks(1980.0, 1900.0, 1875.0), True),  # 5.6%
        (clocks(1200.0, 1500.0, 1980.0), True),
        (clocks(1980.0, 1500.0, 1200.0, each=2), False),  # too few to say
        ([], False),
    ],
)
def test_clocks_that_are_others_at_the_end_than_at_the_beginning_are_told(samples, told):
    _, notices = judge(trace_of(sm_clocks_mhz=samples, seconds=10.5), seconds=10.5)
    assert list(notices) == ["clocks_changed"] * told
    if told:
        first, last = samples[0][1], samples[-1][1]
        assert not notices["clocks_changed"].invalidates
        assert f"from {first:.0f} MHz" in notices["clocks_changed"].message
        assert f"to {last:.0f} MHz" in notices["clocks_changed"].message


def test_single_dips_and_samples_outside_the_window_are_no_change_of_clocks():
    samples = [(t, 300.0 if place % 5 == 0 else 1980.0) for place, (t, _) in enumerate(
        clocks(1.0, 1.0, 1.0)
    )]  # fmt: skip
    around = [(START - k * S // 4, 300.0) for k in range(20, 0, -1)]
    reading, notices = judge(trace_of(sm_clocks_mhz=around + samples, seconds=10.5), seconds=10.5)
    assert notices == {}
    assert reading.facts["median_sm_clock_mhz"] == 1980.0


def test_allowed_others_are_told_of_and_do_not_invalidate():
    about = Circumstances("GPU 0", own_processes=1, shared=True)
    _, notices = judge(trace_of(max_processes=2), about=about)
    assert list(notices) == ["contention"]
    assert not notices["contention"].invalidates
    assert judge(trace_of(max_processes=1), about=about)[1] == {}


def test_integrated_power_is_held_against_the_limit_too():
    _, notices = judge(stuck(trace_of(watts=300.0, power_limits_w={250.0})))
    assert set(notices) == {"counter_frozen", "impossible_power"}


def test_the_energy_of_one_update_period_may_come_early():
    """In a short window a tick can carry the energy of the period before it."""
    trace = trace_of(watts=300.0, seconds=2.1, power_limits_w={300.0})
    trace.start_mj, trace.end_mj = 1_000_000, 1_000_000 + 300 * 2200
    assert set(judge(trace, seconds=2.1)[1]) == {"short_window"}
    trace.end_mj = 1_000_000 + 300 * 2350
    assert set(judge(trace, seconds=2.1)[1]) == {"short_window", "impossible_power"}


@pytest.mark.parametrize("period_ms", [20, 100])
def test_the_update_period_is_found(period_ms):
    reading, _ = judge(trace_of(period_ms=period_ms))
    assert reading.facts["update_period_ms"] == period_ms


@pytest.mark.parametrize(
    ("times_ms", "period_ms"),
    [
        ([], None),
        ([0], None),
        ([0, 30, 130, 230, 330], None),  # four changes: too few
        ([0, 30, 130, 230, 330, 430], 100.0),
        ([0, 1, 101, 201, 1201, 1301, 1401], 100.0),  # a gap does not matter
        ([0, 10, 20, 40, 60, 80, 100, 120, 130], 10.0),  # most of the others were not noted
        ([0, 10, 20, 40, 70, 80, 100, 130, 160], 10.0),
        ([0, 10, 20, 35, 50, 65, 80], 15.0),  # no multiples
        ([0, 10, 40, 50, 100, 110, 180, 240, 320], 10.0),  # few of them follow each other
    ],
)
def test_the_update_period_is_the_median_of_enough_changes(times_ms, period_ms):
    assert update_period_ms([(t * MS, float(t)) for t in times_ms]) == period_ms


def test_facts_are_what_was_recorded():
    reading, _ = judge(
        trace_of(
            max_temperature_c=71.0,
            sm_clocks_mhz=[(START - 1, 1200.0), (START + S, 1980.0), (START + 2 * S, 1900.0)],
            max_processes=1,
        )
    )
    assert reading.facts["median_sm_clock_mhz"] == 1940.0
    assert reading.facts["max_temperature_c"] == 71.0
    assert (reading.facts["min_sm_clock_mhz"], reading.facts["max_sm_clock_mhz"]) == (
        1200.0,
        1980.0,
    )
    assert (reading.facts["max_power_w"], reading.facts["power_limit_w"]) == (300.0, 700.0)
    assert reading.facts["power_integral_j"] == pytest.approx(3000.0)


def test_facts_that_were_not_recorded_are_null_and_never_zero():
    trace = Trace(start_mj=1_000_000, end_mj=1_150_000)
    reading, _ = judge(trace, seconds=0.5)
    assert reading.energy_j == 150.0
    unknown = {name for name, value in reading.facts.items() if value is None}
    assert unknown == {
        "update_period_ms", "power_integral_j", "power_source", "power_period_ms", "max_power_w",
        "counter_read_ms", "power_sampling_se_j",
        "max_temperature_c", "min_sm_clock_mhz", "median_sm_clock_mhz", "max_sm_clock_mhz",
        "power_limit_w", "max_processes",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "period_ms", "said"),
    [(10.0, 100, None), (2.0, 100, "up to 5.0% too much or too little"), (2.0, 10, None)],
)
def test_a_window_too_short_for_the_counters_steps_is_told(seconds, period_ms, said):
    reading, notices = judge(trace_of(seconds=seconds, period_ms=period_ms), seconds=seconds)
    assert reading.method == "counter"
    assert ("short_window" in notices) is (said is not None)
    assert said is None or said in notices["short_window"].message


@pytest.mark.parametrize(("joules", "believed"), [(50.0, True), (1_000.0, False), (2e5, False)])
def test_a_counter_that_rises_by_more_than_the_gpu_can_take_is_not_believed(joules, believed):
    """At 700 W and an update each 100 ms no update brings 280 J; power serves instead."""
    trace = trace_of()
    half = len(trace.counter) // 2
    jumped = [(t, mj + round(joules * 1e3)) for t, mj in trace.counter[half:]]
    trace.counter[half:] = jumped
    trace.end_mj += round(joules * 1e3)
    reading, notices = judge(trace)
    assert reading.method == ("counter" if believed else "power_integral")
    assert ("counter_jumped" in notices) is not believed
    if not believed:
        assert reading.energy_j == pytest.approx(3000.0, rel=0.02)
