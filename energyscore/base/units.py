"""Units of energy, and how figures are shown. Joules inside, watt-hours only at the edge."""

from collections.abc import Callable, Sequence

JOULES_PER_WH = 3600.0
WH_PER_KWH = 1000.0
JOULES_PER_KWH = JOULES_PER_WH * WH_PER_KWH


def wh_per_1k_queries(energy_j: float, queries: float) -> float:
    """Energy in Wh for 1,000 queries, from the joules that `queries` queries took."""
    if queries <= 0:
        raise ValueError(f"queries must be positive, not {queries}")
    return energy_j / JOULES_PER_WH * 1000.0 / queries


_WH = ((1e-3, "kWh"), (1.0, "Wh"), (1e3, "mWh"))
_LEAST = 1e-3


def format_wh(energy_wh: float) -> str:
    """Show watt-hours with three significant digits in the unit that fits (never 0.000)."""
    return _in_unit(energy_wh, *_WH)


def format_wh_alike(energies_wh: Sequence[float]) -> list[str]:
    """Show watt-hours that stand below each other in one unit, that of the largest.

    Each in its own where the least is less than a thousandth of that unit.
    """
    sizes = [abs(wh) for wh in energies_wh if wh]
    factor, name = _unit(max(sizes, default=0.0), _WH)
    if any(size * factor < _LEAST for size in sizes):
        return [format_wh(wh) for wh in energies_wh]
    return [f"{format_number(wh * factor)} {name}" for wh in energies_wh]


def format_joules(energy_j: float) -> str:
    """Show joules with three significant digits in the unit that fits."""
    return _in_unit(energy_j, (1e-3, "kJ"), (1.0, "J"), (1e3, "mJ"), (1e6, "µJ"))


def format_seconds(duration_s: float) -> str:
    """Show a time of a query with three significant digits in the unit that fits."""
    return _in_unit(duration_s, (1.0, "s"), (1e3, "ms"), (1e6, "µs"))


def format_grams(mass_g: float) -> str:
    """Show grams with three significant digits in the unit that fits."""
    return _in_unit(mass_g, (1e-3, "kg"), (1.0, "g"), (1e3, "mg"))


def format_bytes(size: float) -> str:
    """A size in memory: `523 MB`, `1.24 GB`."""
    return _in_unit(size, (1e-9, "GB"), (1e-6, "MB"), (1e-3, "kB"))


def _in_unit(value: float, *units: tuple[float, str]) -> str:
    """The value in the first unit that gives at least 1, else in the last."""
    factor, name = _unit(value, units)
    return f"{format_number(value * factor)} {name}"


def _unit(value: float, units: Sequence[tuple[float, str]]) -> tuple[float, str]:
    fits = (unit for unit in units if abs(value) * unit[0] >= 1)
    return next(fits, units[-1])


def format_number(value: float) -> str:
    """Show a number with three significant digits, without an exponent where it can be read."""
    if value == 0:
        return "0"
    if abs(value) >= 1e7 or abs(value) < 1e-4:
        return f"{value:.3g}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    text = f"{value:#.3g}".rstrip(".")  # 99.99 is rounded to `100.`
    return text if "e" not in text else f"{value:.7f}".rstrip("0")


def four_digits(value: float) -> str:
    """Show a number with four significant digits, as qualities and settings are."""
    return f"{value:.4g}"


def with_ends(
    value: float, ends: Sequence[float] | None, show: Callable[[float], str] = format_number
) -> str:
    """A figure with the ends of its interval, where it has one: `0.4 (-0.3 to 1.1)`."""
    return show(value) + (f" ({' to '.join(map(show, ends))})" if ends else "")


def counted(number: int, noun: str, several: str = "") -> str:
    """A number of things: `1 run`, `1,000 runs`; `several` where that is not `noun` with an s."""
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"


def format_duration(duration_s: float) -> str:
    """Show a duration in the two largest units that fit: `8.2 s`, `3 min 05 s`, `2 h 10 min`."""
    if duration_s < 60:
        return f"{duration_s:.1f} s"
    minutes, seconds = divmod(round(duration_s), 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"
