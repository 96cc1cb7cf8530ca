import json
import math
from pathlib import Path
from statistics import NormalDist, stdev

import pytest
from support.results import make_cpu_run, make_result, make_run, make_server_result

from energyscore.base.errors import InvalidResult, UsageError
from energyscore.cli import card, label
from energyscore.cli.app import app
from energyscore.judge.comparability import cohort_key
from energyscore.judge.rating import rate
from energyscore.judge.unratable import why_unratable
from energyscore.protocol.scales import DEFAULT_SCALE, load_scale
from energyscore.protocol.stars import stars_for
from energyscore.results.parts import Caution
from energyscore.results.result import parse_result, result_to_json

PUBLISHED = json.loads((Path(__file__).parents[1] / "data/published_stars.json").read_text())[
    "tables"
]


@pytest.mark.parametrize("table", PUBLISHED)
def test_the_rule_gives_every_published_star(table):
    energies = [energy for energy, _ in PUBLISHED[table]]
    low, high = min(energies), max(energies)
    given = [stars_for(energy, low, high) for energy in energies]
    assert given == [stars for _, stars in PUBLISHED[table]]


@pytest.mark.parametrize("table", PUBLISHED)
def test_the_bundled_reference_has_the_published_extremes(table):
    task, _, size = table.partition(" ")
    band = load_scale(DEFAULT_SCALE).band(task, size or None)
    energies = [energy * 1000 for energy, _ in PUBLISHED[table]]
    assert band.models == len(energies)
    assert band.min_wh_per_1k_queries == pytest.approx(min(energies), abs=1e-6)
    assert band.max_wh_per_1k_queries == pytest.approx(max(energies), abs=1e-6)


def runs_of(wh, method="counter"):
    return [make_run(index, joules=3600.0 * wh, method=method) for index in range(10)]


def test_an_estimate_made_beside_busy_neighbours_gets_no_stars_and_gives_none():
    def made(model, joules, *codes):
        cautions = [Caution(code=code, message="others used 40%") for code in codes]
        result = make_result(model, [make_cpu_run(joules=joules)], gpu=None)
        return result.model_copy(update={"cautions": cautions})

    calm = [made("a/a", 100.0), made("b/b", 200.0, "busy_machine"), made("c/c", 300.0)]
    *rated, busy = rate([*calm, made("d/d", 9000.0, "too_busy")])
    assert [one.stars for one in rated] == [one.stars for one in rate(calm)] == [5, 3, 1]
    assert (busy.stars, busy.no_stars) == (None, "too_busy")
    assert busy.reason == "estimated while others used over 25% of the processor"
    on_gpu = make_result("e/e")
    metered = on_gpu.model_copy(update={"cautions": [Caution(code="too_busy", message="x")]})
    assert rate([metered])[0].stars is not None  # a GPU's counter counts the GPU only


def test_an_official_result_is_rated_against_the_reference():
    rating = rate([make_result(runs=runs_of(2.146))])[0]
    assert (rating.stars, rating.kind, rating.scale) == (5, "reference", DEFAULT_SCALE)
    assert rating.departures == ()
    assert rate([make_result(runs=runs_of(19.0))])[0].stars == 2


@pytest.mark.parametrize(
    ("change", "point"),
    [
        ({"gpu": "NVIDIA A100-SXM4-80GB"}, "hardware"),
        ({"gpu": "NVIDIA H100 NVL"}, "hardware"),
        ({"official": False}, "dataset"),
        ({"dtype": "float32"}, "precision"),
        ({"weights": "random"}, "weights"),
        ({"quick": True}, "warm-up"),
        ({"runs": runs_of(2.0)[:9]}, "repeats"),
        ({"runs": runs_of(2.0, method="power_integral")}, "GPU energy"),
        ({"runs": [make_run(i, seconds=59.0) for i in range(10)]}, "window"),
        ({"runs": [make_run(i, output_tokens=9999) for i in range(10)]}, "generation"),
        ({"size": "D"}, "task"),
    ],
)
def test_what_departs_from_the_protocol_is_not_rated_against_the_reference(change, point):
    result = make_result(**change)
    rating = rate([result])[0]
    assert rating.stars is None
    assert [departure.name for departure in rating.departures] == [point]
    asked = rate([result], DEFAULT_SCALE)[0]
    assert asked.stars is None
    assert f"not comparable to {DEFAULT_SCALE}" in asked.reason


def cohort(*energies, **change):
    return [
        make_result(
            f"org/m{place}", runs_of(wh), gpu="NVIDIA L4", identity=f"{place:064}", **change
        )
        for place, wh in enumerate(energies)
    ]


def test_comparable_results_rate_each_other():
    ratings = rate(cohort(1.0, 3.0, 11.0))
    assert [rating.stars for rating in ratings] == [5, 5, 1]
    assert {rating.scale for rating in ratings} == {"cohort of 3"}
    assert not any(rating.estimated for rating in ratings)


@pytest.mark.parametrize(
    "other",
    [
        {"gpu": "NVIDIA A10"},
        {"dtype": "float32"},
        {"power_limit_w": 300.0},
        {"size": "B"},
    ],
)
def test_unlike_results_are_no_cohort(other):
    first = make_result("a/a", runs_of(1.0), **({"gpu": "NVIDIA L4"}))
    second = make_result("b/b", runs_of(2.0), **({"gpu": "NVIDIA L4"} | other))
    ratings = rate([first, second], "cohort")
    assert [rating.stars for rating in ratings] == [None, None]
    assert "at least two comparable models" in ratings[0].reason


def test_both_half_precisions_are_one_protocol():
    ratings = rate([*cohort(1.0), *cohort(2.0, 3.0, dtype="bfloat16")], "cohort")
    assert {rating.scale for rating in ratings} == {"cohort of 3"}
    assert all(rating.stars for rating in ratings)


def test_models_that_write_are_rated_among_those_that_do_not():
    """As on the leaderboard: a task is one list, whatever kinds of models do it."""
    writes, marks = cohort(3.0, 2.0)
    without = {"generation": None, "output_tokens": 0}
    marks = marks.model_copy(update={"workload": marks.workload.model_copy(update=without)})
    assert [rating.stars for rating in rate([writes, marks], "cohort")] == [1, 5]
    task = marks.task.model_copy(update={"digest": "0" * 64})
    other = marks.model_copy(update={"task": task})
    assert [rating.stars for rating in rate([writes, other], "cohort")] == [None, None]


def test_a_model_alone_gets_no_stars_however_often_it_was_measured():
    first = make_result(runs=runs_of(1.0), gpu="NVIDIA L4")
    second = make_result(runs=runs_of(1.1), gpu="NVIDIA L4")
    assert [rating.stars for rating in rate([first, second])] == [None, None]


def test_invalid_results_get_no_stars_and_are_no_measure_for_others():
    good = cohort(2.0, 3.0)
    bad = make_result("x/y", runs_of(0.1), gpu="NVIDIA L4", invalid=["slowed down by heat"])
    ratings = rate([*good, bad])
    assert [rating.stars for rating in ratings] == [5, 1, None]
    assert "slowed down by heat" in ratings[2].reason


@pytest.mark.parametrize("scale", [None, "cohort"])
def test_a_gpu_that_did_not_do_the_work_earns_no_stars(scale, tmp_path, capsys):
    def beside(model, wh):
        result = make_result(model, runs_of(wh))
        protocol = result.protocol.model_copy(update={"device": "cpu", "gpus_chosen_by": "user"})
        points = [
            point.model_copy(update={"ok": False}) if point.name == "device" else point
            for point in result.conformance
        ]
        return result.model_copy(
            update={"protocol": protocol, "conformance": points, "official": False}
        )

    several = [beside("x/a", 1.0), beside("x/b", 3.0)]
    for rating in rate([*several, make_result("x/c", runs_of(2.0))], scale)[:2]:
        assert rating.stars is None
        assert "the metered GPU did not do the work" in rating.reason
    # The same of one of two: what it took idle is no energy of the model.
    two = make_result("x/d", runs_of(1.0))
    part = two.protocol.model_copy(
        update={"metered_gpus": ["GPU-0", "GPU-7"], "gpus_chosen_by": "user"}
    )
    two = two.model_copy(update={"protocol": part})
    rated = rate([two, make_result("x/c", runs_of(2.0)), make_result("x/e", runs_of(3.0))], scale)
    assert (rated[0].stars, rated[0].cohort_size) == (None, None)
    if scale == "cohort":
        assert [one.stars for one in rated[1:]] == [5, 1], "it is no measure for others"
    assert "GPU-7 was metered too and did none of the work" in why_unratable(two)
    file = tmp_path / "a.json"
    file.write_text(result_to_json(several[0]))
    for command in (label, card):
        with pytest.raises(InvalidResult, match="the metered GPU did not do the work"):
            app([command.__name__.rpartition(".")[2], str(file)], standalone_mode=False)
    assert capsys.readouterr().out == ""


def test_estimates_are_rated_among_estimates_and_labelled():
    estimates = [
        make_result(f"e/{wh}", [make_cpu_run(joules=3600.0 * wh)], gpu=None) for wh in (1, 5)
    ]
    measured = make_result("m/m", runs_of(0.001))
    ratings = rate([*estimates, measured], "cohort")
    assert [rating.stars for rating in ratings] == [5, 1, None]
    assert [rating.estimated for rating in ratings] == [True, True, False]
    assert [rating.basis for rating in ratings] == ["system", "system", "gpu"]


def test_nothing_measured_is_no_figure_and_no_stars():
    result = make_result(runs=[make_run(joules=None)])
    assert cohort_key(result) is None
    assert rate([result])[0].stars is None


def test_a_scale_of_ones_own(tmp_path):
    scale = json.loads(load_scale(DEFAULT_SCALE).model_dump_json())
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(scale | {"name": "mine", "gpu": "L4"}))
    rating = rate([make_result(gpu="NVIDIA L4", runs=runs_of(1.5))], str(file))[0]
    assert (rating.stars, rating.scale) == (5, "mine")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "it is not valid JSON"),
        ('{"schema_version": 1}', "name"),
        ('{"schema_version": 2}', "schema_version"),
        (
            '{"schema_version":1,"name":"x","date":"2025-02","source":"s","gpu":"g","rule":"equal-width",'
            '"bands":[{"task":"t","model_class":null,"models":2,"min_wh_per_1k_queries":2,'
            '"max_wh_per_1k_queries":1}]}',
            "bands.0",
        ),
        (
            load_scale(DEFAULT_SCALE).model_dump_json().replace('"rule"', '"name":"x","rule"'),
            "duplicate key 'name'",
        ),
        (
            load_scale(DEFAULT_SCALE).model_dump_json().replace("0.05", "1.5"),
            "uncertainty.systematic",
        ),
    ],
)
def test_a_wrong_scale_says_where(tmp_path, content, said):
    file = tmp_path / "mine.json"
    file.write_text(content)
    with pytest.raises(UsageError) as caught:
        load_scale(str(file))
    assert f": {said}" in str(caught.value)


def test_an_unknown_scale_gets_the_nearest_name():
    with pytest.raises(UsageError, match=DEFAULT_SCALE):
        load_scale("aienergyscore-2025")


LOW, HIGH = 1.313333, 28.741175  # text_generation, class A, of the bundled reference


def runs_with(*wh):
    return [make_run(index, joules=3600.0 * energy) for index, energy in enumerate(wh)]


def on_l4(model, *wh, gpu="GPU-0"):
    """A result of an L4 with runs of so many Wh; the L4 is known by the UUID."""
    result = make_result(model, runs_with(*wh), gpu="NVIDIA L4")
    return parse_result(result_to_json(result).replace("GPU-0", gpu), "it")


def areas(energy, u, low, high):
    """The chance of 1 to 5 stars, by the library's normal distribution."""
    edges = [low + band * (high - low) / 5 for band in (1, 2, 3, 4)]
    below = [0.0, *(NormalDist(energy, u).cdf(edge) for edge in edges), 1.0]
    return [below[6 - stars] - below[5 - stars] for stars in (1, 2, 3, 4, 5)]


def test_in_a_cohort_on_one_gpu_only_the_repeats_make_stars_unsure():
    ratings = rate([on_l4("a/a", 1.0, 1.0, 1.0), on_l4("b/b", 11.0), on_l4("c/c", 2.7, 2.9, 3.1)])
    assert ratings[2].uncertainty_wh == pytest.approx(0.2 / math.sqrt(3))
    # the edge at 3 Wh is t = 0.866 standard errors away; with two degrees of freedom
    # F(t) = 1/2 + t / (2 sqrt(2 + t^2)) = 0.7611
    chances = ratings[2].probabilities
    assert chances[4] == pytest.approx(0.7611, abs=1e-4)
    assert chances[3] == pytest.approx(0.2376, abs=1e-3)
    assert sum(chances) == pytest.approx(1.0)
    assert (ratings[0].uncertainty_wh, ratings[0].probabilities) == (0.0, (0, 0, 0, 0, 1))
    assert [rating.probability_reason for rating in ratings] == ["", "one run only", ""]


def test_one_run_has_stars_but_no_chance_of_them():
    for rating in rate([on_l4("a/a", 1.0), on_l4("b/b", 2.0)]):
        assert rating.stars in (1, 5)
        assert (rating.probabilities, rating.uncertainty_wh) == (None, None)
        assert rating.probability_reason == "one run only"


def test_without_stars_there_is_no_chance_of_them():
    for result in (on_l4("a/a", 1.0, 1.1), make_result(runs=[make_run(joules=None)])):
        rating = rate([result])[0]
        assert (rating.stars, rating.probabilities, rating.uncertainty_wh) == (None, None, None)
        assert rating.probability_reason == "no stars"


def test_against_the_reference_the_meters_systematic_error_counts_too():
    repeats = [17.9, 18.1] * 5
    rating = rate([make_result(runs=runs_with(*repeats))])[0]
    # SE = 0.1054 / sqrt 10 = 0.0333; 0.05 x 18 / sqrt 3 = 0.5196; 0.0135 x 18 = 0.243
    assert rating.uncertainty_wh == pytest.approx(0.5746, abs=1e-4)
    # the edge at 17.770 Wh is 0.4002 of them below 18: Phi(-0.4002) = 0.3445
    assert rating.probabilities[3 - 1] == pytest.approx(0.3445, abs=2e-4)
    assert rating.probabilities[2 - 1] == pytest.approx(0.6555, abs=2e-4)
    assert rating.probabilities == pytest.approx(areas(18.0, rating.uncertainty_wh, LOW, HIGH))


def test_equal_repeats_do_not_make_a_reference_rating_certain():
    rating = rate([make_result(runs=runs_of(17.770038))])[0]  # at the edge of 3 and 2 stars
    share = math.hypot(0.05 / math.sqrt(3), 0.0135)
    assert rating.uncertainty_wh == pytest.approx(share * 17.770038)
    assert rating.probabilities[1:3] == pytest.approx((0.5, 0.5), abs=1e-3)


def test_the_reference_says_what_its_uncertainty_is_and_what_is_not_known():
    uncertainty = load_scale(DEFAULT_SCALE).uncertainty
    assert (uncertainty.systematic, uncertainty.device_spread) == (0.05, 0.0135)
    assert "arXiv 2312.02741" in uncertainty.source
    assert "not known" in uncertainty.source


def test_other_gpus_of_the_same_name_do_not_share_their_meters_error():
    same = [on_l4("a/a", 1.0, 1.0), on_l4("b/b", 11.0, 11.0), on_l4("c/c", 2.7, 2.9, 3.1)]
    other = [*same[:2], on_l4("c/c", 2.7, 2.9, 3.1, gpu="GPU-1")]
    assert {rating.scale for rating in rate(other)} == {"cohort of 3"}
    for alone, apart in zip(rate(same), rate(other), strict=True):
        assert apart.stars == alone.stars
        # Of the sensors of L4 GPUs nothing is known: 10%, and the spread of devices.
        sensor = math.hypot(0.1 / math.sqrt(3), 0.0135) * apart.energy_wh
        assert apart.uncertainty_wh == pytest.approx(math.hypot(alone.uncertainty_wh, sensor))
        low, high = 1.0, 11.0
        # Mostly the systematic part, which is known by more than the runs: nearly normal.
        expected = areas(apart.energy_wh, apart.uncertainty_wh, low, high)
        assert apart.probabilities == pytest.approx(expected, abs=0.025)
    asked = [rating.probabilities for rating in rate(other, "cohort")]
    assert asked == [rating.probabilities for rating in rate(other)]


def test_an_error_that_all_gpus_of_a_name_share_moves_no_stars():
    """All A100 read 5.6% to 5.8% low: what is left is 0.1% to either side, and the devices."""

    def on_a100(model, *wh, gpu="GPU-0"):
        result = make_result(model, runs_with(*wh), gpu="NVIDIA A100-PCIE-40GB")
        return parse_result(result_to_json(result).replace("GPU-0", gpu), "it")

    ratings = rate([on_a100("a/a", 1.0, 1.0), on_a100("b/b", 11.0, 11.0, gpu="GPU-1")])
    share = math.hypot(0.001 / math.sqrt(3), 0.0135)
    assert [one.uncertainty_wh for one in ratings] == pytest.approx([share, 11 * share])


def test_a_result_in_another_cohort_changes_no_chance():
    alone = rate([on_l4("a/a", 1.0, 1.2), on_l4("b/b", 2.0, 2.1)])
    elsewhere = make_result("c/c", runs_with(1.0, 1.2), gpu="NVIDIA A10")
    elsewhere = parse_result(result_to_json(elsewhere).replace("GPU-0", "GPU-1"), "it")
    assert rate([on_l4("a/a", 1.0, 1.2), on_l4("b/b", 2.0, 2.1), elsewhere])[:2] == alone


def test_estimates_have_the_spread_of_their_own_figure():
    joules = (6000.0, 7200.0, 9000.0)
    spread = [make_cpu_run(index, joules=j) for index, j in enumerate(joules)]
    results = [make_result("e/1", [make_cpu_run(joules=100.0)] * 2, gpu=None)]
    results += [make_result("e/2", spread, gpu=None)]
    rating = rate(results)[1]
    energies = [1.5 * j / 3600 * 10 for j in joules]  # processor and memory, 100 queries
    assert (rating.basis, rating.estimated) == ("system", True)
    assert rating.uncertainty_wh == pytest.approx(stdev(energies) / math.sqrt(3))


def test_the_spread_of_the_processor_does_not_touch_gpu_stars():
    def with_processor(model, *cpu_j):
        runs = []
        for index, joules in enumerate(cpu_j):
            run = make_run(index, joules=3600.0 + index)
            runs.append(
                run.model_copy(
                    update={
                        "energy_j": run.energy_j | {"cpu": joules, "ram": 1.0},
                        "methods": run.methods | {"cpu": "rapl", "ram": "estimated"},
                    }
                )
            )
        return make_result(model, runs, gpu="NVIDIA L4")

    ratings = rate([with_processor("a/a", 1.0, 9e6), on_l4("b/b", 5.0, 5.0)])
    assert ratings[0].basis == "gpu"
    assert ratings[0].uncertainty_wh == pytest.approx(stdev((1.0, 3601 / 3600)) / math.sqrt(2))


def test_the_spread_of_devices_counts_where_a_scale_knows_it(tmp_path):
    known = {"systematic": 0.02, "device_spread": 0.03, "source": "a study"}
    scale = json.loads(load_scale(DEFAULT_SCALE).model_dump_json())
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(scale | {"name": "mine", "uncertainty": known}))
    rating = rate([make_result(runs=runs_with(*[17.9, 18.1] * 5))], str(file))[0]
    parts = stdev([17.9, 18.1] * 5) ** 2 / 10, (0.02 * 18) ** 2 / 3, (0.03 * 18) ** 2
    assert rating.uncertainty_wh == pytest.approx(math.sqrt(sum(parts)))


def test_a_scale_that_states_no_uncertainty_gives_stars_without_their_chance(tmp_path):
    scale = json.loads(load_scale(DEFAULT_SCALE).model_dump_json()) | {"name": "mine"}
    del scale["uncertainty"]
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(scale))
    rating = rate([make_result()], str(file))[0]
    assert (rating.stars, rating.probabilities, rating.uncertainty_wh) == (5, None, None)
    assert rating.probability_reason == "mine states no uncertainty"


@pytest.mark.parametrize(
    "changed",
    [{"digest": "0" * 64}, {"id": "toy_task"}],
    ids=["another definition", "a copy under another name, shipped along"],
)
def test_a_task_of_ones_own_is_not_rated_by_the_reference(changed):
    """Its points of the protocol are its own, and may all hold."""
    result = make_result("x/a", runs_of(2.0))
    own = result.model_copy(update={"task": result.task.model_copy(update=changed)})
    assert [rating.kind for rating in rate([result])] == ["reference"]
    (rating,) = rate([own])
    assert rating.stars is None
    assert [departure.name for departure in rating.departures] == ["definition"]


def test_a_head_and_writing_stand_in_one_cohort():
    """What is asked is the same; how a model answers is its own, and what is to be compared."""
    result = make_result()
    head, writing = (
        cohort_key(
            result.model_copy(update={"workload": result.workload.model_copy(update={"by": by})})
        )
        for by in ("head", "generate")
    )
    assert head == writing


def test_servers_are_rated_with_servers_under_the_same_load():
    at_8 = [make_server_result(name, identity=name * 64) for name in "ab"]
    at_1 = make_server_result("c", concurrency=1, identity="c" * 64)
    loaded_here = [make_result(name, identity=name * 64) for name in "de"]
    keys = [cohort_key(one) for one in (*at_8, at_1, *loaded_here)]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
    at_rates = [make_server_result("c", request_rate=rate) for rate in (8.0, 8.0, 2.5)]
    open_keys = [cohort_key(one) for one in at_rates]
    assert open_keys[0] == open_keys[1]
    assert len({*keys, *open_keys}) == 5
    for code, result, others in (
        ("prefix_cached", at_8[0], keys),
        ("arrivals_held", at_rates[0], open_keys),
    ):
        found = [Caution(code=code, message="some of it")]
        assert cohort_key(result.model_copy(update={"cautions": found})) not in others
    first, *_ = rate([*at_8, at_1, *loaded_here])
    assert first.stars is None  # alike in energy: no reference rates them
    assert "load" in [point.name for point in first.departures]
