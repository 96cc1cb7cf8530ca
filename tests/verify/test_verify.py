"""Submissions: those that `bundle` makes are accepted; tampered ones are not, whatever was done."""

import copy
import json
from datetime import UTC, datetime, timedelta
from importlib import metadata, resources
from types import SimpleNamespace

import pytest
from support.results import make_cpu_run, make_result, make_run
from support.submissions import DOMAIN, Opened, bundle, measure

from energyscore.base.stats import summarize
from energyscore.measurement.meter import Window
from energyscore.measurement.meters.steps import power_steps
from energyscore.measurement.options import RunOptions
from energyscore.measurement.warmup import WARMUP_LIMIT_S
from energyscore.protocol.bundled import architectures
from energyscore.protocol.grid import find_grid
from energyscore.protocol.task import load_tasks
from energyscore.publish.bundle import ATTESTATIONS
from energyscore.results.store import save_result
from energyscore.verify.checker import CHECKS, verify
from energyscore.verify.raw_record import RawPower
from energyscore.verify.rules import NEWEST, grid_of, load_rules
from energyscore.verify.spread import chi2_05, spread_of, student_975
from energyscore.verify.steps import _power_step_j

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def official(official_folder):
    """The submission of one official result."""
    return bundle(*official_folder.glob("*.json"))


def failed(data, level="failed"):
    return [one.check for one in verify(data, now=NOW).findings if one.level == level]


def test_an_official_result_passes_every_check_without_a_warning(official):
    verdict = verify(official, now=NOW, strict=True)
    against = [one for one in verdict.findings if one.level not in ("ok", "not applicable")]
    assert against == []
    assert (verdict.status, verdict.exit_code) == ("valid", 0)
    assert {one.check for one in verdict.findings} >= set(CHECKS)


def test_what_v2_measured_passes_and_has_no_stars_of_a_greedy_reference(tmp_path):
    path = measure(tmp_path, protocol="v2", repeats=3)
    opened = Opened(bundle(path))
    assert failed(opened.closed()) == []
    listed = opened.manifest["results"][0]
    assert (listed["stars"], "generation" in listed["not_official"]) == (None, False)
    folder = opened.folder
    summary = json.loads(opened.files[f"{folder}/GPU_ENERGY_SUMMARY.json"])
    total_wh = opened.result["score"]["gpu_wh_per_1k_queries"]
    assert summary == {
        **{"units": "Wh", "total": total_wh, "format": "ai_energy_benchmarks"},
        **{"preprocess_wh": 0.0, "prefill_wh": 0.0, "decode_wh": total_wh},
        **{"model": "org/model", "task": "text_generation", "class": "A", "queries": 1000},
    }
    assert float(opened.files[f"{folder}/GPU_ENERGY_WH.txt"]) == total_wh
    changed = json.dumps(summary | {"class": "C"}).encode()
    kept, opened.files[f"{folder}/GPU_ENERGY_SUMMARY.json"] = json.dumps(summary).encode(), changed
    assert failed(opened.closed()) == ["official files"]
    opened.files[f"{folder}/GPU_ENERGY_SUMMARY.json"] = kept
    opened.result["workload"]["generation"]["temperature"] = 0.9
    assert failed(opened.closed())


def test_taken_apart_and_put_together_again_it_still_passes(official):
    assert failed(Opened(official).closed()) == []


# Each entry: the check that must catch it, and what was done to the submission. Hashes are all
# computed anew, so that they give nothing away.
def scale_energy(it, share=0.8, *, raw=False, counter=False):
    """Less energy in every run, with the score that follows from it."""
    for place, run in enumerate(it.result["runs"]):
        run["energy_j"][DOMAIN] *= share
        for part in run["phases"].values():
            part["energy_j"][DOMAIN] *= share
        found = it.recorded(place)
        if raw:
            found["energy_j"] = run["energy_j"][DOMAIN]
        if counter:
            start_mj = found["counter_mj"][0]
            found["counter_mj"][1] = start_mj + round(run["energy_j"][DOMAIN] * 1e3)
            run["facts"][DOMAIN]["counter_end_mj"] = found["counter_mj"][1]
            run["energy_j"][DOMAIN] = (found["counter_mj"][1] - start_mj) / 1e3
            found["energy_j"] = run["energy_j"][DOMAIN]
    it.rescore()
    it.derived()


def scale_counter_too(it):
    scale_energy(it, raw=True, counter=True)


def scale_the_ticks_too(it):
    """Everything that the counter says, from the beginning of each run, and not the power."""
    scale_counter_too(it)
    for place in range(10):
        ticks = it.recorded(place)["ticks"]["mj"]
        ticks[1:] = [round(mj * 0.8) for mj in ticks[1:]]


def drop_a_run(it, *, raw=True, plan=True, point=False):
    """The dearest run is left out, and the rest renumbered."""
    del it.result["runs"][9]
    if raw:
        del it.raw[10]
        it.raw[0]["runs"] = 9
    if plan:
        it.result["protocol"]["repeats"] = 9
    if point:
        point = next(one for one in it.result["conformance"] if one["name"] == "repeats")
        point["ok"] = it.result["official"] = False
    it.rescore()
    it.derived()


def cut_off(*, lost, limit, queries=900, total=None):
    """Queries were cut, and the point says that it is fine."""

    def change(it):
        whole = it.result["workload"]["input_tokens"] + lost
        it.result["workload"]["inputs_cut"] |= {
            "queries": queries, "lost": lost, "limit": limit, "total": total or whole,
        }  # fmt: skip

    return change


def read_hardly_anything(it):
    """Nine of ten tokens are left out, and the result does not say that anything was cut."""
    it.result["workload"]["inputs_cut"] = None
    it.result["conformance"] = [
        point for point in it.result["conformance"] if point["name"] != "inputs"
    ]
    it.result["workload"]["input_tokens"] //= 10
    for run in it.result["runs"]:
        run["input_tokens"] //= 10


def drop_the_first_run(it):
    del it.result["runs"][0]
    it.rescore()


def repeat_a_run(it):
    """The cheapest run, twice."""
    it.result["runs"][9] = it.result["runs"][0] | {"index": 9}
    it.raw[10] = it.raw[1] | {"index": 9}
    it.rescore()
    it.derived()


def repeat_a_run_later(it):
    """The same, with a date and a clock of its own."""
    started_at, begin_us = it.result["runs"][9]["started_at"], it.raw[10]["begin_us"]
    repeat_a_run(it)
    it.result["runs"][9] = it.result["runs"][9] | {"started_at": started_at}
    it.raw[10] = it.raw[10] | {"begin_us": begin_us}


def repeat_a_run_resumed(it):
    """The same, and it is said that the measurement had been interrupted."""
    repeat_a_run_later(it)
    it.result["cautions"].append({"code": "resumed", "message": "9 runs were measured before"})


def move_between_phases(it):
    for run in it.result["runs"]:
        phases = run["phases"]
        phases["decode"]["energy_j"][DOMAIN] -= 200
        phases["prefill"]["energy_j"][DOMAIN] += 200
    it.rescore()
    it.derived()


def more_queries(it):
    for run in it.result["runs"]:
        for name in ("queries", "passes", "input_tokens", "output_tokens"):
            run[name] *= 2
    it.rescore()
    it.derived()


def more_batches(it, length_us=0):
    """The same, with batches in the raw record that take no time, or next to none."""
    for place, run in enumerate(it.result["runs"]):
        phases = it.raw[place + 1]["phases"]
        moved_us = 2 * 1000 * length_us
        phases["entered"] += [1, 2] * 1000
        rest_us = phases["end_us"] - sum(phases["starts_us"])
        phases["starts_us"] += [rest_us - moved_us, *[length_us] * 1999]
        for name, part in run["phases"].items():
            change_us = {"prefill": moved_us // 2, "decode": -moved_us // 2}.get(name, 0)
            part["duration_s"] += change_us / 1e6
    more_queries(it)


def change_class(it):
    it.result["model"]["model_class"] = "B"
    it.listed["stars"] = 5


def in_result(*path, to):
    def change(it):
        place = it.result
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to(place[path[-1]]) if callable(to) else to

    return change


def with_quality(**change):
    """A quality of four queries, which would be sound without the change."""
    sound = {
        "metric": "accuracy",
        "value": 0.75,
        "higher_is_better": True,
        "ci95": [0.25, 1.0],
        "n": 4,
        "dataset": "rows.csv",
        "revision": None,
        "settings": {},
        "reason": "",
        "items": [[1, 1], [1, 1], [0, 1], [1, 1]],
    }
    return in_result("quality", to=sound | change)


def in_run(*path, to, run=3):
    return in_result("runs", run, *path, to=to)


def in_raw(*path, to, run=3):
    def change(it):
        place = it.recorded(run)
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to(place[path[-1]]) if callable(to) else to

    return change


def in_manifest(*path, to):
    def change(it):
        place = it.manifest
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to(place[path[-1]]) if callable(to) else to

    return change


def both(*changes):
    def change(it):
        for one in changes:
            one(it)

    return change


def thermal(it):
    it.result["runs"][2]["notices"].append(
        {"code": "thermal_slowdown", "message": "it was hot", "invalidates": False}
    )
    it.result["cautions"].append({"code": "thermal_slowdown", "message": "it was hot"})


def fall(deltas):
    return [*deltas[:50], -1, *deltas[51:]]


def unwatched(it):
    """Updates of 1.5 s are gone; the counter is where it is afterwards."""
    ticks = it.recorded(3)["ticks"]
    for name in ("t_us", "mj"):
        ticks[name][100] = sum(ticks[name][100:115])
        del ticks[name][101:115]
    return sum(ticks["t_us"][:100]), sum(ticks["t_us"][:101])


def stall(it):
    """Looks saw that it stood still, as far as those who looked before and after can tell."""
    since_us, until_us = unwatched(it)
    it.recorded(3)["still_us"] = [[since_us, until_us - 5000]]


def stall_at_updates(it):
    """It is said to have stood still for a moment in which it was updated."""
    t_us = it.recorded(3)["ticks"]["t_us"]
    it.recorded(3)["still_us"] = [[sum(t_us[:100]), sum(t_us[:103])]]


def stall_outside(it):
    """It is said to have stood still before the window."""
    it.recorded(3)["still_us"] = [[it.recorded(3)["window_us"][0] - 600_000, 0]]


def jump(deltas):
    return [*deltas[:50], deltas[50] + 400_000, deltas[51] - 400_000 + 1, *deltas[52:]]


def early(deltas):
    return [deltas[0], deltas[1] - 3_000_000, deltas[2] + 3_000_000, *deltas[3:]]


def no_raw_record(it):
    del it.files[it.raw_name]
    it.raw, it.result["raw"] = [], None


def later(seconds):
    return lambda text: (datetime.fromisoformat(text) + timedelta(seconds=seconds)).isoformat()


def later_by_the_clock(it):
    it.raw[10]["begin_us"] += 10**7


def in_log(old, new):
    def change(it):
        path = f"{it.folder}/log.txt"
        assert old in it.files[path], it.files[path]
        it.files[path] = it.files[path].replace(old, new, 1)

    return change


def as_bundled(name, parameters, weights="random"):
    """The model is said to be one of the bundled architectures; all follows but the truth."""
    return in_result(
        "model",
        to=lambda model: (
            model | {"source": "builtin", "id": name, "parameters": parameters, "weights": weights}
        ),
    )


def grid(country, g_per_kwh, source):
    """Operational CO2 by a grid, computed as it should be."""

    def change(it):
        score = it.result["score"]
        it.result["emissions"] = {
            "country": country,
            "intensity_g_per_kwh": g_per_kwh,
            "gpu_co2_g_per_1k_queries": score["gpu_wh_per_1k_queries"] * g_per_kwh / 1000,
            "system_co2_g_per_1k_queries": None,
            "source": source,
            "reason": "",
        }

    return change


def flip_point(name, ok):
    def change(it):
        point = next(one for one in it.result["conformance"] if one["name"] == name)
        point["ok"] = ok

    return change


def other_definition(it):
    it.result["task"]["digest"] = "e" * 64


def add_file(it):
    it.files[f"{it.folder}/notes.txt"] = b"trust me"


def other_environment(it):
    it.result["environment"]["gpus"][0]["name"] = "NVIDIA H100 80GB PCIe"


def second_gpu(it):
    gpus = it.result["environment"]["gpus"]
    gpus.append(gpus[0] | {"uuid": "GPU-2"})


def lone_phase(it):
    """The split is said to be by the phase alone, whose energy is made up."""
    for place, run in enumerate(it.result["runs"]):
        run["phase_methods"][DOMAIN] = "phase_block"
        it.recorded(place)["lone"]["counter_mj"][1] += 2_000_000


def huge_duration(it):
    it.result["runs"][3]["duration_s"] = 1e17


def log_of(it):
    return f"{it.folder}/log.txt"


def unsteady_caution(it):
    it.result["cautions"].append({"code": "warmup_unsteady", "message": "it was not steady"})


GRID_TABLE = json.loads((resources.files("energyscore") / "verify/grid-1.json").read_text())
GRID, FRANCE = GRID_TABLE["source"], GRID_TABLE["countries"]["FRA"]
GPU = ("environment", "gpus", 0)
SCORE_UP = 1.02
TAMPERINGS = {
    "a lower score": ("score", in_result("score", "gpu_wh_per_1k_queries", to=6.7)),
    "a score of one run": ("score", in_result("score", "gpu_wh_per_1k_queries", to=6.9)),
    "another method": ("score", in_result("score", "method", to="power_integral")),
    "no error of the meter": ("score", in_result("score", "systematic", to=0.0)),
    "a narrower error": ("score", in_result("score", "systematic_range", to=[-0.01, 0.01])),
    "no score": ("score", in_result("score", "gpu_wh_per_1k_queries", to=None)),
    "less energy in all runs": ("counter energy", scale_energy),
    "less energy, raw too": ("counter energy", lambda it: scale_energy(it, raw=True)),
    "less energy, counter too": ("counter energy", scale_counter_too),
    "less energy, ticks too": ("power samples", scale_the_ticks_too),
    "a run's energy": ("raw runs", in_run("energy_j", DOMAIN, to=lambda j: j * 0.98)),
    "a run less": ("raw runs", lambda it: drop_a_run(it, raw=False)),
    "a run less, raw too": ("runs", lambda it: drop_a_run(it, plan=False)),
    "a run less, as planned": ("conformance", drop_a_run),
    "a run less, unofficial": ("official", lambda it: drop_a_run(it, point=True)),
    "the first run gone": ("runs", drop_the_first_run),
    "the best run twice": ("dates", repeat_a_run),
    "the best run twice, later": ("counter from run to run", repeat_a_run_later),
    "the best run twice, resumed": ("raw runs", repeat_a_run_resumed),
    "prefill for decode": ("phase energy", move_between_phases),
    "phases that do not sum": (
        "phase sums", in_run("phases", "decode", "energy_j", DOMAIN, to=lambda j: j * 0.9),
    ),
    "negative phase": (
        "phase sums",
        both(
            in_run("phases", "preprocess", "energy_j", DOMAIN, to=-1.0),
            in_run("phases", "decode", "energy_j", DOMAIN, to=lambda j: j + 48.5),
        ),
    ),
    "another lag": ("phase energy", in_run("phase_facts", DOMAIN, "lag_ms", to=40.0)),
    "no lag": ("phase energy", in_run("phase_facts", DOMAIN, "lag_ms", to=None)),
    "another window": ("phase energy", in_run("phase_facts", DOMAIN, "window_share", to=0.3)),
    "a phase alone, made up": ("phase energy", lone_phase),
    "one phase of two": ("phase energy", in_run("phase_methods", DOMAIN, to="single_phase")),
    "split by time": ("phase energy", in_run("phase_methods", DOMAIN, to="time_share")),
    "facts of no domain": ("domains", in_run("facts", to=lambda facts: facts | {"dram": {}})),
    "a phase without a domain": ("domains", in_run("phases", "decode", "se_j", to={})),
    "energy by no method": ("domains", in_run("methods", DOMAIN, to=None)),
    "more queries a second": ("performance", in_run("performance", "queries_per_s", to=15.0)),
    "more tokens a second": ("performance", in_run("performance", "output_tokens_per_s", to=None)),
    "shorter latencies": (
        "performance", in_run("performance", "latency_s", "p90", to=lambda s: s * 0.9),
    ),
    "no first token": ("performance", in_run("performance", "time_to_first_token_s", to=None)),
    "a faster summary": ("performance", in_result("performance", "latency_s", "p50", to=0.01)),
    "no summary": ("performance", in_result("performance", to=None)),
    "a quality by hand": ("quality", with_quality(value=0.9)),
    "a quality beyond all": ("quality", with_quality(value=1.5, items=None)),
    "a quality for no reason": ("quality", with_quality(value=None, items=None, ci95=None)),
    "an interval elsewhere": ("quality", with_quality(ci95=[0.8, 0.9])),
    "a quality turned round": ("quality", with_quality(higher_is_better=False)),
    "items of two answers": (
        "quality", with_quality(items=[[3, 1], [1, 1], [-1, 1], [0, 1]]),
    ),
    "a narrow interval of a quality": (
        "quality",
        with_quality(n=40, items=[[1, 1], [1, 1], [0, 1], [1, 1]] * 10, ci95=[0.749, 0.751]),
    ),
    "twice the queries": ("queries", more_queries),
    "batches of no time": ("queries", more_batches),
    "batches of a microsecond": ("queries", lambda it: more_batches(it, 1)),
    "batches of 20 microseconds": ("queries", lambda it: more_batches(it, 20)),
    "more queries a run": ("queries", in_run("queries", to=1100)),
    "fewer tokens": ("conformance", in_run("output_tokens", to=9000)),
    "a narrow interval": ("interval", in_result("score", "ci95", to=[7.03, 7.04])),
    "no spread": ("interval", in_result("score", "std", to=0.0)),
    "a phase's score": (
        "phase scores",
        in_result("score", "phases", "prefill", "gpu_wh_per_1k_queries", to=2.0),
    ),
    "a phase's error": ("phase scores", in_result("score", "phases", "decode", "se", to=1e-9)),
    "a net score": ("net score", in_result("score", "net_gpu_wh_per_1k_queries", to=1.0)),
    "no net score": (
        "net score", in_result("score", "net_gpu_wh_per_1k_queries", to=None),
    ),
    "fewer joules a token": (
        "energy by tokens", in_result("score", "per_token", "gpu_joules_per_output_token", to=0.1),
    ),
    "joules of tokens that do not count": (
        "energy by tokens", in_result("score", "per_token", "gpu_joules_per_input_token", to=0.1),
    ),
    "a system's score": ("system score", in_result("score", "system_wh_per_1k_queries", to=9.0)),
    "CO2 from nowhere": ("emissions", in_result("emissions", "gpu_co2_g_per_1k_queries", to=0.1)),
    "a cleaner grid": ("emissions", grid("FRA", 1.0, f"{GRID}, year {FRANCE[1]}")),
    "a log of another energy": ("log", in_log(b" J (counter)", b"1 J (counter)")),
    "a log with a line more": ("log", in_log(b"\nrun 2 ", b"\nall was well\nrun 2 ")),
    "a log without its end": ("log", in_log(b"\nprotocol generation: held", b"")),
    "another model": ("model", in_result("model", "id", to="org/other")),
    "another task's folder": ("model", in_result("task", "id", to="summarization")),
    "a bundled model, by its source": ("model", in_result("model", "source", to="builtin")),
    "a bundled model, by its name": ("model", in_result("model", "id", to="builtin:gpt2")),
    "a bundled model's size": ("model", as_bundled("builtin:gpt2", 7 * 10**9)),
    "a bundled model of no rules": ("model", as_bundled("builtin:mine", 10**9)),
    "a bundled model with weights": ("model", as_bundled("builtin:gpt2", 124439808, "pretrained")),
    "neither steady nor two minutes": (
        "warm-up", both(in_result("protocol", "warmup_steady", to=False), unsteady_caution),
    ),
    "a quick one that was steady": ("warm-up", in_result("protocol", "quick", to=True)),
    "a star more": ("stars", in_manifest("results", 0, "stars", to=5)),
    "no stars": ("stars", in_manifest("results", 0, "stars", to=None)),
    "a reference of one's own": ("stars", in_manifest("results", 0, "scale", to="mine")),
    "a larger class": ("task", change_class),
    "more parameters": ("task", in_result("model", "parameters", to=30 * 10**9)),
    "another scale": ("task", in_result("task", "scale_task", to="summarization")),
    "a task of one's own": ("official", other_definition),
    "another dataset": ("conformance", in_result("workload", "dataset", to="mine.csv")),
    "an unofficial dataset": ("conformance", in_result("workload", "official", to=False)),
    "another precision": ("conformance", in_result("model", "dtype", to="float32")),
    "quick": ("conformance", in_result("protocol", "quick", to=True)),
    "chosen by hand": ("conformance", in_result("protocol", "gpus_chosen_by", to="user")),
    "other lengths": ("conformance", in_result("workload", "generation", "max_new_tokens", to=5)),
    "a batch of 8": ("conformance", in_result("workload", "batch_size", to=8)),
    "by a head": ("contradictions", in_result("workload", "by", to="head")),
    "compiled": ("conformance", in_result("model", "compiled", to=True)),
    "compiled, and not how": ("contradictions", in_result("model", "compiled", to=True)),
    "another attention": ("conformance", in_result("model", "attention_default", to="sdpa")),
    "no census": ("contradictions", in_result("model", "quantized_on_load", to="nf4")),
    "quantized on loading": ("conformance", in_result("model", "quantized_on_load", to="nf4")),
    "most cut off": ("conformance", cut_off(lost=400_000, limit=1014)),
    "cut early": ("conformance", cut_off(lost=1000, limit=500)),
    "cut, but whole": ("contradictions", cut_off(lost=1000, limit=1014, total=369_000)),
    "cut, but no query": ("contradictions", cut_off(lost=1000, limit=1014, queries=0)),
    "hardly anything read": ("contradictions", read_hardly_anything),
    "a point not held": ("conformance", flip_point("window", ok=False)),
    "a point left out": ("conformance", lambda it: it.result["conformance"].pop()),
    "not official": ("official", in_manifest("results", 0, "official", to=False)),
    "random weights": ("notices", in_result("model", "weights", to="random")),
    "a longer run": ("durations", in_run("duration_s", to=lambda s: s * 1.01)),
    "a shorter phase": ("durations", in_run("phases", "prefill", "duration_s", to=1.0)),
    "a duration out of all measure": ("durations", huge_duration),
    "another window of metering": ("windows", in_run("facts", DOMAIN, "window_s", to=99.0)),
    "a window within the work": ("windows", in_raw("window_us", to=lambda w: [w[0], w[1] - 10**7])),
    "a counter that falls": ("counter rises", in_raw("ticks", "mj", to=fall)),
    "a counter that stands still": ("counter steps", stall),
    "a counter that stands still while it is updated": ("counter steps", stall_at_updates),
    "a counter that stands still outside the window": ("counter steps", stall_outside),
    "a counter that jumps": ("counter steps", in_raw("ticks", "mj", to=jump)),
    "updates from before": ("counter updates", in_raw("ticks", "t_us", to=early)),
    "another beginning": ("counter energy", in_raw("counter_mj", to=lambda c: [c[0] + 9, c[1]])),
    "power samples of another run": ("power samples", in_raw("power", "mw", to=lambda p: p[::-1])),
    "runs at one time": ("dates", in_run("started_at", to=later(-60))),
    "another clock": ("clock", later_by_the_clock),
    "from the future": ("dates", in_result("created_at", to="2031-01-01T00:00:00Z")),
    "written before it ended": ("dates", in_result("created_at", to="2026-03-01T12:09:00Z")),
    "local time": ("dates", in_run("started_at", to=lambda text: text.replace("+00:00", ""))),
    "heat": ("validity", thermal),
    "heat, unnoticed": ("notices", in_run("facts", DOMAIN, "clocks_event_reasons", to=0x40)),
    "a notice untold": (
        "notices",
        in_run("notices", to=[{"code": "power_cap", "message": "m", "invalidates": False}]),
    ),
    "limits that changed": ("validity", in_run("facts", DOMAIN, "power_limit_w", to=650.0)),
    "valid with reasons": ("validity", in_result("invalid_reasons", to=["others used the GPU"])),
    "an H100 of 900 W": ("power", in_result(*GPU, "power_limit_w", to=900.0)),
    "over the limit": ("power", in_result(*GPU, "power_limit_w", to=250.0)),
    "idling takes more": ("power", in_result("idle", "with_model_w", DOMAIN, to=500.0)),
    "a GPU more": ("hardware", second_gpu),
    "another GPU": ("other files", other_environment),
    "another measurement": ("identity", in_result("identity", to="b" * 64)),
    "raw data of another": ("raw runs", lambda it: it.raw[0].update(identity="b" * 64)),
    "no raw record": ("official", no_raw_record),
    "GPU_ENERGY_WH.txt": (
        "official files", lambda it: it.files.update({f"{it.folder}/GPU_ENERGY_WH.txt": b"6.0\n"}),
    ),
    "no GPU_ENERGY_WH.txt": (
        "official files", lambda it: it.files.pop(f"{it.folder}/GPU_ENERGY_WH.txt"),
    ),
    "a log of another": ("other files", lambda it: it.files.update({f"{it.folder}/log.txt": b""})),
    "a file more": ("other files", add_file),
    "unknown rules": ("rules", in_manifest("rules_version", to=7)),
    "other rules": ("result's rules", in_result("rules_version", to=7)),
    "no attestation": ("attestations", in_manifest("attestations", to={})),
    "two attestations": ("attestations", lambda it: it.manifest["attestations"].popitem()),
    "another attestation": (
        "attestations", in_manifest("attestations", "data_integrity", to="It is fine."),
    ),
    "no schema": ("schema", lambda it: it.result.pop("schema_version")),
    "energy as text": ("schema", in_run("energy_j", DOMAIN, to="few")),
    "no energy at all": ("schema", in_run("energy_j", DOMAIN, to=0.0)),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampered_submission_is_rejected_by_the_check_that_it_offends(official, name):
    check, change = TAMPERINGS[name]
    opened = Opened(official)
    change(opened)
    verdict = verify(opened.closed(), now=NOW)
    found = {one.check for one in verdict.findings if one.level == "failed"}
    assert check in found, found
    assert (verdict.status, verdict.exit_code) == ("not acceptable", 1)
    assert not any("\n" in one.message for one in verdict.findings)


LAYERS = [
    {"module": "Linear4bit", "weight": "Params4bit", "state": "quantized", "count": 9,
     "weights_bytes": 4 * 10**9},
    {"module": "Embedding", "weight": "float16", "state": "kept", "count": 1,
     "weights_bytes": 10**9},
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"graphs": 3}, None),
        ({"name": "bitsandbytes-fp4-4bit"}, "loading (nf4), and called 'bitsandbytes-fp4-4bit'"),
        ({"before": 64 * 10**9}, "the bytes before quantizing is 64000000000"),
        ({"layers": [LAYERS[1] | {"weights_bytes": 5 * 10**9}]}, "no layer is quantized"),
        ({"graphs": 0}, "it is called compiled, and nothing was compiled"),
    ],
)
def test_what_is_said_of_quantizing_and_compiling_fits_the_model(official, change, message):
    opened = Opened(official)
    census = {"bytes_after": 5 * 10**9, "layers": change.get("layers", LAYERS)}
    opened.result["model"] |= {
        "parameters": 8 * 10**9,
        "quantized_on_load": "nf4",
        "quantization": change.get("name", "bitsandbytes-nf4-4bit"),
        "quantization_bits": 4,
        "census": census | {"bytes_before": change.get("before", 16 * 10**9)},
    }
    if "graphs" in change:
        opened.result["model"]["compiled"] = True
        opened.result["compilation"] = {"seconds": 9.0, "graphs": change["graphs"], "breaks": 0}
    findings = verify(opened.closed(), now=NOW).findings
    wrong = [one for one in findings if one.level == "failed"]
    said = [one.message for one in wrong if one.check == "contradictions"]
    assert any(message in one for one in said) if message else not said, said


def test_updates_that_nobody_looked_for_are_no_sign_that_it_stood_still(official):
    """So are all gaps of older records, which do not tell when the recorder looked."""
    opened = Opened(official)
    unwatched(opened)
    found = [
        one.check for one in verify(opened.closed(), now=NOW).findings if one.level == "failed"
    ]
    assert "counter steps" not in found


@pytest.mark.parametrize("name", ["result.json", "log.txt", "GPU_ENERGY_WH.txt"])
def test_a_file_that_is_not_what_its_hash_says(official, name):
    opened = Opened(official)
    manifest = copy.deepcopy(opened.manifest)
    opened.files[f"{opened.folder}/{name}"] += b" "
    opened.rehashed()
    opened.manifest = manifest
    from support.submissions import zipped

    data = zipped({"manifest.json": json.dumps(manifest).encode()}, opened.files)
    assert "files" in failed(data)


def test_a_file_that_is_missing_or_more_than_is_listed(official):
    from support.submissions import zipped

    files = Opened(official).files
    name = next(name for name in files if name.endswith("log.txt"))
    assert "files" in failed(zipped({n: d for n, d in files.items() if n != name}))
    assert "files" in failed(zipped(files | {"more.txt": b""}))


def test_a_raw_record_that_is_not_the_results(official):
    opened = Opened(official)
    opened.closed()
    opened.result["raw"]["sha256"] = "0" * 64
    opened.files[f"{opened.folder}/result.json"] = json.dumps(opened.result).encode()
    assert failed(opened.rehashed()) == ["raw record"]


def test_what_is_not_official_is_accepted_with_a_warning_that_names_the_points(tmp_path):
    data = bundle(measure(tmp_path, queries=120, repeats=3, model="org/small"))
    verdict = verify(data, now=NOW)
    warnings = [one.message for one in verdict.findings if one.level == "warning"]
    assert warnings == ["it is not official: queries, repeats"]
    assert (verdict.exit_code, verify(data, now=NOW, strict=True).exit_code) == (0, 1)


def test_a_pace_that_never_settled_is_held_for_two_minutes_and_warned_of(official):
    opened = Opened(official)
    opened.result["protocol"] |= {"warmup_steady": False, "warmup_s": 121.4}
    unsteady_caution(opened)
    verdict = verify(opened.closed(), now=NOW)
    against = [(one.check, one.message) for one in verdict.findings if one.level == "warning"]
    assert against == [("warm-up", "the pace was not steady after 121 s of warm-up")]
    assert (verdict.exit_code, verify(opened.closed(), now=NOW, strict=True).exit_code) == (0, 1)


@pytest.mark.parametrize(
    ("change", "level"),
    [
        (grid("FRA", FRANCE[0], f"{GRID}, year {FRANCE[1]}"), "ok"),
        (grid("FRA", 1.0, "me"), "warning"),
        (grid("FRA", FRANCE[0], "CodeCarbon 9.9.9, country table, year 2030"), "warning"),
        (grid("XXX", 30.0, GRID), "warning"),
        (lambda it: None, "not applicable"),
    ],
    ids=["as listed", "by a stranger", "of another table", "of no country", "none"],
)
def test_the_grid_is_that_of_the_rules_or_warned_of(official, change, level):
    opened = Opened(official)
    change(opened)
    findings = verify(opened.closed(), now=NOW).findings
    assert [one.level for one in findings if one.check == "emissions"] == [level]
    assert failed(opened.closed()) == []


def test_checks_that_have_nothing_to_check_say_so(tmp_path):
    """Estimates alone: there is no GPU, no counter and no sample of power to look at."""
    data = bundle(measure(tmp_path, queries=60, repeats=2, device="cpu"))
    verdict = verify(data, now=NOW)
    levels = {one.check: one.level for one in verdict.findings}
    assert {name for name, level in levels.items() if level == "not applicable"} == {
        "counter rises", "counter updates", "counter energy", "counter steps",
        "counter from run to run", "power samples", "power", "weights", "phase energy", "emissions",
        "time of the work", "quality", "cost of measuring", "loading", "screen", "answers",
        "load", "requests", "places", "server's counts", "joules by requests",
    }  # fmt: skip
    assert {levels[name] for name in ("durations", "clock", "time shares", "log", "model")} == {
        "ok"
    }
    assert verdict.status == "valid"


def test_a_bundled_model_as_the_rules_list_it_is_accepted(tmp_path):
    path = measure(tmp_path, model="builtin:gpt2", queries=60, repeats=2, device="cpu")
    opened = Opened(bundle(path))
    assert set(failed(opened.closed())) == {"model"}, "a billion parameters are not gpt2's"
    opened.result["model"]["parameters"] = 124_439_808
    opened.result["model"]["weights"] = "random"
    opened.result["cautions"].append({"code": "random_weights", "message": "weights are random"})
    next(one for one in opened.result["conformance"] if one["name"] == "weights")["ok"] = False
    opened.listed["not_official"].insert(-1, "weights")
    assert "model" not in failed(opened.closed())


def test_a_log_is_plain_words(tmp_path, official):
    path = measure(tmp_path, model="org/model", queries=60, repeats=1, device="cpu")
    opened = Opened(bundle(path))
    text = opened.files[log_of(opened)].decode()
    assert "; 1 of 1 run\n" in text
    assert "generation max_new_tokens 10, min_new_tokens 10, strategy greedy\n" in text
    for odd in ("None", "{", "}", "1 runs", "1 passes"):
        assert odd not in text, odd
    whole = Opened(official)
    low, high = whole.result["score"]["ci95"]
    text = whole.files[log_of(whole)].decode()
    assert f"95% interval {low} to {high}\n" in text
    assert "; 10 of 10 runs\n" in text


def test_a_split_by_one_phase_alone_is_computed_anew_too(tmp_path):
    opened = Opened(bundle(measure(tmp_path, queries=300, repeats=2, lone_w=540.0)))
    assert {run["phase_methods"][DOMAIN] for run in opened.result["runs"]} == {"phase_block"}
    assert failed(opened.closed()) == []
    opened.recorded(1)["lone"]["counter_mj"][1] += 500_000
    assert set(failed(opened.closed())) == {"phase energy"}


def test_estimates_are_split_by_time_alone(tmp_path):
    data = bundle(measure(tmp_path, queries=60, repeats=2, device="cpu"))
    assert failed(data) == []
    opened = Opened(data)
    for name, more_j in (("prefill", -5.0), ("decode", 5.0)):
        opened.result["runs"][1]["phases"][name]["energy_j"]["cpu"] += more_j
    assert set(failed(opened.closed())) == {"time shares"}
    opened = Opened(data)
    opened.result["runs"][1]["phase_methods"]["cpu"] = "by hand"
    assert failed(opened.closed()) == ["time shares"]


def test_energy_that_reading_the_weights_takes_is_missed(official):
    """50 B parameters of 2 bytes, 10,000 times, at 30 pJ a byte: 30 kJ, and 25 kJ were taken."""
    opened = Opened(official)
    opened.result["model"] |= {"parameters": 50 * 10**9, "model_class": "B"}
    assert "weights" in failed(opened.closed(), "warning")
    opened.result["cautions"].append({"code": "implausibly_low", "message": "it cannot be"})
    assert "weights" not in failed(opened.closed(), "warning")


def test_a_run_left_out_leaves_a_gap_that_is_told(official):
    """Nine runs of ten, renumbered, as if nine had been planned: the clock knows better."""
    opened = Opened(official)
    del opened.result["runs"][4], opened.raw[5]
    for place, run in enumerate(opened.result["runs"]):
        run["index"] = opened.raw[place + 1]["index"] = place
    opened.raw[0]["runs"] = opened.result["protocol"]["repeats"] = 9
    opened.rescore()
    assert "runs" not in failed(opened.closed())
    assert "gaps" in failed(opened.closed(), "warning")


def test_the_one_error_of_older_results_is_accepted(official):
    opened = Opened(official)
    opened.result["score"] |= {"systematic": 0.05, "systematic_range": None}
    assert failed(opened.closed()) == []
    opened.result["score"]["systematic"] = 0.04
    assert failed(opened.closed()) == ["score"]


def test_an_interrupted_measurement_that_went_on_is_accepted(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        measure(tmp_path, queries=120, repeats=3, stop_after=2)
    opened = Opened(bundle(measure(tmp_path, queries=120, repeats=3)))
    assert [line["index"] for line in opened.raw[1:]] == [0, 1, 2]
    # The simulated machine was started anew: its clock and counter began again.
    assert "counter from run to run" in failed(opened.closed())
    opened.result["cautions"].append({"code": "resumed", "message": "2 runs were measured before"})
    opened.result["runs"][2]["started_at"] = "2026-03-01T12:20:00+00:00"
    opened.result["created_at"] = "2026-03-01T12:30:00Z"
    assert failed(opened.closed()) == []


@pytest.mark.parametrize(
    "result",
    [
        make_result(runs=[make_cpu_run(0), make_cpu_run(1)], gpu=None, official=False, quick=True),
        make_result(runs=[make_run(0, joules=None)], invalid=["no energy for gpu:GPU-0"]),
        make_result(runs=[make_run(n) for n in range(10)]),
        make_result(invalid=["it was hot"]),
    ],
    ids=["estimates", "nothing measured", "no raw record", "invalid"],
)
def test_whatever_was_measured_can_be_submitted_as_unofficial(tmp_path, result):
    result = result.model_copy(update={"created_at": "2026-02-01T00:00:00Z"})
    runs = [
        run.model_copy(
            update={
                "started_at": f"2026-01-01T00:{2 * run.index:02d}:00+00:00",
                "queries": result.workload.queries,
                "phases": dict(zip(["decode"], run.phases.values(), strict=False)),
                "phase_reasons": run.reasons,
                "input_tokens": result.workload.input_tokens,
                "output_tokens": result.workload.output_tokens,
            }
        )
        for run in result.runs
    ]
    from energyscore.results.score import score_runs

    names = [gpu.name for gpu in result.environment.gpus]
    score = score_runs(runs, result.protocol.metered_gpus, result.idle, names)
    path = save_result(tmp_path, result.model_copy(update={"runs": runs, "score": score}))
    data = bundle(path)
    assert failed(data) == []
    assert "official" in failed(data, "warning")
    opened = Opened(data)
    measured = score.gpu_wh_per_1k_queries is not None and result.valid
    assert (f"{opened.folder}/GPU_ENERGY_WH.txt" in opened.files) == measured
    assert opened.listed["stars"] is None


def test_the_same_measurement_twice_is_a_warning(tmp_path):
    path = measure(tmp_path, queries=60, repeats=2)
    assert "duplicates" in failed(bundle(path, path), "warning")


def test_the_rules_are_those_that_the_runner_measures_by():
    """Where a task's file is changed, the rules of the checker must follow, or get a version."""
    rules = load_rules(NEWEST)
    tasks = {name: file.spec for name, file in load_tasks().items()}
    assert set(rules.tasks) == set(tasks)
    for name, spec in tasks.items():
        ours = rules.tasks[name]
        assert (ours.digest, ours.version) == (spec.digest, spec.version), name
        assert ours.dataset == spec.dataset.id
        assert (ours.queries, ours.repeats, ours.batch_size) == (
            spec.queries, spec.repeats, spec.batch_size,
        )  # fmt: skip
        assert ours.precision == list(spec.precision)
        assert ours.phases == list(spec.phases)
        assert ours.generation == (spec.generation and spec.generation.recorded())
        assert ours.diffusion == (spec.diffusion and spec.diffusion.model_dump())
        for parameters in (10**9, 20 * 10**9, 20 * 10**9 + 1, 66 * 10**9, 10**12):
            for bits in (None, 3, 4, 8, 16):
                assert ours.class_of(parameters, bits) == spec.class_of(parameters, bits)
        drawn = RunOptions(protocol="v2").generation(spec)
        assert (spec.scale_task in rules.sampled.tasks) == bool(
            drawn and "seed" in drawn.recorded()
        )
    by_v2 = tasks["text_generation"].generation.by("v2").recorded()
    assert rules.sampled.generation == {
        name: one for name, one in by_v2.items() if name not in ("max_new_tokens", "seed")
    }
    assert rules.attestations == ATTESTATIONS
    assert rules.most_warmup_s == WARMUP_LIMIT_S
    bundled = {f"builtin:{name}": one.parameters for name, one in architectures().items()}
    assert rules.builtin == bundled


def test_the_grid_is_that_of_the_release_that_it_names():
    """Other releases of CodeCarbon have other figures; those are warned of."""
    assert grid_of(NEWEST, "FRA") == (FRANCE[0], f"{GRID}, year {FRANCE[1]}")
    assert grid_of(NEWEST, "XXX") == (None, GRID)
    if f"CodeCarbon {metadata.version('codecarbon')}," not in GRID:
        pytest.skip("another release of CodeCarbon is installed")
    for country, (g_per_kwh, year) in GRID_TABLE["countries"].items():
        ours = find_grid(country)
        assert (ours.g_per_kwh, ours.source) == (g_per_kwh, f"{GRID}, year {year}")


def test_intervals_are_the_measuring_programs_whatever_the_spread_and_the_steps():
    """The two share no code: tables and series here, scipy there."""
    for runs in (2, 3, 5, 10, 25, 60):
        for spread in (0.0, 1e-4, 3e-3, 0.02, 0.2):
            values = [2.0 * (1 + spread * ((7 * n) % runs / runs - 0.5)) for n in range(runs)]
            for steps in (0.0, 1e-3, 0.04):
                ours, theirs = spread_of(values, steps), summarize(values, steps)
                assert ours.interval == pytest.approx(theirs.ci95, rel=3e-5), (runs, spread, steps)


def test_the_least_chi_squared_is_the_known_one():
    """Against the tables that every textbook has."""
    known = {1: 0.00393, 2: 0.1026, 9: 3.325, 20: 10.851, 30: 18.493, 99: 77.046}
    for degrees, quantile in known.items():
        assert chi2_05(degrees) == pytest.approx(quantile, rel=1e-3)


def test_students_distribution_is_the_known_one():
    """Against the tables that every textbook has."""
    known = {1: 12.706, 2: 4.303, 4: 2.776, 9: 2.262, 29: 2.045}
    for degrees, quantile in known.items():
        assert student_975(degrees) == pytest.approx(quantile, abs=5e-4)


@pytest.mark.parametrize("source", ["instant", "average"])
@pytest.mark.parametrize("every_ms", [20, 90, 400])
@pytest.mark.parametrize("half_ms", [35, 700, 1600, 9000, 10**9])
def test_the_steps_of_power_are_derived_as_they_were_measured(source, every_ms, half_ms):
    """A square wave of 100 and 700 W, read every so often for 30 s."""
    times_ns = range(-5_000_000, 30 * 10**9, every_ms * 10**6)
    samples = [(t, 700.0 if t // (half_ms * 10**6) % 2 else 100.0) for t in times_ns]
    steps = power_steps(Window(0, 30 * 10**9), samples, source, 9000.0)
    power = RawPower.model_construct(
        t_s=[t / 1e9 for t, _ in samples], values=[w for _, w in samples], source=source
    )
    gpu = SimpleNamespace(found=SimpleNamespace(power=power), window_s=(0.0, 30.0))
    assert _power_step_j(gpu, 300.0) == pytest.approx(steps.largest_j, rel=1e-6)
