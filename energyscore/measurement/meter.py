"""What a meter is, and what it gives: the seam between the run and every source of energy.

A meter is started and stopped around a window and gives joules per domain. It knows nothing of
models: whoever runs the work synchronizes the device before both readings.
"""

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from energyscore.results.parts import Domain, Method, Notice

Facts: TypeAlias = dict[str, float | int | str | None]
"""Figures about a measurement, units in their names; None where one is not known."""


@dataclass(frozen=True)
class Window:
    """A measured interval on the monotonic clock (`time.monotonic_ns`)."""

    start_ns: int
    end_ns: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return (self.end_ns - self.start_ns) / 1e9


@dataclass(frozen=True)
class Ticks:
    """When an accumulating counter changed (monotonic clock), and its value from then on."""

    t_ns: tuple[int, ...]
    energy_j: tuple[float, ...]


@dataclass(frozen=True)
class MeterRecord:
    """What a meter read in a window, as it was read, so that its figure can be computed again."""

    window: Window
    start_mj: int | None  # None: the counter could not be read
    end_mj: int | None
    counter: Sequence[tuple[int, float]]  # (monotonic ns, mJ): at the beginning, and each change
    power: Sequence[tuple[int, float]]  # (monotonic ns, W)
    power_source: Literal["instant", "average"] | None  # `average`: the driver's
    still: Sequence[tuple[int, int]] = ()  # from when to when looks saw the counter unchanged


@dataclass(frozen=True)
class UpdatePeriod:
    """The time between changes of a counter: median and interquartile range of so many gaps."""

    median_ms: float
    iqr_ms: float
    updates: int


@dataclass(frozen=True)
class Steps:
    """The steps of a source in a window: seconds from one to the next, and joules of the largest.

    A window's energy is wrong by up to one of them.
    """

    period_s: float
    largest_j: float

    @property
    def se_j(self) -> float:
        """The standard error of the window's energy: both its edges lie anywhere in a step."""
        return self.largest_j / math.sqrt(6)


def notice(code: str, message: str, *, invalidates: bool = False) -> Notice:
    """A notice about a measurement: its code for programs, its message for people."""
    return Notice(code=code, message=message, invalidates=invalidates)


@dataclass(frozen=True)
class Reading:
    """What one meter measured of one domain in one window; no joules without a reason."""

    energy_j: float | None
    method: Method | None
    reason: str = ""
    ticks: Ticks | None = None  # its counter's changes
    facts: Facts = field(default_factory=dict)
    record: MeterRecord | None = None  # where the source has more than the one figure
    steps: Steps | None = None  # None: it has none, or they are not known


@dataclass(frozen=True)
class Metered:
    """What one meter measured in one window, domain by domain."""

    readings: Mapping[Domain, Reading]
    notices: tuple[Notice, ...] = ()


class Meter(Protocol):
    """A source of energy readings.

    `open` prepares everything slow (probing, child processes) outside any window; `start`
    gives a token that `stop` turns into a measurement. A meter never raises from `stop` for
    what went wrong with the hardware: it gives a reading without joules, and the reason.
    """

    name: str

    def open(self) -> None:
        """Prepare. Raises MeterError when this meter cannot work here at all."""

    def start(self) -> object:
        """Begin a window."""

    def stop(self, token: object) -> Metered:
        """End the window that `start` began."""

    def close(self) -> None:
        """Release everything; harmless when called twice or before `open`."""


@contextlib.contextmanager
def metered(meters: Sequence[Meter]) -> Iterator[dict[str, Metered]]:
    """A window on all meters: gives the dict that holds their measurements when it has ended.

    They are started in order and stopped in reverse, on exceptions too: a second meter that fails
    at its start releases the first, and work that failed leaves no window open.
    """
    measurements: dict[str, Metered] = {}
    with contextlib.ExitStack() as stack:
        for meter in meters:
            stack.callback(_stop, meter, meter.start(), measurements)
        yield measurements


def _stop(meter: Meter, token: object, into: dict[str, Metered]) -> None:
    into[meter.name] = meter.stop(token)


def is_check(domain: Domain) -> bool:
    """Whether a reading is another tool's figure (`tool:domain`), kept to compare with ours."""
    return ":" in domain and not domain.startswith("gpu:")
