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
    ("seconds", "shown"), [(8.21, "8.2 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")]
)
def test_durations(seconds, shown):
    assert units.format_duration(seconds) == shown
