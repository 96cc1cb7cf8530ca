import pytest

from energyscore.base import units


def test_conversions_are_exact():
    assert units.wh_per_1k_queries(3600.0, 1000) == 1.0
    assert units.wh_per_1k_queries(3600.0, 100) == 10.0


def test_energy_per_no_queries_is_refused():
    with pytest.raises(ValueError, match="positive"):
        units.wh_per_1k_queries(1.0, 0)


@pytest.mark.parametrize(
    ("wh", "shown"),
    [
        (0.0000554, "0.0554 mWh"),
        (0.00131, "1.31 mWh"),
        (0.5, "500 mWh"),
        (1.313333, "1.31 Wh"),
        (28.741175, "28.7 Wh"),
        (615.39, "615 Wh"),
        (3426.38, "3.43 kWh"),
    ],
)
def test_energies_are_never_shown_as_zero(wh, shown):
    assert units.format_wh(wh) == shown


@pytest.mark.parametrize(
    ("energies_wh", "shown"),
    [
        ([0.628, 2.33, 18.9], ["0.628 Wh", "2.33 Wh", "18.9 Wh"]),
        ([0.0, 0.02, 0.5], ["0 mWh", "20.0 mWh", "500 mWh"]),
        ([900.0, 2500.0], ["0.900 kWh", "2.50 kWh"]),
        ([0.0002, 1.0], ["0.200 mWh", "1.00 Wh"]),
        ([], []),
    ],
)
def test_energies_in_a_column_are_in_one_unit(energies_wh, shown):
    assert units.format_wh_alike(energies_wh) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(8.21, "8.2 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")]
)
def test_durations(seconds, shown):
    assert units.format_duration(seconds) == shown


def test_a_figure_that_is_rounded_up_to_a_hundred_ends_in_no_point():
    assert units.format_number(99.99999) == "100"
    assert units.format_wh(0.0999999) == "100 mWh"
    assert units.format_number(-99.96) == "-100"
