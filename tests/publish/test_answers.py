"""How much less energy one needs than another, as a sentence under a table."""

import pytest
from support.results import make_cpu_run, make_result, make_run

from energyscore.judge.rating import rate_files
from energyscore.publish.answers import answers
from energyscore.publish.margins import factor


def result_of(model, *wh, gpu="NVIDIA L4", **change):
    runs = [make_run(index, joules=3600.0 * energy) for index, energy in enumerate(wh)]
    return make_result(model, runs, gpu=gpu, **change)


def said(*results):
    return answers(rate_files((f"{place}.json", one) for place, one in enumerate(results)))


def test_the_one_that_needs_least_is_held_against_the_other_with_the_interval():
    # ln 1.7 -/+ t(0.975, 2.03) x sqrt(2) x 1% / sqrt(3): 1.7 x e^-/+0.035
    a, b = result_of("a", 0.99, 1.0, 1.01), result_of("b", 1.683, 1.7, 1.717)
    assert said(b, a) == ["a needs 1.70 (1.64 to 1.76) times less energy than b."]


def test_an_interval_with_1_in_it_is_said_to_decide_nothing():
    a, b = result_of("a", 0.9, 1.0, 1.1), result_of("b", 0.95, 1.05, 1.15)
    (line,) = said(a, b)
    assert line == (
        "undecided whether a needs less energy than b: 1.1 (0.7 to 1.5) times, and the interval "
        "contains 1."
    )
    c = result_of("c", 9.9, 10.0, 10.1)
    (line,) = said(a, b, c)
    assert line.startswith("a needs 10 (8 to 13) times less energy than c; undecided whether it ")


def test_one_run_has_no_interval_and_it_is_said():
    (line,) = said(result_of("a", 1.0), result_of("b", 2.0))
    assert line == "a needs 2.00 times less energy than b (no interval)."


def test_only_comparable_results_are_held_against_each_other():
    a = result_of("a", 1.0, 1.01)
    assert said(a) == []
    assert said(a, result_of("b", 2.0, 2.01, gpu="NVIDIA A10G")) == []
    assert said(a, result_of("b", 2.0, 2.01, invalid=("it drifts",))) == []
    assert said(a, result_of("b", 2.0, 2.01, dtype="float32")) == []
    assert said(a, make_result("b", [make_run(joules=None)], gpu="NVIDIA L4")) == []


def test_estimates_are_called_so():
    def estimated(model, joules):
        runs = [make_cpu_run(index, joules=joules + index) for index in range(3)]
        return make_result(model, runs, gpu=None)

    (line,) = said(estimated("a", 7200.0), estimated("b", 14400.0))
    assert line == "a needs 1.9999 (1.9991 to 2.0006) times less energy than b (estimated)."


def test_of_many_the_next_and_the_last_stand_for_all():
    results = [result_of(f"m{n}", n, n * 1.01, n * 1.02) for n in (1, 2, 3, 4, 5)]
    (line,) = said(*results)
    assert line.count("times less") == 2
    assert "than m2 and " in line
    assert line.endswith("than m5.")


def test_each_cohort_has_a_sentence_the_largest_first():
    small = [result_of(f"s{n}", n, n * 1.01, gpu="NVIDIA A10G") for n in (1, 2)]
    large = [result_of(f"l{n}", n, n * 1.01) for n in (1, 2, 3)]
    assert [line.split()[0] for line in said(*small, *large)] == ["l1", "s1"]


@pytest.mark.parametrize(
    ("ratio", "interval", "shown"),
    [
        (1.7, (1.5, 1.93), "1.7 (1.5 to 1.9)"),
        (1.307, (1.288, 1.325), "1.31 (1.29 to 1.32)"),
        (1.02, (1.003, 1.04), "1.020 (1.003 to 1.040)"),
        (1.02, (0.999, 1.04), "1.020 (0.999 to 1.040)"),
        (2000.0, (1500.0, 2600.0), "2,000 (1,500 to 2,600)"),
        (1.55, (0.38, 6.3), "2 (0.4 to 6)"),
        (15.0, (0.012, 90.0), "15 (0.01 to 90)"),
        (2.0, None, "2.00"),
        (2.0, (2.0, 2.0), "2.00"),
    ],
)
def test_a_factor_has_the_digits_that_its_interval_allows(ratio, interval, shown):
    assert factor(ratio, interval) == shown
