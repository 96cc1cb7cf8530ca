"""Submissions whose makers know every check and the format, and change all that hangs together."""

import itertools
import math
import re
from datetime import UTC, datetime, timedelta

import pytest
from support.commands import ROOT
from support.submissions import DOMAIN, Opened, bundle, measure

from energyscore.measurement.meter import Window
from energyscore.measurement.meters.steps import counter_steps
from energyscore.verify.checker import verify
from energyscore.verify.passes import batches_of
from energyscore.verify.phases import phase_energies
from energyscore.verify.raw_record import RawRun
from energyscore.verify.rules import load_rules

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def official(official_folder):
    """The submission of one official result."""
    return bundle(*official_folder.glob("*.json"))


def found(opened, level="failed", *, unofficial=False):
    """The checks that failed, or that warned."""
    opened.rescore()
    opened.derived()
    if unofficial:
        not_official(opened)
    findings = verify(opened.closed(), now=NOW).findings
    return {one.check for one in findings if one.level == level}


def not_official(opened):
    """The same, and it is said that one point of the protocol was not held."""
    opened.result["protocol"]["gpus_chosen_by"] = "user"
    next(one for one in opened.result["conformance"] if one["name"] == "device")["ok"] = False
    opened.result["official"] = False
    told = any(one["code"] == "counter_power_disagree" for one in opened.result["cautions"])
    points = [*(["counter and power"] if told else []), "device"]
    opened.listed.update(official=False, not_official=points, stars=None, scale=None)


def runs(opened):
    """Each run of the result with what was recorded of its GPU."""
    return [(run, opened.recorded(place)) for place, run in enumerate(opened.result["runs"])]


def set_energy(run, recorded, start_mj, end_mj):
    """The counter at a run's edges, and all that follows from it."""
    recorded["counter_mj"] = [start_mj, end_mj]
    run["facts"][DOMAIN] |= {"counter_start_mj": start_mj, "counter_end_mj": end_mj}
    share = (end_mj - start_mj) / 1e3 / run["energy_j"][DOMAIN]
    run["energy_j"][DOMAIN] = recorded["energy_j"] = (end_mj - start_mj) / 1e3
    for part in run["phases"].values():
        part["energy_j"][DOMAIN] *= share


def scale_counter(opened, share):
    """As if the counter had always counted less: updates, edges and pauses alike."""
    first_mj = opened.recorded(0)["lone"]["counter_mj"][0]

    def scaled(mj):
        return first_mj + round((mj - first_mj) * share)

    for run, recorded in runs(opened):
        values = [scaled(mj) for mj in itertools.accumulate(recorded["ticks"]["mj"])]
        recorded["ticks"]["mj"] = values[:1] + [b - a for a, b in itertools.pairwise(values)]
        recorded["lone"]["counter_mj"] = [scaled(mj) for mj in recorded["lone"]["counter_mj"]]
        set_energy(run, recorded, *(scaled(mj) for mj in recorded["counter_mj"]))
        run["quantization_se_j"][DOMAIN] *= share
    idle = opened.result["idle"]["with_model_w"]
    idle[DOMAIN] *= share


def set_power(opened, source, *, drop=lambda times, watts: []):
    """Power samples of another source, without those that `drop` names by their places."""
    for run, recorded in runs(opened):
        power = recorded["power"]
        times = list(itertools.accumulate(power["t_us"]))
        watts = list(itertools.accumulate(power["mw"]))
        lost = set(drop(times, watts))
        kept = [(t, w) for n, (t, w) in enumerate(zip(times, watts, strict=True)) if n not in lost]
        for name, values in zip(("t_us", "mw"), zip(*kept, strict=True), strict=True):
            power[name] = [values[0], *(b - a for a, b in itertools.pairwise(values))]
        power["source"] = run["facts"][DOMAIN]["power_source"] = source
        if lost:
            run["facts"][DOMAIN]["power_integral_j"] = None


def no_power(opened):
    for run, recorded in runs(opened):
        recorded["power"] = None
        run["facts"][DOMAIN] |= {"power_source": None, "power_integral_j": None}


def no_updates(opened):
    for run, recorded in runs(opened):
        recorded["ticks"] = None
        run |= {"phase_methods": {}, "phase_reasons": {DOMAIN: "none"}, "phase_facts": {}}
        for part in run["phases"].values():
            part["energy_j"][DOMAIN] = part["se_j"][DOMAIN] = None


def tell(opened, code, *, invalidates=False):
    """A notice in every run, with its caution."""
    for run in opened.result["runs"]:
        run["notices"].append({"code": code, "message": "told", "invalidates": invalidates})
    opened.result["cautions"].append({"code": code, "message": "told"})


def test_what_counts_as_a_batch():
    """Nothing, nor next to nothing; one that waited long makes no others too short."""
    usual = [0.06] * 1000
    assert batches_of([*usual, *[0.0] * 7000], 0.0, 1e-5) == 1000
    assert batches_of([*usual, *[1e-6] * 7000], 0.0, 1e-5) == 1000
    assert batches_of([*usual, *[1e-3] * 7000], 0.0, 1e-5) == 8000
    assert batches_of([*usual, *[1e-3] * 7000], 0.0, 2e-3) == 1000
    assert batches_of([*usual, *[1e-3] * 7000], 0.1, 1e-5) == 1000
    assert batches_of([*usual, 20.0], 0.1, 1e-5) == 1001
    assert batches_of([*usual, 0.002], 0.1 / 8, 1e-5) == 1001
    assert batches_of([], 0.1, 1e-5) == 0


def divide(opened, prefill_us, *, passes=2):
    """Each decode is said to be several, with a prefill of that length between; so are queries."""
    for place, run in enumerate(opened.result["runs"]):
        phases = opened.raw[place + 1]["phases"]
        decode, prefill = (phases["names"].index(name) for name in ("decode", "prefill"))
        starts_us = [*itertools.accumulate(phases["starts_us"]), phases["end_us"]]
        entered, times_us = [], []
        for phase, (since_us, until_us) in zip(
            phases["entered"], itertools.pairwise(starts_us), strict=True
        ):
            parts = passes if phase == decode else 1
            length_us = (until_us - since_us) // parts
            for part in range(parts):
                if part:
                    entered.append(prefill)
                    times_us.append(since_us + part * length_us - prefill_us)
                entered.append(phase)
                times_us.append(since_us + part * length_us)
        phases["entered"] = entered
        phases["starts_us"] = [times_us[0], *(b - a for a, b in itertools.pairwise(times_us))]
        for name in ("queries", "passes", "input_tokens", "output_tokens"):
            run[name] *= passes
        run["performance"] = None  # as older versions had it
        settle_phases(opened, place)


def settle_phases(opened, place):
    """Times and energies of the phases as they follow from the raw record of a run."""
    run = opened.result["runs"][place]
    raw = RawRun.model_validate(opened.raw[place + 1])
    facts = run["phase_facts"][DOMAIN]
    energies = phase_energies(
        raw.phases, raw.domains[DOMAIN], run["energy_j"][DOMAIN],
        facts["lag_ms"] / 1e3, facts["window_share"], facts["response_ms"] / 1e3,
    )  # fmt: skip
    for name, part in run["phases"].items():
        part["duration_s"] = sum(raw.phases.lengths_s[name])
        part["energy_j"][DOMAIN] = energies[name]


@pytest.mark.parametrize(
    ("prefill_us", "passes", "fails"),
    [(20, 2, {"queries", "passes"}), (500, 3, {"queries", "passes"}), (660, 3, {"passes"})],
)
def test_a_phase_is_no_two_with_next_to_nothing_between(official, prefill_us, passes, fails):
    """Twice the queries would have half the score; a prefill takes as long as a step or so."""
    opened = Opened(official)
    divide(opened, prefill_us, passes=passes)
    assert found(opened) - {"stars"} == fails


def test_more_phases_than_batches_are_other_work(official):
    opened = Opened(official)
    divide(opened, 5000)
    for run in opened.result["runs"]:
        for name in ("queries", "passes", "input_tokens", "output_tokens"):
            run[name] //= 2
    assert "queries" in found(opened)


def read_few(opened, tokens, cut):
    """All runs read so many tokens of the workload."""
    if cut is None:
        points = opened.result["conformance"]
        opened.result["conformance"] = [one for one in points if one["name"] != "inputs"]
    opened.result["workload"] |= {"input_tokens": tokens, "inputs_cut": cut}
    for run in opened.result["runs"]:
        run["input_tokens"] = tokens * run["passes"]


@pytest.mark.parametrize(("tokens", "enough"), [(95_000, False), (184_600, False), (240_000, True)])
def test_texts_that_were_not_cut_have_about_the_official_tokens(official, tokens, enough):
    """The official 1,000 queries have 369,139; the best tokenizers make a third fewer.

    Twice the queries and the answers for the same input had half the score.
    """
    whole = Opened(official).result["workload"]["inputs_cut"] | {"total": tokens}
    for cut in (whole, None):
        opened = Opened(official)
        read_few(opened, tokens, cut)
        assert found(opened) == (set() if enough else {"contradictions"})
    for run in opened.result["runs"]:
        run["quantization_se_j"] = {}  # as older versions had it, which is no excuse
    assert found(opened) == (set() if enough else {"contradictions"})


def of_size(parameters, architecture="Net", **change):
    def change_model(opened):
        model = opened.result["model"]
        model |= {"parameters": parameters, "architecture": architecture, **change}
        size = load_rules(1).tasks["text_generation"].class_of(parameters, None)
        model["model_class"] = size

    return change_model


@pytest.mark.parametrize(
    ("change", "fails"),
    [
        (of_size(70 * 10**9), "memory"),
        (of_size(40 * 10**9, dtype="float32"), "memory"),
        (of_size(30 * 10**9, "LlamaForCausalLM"), "queries"),
        (of_size(30 * 10**9, "LlamaForCausalLM"), "time of the work"),
    ],
)
def test_a_model_has_room_and_time_on_its_gpus(official, change, fails):
    opened = Opened(official)
    change(opened)
    if fails == "time of the work":
        for run in opened.result["runs"]:
            run["input_tokens"] *= 40
            opened.result["workload"]["input_tokens"] = run["input_tokens"] // run["passes"]
    assert fails in found(opened, unofficial=True)


@pytest.mark.parametrize(
    ("weights", "peak", "level"),
    [(1.0, 1.2, None), (1.0, 0.8, "warning"), (0.4, 1.2, "warning")],
)
def test_stated_memory_holds_the_weights(official, weights, peak, level):
    opened = Opened(official)
    size = 2 * opened.result["model"]["parameters"]  # 16 bits each
    opened.result["memory"] = {
        "weights_bytes": int(weights * size),
        "peak_gpu_bytes": int(peak * size),
    }
    told = {one for one in ("failed", "warning") if "memory" in found(opened, one)}
    assert told == ({level} if level else set())


@pytest.mark.parametrize("more", [1, 2 * 10**9])
def test_a_model_above_a_class_is_not_of_it(official, more):
    opened = Opened(official)
    of_size(20 * 10**9 + more)(opened)
    opened.result["model"]["model_class"] = "A"
    assert "task" in found(opened)


@pytest.mark.parametrize("size", [(35 * 10**9, "Net"), (12 * 10**9, "LlamaForCausalLM")])
def test_models_that_fit_are_accepted(official, size):
    """A step of 6.7 ms reads 24 GB on an H100 with some room; of experts it need not read all."""
    opened = Opened(official)
    of_size(*size)(opened)
    assert found(opened, unofficial=True) == set()


def test_a_gpu_has_the_memory_that_its_name_says(official):
    opened = Opened(official)
    opened.result["environment"]["gpus"][0]["memory_total_mb"] = 1e6
    of_size(70 * 10**9)(opened)
    assert "memory" in found(opened, unofficial=True)


@pytest.mark.parametrize("source", ["instant", "average"])
@pytest.mark.parametrize("code", ["", "short_window", "counter_power_disagree"])
def test_a_counter_that_says_less_than_power_is_never_official(official, source, code):
    opened = Opened(official)
    scale_counter(opened, 0.85)
    set_power(opened, source)
    if code:
        tell(opened, code)
    assert "power samples" in found(opened)


def test_the_steps_of_the_counter_are_those_of_its_updates(official):
    """A smaller error for them would make an interval narrower, and let a gate decide."""
    opened = Opened(official)
    for run, _ in runs(opened):
        run["quantization_se_j"][DOMAIN] *= 0.8
    assert "counter energy" in found(opened)
    opened = Opened(official)
    for run, _ in runs(opened):
        run["quantization_se_j"] = {}  # as older versions had it
    assert found(opened) == set()


def test_what_reading_the_counter_took_is_part_of_the_steps(official):
    opened = Opened(official)
    for run, _ in runs(opened):
        period_ms = run["facts"][DOMAIN]["update_period_ms"]
        run["facts"][DOMAIN]["counter_read_ms"] = 2 * period_ms
    assert "counter energy" not in found(opened)  # older versions left it out
    for run, _ in runs(opened):
        run["quantization_se_j"][DOMAIN] *= math.hypot(1, 2)
    assert "counter energy" not in found(opened)
    for run, _ in runs(opened):
        run["quantization_se_j"][DOMAIN] *= 0.9
    assert "counter energy" in found(opened)


def test_a_run_does_not_lack_the_steps_that_others_state(official):
    opened = Opened(official)
    opened.result["runs"][2]["quantization_se_j"] = {}
    assert "counter energy" in found(opened)
    opened.result["cautions"].append({"code": "resumed", "message": "runs were measured before"})
    assert "counter energy" not in found(opened)


def thin_out(opened, every):
    """Most updates are not noted: only each so many-th."""
    for run, recorded in runs(opened):
        for name, values in recorded["ticks"].items():
            whole = list(itertools.accumulate(values))
            kept = [whole[0], *whole[every // 2 :: every]]
            recorded["ticks"][name] = [kept[0], *(b - a for a, b in itertools.pairwise(kept))]
        reasons = {DOMAIN: "only a few updates fell into the work"}
        run |= {"phase_methods": {}, "phase_reasons": reasons, "phase_facts": {}}
        run["quantization_se_j"] = {}
        for part in run["phases"].values():
            part["energy_j"][DOMAIN] = part["se_j"][DOMAIN] = None


def test_a_period_is_the_longest_that_the_times_of_few_updates_fit(official):
    """As stated where it is that; a part of it would make the standard error smaller."""
    opened = Opened(official)
    for run, recorded in runs(opened):
        for name, values in recorded["ticks"].items():
            whole = list(itertools.accumulate(values))
            gaps = itertools.accumulate(itertools.cycle((31, 33, 37)))
            kept = [whole[0], *(whole[at] for at in itertools.takewhile(len(whole).__gt__, gaps))]
            recorded["ticks"][name] = [kept[0], *(b - a for a, b in itertools.pairwise(kept))]
        times_us, mj = (list(itertools.accumulate(recorded["ticks"][n])) for n in ("t_us", "mj"))
        counter = [(t * 1000, value) for t, value in zip(times_us, mj, strict=True)]
        window = Window(*(t * 1000 for t in recorded["window_us"]))
        period_ms = run["facts"][DOMAIN]["update_period_ms"]
        steps = counter_steps(window, counter, run["energy_j"][DOMAIN], period_ms)
        assert steps.period_s == pytest.approx(period_ms / 1e3)
        run["quantization_se_j"][DOMAIN] = steps.se_j
    assert "counter energy" not in found(opened)
    for run, _ in runs(opened):
        run["facts"][DOMAIN]["update_period_ms"] /= 2
        run["quantization_se_j"][DOMAIN] /= 2
    assert "counter energy" in found(opened)


@pytest.mark.parametrize("every", [150, 250])
def test_updates_that_were_not_noted_excuse_no_difference_from_power(official, every):
    """With 15 s from one to the next, a counter would not be 30 s late at the edges."""
    opened = Opened(official)
    scale_counter(opened, 0.72)
    thin_out(opened, every)
    assert "power samples" in found(opened)


def test_a_difference_that_was_told_is_accepted_as_unofficial(official):
    opened = Opened(official)
    scale_counter(opened, 0.85)
    tell(opened, "counter_power_disagree")
    assert "power samples" in found(opened, unofficial=True, level="warning")
    assert found(opened) == set()
    opened = Opened(official)
    scale_counter(opened, 0.85)
    assert "power samples" in found(opened, unofficial=True), "many updates, and it is not told"


def test_a_small_difference_is_told_where_all_runs_have_it(official):
    opened = Opened(official)
    assert "power samples" not in found(opened, level="warning")
    scale_counter(opened, 0.955)
    assert "power samples" in found(opened, level="warning")


@pytest.mark.parametrize("source", ["instant", "average"])
def test_power_of_either_source_that_agrees_is_accepted(official, source):
    opened = Opened(official)
    set_power(opened, source)
    assert found(opened) | found(opened, level="warning") == set()


def test_a_counter_without_power_is_not_official(official):
    opened = Opened(official)
    no_power(opened)
    assert found(opened) == {"power samples"}
    opened = Opened(official)
    no_power(opened)
    assert found(opened, unofficial=True) == set()


def test_a_counter_whose_updates_nobody_saw_is_not_official(official):
    opened = Opened(official)
    no_updates(opened)
    assert found(opened) == {"counter energy"}
    opened = Opened(official)
    no_updates(opened)
    assert found(opened, unofficial=True) == set()


def test_without_updates_the_counter_is_held_against_power_all_the_same(official):
    opened = Opened(official)
    scale_counter(opened, 0.5)
    no_updates(opened)
    assert "power samples" in found(opened)


def test_power_that_was_not_read_for_long_checks_nothing(official):
    """Of 82 s, 41 s without a sample are too many; 2 s are told of."""
    opened = Opened(official)
    set_power(opened, "instant", drop=lambda times, watts: range(200, 610))
    assert found(opened) == {"power samples"}
    opened = Opened(official)
    set_power(opened, "instant", drop=lambda times, watts: range(200, 220))
    assert found(opened) == set()
    assert found(opened, level="warning") == {"power samples"}


def gaps(times, watts):
    """Two of two seconds were left out."""
    return [n for first in (100, 500) for n in range(first, first + 19)]


def lower_in_gaps(opened, share):
    """The counter rises by less in those gaps than it did."""
    for run, recorded in runs(opened):
        times = list(itertools.accumulate(recorded["power"]["t_us"]))
        spans = [(times[n - 1], times[n + 19]) for n in (100, 500)]
        whole = list(itertools.accumulate(recorded["ticks"]["t_us"]))
        steps = recorded["ticks"]["mj"]
        for place in range(1, len(steps)):
            if any(since < whole[place] <= until for since, until in spans):
                steps[place] = round(steps[place] * share)
        saved = list(itertools.accumulate(steps))[-1]
        set_energy(run, recorded, recorded["counter_mj"][0], saved)


def test_what_the_counter_did_while_power_was_left_out_counts(official):
    """In a twentieth of the time nothing is used: that and a scaled counter were 10% less."""
    for change, fails in (
        (lambda it: lower_in_gaps(it, 0.02), True),
        (lambda it: None, False),
    ):
        opened = Opened(official)
        change(opened)
        scale_counter(opened, 0.955 if fails else 1.0)
        set_power(opened, "instant", drop=gaps)
        assert ("power samples" in found(opened)) is fails


def test_samples_that_were_chosen_do_not_lower_the_power(official):
    """The lowest of each seven are left: the counter rose by less than the power told then."""
    opened = Opened(official)
    scale_counter(opened, 0.9)

    def all_but_the_lowest(times, watts):
        last = len(watts) - 1
        sevens = (range(first, min(first + 7, last)) for first in range(1, last, 7))
        kept = {min(seven, key=watts.__getitem__) for seven in sevens}
        return set(range(1, last)) - kept

    set_power(opened, "instant", drop=all_but_the_lowest)
    assert "power samples" in found(opened)


@pytest.mark.parametrize(("each", "few"), [(9, True), (6, False)])
def test_power_is_read_more_often_than_each_second(official, each, few):
    opened = Opened(official)
    set_power(
        opened, "instant", drop=lambda times, watts: [n for n in range(1, len(times)) if n % each]
    )
    messages = [one.message for one in verify(opened.closed(), now=NOW).findings]
    assert any("some may have been left out" in message for message in messages) is few


def test_two_samples_are_no_integral(official):
    opened = Opened(official)
    scale_counter(opened, 0.5)
    for run, recorded in runs(opened):
        (since_us, until_us), energy_j = recorded["window_us"], run["energy_j"][DOMAIN]
        milliwatts = round(energy_j / (until_us - since_us) * 1e9)
        recorded["power"] |= {"t_us": [since_us + 1, 1], "mw": [milliwatts, 0]}
        run["facts"][DOMAIN]["power_integral_j"] = milliwatts * (until_us - since_us) / 1e9
    assert "power samples" in found(opened)


@pytest.mark.parametrize("value", ["nan", "", "25529.7", True])
def test_integrated_power_is_a_number(official, value):
    opened = Opened(official)
    opened.result["runs"][3]["facts"][DOMAIN]["power_integral_j"] = value
    assert "power samples" in found(opened)


def test_power_that_was_read_is_integrated(official):
    opened = Opened(official)
    opened.result["runs"][3]["facts"][DOMAIN]["power_integral_j"] = None
    assert found(opened) == {"power samples"}


@pytest.mark.parametrize("joules", [60, 1300])
def test_a_counter_that_begins_above_its_updates(official, joules):
    """The next update comes within 0.1 s, which takes 45 J at most here."""
    opened = Opened(official)
    for run, recorded in runs(opened):
        run["facts"][DOMAIN]["power_limit_w"] = 1e6
        start_mj, end_mj = recorded["counter_mj"]
        set_energy(run, recorded, start_mj + joules * 1000, end_mj)
    assert "counter energy" in found(opened)


def test_a_counter_that_ends_below_its_updates(official):
    opened = Opened(official)
    for run, recorded in runs(opened):
        start_mj, end_mj = recorded["counter_mj"]
        set_energy(run, recorded, start_mj, end_mj - 60_000)
    assert "counter energy" in found(opened)


def leave_out(opened, places):
    """Runs are left out, and the others renumbered."""
    for place in sorted(places, reverse=True):
        del opened.result["runs"][place], opened.raw[place + 1]
    for place, run in enumerate(opened.result["runs"]):
        run["index"] = opened.raw[place + 1]["index"] = place
    opened.raw[0]["runs"] = opened.result["protocol"]["repeats"] = len(opened.result["runs"])


def close_gap(opened, place, by_us):
    """All runs from one on are made to have begun so much earlier, by the date and the clock."""
    for later in range(place, len(opened.result["runs"])):
        opened.raw[later + 1]["begin_us"] -= by_us
        run = opened.result["runs"][later]
        began = datetime.fromisoformat(run["started_at"]) - timedelta(microseconds=by_us)
        run["started_at"] = began.isoformat()


def test_a_stated_disagreement_keeps_a_result_from_being_official(official):
    opened = Opened(official)
    tell(opened, "counter_power_disagree")
    assert found(opened) == {"official"}


@pytest.fixture(scope="module")
def of_twelve(tmp_path_factory):
    """The submission of a result of twelve runs."""
    return bundle(measure(tmp_path_factory.mktemp("twelve"), repeats=12))


def test_a_run_left_out_shows_in_the_counter(of_twelve):
    """The clock and the dates are closed up; the counter tells of 25 kJ in no time."""
    opened = Opened(of_twelve)
    by_us = opened.raw[6]["begin_us"] - opened.raw[5]["begin_us"]
    leave_out(opened, [4])
    close_gap(opened, 4, by_us)
    assert found(opened) == {"counter from run to run"}
    opened.result["cautions"].append({"code": "resumed", "message": "runs were measured before"})
    assert found(opened, level="warning") >= {"counter from run to run"}


def test_a_pause_in_which_the_counter_stood_still(official):
    """A minute with the model loaded takes 70 J a second."""
    opened = Opened(official)
    close_gap(opened, 5, -60_000_000)
    opened.result["created_at"] = "2026-03-01T12:16:23Z"
    assert found(opened) == {"counter from run to run"}


def test_the_first_and_the_last_run_left_out_are_missed(of_twelve):
    """The counter went on since the phase alone was metered, and the date until it was written."""
    opened = Opened(of_twelve)
    leave_out(opened, [0])
    assert found(opened) == set()
    assert found(opened, level="warning") == {"gaps"}
    opened = Opened(of_twelve)
    leave_out(opened, [11])
    assert found(opened) == set()
    assert found(opened, level="warning") == {"gaps"}
    assert found(Opened(of_twelve), level="warning") == set()


def test_fewer_runs_than_planned_only_where_the_interval_is_narrow_enough(official):
    opened = Opened(official)
    summary = opened.result["score"]
    reached = summary["ci95"][1] / summary["gpu_wh_per_1k_queries"] - 1
    opened.result["protocol"] |= {"repeats": 100, "target_half_width": reached * 1.01}
    assert found(opened) == set()
    opened.result["protocol"]["target_half_width"] = reached * 0.99
    assert found(opened) == {"runs"}


def joined(*parts):
    """Several submissions in one."""
    first = Opened(parts[0])
    for number, data in enumerate(parts[1:], start=2):
        other = Opened(data)
        folder = f"{number:02d}{other.folder[2:]}"
        for name, content in other.files.items():
            if name.startswith(f"{other.folder}/"):
                first.files[f"{folder}/{name.partition('/')[2]}"] = content
        first.manifest["results"].append(other.listed | {"folder": folder})
    return first.rehashed()


def test_one_recording_is_not_of_two_models(official, tmp_path):
    other = Opened(official)
    other.result["identity"] = other.raw[0]["identity"] = other.listed["identity"] = "b" * 64
    other.result["model"] |= {"revision": "b" * 40, "parameters": 2 * 10**9}
    data = joined(official, other.closed())
    failed = {one.check for one in verify(data, now=NOW).findings if one.level == "failed"}
    assert failed == {"recordings"}
    honest = bundle(measure(tmp_path, model="org/other", decode_s=0.055))
    assert verify(joined(official, honest), now=NOW, strict=True).exit_code == 0


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("model", "revision", "b" * 40),
        ("model", "id", "org/other"),
        ("workload", "fingerprint", "d" * 64),
        ("workload", "seed", 7),
        ("protocol", "min_window_s", 1.0),
    ],
)
def test_a_raw_record_says_what_it_is_of(official, part, name, value):
    opened = Opened(official)
    opened.first_subject = None  # it stays what it is
    opened.result[part][name] = value
    assert "raw runs" in found(opened)


def in_result(*path, to):
    def change(opened):
        place = opened.result
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


def in_runs(*path, to):
    def change(opened):
        for number in range(10):
            in_result("runs", number, *path, to=to)(opened)

    return change


def told(code, **about):
    return lambda opened: tell(opened, code, **about)


def both(*changes):
    def change(opened):
        for one in changes:
            one(opened)

    return change


def without_facts(opened):
    kept = {"window_s", "counter_start_mj", "counter_end_mj", "power_source", "power_integral_j"}
    for run, _ in runs(opened):
        run["facts"][DOMAIN] = {n: v for n, v in run["facts"][DOMAIN].items() if n in kept}


def memory_by(method):
    """Energy of the memory, said to be measured."""

    def change(opened):
        for place, run in enumerate(opened.result["runs"]):
            run["energy_j"]["ram"], run["methods"]["ram"] = 100.0, method
            run["phase_reasons"]["ram"] = "none"
            for part in run["phases"].values():
                part["energy_j"]["ram"] = part["se_j"]["ram"] = None
            opened.raw[place + 1]["domains"]["ram"] = {
                "method": method, "energy_j": 100.0, "reason": "", "ticks": None,
            }  # fmt: skip

    return change


def without_generation(opened):
    opened.result["workload"]["generation"] = None
    points = opened.result["conformance"]
    opened.result["conformance"] = [one for one in points if one["name"] != "generation"]


@pytest.mark.parametrize(
    ("name", "told"), [("NVIDIA GH200 480GB", True), ("NVIDIA GB200", True), ("NVIDIA H200", False)]
)
def test_a_superchips_energy_is_not_by_its_counter(official, name, told):
    opened = Opened(official)
    opened.result["environment"]["gpus"][0]["name"] = name
    messages = [one.message for one in verify(opened.closed(), now=NOW).findings]
    assert any("its whole module" in message for message in messages) is told


GPU = ("environment", "gpus", 0)
FACTS = ("facts", DOMAIN)
SECOND = {"name": "codecarbon", "gpu_energy_j": 1e6, "reason": ""}
CONTRADICTIONS = {
    "instances": in_result(*GPU, "mig", to=True),
    "others": in_runs(*FACTS, "max_processes", to=8),
    "a counter that was reset": told("counter_reset"),
    "a counter of a module": told("module_scope"),
    "power that cannot be": told("implausible_power"),
    "another word": told("Contention"),
    "a caution of one's own": lambda it: it.result["cautions"].append(
        {"code": "<script>", "message": "x"}
    ),
    "no facts": without_facts,
    "a limit of nobody": in_result(*GPU, "power_limit_w", to=None),
    "no limit": in_runs(*FACTS, "power_limit_w", to=None),
    "another limit": in_runs(*FACTS, "power_limit_w", to=650.0),
    "a limit of a house": in_runs(*FACTS, "power_limit_w", to=1e6),
    "a model nowhere": in_result("protocol", "occupied_gpus", to=[]),
    "texts of no tokens": both(
        in_result("workload", "input_tokens", to=0), in_runs("input_tokens", to=0)
    ),
    "a warm-up that nobody looked at": in_result("protocol", "warmup_steady", to=None),
    "no warm-up": in_result("protocol", "warmup_s", to=0.0),
    "a warm-up of nothing": in_result("protocol", "warmup_queries", to=0),
    "a second source": in_runs("second_source", to=SECOND),
    "memory by a counter": memory_by("counter"),
    "memory by RAPL": memory_by("rapl"),
    "quantized by nothing": both(
        in_result("model", "quantization", to="none"), in_result("model", "dtype", to="float32")
    ),
    "quantized to other bits": in_result("model", "quantization", to="awq-4bit"),
    "bits of no quantization": in_result("model", "quantization_bits", to=8),
    "reasons as a fraction": in_runs(*FACTS, "clocks_event_reasons", to=0.5),
    "reasons as text": in_runs(*FACTS, "clocks_event_reasons", to="12"),
    "reasons as a truth": in_runs(*FACTS, "clocks_event_reasons", to=True),
    "a limit as text": in_runs(*FACTS, "power_limit_w", to="700"),
    "short windows": told("short_window"),
    "no generation": without_generation,
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_result_that_contradicts_itself_is_rejected(official, name):
    opened = Opened(official)
    CONTRADICTIONS[name](opened)
    assert "contradictions" in found(opened)


def test_what_is_only_decoded_generates_by_the_rules(official):
    """A model that answers in one pass does not generate; one that decodes does."""
    opened = Opened(official)
    without_generation(opened)
    task = load_rules(1).tasks["question_answering"]
    opened.result["task"] |= {
        "id": "question_answering", "version": task.version, "digest": task.digest,
        "scale_task": task.scale_task,
    }  # fmt: skip
    opened.result["model"] |= {"model_class": None, "dtype": task.precision[0]}
    opened.result["workload"]["dataset"] = task.dataset
    assert "contradictions" in found(opened)
    messages = [one.message for one in verify(opened.closed(), now=NOW).findings]
    assert "the point 'generation' is missing, or is not one of the rules" in messages


CODES = re.compile(r"""\b(?:[Nn]otice\(\s*(?:code=)?|Caution\([^)]*?code=)"([a-z_]+)\"""")
FOUND = re.compile(r"""(?:\byield (?:\(\s*)?|\.append\(\()"([a-z_]+)",\s""")


def test_the_rules_list_every_code_that_the_runner_knows():
    rooms = [room for room in (ROOT / "energyscore").iterdir() if room.is_dir()]
    # These add cautions to what they read, which stand in no file.
    rooms = [room for room in rooms if room.name not in ("api", "judge")]
    files = [path for room in rooms for path in room.rglob("*.py")]
    sources = [path.read_text() for path in files]
    codes = {code for text in sources for code in CODES.findall(text)}
    for place in ("results/checks.py", "measurement/server/cautions.py"):
        codes |= set(FOUND.findall((ROOT / "energyscore" / place).read_text()))
    assert {"contention", "counter_frozen", "short_window", "resumed", "drift"} <= codes
    assert {"other_requests", "busy_client", "preempted", "queued"} <= codes
    rules = load_rules(1)
    assert codes <= {*rules.notices, *rules.cautions}
