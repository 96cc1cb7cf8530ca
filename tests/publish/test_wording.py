"""Figures and the digits that their margins allow."""

import pytest

from energyscore.publish.wording import decimals_for, phase_margin, with_decimals
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
    phase = PhaseScore(gpu_wh_per_1k_queries=2.0, se=0.1, reason="")
    over_ten, of_one = phase_margin(phase, 10), phase_margin(phase, 1)
    # Student's t of nine degrees of freedom, from a table.
    assert over_ten == pytest.approx(0.2262, abs=1e-4)
    assert of_one == 0.1
    assert phase_margin(phase.model_copy(update={"se": None}), 1) is None
