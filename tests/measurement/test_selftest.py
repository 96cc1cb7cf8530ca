"""Judging what was seen, and the report that results cite: no hardware here."""

import json
import statistics
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from support.results import make_result

from energyscore.base.errors import ResultError
from energyscore.cli.selftest import QUICK_TIME, selftest
from energyscore.measurement.doctor import diagnose_selftest
from energyscore.measurement.environment import describe
from energyscore.measurement.meter import Reading, UpdatePeriod, notice
from energyscore.measurement.meters.update_period import update_period
from energyscore.measurement.selftest import judge, judge_gpu
from energyscore.measurement.selftest.judge import Observed, verdict
from energyscore.measurement.selftest.plan import QUICK, SelfTestPlan
from energyscore.measurement.selftest.report import (
    MAX_AGE,
    check_place,
    load_selftest,
    make_selftest,
    parse_selftest,
    save_selftest,
    selftest_to_json,
    with_selftest,
)
from energyscore.results.store import load_results, save_result

GPU = "gpu:GPU-0"
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def window(
    counter_j=3000.0, power_j=3000.0, seconds=10.0, operations=100, notices=(), source="instant",
    **facts,
):  # fmt: skip
    """A metered window on a GPU: 300 W by both sources unless told otherwise."""
    known = {"power_integral_j": power_j, "power_source": source, "update_period_ms": 20.0}
    if counter_j is None:
        reading = Reading(power_j, "power_integral", facts=known | facts)
    else:
        reading = Reading(counter_j, "counter", facts=known | facts)
    return Observed(reading, seconds, tuple(notices), operations, (40.0, 55.0))


def outcome(check):
    return (check.status, check.invalidates)


OK, CAUTION, INVALID, CANNOT = ("ok", False), ("caution", False), ("caution", True), "cannot"


@pytest.mark.parametrize(
    ("counters_j", "status", "said"),
    [
        ((600.0,) * 8, OK, "the counters of 8 of 8 GPUs are believed"),
        ((600.0,) * 7 + (None,), CAUTION, "of 7 of 8 GPUs are believed; it stood still for 1.8 s"),
    ],
)
def test_counters_are_believed_when_all_gpus_are_metered_at_once(counters_j, status, said):
    frozen = [notice("counter_frozen", "it stood still for 1.8 s"), notice("power_cap", "capped")]
    idle = {
        f"GPU-{n}": window(j, notices=frozen[: 2 * (j is None)]) for n, j in enumerate(counters_j)
    }
    check = judge_gpu.judge_together(idle, {f"gpu:GPU-{n}" for n in range(8)})
    assert outcome(check) == status
    assert said in check.message
    assert "capped" not in check.message
    believed = sum(j is not None for j in counters_j)
    assert check.figures == {"gpus": 8, "counters": 8, "believed": believed}


def test_gpus_without_counters_are_not_asked_for_them():
    idle = {f"GPU-{n}": window(None) for n in range(2)}
    assert judge_gpu.judge_together(idle, set()).status == CANNOT


def test_the_update_period_has_median_and_spread():
    gaps_ms = [20, 20, 30, 20, 10, 20, 40, 20, 20]
    times = [0]
    for gap in [7, *gaps_ms]:  # the first gap is from the start of polling to the first change
        times.append(times[-1] + gap)
    period = update_period([(t * 1_000_000, t) for t in times])
    lower, _, upper = statistics.quantiles(gaps_ms, n=4, method="inclusive")
    assert period == UpdatePeriod(20.0, upper - lower, len(gaps_ms))
    assert update_period([(t, t) for t in range(5)]) is None


def test_a_counter_is_judged_by_its_period():
    quick = judge_gpu.judge_counter(GPU, UpdatePeriod(20.0, 1.0, 250), "", 5.0)
    assert outcome(quick) == OK
    assert quick.figures["median_ms"] == 20.0
    slow = judge_gpu.judge_counter(GPU, UpdatePeriod(500.0, 1.0, 10), "", 5.0)
    assert outcome(slow) == CAUTION
    still = judge_gpu.judge_counter(GPU, None, "", 5.0)
    assert still.status == CANNOT
    assert "stands still" in still.message
    missing = judge_gpu.judge_counter(GPU, None, "Not Supported", 5.0)
    assert "Not Supported" in missing.message
    assert missing.figures["median_ms"] is None


@pytest.mark.parametrize(("processes", "wanted"), [(0, OK), (2, INVALID), (None, None)])
def test_another_process_on_the_gpu_spoils_measurements(processes, wanted):
    check = judge_gpu.judge_exclusive_use(GPU, processes)
    assert outcome(check) == wanted if wanted else check.status == CANNOT


@pytest.mark.parametrize(
    ("counter_j", "power_j", "wanted"),
    [
        (3000.0, 3000.0, OK),
        (3000.0, 2880.0, OK),  # 4.2%
        (3300.0, 3000.0, CAUTION),  # 10%
        (3900.0, 3000.0, INVALID),  # 30%
        (2100.0, 3000.0, INVALID),
        (100.0, 60.0, OK),  # 10 W against 6 W: within what meters can tell
    ],
)
def test_idle_power_by_two_sources(counter_j, power_j, wanted):
    check = judge_gpu.judge_idle(GPU, window(counter_j, power_j))
    assert outcome(check) == wanted
    assert check.figures["counter_w"] == counter_j / 10
    assert check.figures["power_integral_w"] == power_j / 10
    assert check.figures["counter_to_power_ratio"] == pytest.approx(counter_j / power_j)


def test_a_short_window_is_judged_with_what_its_updates_leave_open():
    # 1 s at 100 ms: 10% of the energy may be missing at the edges.
    short = window(270.0, 300.0, seconds=1.0, update_period_ms=100.0)
    assert outcome(judge_gpu.judge_idle(GPU, short)) == OK
    assert outcome(judge_gpu.judge_idle(GPU, window(2700.0, 3000.0))) == CAUTION


def test_idle_power_that_cannot_be_read_is_null_with_its_reason():
    lost = Observed(Reading(None, None, "the power reads as zero"), 10.0)
    check = judge_gpu.judge_idle(GPU, lost)
    assert check.status == CANNOT
    assert check.figures["power_w"] is None
    assert "reads as zero" in check.message
    gone = notice("gpu_lost", "the GPU was lost", invalidates=True)
    check = judge_gpu.judge_idle(GPU, Observed(lost.reading, 10.0, (gone,)))
    assert outcome(check) == INVALID


def test_energy_of_an_operation_and_how_well_it_repeats():
    joules = [3000.0, 3010.0, 2990.0, 3005.0, 2995.0, 3000.0]
    check = judge_gpu.judge_load_energy(GPU, "product", [window(value) for value in joules])
    assert outcome(check) == OK
    assert check.figures["energy_j_per_operation"] == pytest.approx(30.0)
    deviation = statistics.stdev(joules) / statistics.fmean(joules)
    assert check.figures["coefficient_of_variation"] == pytest.approx(deviation)
    assert check.figures["operations_per_s"] == pytest.approx(10.0)


def test_repeats_that_vary_or_drift_are_told():
    joules = [3000.0, 3100.0, 2900.0, 3050.0, 2950.0, 3000.0]
    varied = judge_gpu.judge_load_energy(GPU, "product", [window(value) for value in joules])
    assert outcome(varied) == CAUTION
    assert "drift" not in varied.message
    rising = [window(3000.0 + 8.0 * place) for place in range(6)]
    drifting = judge_gpu.judge_load_energy(GPU, "product", rising)
    assert outcome(drifting) == CAUTION
    assert drifting.figures["coefficient_of_variation"] < 0.01
    assert drifting.figures["drift_share"] == pytest.approx(40 / 3020)


def test_a_repeat_without_energy_leaves_no_figure():
    windows = [window(), Observed(Reading(None, None, "GPU 0 was lost"), 8.0, (), 10), window()]
    check = judge_gpu.judge_load_energy(GPU, "product", windows)
    assert check.status == CANNOT
    assert check.figures["energy_j_per_operation"] is None
    assert check.message == "GPU 0 was lost"


@pytest.mark.parametrize(
    ("counter_j", "decides", "wanted"),
    [
        (3270.0, True, OK),  # 1 s of the window may be missing at its edges
        (3330.0, True, CAUTION),
        (3630.0, True, INVALID),
        (4500.0, False, CAUTION),
    ],
)
def test_counter_against_power_under_load(counter_j, decides, wanted):
    windows = [window(counter_j), window(counter_j)]
    check = judge_gpu.judge_agreement("load_agreement", GPU, windows, what="load", decides=decides)
    assert outcome(check) == wanted
    assert check.figures["counter_to_power_ratio"] == pytest.approx(counter_j / 3000)


@pytest.mark.parametrize(
    ("seconds", "counter_j", "wanted"),
    [
        (40.0, 3140.0, OK),
        (40.0, 3160.0, CAUTION),
        (2.0, 4000.0, OK),  # a real B300 was 33% off in a window like this, and sound
        (2.0, 4600.0, INVALID),
        (1.0, 4600.0, None),
        (0.8, 4600.0, None),
    ],
)
def test_short_windows_under_load_are_judged_by_their_edges(seconds, counter_j, wanted):
    windows = [window(counter_j, seconds=seconds), window(counter_j, seconds=seconds)]
    check = judge_gpu.judge_agreement("load_agreement", GPU, windows, what="load")
    assert check.figures["counter_to_power_ratio"] == pytest.approx(counter_j / 3000)
    if wanted is None:
        assert check.status == CANNOT
        assert f"windows of {seconds} s are too short" in check.message
    else:
        assert outcome(check) == wanted


@pytest.mark.parametrize(
    ("half_s", "periods_ms", "can"),
    [
        (0.5, (100.0, 104.0, 100.0), True),  # H100, A100
        (0.5, (500.0, 480.0, 1000.0), False),  # RTX PRO 6000
        (2.0, (500.0, 480.0, 1000.0), True),
        (0.05, (100.0, 100.0, 100.0), False),
        (0.05, (20.0, 20.0, 20.0), True),
        (0.05, (None, None, None), True),  # it is not known
    ],
)
def test_power_that_is_seldom_renewed_cannot_judge_a_fast_wave(half_s, periods_ms, can):
    repeats = [window(power_period_ms=period_ms) for period_ms in periods_ms]
    why = judge_gpu.why_wave_too_fast(half_s, repeats)
    assert (why == "") is can
    if not can:
        assert f"renewed every {statistics.median(periods_ms):.0f} ms" in why


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (window(None), "energy counter"),
        (window(source="average"), "instantaneous power"),
        (window(power_j=None), "instantaneous power"),
    ],
)
def test_without_two_sources_there_is_nothing_to_compare(seen, said):
    check = judge_gpu.judge_agreement("load_agreement", GPU, [window(), seen], what="load")
    assert check.status == CANNOT
    assert said in check.message
    assert check.figures["counter_to_power_ratio"] is None


def test_the_conditions_under_load():
    clocks = {"min_sm_clock_mhz": 1900, "max_sm_clock_mhz": 1980, "power_limit_w": 600.0}
    windows = [
        window(clocks_event_reasons=0x4, **clocks),
        window(clocks_event_reasons=0x1, **clocks | {"min_sm_clock_mhz": 1500}),
    ]
    check = judge_gpu.judge_conditions(GPU, windows)
    assert outcome(check) == OK
    assert check.figures == {
        "mean_power_w": 300.0,
        "power_limit_w": 600.0,
        "power_to_limit_ratio": 0.5,
        "temperature_begin_c": 40.0,
        "temperature_end_c": 55.0,
        "min_sm_clock_mhz": 1500,
        "max_sm_clock_mhz": 1980,
        "clocks_event_reasons": 5,
    }


def test_notices_of_the_meter_become_cautions_or_spoil():
    cap = notice("power_cap", "it ran into its power limit")
    heat = notice("thermal_slowdown", "it was slowed down by heat", invalidates=True)
    capped = judge_gpu.judge_conditions(GPU, [window(notices=[cap]), window(notices=[cap])])
    assert outcome(capped) == CAUTION
    assert capped.message.count("power limit") == 1, "said once, not once a repeat"
    hot = judge_gpu.judge_conditions(GPU, [window(), window(notices=[cap, heat])])
    assert outcome(hot) == INVALID
    assert "heat" in hot.message


def test_what_metering_costs_is_the_median_of_the_pairs():
    pairs = [(100.0, 100.0), (101.0, 100.0), (150.0, 100.0), (99.0, 100.0), (100.5, 100.0)]
    check = judge_gpu.judge_overhead(GPU, pairs, 0.03)
    assert check.figures["overhead_ratio"] == pytest.approx(1.005)
    assert outcome(check) == OK
    assert outcome(judge_gpu.judge_overhead(GPU, [(103.0, 100.0)] * 3, None)) == CAUTION


def test_without_a_load_all_its_figures_are_null_but_what_the_idle_time_told():
    waves = [wave.name for wave in SelfTestPlan().waves]
    checks = judge_gpu.no_load(GPU, "torch sees no GPU", waves, 0.04)
    assert {check.status for check in checks} == {CANNOT}
    assert {check.message for check in checks} == {"torch sees no GPU"}
    figures = {key: value for check in checks for key, value in check.figures.items()}
    assert figures.pop("recorder_cpu_share") == 0.04
    assert set(figures.values()) == {None}
    assert {"wave_500_ms", "wave_50_ms"} < {check.name for check in checks}


def rapl(watts):
    return {"cpu": Observed(Reading(watts * 2.0, "rapl"), 2.0)}


def test_rapl():
    good = judge.judge_rapl("", rapl(30.0), rapl(95.0))
    assert outcome(good) == OK
    assert (good.figures["cpu_idle_w"], good.figures["cpu_load_w"]) == (30.0, 95.0)
    assert good.figures["dram_idle_w"] is None
    assert outcome(judge.judge_rapl("", rapl(30.0), rapl(30.0))) == CAUTION
    closed = judge.judge_rapl("It may not be read. Allow it with: chmod.", {}, {})
    assert closed.status == CANNOT
    assert "chmod" in closed.message
    silent = {"cpu": Observed(Reading(None, None, "the RAPL counter did not move"), 2.0)}
    assert "did not move" in judge.judge_rapl("", silent, rapl(95.0)).message


def test_the_processors_pace():
    steady = judge.judge_pace("product", [(300, 3.0), (301, 3.0), (299, 3.0), (300, 3.0)])
    assert outcome(steady) == OK
    assert steady.figures["time_ms_per_operation"] == pytest.approx(10.0, rel=1e-4)
    assert outcome(judge.judge_pace("p", [(300, 3.0), (270, 3.0), (330, 3.0)])) == CAUTION


@pytest.mark.parametrize(("share", "wanted"), [(-0.001, OK), (0.05, OK), (0.5, CAUTION)])
def test_neighbours(share, wanted):
    check = judge.judge_neighbours(share)
    assert outcome(check) == wanted
    assert "-" not in check.message


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, OK),
        ({"ppm": None}, OK),
        ({"ppm": -600.0}, CAUTION),
        ({"step_ns": 1_000_000}, CAUTION),
        ({"sleeps_late_ms": [0.1] * 90 + [5.0] * 10}, CAUTION),
        ({"sleeps_late_ms": [0.1] * 99 + [5.0]}, OK),  # one in a hundred
        ({"backward_steps": 1}, INVALID),
    ],
)
def test_clocks(change, wanted):
    seen = {"step_ns": 40, "backward_steps": 0, "ppm": 3.0, "sleeps_late_ms": [0.1] * 100}
    assert outcome(judge.judge_clocks(**seen | change)) == wanted


def test_standstill_spoils_and_a_clock_that_was_set_does_not():
    suspended = notice("suspended", "the process stood still for 4.0 s", invalidates=True)
    jump = notice("clock_jump", "the time of day was set")
    assert outcome(judge.judge_continuity([], 9.0)) == OK
    assert outcome(judge.judge_continuity([jump], 9.0)) == CAUTION
    stopped = judge.judge_continuity([suspended, jump], 9.0)
    assert outcome(stopped) == INVALID
    assert stopped.figures["gaps"] == 1
    assert judge.judge_continuity(None, 9.0).status == CANNOT


def test_the_plans_keep_their_promise():
    plan = SelfTestPlan()
    assert 100 < plan.seconds(1) < 150
    assert QUICK.seconds(1) < 30
    assert plan.seconds(2) - plan.seconds(1) == plan.probe_s + plan.load_s
    assert [wave.half_s for wave in plan.waves] == [0.5, 0.05]


def machine(gpu=True, **change):
    own = describe(make_result().environment.gpus if gpu else (), "550.54" if gpu else None)
    return own.model_copy(update=change)


def made(environment=None, **options):
    checks = [
        verdict("clock", "machine", {"step_ns": 40, "x": 0.1 + 0.2, "list": [1, 2.5]}, "ü \u2028")
    ]
    options = {"quick": False, "duration_s": 130.0, "now": NOW} | options
    return make_selftest(environment or machine(), options.pop("checks", checks), **options)


def test_a_report_survives_its_file_and_has_its_contents_id(tmp_path):
    report = made()
    assert load_selftest(tmp_path) is None
    path = save_selftest(tmp_path, report)
    assert load_selftest(tmp_path) == report
    assert json.loads(path.read_text())["created_at"] == "2026-03-04T05:06:07Z"
    assert report.id == made().id
    assert report.id != made(quick=True).id


@pytest.mark.parametrize(
    ("old", "new"),
    [('"step_ns": 40', '"step_ns": 41'), ('"quick": false', '"quick": true')],
)
def test_a_report_that_was_changed_is_none(old, new):
    text = selftest_to_json(made())
    assert old in text
    with pytest.raises(ResultError, match="the file was changed"):
        parse_selftest(text.replace(old, new), "selftest.json")


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"kind": "selftest"', "\0"])
def test_other_files_are_no_report(text):
    with pytest.raises(ResultError, match="x is no self-test"):
        parse_selftest(text, "x")


def test_no_figure_is_nan():
    with pytest.raises(ValidationError, match="finite"):
        verdict("clock", "machine", {"step_ns": float("nan")}, "")


@pytest.mark.parametrize(
    ("change", "cited"),
    [
        ({}, True),
        ({"gpus": []}, True),  # what was tested with its GPU holds for its processor
        ({"cpu": "Another processor"}, False),
        ({"driver": "999.9"}, False),
        ({"gpus": [make_result().environment.gpus[0].model_copy(update={"uuid": "GPU-9"})]}, False),
    ],
)
def test_results_cite_a_selftest_of_the_same_machine_only(tmp_path, change, cited):
    report = made(now=datetime.now(UTC))
    save_selftest(tmp_path, report)
    here = machine(**change)
    assert with_selftest(tmp_path, here, [].append).selftest == (report.id if cited else None)
    assert with_selftest(tmp_path, here, [].append).model_copy(update={"selftest": None}) == here


def test_a_stale_selftest_is_not_cited_and_a_broken_one_is_named(tmp_path):
    said = []
    save_selftest(tmp_path, made(now=datetime.now(UTC) - MAX_AGE + timedelta(minutes=5)))
    assert with_selftest(tmp_path, machine(), said.append).selftest
    old = save_selftest(tmp_path, made(now=datetime.now(UTC) - MAX_AGE - timedelta(minutes=5)))
    assert with_selftest(tmp_path, machine(), said.append).selftest is None
    assert said == []
    old.write_text(old.read_text()[:-20])
    assert with_selftest(tmp_path, machine(), said.append).selftest is None
    assert len(said) == 1
    assert f"the self-test is not cited: {old}" in said[0]
    assert with_selftest(tmp_path / "nowhere", machine(), said.append).selftest is None


def test_a_selftest_among_results_is_passed_over(tmp_path):
    path = save_result(tmp_path / "org", make_result())
    copy = tmp_path / "org" / "of-another-machine.json"
    copy.write_text(save_selftest(tmp_path, made()).read_text())
    assert [found for found, _ in load_results([tmp_path])] == [path.resolve()]


def test_doctor_tells_of_the_selftest(tmp_path):
    def finding(*environment):
        return diagnose_selftest(tmp_path, *environment)

    none = finding((), None)
    assert (none.status, "energyscore selftest" in none.remedy) == ("caution", True)
    three_days = datetime.now(UTC) - timedelta(days=3, minutes=1)
    report = made(now=three_days)
    save_selftest(tmp_path, report)
    found = finding(("GPU-0",), "550.54")
    assert (found.status, found.facts["id"]) == ("ok", report.id)
    assert "72 h" in found.detail
    assert finding(("GPU-0",), "551").status == "caution"
    assert "GPU-9" in finding(("GPU-9",), "550.54").detail
    doubtful = verdict("other_processes", GPU, {}, "others work", cautions=["at most 10%"])
    save_selftest(tmp_path, made(now=three_days, checks=[doubtful]))
    told = finding((), None)
    assert (told.status, "with cautions: other processes" in told.detail) == ("caution", True)
    bad = verdict("idle_power", GPU, {}, "it contradicts", invalid=["the power"])
    save_selftest(tmp_path, made(now=three_days, checks=[bad]))
    assert "invalid (idle_power)" in finding((), None).detail
    (tmp_path / "selftest.json").write_text("{}")
    assert "no self-test" in finding((), None).detail


def test_help_and_page_say_how_long_it_takes():
    def said(plan):
        once_s, a_gpu_s = plan.seconds(0), plan.seconds(1) - plan.seconds(0)
        return f"about {once_s:.0f} s, and {a_gpu_s:.0f} s more for each GPU"

    page = (Path(__file__).parents[2] / "docs/selftest.md").read_text()
    assert said(SelfTestPlan()) in page
    assert said(SelfTestPlan()) in " ".join(selftest.__doc__.split())
    assert said(QUICK) == QUICK_TIME
    assert f"with `--quick` {QUICK_TIME}" in page


def test_a_folder_in_the_place_of_the_file_is_found_before_the_test(tmp_path):
    check_place(tmp_path / "new", print)
    (tmp_path / "selftest.json").mkdir()
    with pytest.raises(ResultError, match=r"selftest\.json is a folder"):
        check_place(tmp_path, print)
