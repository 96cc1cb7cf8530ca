"""Results in words: digits that margins allow, and one name for one thing."""

import pytest
from support.results import make_cpu_run, make_result, make_run
from support.tables import row_of, table_of

from energyscore.judge.rating import RatedResult, rate
from energyscore.publish import margins, wording
from energyscore.publish.card import card_section
from energyscore.publish.label import label_svg
from energyscore.publish.margins import decimals_for, plus_minus, sides, signed, with_decimals
from energyscore.publish.page import to_page
from energyscore.publish.wording import phase_margin
from energyscore.results.parts import PhaseScore


@pytest.mark.parametrize(
    ("figure", "margin", "shown"),
    [
        (13.5561, 0.02861, ("13.556", "0.029")),
        (0.0131962, 0.0000176, ("0.013196", "0.000018")),
        (2.2, 0.19632, ("2.20", "0.20")),
        (5.0, 0.0996, ("5.00", "0.10")),
        (1234.56, 156.2, ("1,235", "156")),
        (38.8, 9.96, ("39", "10")),
        (3.3, None, ("3.30", None)),
    ],
)
def test_a_margin_has_two_digits_and_its_figure_as_many_decimals(figure, margin, shown):
    decimals = decimals_for(margin, figure)
    assert with_decimals(figure, decimals) == shown[0]
    if margin is not None:
        assert with_decimals(margin, decimals) == shown[1]


@pytest.mark.parametrize("margin", [0.0, 1e-13, 1e-12, float("nan")])
def test_no_digits_are_made_of_no_margin(margin):
    assert decimals_for(margin, 1.0) is None
    assert decimals_for(margin and 1e-20, 1e-19) is None


def test_the_margin_of_a_phase_is_students_over_runs_and_of_one_run_the_splits_error():
    def margin(runs, se=0.1):
        result = make_result(runs=[make_run(n) for n in range(runs)])
        phase = PhaseScore(gpu_wh_per_1k_queries=2.0, se=se, reason="")
        score = result.score.model_copy(update={"phases": {"decode": phase}})
        return phase_margin(result.model_copy(update={"score": score}), "decode")

    # Student's t of nine degrees of freedom, from a table.
    assert margin(10) == pytest.approx(0.2262, abs=1e-4)
    assert margin(1) == 0.1
    assert margin(1, None) is margin(3, None) is None


@pytest.mark.parametrize(
    ("half_width", "share"),
    [(0.032, "3.2 %"), (0.2, "20 %"), (0.21, "-19 % +23 %"), (6.35, "-99.83 % +57149 %")],
)
def test_a_wide_interval_has_both_its_sides(half_width, share):
    assert sides(half_width) == share
    assert signed(share) == (share if half_width > 0.2 else f"± {share}")


def test_a_figure_with_a_wide_margin_is_told_by_the_ends_of_its_interval():
    assert plus_minus(2.2, 0.2) == "2.20 ± 0.20"
    assert plus_minus(2.2, 1.1) == "2.2 (1.3 to 3.6)"
    assert plus_minus(-0.1, 0.5) == "-0.10 ± 0.50"


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.0, "0.00 %"),
        (0.00001, "< 0.01 %"),
        (0.0062, "0.62 %"),
        (0.0657, "6.6 %"),
        (0.104, "10 %"),
    ],
)
def test_a_share_has_the_two_digits_that_a_margin_knows(share, shown):
    assert margins.percent(share) == shown


def test_what_was_metered_is_called_the_same_in_table_page_label_and_card():
    results = [make_result(f"org/{n}", [make_cpu_run(joules=600.0 + n)], gpu=None) for n in (1, 2)]
    report = [RatedResult(r, rating) for r, rating in zip(results, rate(results), strict=True)]
    said = "CPU and RAM, estimated"
    assert wording.metered(report[0]) == said
    assert said in row_of("org/1", table_of(*results))
    assert said in label_svg(report[0])
    assert said in card_section(report)
    page = to_page(report)["index.html"].decode()
    assert f'data-key="{said}"' in page
