"""Quantities as people write them."""

import pytest

from energyscore.base.errors import UsageError
from energyscore.base.quantities import PER_HOUR, SECONDS, SHARE, WATT_HOURS, read_quantity


@pytest.mark.parametrize(
    ("text", "units", "value"),
    [
        ("500ms", SECONDS, 0.5),
        (" 5 m ", SECONDS, 300.0),
        ("1.5h", SECONDS, 5400.0),
        ("2Wh", WATT_HOURS, 2.0),
        ("7200 J", WATT_HOURS, 2.0),
        (".5%", SHARE, 0.005),
        ("120/h", PER_HOUR, 120.0),
        ("2/min", PER_HOUR, 120.0),
        ("48/day", PER_HOUR, 2.0),
    ],
)
def test_a_number_with_its_unit_is_read(text, units, value):
    """In the unit whose factor is 1."""
    assert read_quantity("--option", text, units, "x") == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("text", ["", "5", "-5s", "nan s", "5 parsec", "1e3s", "5s5s", "/h", "٣s"])
def test_what_is_none_names_the_option_and_the_units(text):
    """A number without a unit, with another one, or none at all."""
    with pytest.raises(UsageError, match=r"--option .* is no number with its unit") as error:
        read_quantity("--option", text, SECONDS, "5s")
    assert "ms or s or m or min or h, as in 5s" in str(error.value)


@pytest.mark.parametrize("text", ["1000000000000000000h", "9" * 400 + "s"])
def test_what_no_clock_can_count_is_too_much(text):
    """Nor what a number cannot hold."""
    with pytest.raises(UsageError, match=r"--option .* is too much. Write such as 5s"):
        read_quantity("--option", text, SECONDS, "5s")
