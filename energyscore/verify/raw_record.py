"""Reads the raw record of a result: phases' times, the counter's updates, power samples.

Written from the description of the format alone. What is whole microseconds, millijoules and
milliwatts in the file is seconds, joules and watts here; times count from the beginning of the
run's metering. Of a server it has the requests too.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import median
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from energyscore.base.errors import first_problem
from energyscore.verify.raw_numbers import (
    NOT_STRICT,
    Begin,
    Indexes,
    Joules,
    Length,
    NoneIsEmpty,
    Seconds,
    Span,
    Thousandths,
    Time,
    Whole,
)
from energyscore.verify.raw_requests import RawRequests
from energyscore.verify.strict_json import BadJson, StrictModel, parse_strict, unzip_strict

MOST_READINGS = 8_000_000  # Numbers of a run: eleven hours of a counter updated every 20 ms
MOST_NUMBERS = 40_000_000  # Of all runs: three days of work, with a hundred readings a second
MOST_RUNS = 1000
MOST_INTERVALS = 1_000_000  # Times that the phases of a run are entered
MOST_PHASES = 12
MOST_PERIOD_S = 1.0  # A counter that is updated more seldom is not trusted
MOST_PERIODS = 20  # In the time between two updates that were noted
MOST_SPANS = 1000  # Times that a counter stood still in a run
MOST_TEXTS = 10_000
"""Names and other texts of a run, and likewise its lists and mappings: there are some dozens of a
domain, and they take far more memory than numbers do."""

_MOST_LINE = 16 * MOST_READINGS


class _Header(StrictModel):
    kind: Literal["raw"]
    raw_version: Literal[1]
    identity: str
    subject: str
    runs: Whole


class RawPhases(StrictModel):
    """The phases of a run: for each interval the index of its phase, and when it began."""

    names: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=MOST_PHASES)]
    entered: Indexes
    starts_s: Seconds = Field(alias="starts_us")
    end_s: Time = Field(alias="end_us")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.entered or len(self.entered) != len(self.starts_s):
            raise ValueError("phases and their times are not as many")
        if len(self.entered) > MOST_INTERVALS:
            raise ValueError(f"phases were entered over {MOST_INTERVALS:,} times")
        known = min(self.entered) >= 0 and max(self.entered) < len(self.names)
        if not known or len(set(self.names)) < len(self.names):
            raise ValueError("the phases are not those that it names")
        if any(b < a for a, b in pairwise(self.edges_s)):
            raise ValueError("the times of the phases go backwards")
        return self

    @cached_property
    def edges_s(self) -> Sequence[float]:
        """The intervals' beginnings, and the end of the last."""
        return array("d", [*self.starts_s, self.end_s])

    @property
    def duration_s(self) -> float:
        """From the first phase's beginning to the last one's end."""
        return self.edges_s[-1] - self.edges_s[0]

    @cached_property
    def lengths_s(self) -> dict[str, list[float]]:
        """How long each phase lasted, each time that it was entered."""
        found: list[list[float]] = [[] for _ in self.names]
        for phase, (since_s, until_s) in zip(self.entered, pairwise(self.edges_s), strict=True):
            found[phase].append(until_s - since_s)
        return dict(zip(self.names, found, strict=True))


class Series(StrictModel):
    """Updates of the counter, in joules by the time; the first is the state before the window."""

    t_s: Seconds = Field((), alias="t_us")
    values: Thousandths = Field((), alias="mj")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.t_s) != len(self.values):
            raise ValueError("a series has not as many times as values")
        return self


class RawPower(Series):
    """Samples of power in watts, of the one kind or the other."""

    source: Literal["instant", "average"] | None = None
    values: Thousandths = Field((), alias="mw")


class Lone(StrictModel):
    """One phase by itself: how long, and where the counter was before and after."""

    phase: str
    duration_s: Length = Field(alias="duration_us")
    counter_j: Annotated[tuple[Joules, Joules], NOT_STRICT] = Field(alias="counter_mj")
    se_w: float

    @property
    def power_w(self) -> float:
        """Its mean power."""
        return (self.counter_j[1] - self.counter_j[0]) / self.duration_s


class RawDomain(StrictModel):
    """What was recorded of one domain: the meter's window, and the counter at its edges.

    There is no window where the source has one figure only.
    """

    method: str | None
    energy_j: float | None
    reason: str
    ticks: Annotated[Series, NoneIsEmpty]
    ticks_reason: str = ""
    window_s: Annotated[tuple[Time, Time] | None, NOT_STRICT] = Field(None, alias="window_us")
    counter_j: Annotated[tuple[Joules | None, Joules | None], NOT_STRICT] = Field(
        (None, None), alias="counter_mj"
    )
    power: Annotated[RawPower, NoneIsEmpty] = RawPower()
    lone: Lone | None = None
    still_s: Annotated[
        list[Span], Field(alias="still_us", max_length=MOST_SPANS, default_factory=list)
    ]

    @cached_property
    def period_s(self) -> float | None:
        """Seconds from one update of the counter to the next; None where there are too few."""
        gaps_s = [b - a for a, b in pairwise(self.ticks.t_s[1:])]
        if len(gaps_s) < 4:
            return None
        least_s = sorted(gaps_s)[len(gaps_s) // 4]
        # Where updates in between were not noted, a gap is a few periods long.
        many = [round(gap_s / least_s) if least_s > 0 else 1 for gap_s in gaps_s]
        return median(
            gap_s / n if 2 <= n <= MOST_PERIODS and abs(gap_s / least_s - n) <= 0.25 else gap_s
            for gap_s, n in zip(gaps_s, many, strict=True)
        )

    @property
    def late_s(self) -> float:
        """How late the counter may be: one update, however few of them were noted."""
        return min(self.period_s or MOST_PERIOD_S, MOST_PERIOD_S)


class RawRun(StrictModel):
    """What was recorded of one run; it begins on the machine's monotonic clock."""

    index: Whole
    begin_s: Begin = Field(alias="begin_us")
    end_s: Length = Field(alias="end_us")  # after its beginning
    phases: RawPhases
    domains: dict[str, RawDomain]
    requests: RawRequests | None = None  # of a server


@dataclass(frozen=True)
class RawRecord:
    """The raw record of a measurement; `subject` is the SHA-256 of what was measured."""

    identity: str
    subject: str
    runs: Sequence[RawRun]


def read_raw(data: bytes) -> RawRecord:
    """The raw record in a file's bytes; a BadJson says where it is wrong."""
    content = unzip_strict(data)
    if content.count(b",") > MOST_NUMBERS:
        raise BadJson(f"it holds over {MOST_NUMBERS:,} numbers")
    first, *lines = content.split(b"\n")
    if not lines or lines.pop() != b"":
        raise BadJson("its last line has no end")
    if len(lines) > MOST_RUNS:
        raise BadJson(f"it holds over {MOST_RUNS} runs")
    try:
        header = _Header.model_validate(parse_strict(first))
        runs = [RawRun.model_validate(_parsed(line)) for line in lines]
    except ValidationError as error:
        raise BadJson(first_problem(error)) from error
    if header.runs != len(runs):
        raise BadJson(f"it says {header.runs} runs and holds {len(runs)}")
    return RawRecord(header.identity, header.subject, runs)


def _parsed(line: bytes) -> Any:
    if line.count(b",") > MOST_READINGS:
        raise BadJson(f"a run holds over {MOST_READINGS:,} numbers")
    if line.count(b'"') > 2 * MOST_TEXTS or line.count(b"[") + line.count(b"{") > MOST_TEXTS:
        raise BadJson(f"a run holds over {MOST_TEXTS:,} names, lists or mappings")
    return parse_strict(line, most_bytes=_MOST_LINE, whole_numbers_too=False)
