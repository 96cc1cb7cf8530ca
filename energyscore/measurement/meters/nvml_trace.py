"""What is known of one GPU and one window: its records, and its circumstances."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from energyscore.measurement.meter import Window


@dataclass
class Trace:
    """What was recorded of one GPU in one window; times in monotonic ns."""

    start_mj: int | None = None
    end_mj: int | None = None
    counter_error: str = ""  # NVML's
    lost: bool = False  # off the bus
    counter: list[tuple[int, float]] = field(default_factory=list)  # an entry for each change
    still: list[tuple[int, int]] = field(default_factory=list)  # looks from when to when saw none
    power: list[tuple[int, float]] = field(default_factory=list)
    average_power: list[tuple[int, float]] = field(default_factory=list)  # where `power` is missing
    event_reasons: int = 0  # all bits seen of why clocks were held down
    max_temperature_c: float | None = None
    sm_clocks_mhz: list[tuple[int, float]] = field(default_factory=list)
    power_limits_w: set[float] = field(default_factory=set)
    max_processes: int | None = None
    max_strangers: int | None = None  # of them, those that are not of a server's family
    learned_ms: float | None = None  # the counter's update period, as the recorder learned it
    read_ns: int | None = None  # what reading the counter took at the edges, at most

    @property
    def samples(self) -> list[tuple[int, float]]:
        """The samples of power to go by."""
        return self.power or self.average_power

    @property
    def power_source(self) -> Literal["instant", "average"] | None:
        """What those samples are."""
        return "instant" if self.power else "average" if self.average_power else None


@dataclass(frozen=True)
class Circumstances:
    """What is known of a GPU apart from the window."""

    label: str
    own_processes: int = 0  # compute processes that belong to the work
    mig: bool = False
    vgpu: bool = False
    module: bool | None = False  # counter and averaged power are a module's; None: unknown
    shared: bool = False  # whether others may compute on it
    idle_power_w: float | None = None  # before the work began; None: not measured
    update_period_ms: float | None = None  # the counter's, as an earlier window had it


def within(window: Window, samples: Sequence[tuple[int, float]]) -> list[float]:
    """The values of the samples in a window."""
    return [value for _, value in inside(window, samples)]


def inside(window: Window, samples: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """The samples in a window."""
    return [one for one in samples if window.start_ns <= one[0] <= window.end_ns]
