import json
from pathlib import Path

import pytest

from energyscore.errors import UsageError
from energyscore.rating import (
    DEFAULT_SCALE,
    cohort_key,
    latest_only,
    load_scale,
    rate,
    stars_for,
)
from results import make_cpu_run, make_result, make_run

PUBLISHED = json.loads((Path(__file__).parent / "data/published_stars.json").read_text())["tables"]


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


def test_bands_are_closed_on_the_right_and_open_at_the_ends():
    assert [stars_for(e, 0.0, 10.0) for e in (2.0, 2.0001, 4.0, 6.0, 8.0, 8.0001)] == [
        5,
        4,
        4,
        3,
        2,
        1,
    ]
    assert stars_for(-5.0, 0.0, 10.0) == 5
    assert stars_for(50.0, 0.0, 10.0) == 1


def runs_of(wh, method="counter"):
    return [make_run(index, joules=3600.0 * wh, method=method) for index in range(10)]


def test_an_official_result_is_rated_against_the_reference():
    rating = rate([make_result(runs=runs_of(2.146))])[0]
    assert (rating.stars, rating.kind, rating.scale) == (5, "reference", DEFAULT_SCALE)
    assert rating.not_comparable == ()
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
    assert [entry.split(":")[0] for entry in rating.not_comparable] == [point]
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
    assert {rating.scale for rating in ratings} == {"cohort of 2"}  # two share a model's name
    assert all(rating.stars for rating in ratings)


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


def test_the_newest_of_each_identity_counts():
    old = make_result("a/a", created_at="2026-01-01T00:00:00Z", identity="1" * 64)
    new = make_result("a/a", created_at="2026-02-01T00:00:00Z", identity="1" * 64)
    other = make_result("b/b", identity="2" * 64)
    assert latest_only([new, other, old]) == [new, other]


def test_a_scale_of_ones_own(tmp_path):
    scale = json.loads(load_scale(DEFAULT_SCALE).model_dump_json())
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(scale | {"name": "mine", "gpu": "L4"}))
    rating = rate([make_result(gpu="NVIDIA L4", runs=runs_of(1.5))], str(file))[0]
    assert (rating.stars, rating.scale) == (5, "mine")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "the file"),
        ('{"schema_version": 1}', "name"),
        ('{"schema_version": 2}', "schema_version"),
        (
            '{"schema_version":1,"name":"x","date":"d","source":"s","gpu":"g","rule":"equal-width",'
            '"bands":[{"task":"t","model_class":null,"models":2,"min_wh_per_1k_queries":2,'
            '"max_wh_per_1k_queries":1}]}',
            "bands.0",
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
