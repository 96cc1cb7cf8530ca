"""Reads the raw record of a result: phases' times, the counter's updates, power samples.

Written anew from the description of the format. All times here are seconds from the beginning of
the run's metering.
"""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from statistics import median
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from energyscore.base.errors import first_problem
from energyscore.verify.strict_json import BadJson, parse_strict, unzip_strict

MOST_READINGS = 8_000_000
"""Numbers of a run: some eleven hours of a counter that is updated every 20 ms."""

MOST_NUMBERS = 40_000_000
"""Of all runs: three days of work, with a hundred readings a second."""

MOST_RUNS = 1000
MOST_INTERVALS = 1_000_000
"""Times that the phases of a run are entered."""

MOST_PHASES = 12
MOST_TEXTS = 10_000
"""Names and other texts of a run, and likewise its lists and mappings: there are some dozens of a
domain, and they take far more memory than numbers do."""

_MOST_LINE = 16 * MOST_READINGS
_MOST = 2**60


def _whole_numbers(value: Any) -> list[int]:
    """As pydantic would check a list, but at once, and with one problem at most, not millions."""
    if type(value) is not list or not set(map(type, value)) <= {int}:
        raise ValueError("it must be a list of whole numbers")
    if value and (min(value) < -_MOST or max(value) > _MOST):
        raise ValueError("a number in it is out of all measure")
    return value


_Number = Annotated[int, Field(ge=-_MOST, le=_MOST)]
_Numbers = Annotated[list[int], PlainValidator(_whole_numbers)]
_Whole = Annotated[int, Field(ge=0, le=_MOST)]
_Pair = Annotated[tuple[_Number, _Number], Field(strict=False)]  # JSON has lists only
_Edges = Annotated[tuple[_Number | None, _Number | None], Field(strict=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class _Header(_Strict):
    kind: Literal["raw"]
    raw_version: Literal[1]
    identity: str
    subject: str
    runs: _Whole


class _Phases(_Strict):
    names: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=MOST_PHASES)]
    entered: _Numbers
    starts_us: _Numbers
    end_us: _Number


class _Ticks(_Strict):
    t_us: _Numbers
    mj: _Numbers


class _Power(_Strict):
    source: Literal["instant", "average"] | None
    t_us: _Numbers
    mw: _Numbers


class _Lone(_Strict):
    phase: str
    duration_us: Annotated[int, Field(gt=0, le=_MOST)]
    counter_mj: _Pair
    se_w: float


class _Domain(_Strict):
    method: str | None
    energy_j: float | None
    reason: str
    ticks: _Ticks | None
    ticks_reason: str = ""
    window_us: _Pair | None = None
    counter_mj: _Edges = (None, None)
    power: _Power | None = None
    lone: _Lone | None = None


class _Run(_Strict):
    index: _Whole
    begin_us: _Whole
    end_us: Annotated[int, Field(gt=0, le=_MOST)]
    phases: _Phases
    domains: dict[str, _Domain]


@dataclass(frozen=True)
class Series:
    """Values at moments: seconds, and joules or watts."""

    t_s: Sequence[float] = ()
    values: Sequence[float] = ()


@dataclass(frozen=True)
class Lone:
    """One phase by itself: how long, the counter's rise in joules, and where it was at the end."""

    phase: str
    duration_s: float
    energy_j: float
    end_j: float
    se_w: float


@dataclass(frozen=True)
class RawDomain:
    """What was recorded of one domain.

    Attributes:
        method: how its energy was found.
        energy_j: that energy.
        window_s: the meter's window, None where the source has one figure only.
        counter_j: the counter at the window's edges.
        ticks: its updates; the first is what it showed before.
        power: samples of power.
        power_source: what they are, `instant` or `average`; None without samples.
        lone: one phase by itself.
    """

    method: str | None
    energy_j: float | None
    window_s: tuple[float, float] | None
    counter_j: tuple[float | None, float | None]
    ticks: Series
    power: Series
    power_source: str | None
    lone: Lone | None

    @cached_property
    def period_s(self) -> float | None:
        """Seconds from one update of the counter to the next; None where there are too few."""
        gaps_s = [b - a for a, b in pairwise(self.ticks.t_s[1:])]
        return median(gaps_s) if len(gaps_s) >= 4 else None


@dataclass(frozen=True)
class RawRun:
    """What was recorded of one run.

    Attributes:
        index: which run.
        begin_s: when its metering began, on the machine's monotonic clock.
        end_s: when it ended, after `begin_s`.
        names: the phases.
        entered: for each interval the index of its phase.
        edges_s: the intervals' beginnings, and the end of the last.
        domains: by name.
    """

    index: int
    begin_s: float
    end_s: float
    names: Sequence[str]
    entered: Sequence[int]
    edges_s: Sequence[float]
    domains: dict[str, RawDomain]

    @property
    def duration_s(self) -> float:
        """From the first phase's beginning to the last one's end."""
        return self.edges_s[-1] - self.edges_s[0]

    def phase_s(self) -> dict[str, float]:
        """The time of each phase."""
        totals = [0.0] * len(self.names)
        for phase, (since_s, until_s) in zip(self.entered, pairwise(self.edges_s), strict=True):
            totals[phase] += until_s - since_s
        return dict(zip(self.names, totals, strict=True))

    def entries(self) -> dict[str, int]:
        """How often each phase was entered."""
        count = Counter(self.entered)
        return {name: count[place] for place, name in enumerate(self.names)}

    def lengths_s(self) -> dict[str, list[float]]:
        """How long each phase lasted, each time that it was entered."""
        found: list[list[float]] = [[] for _ in self.names]
        for phase, (since_s, until_s) in zip(self.entered, pairwise(self.edges_s), strict=True):
            found[phase].append(until_s - since_s)
        return dict(zip(self.names, found, strict=True))


@dataclass(frozen=True)
class RawRecord:
    """The raw record of a measurement.

    Attributes:
        identity: of the measurement.
        subject: SHA-256 of what was measured, as the result names it.
        runs: what was recorded.
    """

    identity: str
    subject: str
    runs: Sequence[RawRun]


def read_raw(data: bytes) -> RawRecord:
    """The raw record in a file's bytes.

    Raises:
        BadJson: when it is none; the message says where it is wrong.
    """
    content = unzip_strict(data)
    if content.count(b",") > MOST_NUMBERS:
        raise BadJson(f"it holds over {MOST_NUMBERS:,} numbers")
    lines = content.split(b"\n")
    if lines.pop() != b"":
        raise BadJson("its last line has no end")
    try:
        if len(lines) > MOST_RUNS + 1:
            raise BadJson(f"it holds over {MOST_RUNS} runs")
        header = _Header.model_validate(parse_strict(lines[0] if lines else b""))
        runs = [_run(_Run.model_validate(_parsed(line))) for line in lines[1:]]
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


def _run(run: _Run) -> RawRun:
    phases = run.phases
    if not phases.entered or len(phases.entered) != len(phases.starts_us):
        raise BadJson(f"run {run.index + 1}: its phases and their times are not as many")
    if len(phases.entered) > MOST_INTERVALS:
        raise BadJson(f"run {run.index + 1}: its phases were entered over {MOST_INTERVALS:,} times")
    if (
        min(phases.entered) < 0
        or max(phases.entered) >= len(phases.names)
        or len(set(phases.names)) < len(phases.names)
    ):
        raise BadJson(f"run {run.index + 1}: its phases are not those that it names")
    edges_us = [*accumulate(phases.starts_us), phases.end_us]
    if any(b < a for a, b in pairwise(edges_us)):
        raise BadJson(f"run {run.index + 1}: the times of its phases go backwards")
    return RawRun(
        index=run.index,
        begin_s=run.begin_us / 1e6,
        end_s=run.end_us / 1e6,
        names=phases.names,
        entered=array("i", phases.entered),
        edges_s=array("d", (t_us / 1e6 for t_us in edges_us)),
        domains={name: _domain(name, domain) for name, domain in run.domains.items()},
    )


def _domain(name: str, domain: _Domain) -> RawDomain:
    ticks, power, window = domain.ticks, domain.power, domain.window_us
    start_mj, end_mj = domain.counter_mj
    return RawDomain(
        method=domain.method,
        energy_j=domain.energy_j,
        window_s=None if window is None else (window[0] / 1e6, window[1] / 1e6),
        counter_j=(
            None if start_mj is None else start_mj / 1e3,
            None if end_mj is None else end_mj / 1e3,
        ),
        ticks=Series() if ticks is None else _series(name, ticks.t_us, ticks.mj),
        power=Series() if power is None else _series(name, power.t_us, power.mw),
        power_source=None if power is None else power.source,
        lone=_lone(domain.lone),
    )


def _series(name: str, t_us: list[int], thousandths: list[int]) -> Series:
    if len(t_us) != len(thousandths):
        raise BadJson(f"{name}: a series has not as many times as values")
    return Series(
        array("d", (t / 1e6 for t in accumulate(t_us))),
        array("d", (value / 1e3 for value in accumulate(thousandths))),
    )


def _lone(lone: _Lone | None) -> Lone | None:
    if lone is None:
        return None
    start_mj, end_mj = lone.counter_mj
    duration_s, energy_j = lone.duration_us / 1e6, (end_mj - start_mj) / 1e3
    return Lone(lone.phase, duration_s, energy_j, end_mj / 1e3, lone.se_w)
