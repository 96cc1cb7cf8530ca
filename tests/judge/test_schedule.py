"""When to keep a model loaded: closed forms, the simulation, requests, and the decision."""

import csv
import io
import json
import math
import random
import re
from dataclasses import replace
from importlib import resources

import jsonschema
import pytest
from support.results import UUID, make_result, make_run, make_server_result
from typer.testing import CliRunner

from energyscore.base.errors import UnsupportedError, UsageError
from energyscore.cli.app import app
from energyscore.judge.rating import rate_files
from energyscore.judge.schedule.arrivals import DAY_S, Arrivals, Demand, by_chance, recorded
from energyscore.judge.schedule.closed_forms import break_even_per_h, steady
from energyscore.judge.schedule.decision import ALWAYS, AT_ONCE, Wishes, best_timeout_s, decide
from energyscore.judge.schedule.measured import service_of
from energyscore.judge.schedule.requests import (
    demand_of,
    durations_of,
    hours_of,
    read_trace,
)
from energyscore.judge.schedule.service import BatchCost, Service
from energyscore.judge.schedule.simulation import ServingPolicy, serve
from energyscore.publish import schedule as publish
from energyscore.publish.schedule_plot import schedule_svg
from energyscore.results.loading import Loading
from energyscore.results.parts import Idle
from energyscore.results.result import result_to_json
from energyscore.results.score import score_runs

GPU = f"gpu:{UUID}"
SERVICE = Service(20.0, 50.0, 10.0, 900.0, (BatchCost(1, 2.0, 400.0), BatchCost(8, 4.0, 900.0)))
"""20 W without the model, 50 W with it; loading takes 10 s and 900 J, a request 2 s and 400 J."""


def after(timeout_s, **change):
    return ServingPolicy("", timeout_s, **change)


@pytest.mark.parametrize(
    ("timeout_s", "idle_s", "loads", "waits_s"),
    [
        (0.0, 0, 2, (10, 2, 10)),
        (5.0, 5 + 5, 2, (10, 2, 10)),
        # The first ends at 12 s, the second at 14 s, the third at 112 s; the horizon at 150 s.
        (30.0, 30 + 30, 2, (10, 2, 10)),
        (100.0, 86 + 48, 1, (10, 2, 0)),
        (math.inf, 8 + 88 + 48, 0, (0, 0, 0)),
    ],
)
def test_three_requests_by_hand(timeout_s, idle_s, loads, waits_s):
    """At 0, 10 and 100 s; the horizon ends a mean gap after the last one, at 150 s."""
    served = serve(recorded([0, 10, 100]), SERVICE, after(timeout_s))
    assert served.waits_s == waits_s
    assert served.loads == loads
    assert served.energy_j == 20 * 150 + 30 * idle_s + 900 * loads + 3 * (400 - 20 * 2)


@pytest.mark.parametrize("seed", range(20))
def test_the_simulation_agrees_with_the_closed_form(seed):
    """Within 1% at rates of 3 to 900 an hour, with timeouts from none to for ever."""
    draw = random.Random(seed)
    rate = math.exp(draw.uniform(math.log(3), math.log(900)))
    timeout_s = draw.choice([0.0, 5.0, 30.0, 100.0, math.inf])
    arrivals = by_chance([rate], 15_000 / 24 / rate, seed)
    # Of the requests that were drawn: their number varies by chance, which is not the point.
    expected = steady(SERVICE, arrivals.per_hour / 3600, timeout_s)
    served = serve(arrivals, SERVICE, after(timeout_s))
    assert served.energy_j / served.horizon_s == pytest.approx(expected.power_w, rel=0.01)
    assert served.idle_j / served.horizon_s == pytest.approx(expected.idle_w, rel=0.01, abs=0.1)
    assert served.loads / len(served.waits_s) == pytest.approx(expected.loads_per_request, abs=0.01)


def test_the_break_even_is_where_both_draw_the_same():
    """900 J are 30 s of idling above the floor, of which loading itself takes 10: 180 an hour."""
    rate = break_even_per_h(SERVICE)
    assert rate == pytest.approx(180)
    always, at_once = (steady(SERVICE, rate / 3600, timeout) for timeout in (math.inf, 0.0))
    assert always.power_w == pytest.approx(at_once.power_w)
    # With a timeout in between the same is drawn there: idle times are memoryless.
    assert steady(SERVICE, rate / 3600, 17.0).power_w == pytest.approx(always.power_w)


def test_there_need_be_no_break_even():
    """Where loading takes less than idling as long, or idling takes nothing."""
    assert break_even_per_h(replace(SERVICE, load_j=299.0)) is None
    assert break_even_per_h(replace(SERVICE, idle_w=20.0)) == 0
    # A hair is no difference: else nothing measured would let people wait for each load.
    assert break_even_per_h(replace(SERVICE, idle_w=20.00001, load_j=0.0)) == 0


def test_more_requests_than_can_be_answered_have_no_long_run():
    """At 2 s a request, 1,800 an hour are the most."""
    with pytest.raises(ValueError, match="more requests come"):
        steady(SERVICE, 0.5, 0.0)


def test_a_batch_between_two_sizes_lies_on_their_line():
    """Joules are told above the floor; a part of the least batch counts as a whole one."""
    assert SERVICE.cost(1) == (2.0, 400.0 - 40)
    seconds, joules = SERVICE.cost(4)
    assert seconds == pytest.approx(2 + 3 / 7 * 2)
    assert joules == pytest.approx(400 + 3 / 7 * 500 - 20 * seconds)
    only_8 = replace(SERVICE, batches=SERVICE.batches[1:])
    assert only_8.cost(1) == only_8.cost(8) == (4.0, 900.0 - 80)
    assert list(only_8.split(19)) == [8, 8, 3]


def test_gathered_requests_wait_for_their_window():
    """Two in the first minute are one batch at its end, the third waits for its own."""
    arrivals = Arrivals((10.0, 20.0, 130.0), 0.0, 240.0)
    served = serve(arrivals, SERVICE, after(0.0, window_s=60.0))
    assert served.waits_s == (60.0, 50.0, 60.0)  # with 10 s of loading
    assert served.loads == 2
    assert served.work_j == pytest.approx(SERVICE.cost(2)[1] + SERVICE.cost(1)[1])


def test_gathered_requests_wait_for_their_number():
    """The last, which stays alone, is answered when the horizon ends."""
    arrivals = Arrivals((10.0, 20.0, 130.0), 0.0, 240.0)
    served = serve(arrivals, SERVICE, after(math.inf, batch=2))
    assert served.waits_s == (10.0, 0.0, 110.0)
    assert served.loads == 0


def test_within_its_hours_the_model_is_ready():
    """Loaded at 8, idle until 18; the request of the night is loaded for, that of noon is not."""
    arrivals = Arrivals((3 * 3600.0, 12 * 3600.0), 0.0, DAY_S)
    served = serve(arrivals, SERVICE, after(0.0, hours=(8.0, 18.0)))
    assert served.waits_s == (10.0, 0.0)
    assert served.loads == 2
    assert served.idle_j == pytest.approx(30 * (10 * 3600 - 2))


def test_a_horizon_that_begins_within_the_hours_begins_loaded():
    """Nothing is loaded at noon."""
    arrivals = Arrivals((12.5 * 3600,), 12 * 3600.0, 13 * 3600.0)
    assert serve(arrivals, SERVICE, after(0.0, hours=(8.0, 18.0))).loads == 0


def test_open_at_all_hours_it_is_never_loaded_again():
    """From 0 to 24 is always: midnight is no opening."""
    arrivals = Arrivals((20 * 3600.0, 30 * 3600.0), 0.0, 2 * DAY_S)
    served = serve(arrivals, SERVICE, after(0.0, hours=(0.0, 24.0)))
    assert served.loads == 0
    assert served.idle_j == pytest.approx(30 * (2 * DAY_S - 4))


def test_requests_that_come_while_the_model_loads_wait_for_it_too():
    """At 0 s it begins to load, at 10 s it is ready; that of 11 s waits for the server only."""
    arrivals = Arrivals((0.0, 4.0, 9.0, 11.0), 0.0, 100.0)
    served = serve(arrivals, SERVICE, after(0.0))
    assert served.waits_s == (10.0, 8.0, 5.0, 5.0)
    assert (served.loads, served.delayed) == (1, 3)
    rate = 0.02
    many = by_chance([rate * 3600], 2, seed=3)
    q, busy = math.exp(-rate * 5.0), rate * 2.0
    share = q * (1 + rate * 10) * (1 - busy) / (1 + rate * q * 10)
    found = serve(many, SERVICE, after(5.0))
    assert found.delayed / len(many.times_s) == pytest.approx(share, abs=0.02)


def test_a_request_at_the_begin_of_a_window_waits_for_its_end():
    """Also the first of a trace, which begins the first window."""
    served = serve(recorded([0, 30, 60, 119]), SERVICE, after(math.inf, window_s=60.0))
    assert served.waits_s == (60.0, 30.0, 60.0, 1.0)


def test_idling_ends_with_the_horizon():
    """A window that ends after it lets the floor and the idle model draw nothing more."""
    arrivals = Arrivals((10.0, 20.0), 0.0, 100.0)
    served = serve(arrivals, SERVICE, after(math.inf, window_s=1000.0))
    assert served.idle_j == pytest.approx(30 * 100)
    # What is unloaded between the horizon's end and the last window's is loaded again.
    late = Arrivals((10.0, 70.0), 0.0, 71.0)
    assert serve(late, SERVICE, after(0.0, window_s=60.0)).waits_s == (60.0, 60.0)


def test_a_gap_as_long_as_the_timeout_needs_no_load():
    """Sums of floats differ in their last digit: requests every 0.7 s, a tenth each."""
    quick = replace(SERVICE, batches=(BatchCost(1, 0.1, 10.0),))
    trace = recorded([place * 0.7 for place in range(500)])
    assert serve(trace, quick, after(0.6)).loads == 1


@pytest.mark.parametrize(
    ("rate", "wishes", "loads"),
    [
        (3600.0, Wishes(windows_s=(3600.0,)), 24.0),
        (20.0, Wishes(batches=(900,)), 20 * 24 / 900),
    ],
)
def test_a_gathering_policy_is_counted_over_whole_gatherings(rate, wishes, loads):
    """A window of an hour loads 24 times a day, however soon there are requests enough."""
    decision = decide(SERVICE, Demand((rate,)), wishes)
    gathered = next(one for one in decision.figures if one.policy.gathers and one.loads_per_day)
    assert gathered.loads_per_day == pytest.approx(loads, rel=0.03)


def test_a_trace_holds_several_gatherings():
    """Of a window longer than the trace nothing is known."""
    trace = Demand(trace=recorded([0, 10, 100]))
    for wishes in (Wishes(windows_s=(86_400.0,)), Wishes(batches=(2,))):
        with pytest.raises(UsageError, match="the trace holds 3 requests in 2 min 30 s"):
            decide(SERVICE, trace, wishes)


def test_batches_too_small_to_keep_up_are_left_out():
    """At 3,600 an hour two at a time take 2.3 s of each 2, though eight would take 4 of 8."""
    with pytest.raises(UsageError, match="nor in batches as small as these"):
        decide(SERVICE, Demand((3600.0,)), Wishes(windows_s=(1.0,), batches=(2,)))
    decision = decide(SERVICE, Demand((3600.0,)), Wishes(batches=(2, 8)))
    assert "gathered to 2" in decision.left_out
    assert "gathered to 8" not in decision.left_out


def test_too_many_requests_are_refused_before_they_are_drawn():
    """Whole days of 360,000 an hour would take minutes."""
    quick = replace(SERVICE, batches=(BatchCost(1, 0.001, 0.4),))
    with pytest.raises(UsageError, match=r"8,640,000 requests are too many"):
        decide(quick, Demand((360_000.0,)), Wishes(hours=(8.0, 18.0)))


def test_the_interval_is_of_all_that_a_request_draws():
    """10% of 400 J a request, of which 40 J are the floor: 40 J of 400 + 20 W x 98 s a request."""
    known = replace(SERVICE, floor_w=20.0, idle_w=20.0, load_j=0.0, half_width=0.1)
    trace = recorded([100.0 * place for place in range(20)])
    figures = decide(known, Demand(trace=trace), Wishes()).figures[0]
    assert figures.wh_per_day_ci95 is not None
    half = 1 - figures.wh_per_day_ci95[0] / figures.wh_per_day
    assert half == pytest.approx(40 / (400 + 20 * 98))


def test_a_wait_as_long_as_allowed_is_kept():
    """Loading takes 10 s, and sums of floats a hair more."""
    decision = decide(SERVICE, Demand((3.7,)), Wishes(max_wait_s=10.0))
    assert next(one for one in decision.figures if one.policy == AT_ONCE).meets


def test_the_best_timeout_of_a_trace_is_one_of_its_gaps():
    """Short gaps of 5 s are worth idling, long ones of 1,000 s are not: the insurance is 30 s."""
    times = [0.0]
    for gap in [7.0, 7.0, 7.0, 1002.0] * 20:
        times.append(times[-1] + gap)
    assert best_timeout_s(recorded(times), SERVICE) == pytest.approx(5.0)
    steady_gaps = recorded([100.0 * place for place in range(50)])
    assert best_timeout_s(steady_gaps, SERVICE) == 0
    often = recorded([7.0 * place for place in range(50)])
    assert best_timeout_s(often, SERVICE) == math.inf


def test_a_timeout_by_the_trace_is_not_reported_on_what_chose_it():
    """The first half wants no idling, the second wants it: each is served by the other's best."""
    rare = [500.0 * place for place in range(40)]
    often = [rare[-1] + 7.0 * place for place in range(1, 41)]
    trace = recorded([*rare, *often])
    decision = decide(SERVICE, Demand(trace=trace), Wishes())
    by_trace = next(one for one in decision.figures if one.policy.name.endswith("(by the trace)"))
    first, second = trace.halves()
    swapped = [
        serve(first, SERVICE, after(best_timeout_s(second, SERVICE))),
        serve(second, SERVICE, after(best_timeout_s(first, SERVICE))),
    ]
    joules = sum(one.energy_j for one in swapped)
    seconds = sum(one.horizon_s for one in swapped)
    assert by_trace.wh_per_day == pytest.approx(joules / seconds * DAY_S / 3600)


def test_the_least_energy_within_the_wait_is_recommended():
    """At 20 an hour on demand needs less, and lets requests wait 10 s for the model."""
    demand = Demand((20.0,))
    free = decide(SERVICE, demand, Wishes())
    assert free.recommended is not None
    assert free.recommended.policy == AT_ONCE
    hasty = decide(SERVICE, demand, Wishes(max_wait_s=5.0))
    assert hasty.recommended is not None
    assert hasty.recommended.policy == ALWAYS
    expected = steady(SERVICE, 20 / 3600, math.inf).power_w * 24
    assert hasty.recommended.wh_per_day == pytest.approx(expected, rel=0.01)
    busy = decide(SERVICE, Demand((900.0,)), Wishes(max_wait_s=0.0))
    assert busy.recommended is None


def test_what_cannot_keep_up_is_left_out():
    """3,600 an hour need batches: one by one 1,800 are the most, by eight 7,200."""
    decision = decide(SERVICE, Demand((3600.0,)), Wishes(windows_s=(10.0,)))
    assert "always loaded" in decision.left_out
    assert {one.policy.name for one in decision.figures} == {
        "gathered for 10.0 s",
        "gathered for 10.0 s, kept loaded",
    }
    with pytest.raises(UsageError, match=r"cannot answer 9,000 requests .* 7,200 an hour"):
        decide(SERVICE, Demand((9000.0,)), Wishes(windows_s=(10.0,)))


def test_a_profile_has_the_rate_of_each_hour():
    """600 in the hour from 9, none else."""
    rates = [600.0 if hour == 9 else 0.0 for hour in range(24)]
    arrivals = by_chance(rates, 20, seed=1)
    assert {int(one % DAY_S // 3600) for one in arrivals.times_s} == {9}
    assert len(arrivals.times_s) == pytest.approx(12_000, rel=0.03)


@pytest.mark.parametrize(
    ("name", "text", "column"),
    [
        ("a.csv", "TIMESTAMP,ContextTokens\n2023-11-16 18:15:46.6805900,374\n"
         "2023-11-16 18:16:46.6805900,396\n", None),
        ("b.csv", "Timestamp,Model\n65746,x\n65806,x\n", None),
        ("c.jsonl", '{"when": "2023-11-16T18:15:46.680Z", "id": 1}\n'
         '{"when": "2023-11-16T18:16:46.680Z", "id": 2}\n', "when"),
        ("d.csv", "moment\n1700158546.68\n1700158606.68\n", None),
    ],
)  # fmt: skip
def test_traces_of_several_kinds(tmp_path, name, text, column):
    """Dates with seven decimals, seconds from the first day, ISO 8601 with a zone, since 1970."""
    (tmp_path / name).write_text(text)
    first, second = read_trace(tmp_path / name, column)
    assert second - first == pytest.approx(60)
    assert first == pytest.approx(18 * 3600 + 15 * 60 + 46, abs=0.7)


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("a,b\n1,2\n3,4\n", None, "no column that is surely the time.*--trace-column: a, b"),
        ("time\n1\nsoon\n", None, "row 2: 'soon' in the column time is no time"),
        ("time\n1\nnan\n", None, "row 2: 'nan' in the column time is no time"),
        ("time\n1\n1\n", None, "no two requests at different times"),
        ("time\n5\n2026-01-31T08:15:00\n", None, "mixes dates without a time zone with seconds"),
        (
            "time\n2026-01-31T08:15:00\n2026-01-31T08:15:00+02:00\n",
            None,
            "mixes dates with a time zone with dates without a time zone",
        ),
        ("time\n1700158546680\n1700158546690\n", None, "too large to be seconds"),
        ("time\n", None, "holds no request"),
        ("time\n1\n2\n", "tim", "no column 'tim'.*time"),
    ],
)
def test_a_trace_without_times_is_refused(tmp_path, text, column, said):
    """With the file, the row and the remedy."""
    file = tmp_path / "trace.csv"
    file.write_text(text)
    with pytest.raises(UsageError, match=f"(?s){said}"):
        demand_of(None, None, file, column)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((None, None, None, None), "Nothing says when requests come"),
        (("1/h", "1", None, None), "--requests and --profile are given"),
        (("0/h", None, None, None), "nothing is served at a rate of 0"),
        (("0.00001/h", None, None, None), "less than one a year"),
        ((None, ",".join(["0"] * 23 + ["1e-9"]), None, None), "less than one request a year"),
        (("120", None, None, None), "no number with its unit"),
        ((None, "1,2,3", None, None), "not the requests of 24 hours"),
        ((None, ",".join(["0"] * 24), None, None), "one of them above 0"),
        ((None, ",".join(["nan"] * 24), None, None), "not the requests of 24 hours"),
        (("1/h", None, None, "x"), "--trace is not given"),
    ],
)
def test_requests_that_make_no_sense_are_refused(options, said):
    """Each with its line."""
    with pytest.raises(UsageError, match=said):
        demand_of(*options)


@pytest.mark.parametrize("text", ["18-8", "8", "8-25", "x-y", "nan-9", "-1-5"])
def test_hours_that_are_none_are_refused(text):
    """The earlier comes first."""
    with pytest.raises(UsageError, match="no time of the day"):
        hours_of(text)


def test_durations_that_are_none_are_refused():
    """A window has a length; nothing lasts more than a year."""
    assert durations_of("--timeout", ["0s", "5m"]) == (0, 300)
    with pytest.raises(UsageError, match="--window 0s: that is no time"):
        durations_of("--window", ["0s"], zero=False)
    with pytest.raises(UsageError, match="longer than a year"):
        durations_of("--timeout", ["9999999h"])


def measured_result(batch=1, **change):
    """A result with idle power and loading: 20 W, 50 W, 10 s, 900 J."""
    idle = Idle(seconds=30.0, without_model_w={GPU: 20.5}, with_model_w={GPU: 50.0})
    runs = [make_run(index, joules=400_000.0 * (1 + index / 1000)) for index in range(5)]
    runs = [run.model_copy(update={"duration_s": 2000.0}) for run in runs]
    result = make_result(runs=runs, identity=f"{batch:064x}", idle=idle)
    work = result.workload.model_copy(update={"batch_size": batch})
    loading = Loading(duration_s=10.0, energy_j={GPU: 900.0}, reason="", floor_w={GPU: 20.0})
    return result.model_copy(update={"workload": work, "loading": loading, **change})


def rated(*results):
    return rate_files([(f"{place}.json", one) for place, one in enumerate(results)])


def test_a_service_from_results():
    """Powers, loading and the cost of a request, by the headline's domains."""
    service = service_of(rated(measured_result())).service
    assert (service.floor_w, service.idle_w, service.load_s, service.load_j) == (20, 50, 10, 900)
    assert service.batches == (BatchCost(1, 2.0, pytest.approx(400.8)),)
    assert service.half_width == pytest.approx(0.00196, rel=0.02)
    assert service_of(rated(measured_result(), measured_result(batch=8))).service.most == 8
    # Of 100 queries in a pass no batch of 512 was ever answered.
    few = measured_result(batch=512)
    few = few.model_copy(update={"workload": few.workload.model_copy(update={"queries": 100})})
    assert service_of(rated(few)).service.most == 100
    switched_off = service_of(rated(measured_result())).with_gpu_off()
    assert "powered down" in " ".join(
        publish.notes_of(decide(switched_off.service, Demand((20.0,)), Wishes()), switched_off)
    )
    off = service.switched_off()
    assert (off.floor_w, off.load_j) == (0, 900 + 20 * 10)


def test_the_command_line(tmp_path):
    """From a result to a decision, in every format, with CO2, cost and the plot."""
    (tmp_path / "r.json").write_text(result_to_json(measured_result()))
    asked = ["schedule", str(tmp_path / "r.json"), "--requests", "20/h", "--price", "0.25 EUR"]
    told = CliRunner().invoke(app, [*asked, "-o", str(tmp_path / "s.svg")])
    assert told.exit_code == 0
    assert "Choose loaded on demand" in told.stdout
    assert "break-even lies at 180 requests an hour" in " ".join(told.stdout.split())
    assert "<svg" in (tmp_path / "s.svg").read_text()
    found = CliRunner().invoke(app, [*asked, "--format", "json"])
    bare = CliRunner().invoke(app, [*asked[:-1], "0.25"])
    assert re.search(r"a year, a cost of \d", " ".join(bare.stdout.split()))
    report = json.loads(found.stdout)
    jsonschema.validate(report, publish.json_schema())
    assert report["break_even_requests_per_hour"] == pytest.approx(180)
    assert report["recommended"] == report["policies"][0]["name"] == "loaded on demand"
    on_demand = report["policies"][0]
    assert on_demand["wh_per_year"] == pytest.approx(365 * on_demand["wh_per_day"])
    assert on_demand["cost_per_year"] == pytest.approx(365 * on_demand["cost_per_day"])
    assert report["gpu_off"] is False
    assert on_demand["cost_per_day"] == pytest.approx(on_demand["wh_per_day"] / 1000 * 0.25)
    assert on_demand["wh_per_day_ci95"][0] < on_demand["wh_per_day"]
    rows = list(
        csv.DictReader(io.StringIO(CliRunner().invoke(app, [*asked, "--format", "csv"]).stdout))
    )
    assert [row["recommended"] for row in rows].count("true") == 1
    assert float(rows[0]["wh_per_day"]) == pytest.approx(on_demand["wh_per_day"])
    text = CliRunner().invoke(app, [*asked, "--format", "markdown"]).stdout
    assert text.startswith("## org/model at text_generation: 20 requests an hour")
    busy = [*asked[:3], "900/h", "--max-wait", "0ms", "--window", "1m"]
    hasty = CliRunner().invoke(app, busy)
    assert hasty.exit_code == 1
    assert "No policy keeps to the wait of 0 s" in hasty.stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"loading": None}, "its loading was not measured"),
        (
            {"loading": Loading(duration_s=None, energy_j={}, reason="the GPU was busy")},
            r"its loading was not measured \(the GPU was busy\)",
        ),
        (
            {"idle": Idle(seconds=0.0, without_model_w={}, with_model_w={})},
            "its idle power with the model loaded was not measured",
        ),
    ],
)
def test_what_was_not_measured_says_how(change, said, command, tmp_path):
    """Exit status 3, and the command that measures it."""
    result = measured_result(**change)
    whole = result.model_copy(
        update={"score": score_runs(result.runs, [UUID], result.idle, ["NVIDIA H100 80GB HBM3"])}
    )
    (tmp_path / "r.json").write_text(result_to_json(whole))
    done = command("schedule", "r.json", "--requests", "20/h")
    assert done.status == 3
    assert re.search(said, done.stderr)
    assert "energyscore run text_generation --model org/model --loading --idle 30" in done.stderr


def test_results_of_two_models_are_not_one_service():
    """Each has its own powers."""
    other = make_result("org/other", identity="9" * 64)
    with pytest.raises(UsageError, match="are not of one service: model"):
        service_of(rated(measured_result(), other))


def test_the_published_schema_is_that_of_the_code():
    """It is a file, so that others need no energyscore to check what they read."""
    published = resources.files("energyscore.results") / "schemas" / "schedule-1.json"
    assert json.loads(published.read_text()) == publish.json_schema()


def test_the_plot_marks_the_break_even():
    """And has a curve for each policy of the closed forms."""
    measured = service_of(rated(measured_result()))
    svg = schedule_svg(decide(measured.service, Demand((20.0,)), Wishes()), measured)
    assert svg.count("<polyline") == 3
    assert "break-even 180/h" in svg


def test_the_plot_marks_only_what_lies_on_it():
    """A break-even, or a rate, that one server cannot answer one by one stands on no curve."""
    measured = service_of(rated(measured_result()))
    far = replace(SERVICE, load_j=301.0)
    decision = decide(far, Demand((20.0,)), Wishes())
    assert decision.break_even_per_h == pytest.approx(108_000)
    assert "break-even" not in schedule_svg(decision, measured)
    told = " ".join(publish.answer(decision, measured))
    assert "At any rate that one server can answer, an always loaded model needs more" in told
    wide = replace(SERVICE, batches=(BatchCost(1, 2.0, 400.0), BatchCost(512, 3.0, 900.0)))
    busy = decide(wide, Demand((200_000.0,)), Wishes(windows_s=(10.0,)))
    assert "200,000/h" not in schedule_svg(busy, measured)


def test_a_load_that_seemed_to_give_energy_counts_as_none_and_says_so():
    """An estimate, or a GPU that cooled meanwhile."""
    loading = Loading(duration_s=10.0, energy_j={GPU: -5.0}, reason="", floor_w={GPU: 20.0})
    measured = service_of(rated(measured_result(loading=loading)))
    assert measured.service.load_j == 0
    decision = decide(measured.service, Demand((20.0,)), Wishes())
    assert any("less than the floor" in note for note in publish.notes_of(decision, measured))


def test_a_server_under_load_is_refused():
    with pytest.raises(UnsupportedError, match="is of a server, which works at several requests"):
        service_of(rated(make_server_result()))
