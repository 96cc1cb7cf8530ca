"""A screen from its first block to a result, with work whose energy is known, and a clock."""

import random
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from support.results import make_result, make_run

from energyscore.base.errors import UnsupportedError
from energyscore.cli.options import as_option
from energyscore.judge.changes import changes
from energyscore.judge.comparability import conditions_of, differences
from energyscore.judge.compare import pair_of
from energyscore.judge.departures import departures_from
from energyscore.judge.figures import headline_of
from energyscore.judge.gate_checks import blank_limit
from energyscore.judge.policy import Limit
from energyscore.judge.rating import rate_files
from energyscore.measurement import benchmark, warmup, work
from energyscore.measurement.assemble import protocol_of
from energyscore.measurement.backend import Batch, BatchOutput, InputSizes
from energyscore.measurement.meter import Metered, Reading
from energyscore.measurement.metering import Metering
from energyscore.measurement.observer import LineObserver
from energyscore.measurement.options import RunOptions
from energyscore.measurement.screen import looks
from energyscore.measurement.screen import run as screen_run
from energyscore.measurement.screen.full import with_full_protocol
from energyscore.measurement.screen.run import Asked, run_screen
from energyscore.measurement.screen.stopping import Until
from energyscore.measurement.suite.key import key_of, work_of
from energyscore.measurement.work import Plan
from energyscore.protocol.scales import COHORT, DEFAULT_SCALE, Uncertainty, load_scale
from energyscore.protocol.stars import StarRange, star_chances
from energyscore.protocol.task import load_tasks
from energyscore.protocol.workload import Workload
from energyscore.publish.against_screen import against_screens, screens_came_to
from energyscore.publish.notes import notes_on
from energyscore.results.block import BlockPart, Units
from energyscore.results.conformance import with_conformance
from energyscore.results.consistency import contradiction
from energyscore.results.cost import Cost
from energyscore.results.parts import Caution
from energyscore.results.per_token import with_per_token
from energyscore.results.result import parse_result, result_to_json
from energyscore.results.score import gpu_summary, score_runs
from energyscore.results.screened import of_a_pass, screen_cautions
from energyscore.verify.ending import check_ending
from energyscore.verify.figures import check_interval, check_score
from energyscore.verify.findings import problem_of
from energyscore.verify.rules import load_rules
from energyscore.verify.screen import check_block, check_blocks, check_screen

UUID, DOMAIN = "GPU-0", "gpu:GPU-0"
QUERY_S = 0.5
SIZES = [random.Random(7).randint(100, 300) for _ in range(400)]


def law(size):
    """Joules of a query: it takes a part whatever its length."""
    return 30.0 + 0.35 * size


TRUE_WH = sum(map(law, SIZES)) / 3600 * 1000 / len(SIZES)


class LawfulMachine:
    """Backend, meter and clock in one: a query of a size takes its time and its energy."""

    lone_phase, prepare_ahead, phases, name = None, 4096, ("preprocess", "forward"), "nvml"

    def __init__(self, *, noise=0.01, measured=True):
        self.now_ns, self.joules, self.measured = 10**9, 0.0, measured
        self.random, self.noise, self.scale = random.Random(1), noise, 1.0

    def prepare(self, queries):
        sizes = [len(query["text"]) for query in queries]
        return Batch(sizes, len(sizes), sum(sizes))

    def run(self, batch, enter):
        enter("forward")
        self.now_ns += round(QUERY_S * batch.queries * 1e9)
        joules = [law(size) * self.random.gauss(1, self.noise) for size in batch.inputs]
        self.joules += self.scale * sum(joules)
        return BatchOutput(0)

    def cut_inputs(self, queries):
        return None

    def input_sizes(self, queries):
        return InputSizes("tokens", [len(query["text"]) for query in queries])

    def synchronize(self):
        pass

    def start(self):
        return self.joules

    def stop(self, token):
        if not self.measured:
            return Metered({DOMAIN: Reading(None, None, "the GPU was lost")})
        return Metered({DOMAIN: Reading(self.joules - token, "counter")})


@pytest.fixture
def machine(monkeypatch):
    made = LawfulMachine()
    fake = SimpleNamespace(
        monotonic=lambda: made.now_ns / 1e9, monotonic_ns=lambda: made.now_ns, sleep=None
    )
    for module in (work, warmup, benchmark, screen_run):
        monkeypatch.setattr(module, "time", fake)
    return made


def make_plan(window_s=10.0):
    queries = tuple({"text": "x" * size} for size in SIZES)
    workload = Workload(queries, "mine.csv", None, False, len(queries))
    return Plan(
        workload, ("preprocess", "forward"), batch_size=1, repeats=10, seed=42, quick=True,
        min_window_s=window_s, screen=True,
    )  # fmt: skip


def screen(machine, until="half-width=2%", *, finished=(), kept=None, uuids=(UUID,), **asked):
    lines = []
    repeats, part = run_screen(
        make_plan(),
        machine,
        [machine],
        Asked(Until.parse(until), 10, **asked),
        uuids=uuids,
        finished=finished,
        on_run=lambda run, raw: kept is not None and kept.append(run),
        observer=LineObserver(lines.append),
    )
    return repeats.runs, part, lines


def result_of(runs, part):
    """A result of these blocks, as `assemble` makes it of a loaded model's."""
    metering = Metering(uuids=(UUID,), chosen_by="model", occupied=(UUID,))
    plan = make_plan()
    base = make_result(runs=runs, official=False)
    work_part = base.workload.model_copy(
        update={"queries": len(SIZES), "input_tokens": sum(SIZES), "output_tokens": 0,
                "generation": None, "inputs_cut": None}
    )  # fmt: skip
    protocol = protocol_of(plan, metering, warmup.Warmup(30.0, 100, None), "cuda")
    change = {
        "screen": part,
        "workload": work_part,
        "protocol": protocol.model_copy(update={"repeats": len(runs)}),
        "score": score_runs(runs, [UUID], base.idle, ["NVIDIA H100 80GB HBM3"], part),
    }
    result = with_per_token(base.model_copy(update=change))
    return with_conformance(load_tasks()["text_generation"].spec, result)


def star_range(place):
    """The truth lies so far into the third of five bands; the reference errs as the default."""
    width = 0.4 * TRUE_WH
    low = TRUE_WH - (2 + place) * width
    return StarRange((low, low + 5 * width), load_scale(DEFAULT_SCALE).uncertainty)


def ended(machine, until, *, place=None, budget_s=None, beaten_by=None):
    """The result of a screen; a star is against the default reference, so far into a band."""
    stars, deadline_s = None, budget_s and machine.now_ns / 1e9 + budget_s
    if place is not None:
        low, high = load_scale(DEFAULT_SCALE).band("text_generation", "A").range_wh
        stars = StarRange((low, high), load_scale(DEFAULT_SCALE).uncertainty)
        wanted_wh = high - (1 + place) * (high - low) / 5
        machine.scale = wanted_wh / TRUE_WH
    runs, part, _ = screen(
        machine, until, stars=stars, budget_s=budget_s, deadline_s=deadline_s, beaten_by=beaten_by
    )
    return result_of(runs, part)


def problems(check, *places):
    return [one for place in places for one in map(problem_of, check(place)) if one]


def examined(result):
    places = SimpleNamespace(
        result=result,
        gpu_domains=[DOMAIN],
        gpu_methods={"counter"},
        task=SimpleNamespace(repeats=10),
        rules=load_rules(1),
    )
    blocks = [SimpleNamespace(it=places, run=run) for run in result.runs]
    return places, blocks


def test_a_screen_tells_the_energy_of_all_queries_from_a_few(machine):
    runs, part, lines = screen(machine)
    result = result_of(runs, part)
    low, high = result.score.ci95
    assert low < TRUE_WH < high
    assert part.decided
    assert 0.003 < (high - low) / 2 / TRUE_WH < 0.02
    assert part.share < 0.05, "a twentieth of ten passes"
    assert "per 1,000 queries so far" in lines[-1] or part.looks == 1
    assert all(run.duration_s >= 10.0 for run in runs)
    shown = gpu_summary(result.score, runs, [UUID])
    assert shown.ci95 == pytest.approx((low, high)), "what is shown is what may be claimed"
    assert contradiction(result) == ""
    assert parse_result(result_to_json(result), "it") == result
    assert not result.official
    (point,) = [one for one in result.conformance if one.name == "protocol"]
    assert not point.ok
    tokens = TRUE_WH * 3600 / 1000 * len(SIZES) / sum(SIZES)
    assert result.score.per_token["gpu_joules_per_input_token"] == pytest.approx(tokens, rel=0.03)


def test_the_checker_predicts_the_same_by_itself(machine):
    result = result_of(*screen(machine, "half-width=1%")[:2])
    it, blocks = examined(result)
    assert problems(check_score, it) == problems(check_screen, it) == []
    assert [one for one in problems(check_interval, it) if "GPU" in one.message] == []
    assert problems(check_block, *blocks) == []


@pytest.mark.parametrize(
    ("until", "asked"),
    [
        ("half-width=1%", {}),
        ("half-width=0.1%", {"budget_s": 80.0}),
        ("half-width=0.1%", {"beaten_by": 0.8 * TRUE_WH}),
        ("star=99%", {"place": 0.2}),
        ("star=99%", {"place": 0.95}),
        (f"gpu_wh_per_1k_queries<={1.05 * TRUE_WH}", {}),
        (f"gpu_wh_per_1k_queries<{0.95 * TRUE_WH}", {}),
        (f"gpu_wh_per_1k_queries<={1.005 * TRUE_WH}", {"budget_s": 80.0}),
    ],
)
def test_the_checker_has_the_looks_again_and_decides_the_same(machine, until, asked):
    result = ended(machine, until, **asked)
    assert problems(check_ending, examined(result)[0]) == []
    assert problems(check_blocks, examined(result)[0]) == []
    for change, said in (
        ({"decided": not result.screen.decided}, "whether it was decided"),
        ({"probability": 0.9}, "the probability of what was decided"),
        ({"star": 5}, "the star"),
        ({"within": None if result.screen.within else True}, "whether it is within the limit"),
        ({"reason": "it is good"}, "its reason is not that"),
        ({"looks": 9}, "the number of looks"),
        ({"until": "half-width=3%"}, "the half-width that"),
        ({"until": "the end"}, "it is not known what it was to go on until"),
    ):
        part = result.screen.model_copy(update=change)
        found = problems(check_ending, examined(result.model_copy(update={"screen": part}))[0])
        assert any(said in one.message for one in found), change


@pytest.mark.parametrize("limit", ["5e-324", "1e999"])
def test_a_limit_beyond_all_numbers_is_examined_too(machine, limit):
    result = ended(machine, f"gpu_wh_per_1k_queries<={1.1 * TRUE_WH}")
    part = result.screen.model_copy(
        update={"until": f"gpu_wh_per_1k_queries<={limit}", "within": limit == "5e-324"}
    )
    found = problems(check_ending, examined(result.model_copy(update={"screen": part}))[0])
    assert any("whether it is within the limit" in one.message for one in found)


def test_a_screen_that_goes_on_after_its_decision_is_found_out(machine):
    result = ended(machine, "half-width=1%", budget_s=1000.0)
    runs = [*result.runs, *(one.model_copy(update={"index": 99}) for one in result.runs[-1:])]
    found = problems(check_ending, examined(result.model_copy(update={"runs": runs}))[0])
    assert any("it went on after block" in one.message for one in found)


LONG = [*(100 + 10 * (n % 8) for n in range(300)), 50_000, 200_000]


@pytest.mark.parametrize(
    ("places", "change", "said"),
    [
        ([0, 2, 1, 3], {}, "not all before the others"),
        ([1, 2, 3, 4], {}, "not of the largest queries, or one of them is missing"),
        ([0, 1, 2, 3], {2: {"certain": True}}, "not of the largest"),
        ([0, 1, 2, 3], {2: {"queries": [300]}}, "in a certain block and in another"),
        ([0, 1, 2, 2], {}, "a second turn"),
        ([0, 1, 2, 3], {0: {"queries": [300, 300]}}, "twice in its certain blocks"),
        ([0, 1, 2, 3], {0: {"size": 1.0}}, "smaller than a block has to be"),
    ],
)
def test_the_largest_come_first_whole_and_once(machine, monkeypatch, places, change, said):
    monkeypatch.setitem(globals(), "SIZES", LONG)
    result = result_of(*screen(machine)[:2])
    blocks = [run.block for run in result.runs]
    assert [one.certain for one in blocks[:4]] == [True, True, False, False]
    assert problems(check_blocks, examined(result)[0]) == []
    runs = [
        result.runs[place].model_copy(
            update={"block": blocks[place].model_copy(update=change.get(at, {}))}
        )
        for at, place in enumerate(places)
    ]
    found = problems(check_blocks, examined(result.model_copy(update={"runs": runs}))[0])
    assert any(said in one.message for one in found)


@pytest.mark.parametrize(
    ("where", "change", "said", "check"),
    [
        ("block", {"size": 1.0}, "score.gpu_wh_per_1k_queries", check_score),
        ("block", {"queries": [400] * 20}, "runs.3.block.queries", None),
        ("screen", {"error": 0.5}, "screen.error", check_screen),
        ("screen", {"least_half_width": None, "looks": 3}, "screen.least_half", check_screen),
        ("screen", {"queries": 399}, "screen.queries", check_screen),
    ],
)
def test_what_was_changed_afterwards_is_found_out(machine, where, change, said, check):
    result = result_of(*screen(machine)[:2])
    if where == "screen":
        forged = result.model_copy(update={"screen": result.screen.model_copy(update=change)})
    else:
        runs = list(result.runs)
        block = runs[3].block.model_copy(update=change)
        runs[3] = runs[3].model_copy(update={"block": block})
        forged = result.model_copy(update={"runs": runs})
    assert said in contradiction(forged)
    it, blocks = examined(forged)
    assert problems(check, it) if check else problems(check_block, *blocks)


def test_the_checker_knows_how_much_was_measured_and_how_often_it_was_looked_at(machine):
    asked = {"budget_s": 200.0, "deadline_s": machine.now_ns / 1e9 + 200.0}
    result = result_of(*screen(machine, "half-width=0.1%", **asked)[:2])
    assert result.screen.looks > 3
    for change, said in (
        ({}, []),
        ({"share": 0.5}, ["the share of the work"]),
        ({"population": result.screen.population.model_copy(update={"size": 1e5})}, ["input tok"]),
    ):
        part = result.screen.model_copy(update=change)
        found = problems(check_screen, examined(result.model_copy(update={"screen": part}))[0])
        assert len(found) == len(said), found
        assert all(part in one.message for part, one in zip(said, found, strict=True))


def test_answers_as_long_as_their_queries_are_not_counted_by_the_certain_blocks(machine):
    part = screen(machine)[1].model_copy(
        update={"queries": 100, "population": Units(units=100, size=1900, square=1009900)}
    )
    features = [(1, 1000, 10**6, 1), *((10, 90 + n, 900, 0) for n in (0, 20, 0, 20, 10))]
    runs = [
        make_run(n, queries=round(units), output_tokens=size).model_copy(
            update={"block": BlockPart(units=units, size=size, square=square, certain=certain,
                                       queries=range(round(units)), planned_units=10)}
        )
        for n, (units, size, square, certain) in enumerate(features)
    ]  # fmt: skip
    tokens = [run.output_tokens for run in runs]
    assert of_a_pass(part, runs, tokens) == pytest.approx(1900, rel=0.001)
    assert sum(tokens) / 51 * 100 > 2900, "what the blocks have on average"


def test_a_limit_is_decided_on_the_right_side(machine):
    limit = f"gpu_wh_per_1k_queries<={1.1 * TRUE_WH}"
    _, part, _ = screen(machine, limit)
    assert (part.decided, part.within) == (True, True)
    assert part.probability > 0.95
    assert part.reason.startswith("at or below the limit")
    _, above, _ = screen(machine, f"gpu_wh_per_1k_queries<={0.9 * TRUE_WH}")
    assert (above.decided, above.within) == (True, False)


def test_a_screen_ends_once_something_better_surely_needs_less(machine):
    machine.noise = 0.2
    limit = 0.75 * TRUE_WH
    runs, part, _ = screen(machine, "half-width=0.5%", beaten_by=limit)
    assert (part.beaten, part.decided, part.beaten_by) == (True, False, limit)
    assert part.reason.startswith("half-width=0.5% is open: it surely needs more than ")
    assert part.error == 0.05 / 2**part.looks, "its interval holds at all looks together"
    result = result_of(runs, part)
    assert limit < result.score.ci95[0] < TRUE_WH < result.score.ci95[1]
    assert contradiction(result) == ""
    assert problems(check_screen, examined(result)[0]) == []
    assert problems(check_score, examined(result)[0]) == []
    (caution,) = [one for one in screen_cautions(part) if one.code == "screen_open"]
    assert caution.message == part.reason
    without, _, _ = screen(machine, "half-width=0.5%")
    assert len(without) > len(runs)


def test_what_is_not_beaten_goes_on_to_what_it_was_asked(machine):
    _, part, _ = screen(machine, beaten_by=1.2 * TRUE_WH)
    assert (part.beaten, part.decided, part.error) == (False, True, 0.05)
    assert part.beaten_by == 1.2 * TRUE_WH


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"beaten_by": TRUE_WH}, "may need"),
        ({"beaten_by": None}, "nothing that beats it"),
        ({"decided": True}, "nothing that beats it"),
        ({"error": 0.05}, "are allowed"),
    ],
)
def test_a_beaten_screen_must_follow_from_its_blocks(machine, change, said):
    runs, part, _ = screen(machine, "half-width=0.1%", beaten_by=0.8 * TRUE_WH)
    assert part.beaten
    result = result_of(runs, part)
    forged = result.model_copy(update={"screen": part.model_copy(update=change)})
    found = problems(check_screen, examined(forged)[0])
    assert any(said in one.message for one in found)


@pytest.mark.parametrize("figure", ["gpu", "system"])
def test_a_limit_on_the_system_counts_the_gpu_too(machine, monkeypatch, figure):
    others = {"cpu": Reading(30.0, "estimated"), "ram": Reading(10.0, "estimated")}
    of_gpu = machine.stop
    monkeypatch.setattr(
        machine, "stop", lambda token: Metered({**of_gpu(token).readings, **others})
    )
    runs, part, _ = screen(machine, f"{figure}_wh_per_1k_queries<={0.5 * TRUE_WH}")
    assert (part.decided, part.within) == (True, False)
    score = result_of(runs, part).score
    assert score.system_wh_per_1k_queries > score.gpu_wh_per_1k_queries > 0.5 * TRUE_WH


def test_that_it_is_open_is_said_once_wherever_its_figure_is_shown(machine):
    runs, part, _ = screen(machine, "half-width=0.1%", budget_s=60.0, deadline_s=0.0)
    result = result_of(runs, part)
    other = Caution(code="clocks", message="a caution of another kind")
    result = result.model_copy(update={"cautions": [*screen_cautions(part), other]})
    (rated,) = rate_files([("it.json", result)], COHORT)
    limit = Limit(metric="gpu_wh_per_1k_queries", text="<= 9 kWh", most=9000.0)
    check = blank_limit("rules[0]", rated, limit, estimated=False, unit="Wh")
    shown = {
        "table": "\n".join(notes_on([rated])),
        "comparison": "\n".join(pair_of(rated, rated, ()).after.cautions),
        "gate": "\n".join(check.cautions),
    }
    for text in shown.values():
        assert text.count(part.reason) == 1
        assert text.index(part.reason) < text.index(other.message)


def test_what_a_screen_came_to_is_told_at_the_end(machine):
    limit = f"gpu_wh_per_1k_queries<={1.1 * TRUE_WH}"
    decided = result_of(*screen(machine, limit)[:2])
    is_open = result_of(*screen(machine, "half-width=0.1%", budget_s=60.0, deadline_s=0.0)[:2])
    full = decided.model_copy(update={"screen": None})
    first, second = screens_came_to([decided, full, is_open])
    said = f"The screen of org/model until {limit} is decided: at or below the limit, with a "
    assert first.startswith(said)
    said = "half-width=0.1% is open: the budget of 60 s is spent"
    assert second == f"The screen of org/model: {said}."


def test_a_star_is_decided_between_its_edges(machine):
    _, part, _ = screen(machine, "star=99%", stars=star_range(0.5))
    assert (part.decided, part.star) == (True, 3)
    assert part.probability > 0.99


@pytest.mark.parametrize(
    ("place", "decided", "budget_s"), [(0.5, True, None), (0.8, False, 100.0), (0.96, False, None)]
)
def test_the_chance_of_a_star_is_the_one_that_tables_say(machine, place, decided, budget_s):
    stars = star_range(place)
    deadline_s = budget_s and machine.now_ns / 1e9 + budget_s
    runs, part, _ = screen(
        machine, "star=99%", stars=stars, budget_s=budget_s, deadline_s=deadline_s
    )
    assert part.decided is decided
    headline = headline_of(result_of(runs, part))
    chances, _ = star_chances(headline.energy_wh, headline.summary.spread(), stars)
    assert chances[part.star - 1] == pytest.approx(part.probability, abs=1e-12)
    assert contradiction(result_of(runs, part)) == ""


def test_a_star_that_the_reference_leaves_open_is_not_measured_for_long(machine):
    stars = star_range(0.9)
    runs, part, _ = screen(machine, "star=99%", stars=stars)
    assert not part.decided
    assert part.reason.startswith("star=99% is open: the reference is not known so well")
    assert sum(run.duration_s for run in runs) < 120
    alike = replace(stars, error=Uncertainty(systematic=0, device_spread=0, source="none"))
    assert screen(machine, "star=99%", stars=alike)[1].decided, "alone it is known well enough"


def test_a_budget_ends_it_and_says_what_is_open(machine):
    begin_s = machine.now_ns / 1e9
    runs, part, _ = screen(machine, "half-width=0.1%", budget_s=120.0, deadline_s=begin_s + 120.0)
    assert not part.decided
    assert part.reason == "half-width=0.1% is open: the budget of 120 s is spent"
    assert machine.now_ns / 1e9 - begin_s <= 120.0
    assert part.least_half_width == 0.001, "whoever looked claims no less than the target"
    assert contradiction(result_of(runs, part)) == ""


def test_an_interrupted_screen_goes_on_with_the_same_blocks(machine):
    kept = []
    runs, part, _ = screen(machine, "half-width=1%", kept=kept)
    assert kept == runs
    again, _, _ = screen(machine, "half-width=1%", finished=runs[:4], kept=(more := []))
    assert again[:4] == runs[:4]
    assert [run.index for run in more] == list(range(4, len(again)))
    assert [one.block.queries for one in again[: len(runs)]] == [
        one.block.queries for one in runs[: len(again)]
    ]
    done, same, _ = screen(machine, "half-width=1%", finished=runs, kept=(none := []))
    assert (done, none) == (runs, [])
    assert same == part


def test_without_energy_it_ends_at_once_and_says_so(machine):
    machine.measured = False
    runs, part, _ = screen(machine)
    assert len(runs) == 1
    assert part.reason == "half-width=2% is open: a block has no energy"
    score = result_of(runs, part).score
    assert score.gpu_wh_per_1k_queries is None
    assert "the GPU was lost" in score.reason


@pytest.mark.parametrize("sizes", [[200], [100, 200, 300]])
def test_of_a_few_short_queries_there_is_a_first_look_all_the_same(machine, monkeypatch, sizes):
    monkeypatch.setitem(globals(), "SIZES", sizes)
    runs, part, _ = screen(machine)
    assert part.decided
    score = result_of(runs, part).score
    assert score.gpu_wh_per_1k_queries == pytest.approx(law(200) / 3.6, rel=0.02)


def test_short_passes_are_done_as_long_as_the_full_protocol_does_them(machine, monkeypatch):
    """A pass takes 1.5 s, and its ten runs a minute each: a screen gives up no sooner."""
    monkeypatch.setitem(globals(), "SIZES", [100, 200, 300])
    runs, part, _ = screen(machine, "half-width=0.5%")  # narrower than the drift that is allowed
    assert not part.decided
    assert part.share > 1
    assert 600 <= sum(run.duration_s for run in runs) < 640


def test_where_nothing_can_be_told_it_ends_with_the_most_blocks(machine, monkeypatch):
    monkeypatch.setattr(screen_run, "MOST_BLOCKS", 7)
    monkeypatch.setattr(looks, "estimate", lambda blocks, population: None)
    runs, part, _ = screen(machine)
    assert len(runs) == 7
    assert part.reason.endswith("it has done the work of the full protocol")


def test_a_limit_on_gpu_energy_needs_a_gpu(machine):
    with pytest.raises(UnsupportedError, match="no GPU is metered here"):
        screen(machine, "gpu_wh_per_1k_queries<=1", uuids=())


def test_a_full_measurement_tells_what_its_screen_had_said(machine):
    screened = result_of(*screen(machine)[:2])
    whole_j = sum(map(law, SIZES))
    runs = [
        make_run(n, joules=whole_j * factor, queries=400, input_tokens=sum(SIZES), output_tokens=0)
        for n, factor in enumerate((1.0, 1.001, 0.999))
    ]
    metering = {"min_window_s": 60.0, "repeats": 3}
    full = screened.model_copy(
        update={
            "runs": runs,
            "screen": None,
            "created_at": "2026-01-02T00:00:00Z",
            "protocol": screened.protocol.model_copy(update=metering),
            "score": score_runs(runs, [UUID], None, ["NVIDIA H100 80GB HBM3"]),
        }
    )
    (line,) = against_screens([full], [screened, full])
    assert line.startswith("The screen of org/model had said ")
    assert line.endswith("their intervals overlap.")
    assert differences(conditions_of(screened), conditions_of(full)) == [], "they compare"
    assert changes(screened, full)["protocol"] == ("screened", "all queries")
    other = full.model_copy(update={"workload": full.workload.model_copy(update={"batch_size": 2})})
    assert list(against_screens([other], [screened])) == []


def test_a_screen_is_rated_against_the_reference_though_never_official(machine):
    result = result_of(*screen(machine)[:2])
    names = {one.name for one in departures_from(result, load_scale(DEFAULT_SCALE))}
    assert names.isdisjoint({"protocol", "window", "repeats"})
    assert "dataset" in names


def test_what_the_full_protocol_would_have_taken(machine):
    runs, part, _ = screen(machine)
    took_s = sum(run.duration_s for run in runs)
    took_j = sum(run.energy_j[DOMAIN] for run in runs)
    cost = Cost(
        duration_s=took_s + 60.0, energy_j={DOMAIN: took_j + 600.0}, methods={DOMAIN: "counter"},
        reasons={}, sessions=1,
    )  # fmt: skip
    full = with_full_protocol(cost, part, runs, 10).full
    assert full.runs == 10
    assert full.duration_s == pytest.approx(60.0 + 10 * 400 * QUERY_S, rel=0.01)
    assert full.energy_j[DOMAIN] == pytest.approx(600.0 + 10 * sum(map(law, SIZES)), rel=0.02)


def test_screens_until_this_and_that_are_one_measurement_and_a_full_one_another():
    task = load_tasks()["text_generation"]

    def of(find, **given):
        options = RunOptions(**given)
        model = options.model_spec("builtin:gpt2", task.spec)
        return find(task, model, options, online=False)

    screens = [{"screen": True, "until": f"half-width={n}%"} for n in (2, 5)]
    assert of(work_of, **screens[0]) == of(work_of, **screens[1]) != of(work_of)
    assert len({of(key_of, **given) for given in (*screens, {})}) == 3, "each is measured"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"screen": True, "quick": True}, "screen goes without quick"),
        ({"screen": True, "repeats": 3}, "screen goes without repeats"),
        ({"screen": True, "official": True}, "screen goes without official"),
        ({"until": "half-width=2%"}, "until goes with screen, which is not given"),
        ({"until": "half-width=2%", "budget": 9}, "until and budget go with screen"),
        ({"half_width": 1.0, "repeats": 3}, "half_width is the target of repeats auto"),
        ({"labels": "a.json"}, "labels goes with quality"),
        ({"clip": "a/b"}, "clip goes with quality"),
        ({"base_relation": "merge"}, "base_relation goes with base_model"),
        ({"screen": True, "until": "half-width=2%", "budget": "5m"}, ""),
    ],
)
def test_options_that_contradict_each_other(options, said):
    found = RunOptions.model_validate(options).problem()
    assert found.startswith(said) if said else found == ""
    dashed = RunOptions.model_validate(options).problem(as_option)
    named = [name for name in RunOptions.model_fields if f" {name} " in f" {said} "]
    assert all(f"--{name.replace('_', '-')}" in dashed for name in named)
    assert dashed.count("--") == len(re.findall(r"--[a-z]", dashed)) and bool(named) == bool(said)
