"""Energy of phases from the ticks of a counter, by regression: one pass gives every phase.

A counter that is updated every T smears what happens at a phase's boundary over T, so reading it
there is biased however many queries there are. But each tick tells how much energy a stretch of
known composition took, and over thousands of ticks the phases' powers are the only ones that
explain them all:

    y_j = dC_j / dt_j = sum_p P_p x_jp + sum_q Q_q z_jq + noise

x_jp is the share of tick j's window spent in phase p; z_jq is the same for a phase of varying
length, weighted by (d / mean d - 1), since longer ones may draw another power. The window ends
`lag` before the tick, spans `window` of the time since the last one, and what it shows follows
the work with a first-order response `tau`; these three are searched for, the powers follow from
least squares. A phase's energy is its time times its power, rescaled so that all sum to the
counter's total.

Pure: phase boundaries and ticks in, figures out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from energyscore.measurement.meter import Ticks
from energyscore.measurement.phases.rivals import rivals
from energyscore.measurement.phases.ticks import (
    FEW,
    MAX_LAG_S,
    Array,
    Shape,
    Signals,
    TickData,
    regular_times,
)
from energyscore.measurement.phases.uncertainty import beside, find_covariance, find_influence

MAX_RELATIVE_SE = 0.05
"""A phase whose energy is less certain than this is not known..."""

NEGLIGIBLE = 0.01
"""... unless the uncertainty is under this share of the total."""

_WINDOWS = (1.0, 0.6, 0.35, 0.15)
_SAME_MIX = 1e-3
_FEW_TICKS = 10.0
_PULL = 1e-12
_MUCH_BETTER = 10.0
_RESPONSES_S = (0.0, 0.005, 0.015, 0.04, 0.1, 0.25)


@dataclass(frozen=True)
class PhaseFit:
    """What the regression found: joules by phase, summing to the total, with standard errors.

    `lag_s`, `window` (share of the time between ticks that a tick shows) and `tau_s` say how the
    counter follows the work. `doubt` says why the fit may be wrong by more than its errors.
    """

    energy_j: dict[str, float]
    se_j: dict[str, float]
    lag_s: float
    window: float
    tau_s: float
    ticks: int
    bootstrap: bool
    doubt: str


_MODELS: tuple[tuple[str, ...], ...] = (
    ("lag_s",),
    ("lag_s", "window"),
    ("lag_s", "tau_s"),
    ("lag_s", "window", "tau_s"),
)


def regress_phases(
    names: tuple[str, ...],
    entered: Sequence[int],
    edges_ns: Sequence[int],
    total_j: float,
    ticks: Ticks,
) -> PhaseFit | str:
    """Find the energy of each phase, or why the data cannot tell the phases apart.

    Args:
        names: the phases.
        entered: for each of n intervals the index of its phase.
        edges_ns: the intervals' n + 1 boundaries on the monotonic clock, increasing.
        total_j: joules of the whole window, which the phases will sum to.
        ticks: on the same clock; the first is the counter's state when recording began.
    """
    origin_ns = edges_ns[0]
    work = Signals(names, np.asarray(entered, dtype=np.int64), _seconds(edges_ns, origin_ns))
    times_s = regular_times(_seconds(ticks.t_ns[1:], origin_ns))
    energy = np.asarray(ticks.energy_j[1:], dtype=float)
    data = TickData.of(times_s, energy, work)
    if len(data.power_w) < FEW:
        return f"only {len(data.power_w)} updates of the counter fell into the work"
    if not data.power_w.any():
        return "the counter stood still"
    shape, free = _find_shape(work, data)
    # With the lag known, the work's beginning need not be left out.
    data = TickData.of(times_s, energy, work, shape.lag_s)
    shape = _refine(work, data, shape, free)
    if shape.out_of_reach:
        return "the updates of the counter follow the work too late or too slowly to be matched"
    design = work.design(data, shape)
    if _too_alike(work, design):
        return "too few updates of the counter saw another mix of phases than the rest"
    powers, residuals = _least_squares(design, data.power_w)
    raw_j = work.energy_gradient() @ powers
    whole_j = float(raw_j.sum())
    if whole_j <= 0:
        return "the updates of the counter do not follow the phases"
    energy_j = raw_j * total_j / whole_j
    # Rescaled to the total: what is too much in one phase is too little in the others.
    to_total = (np.eye(len(names)) - (raw_j / whole_j)[:, None]) * total_j / whole_j
    influence = to_total @ find_influence(work, data, design, shape, free, powers, residuals)
    covariance, bootstrap = find_covariance(
        work, data, design, shape, powers, to_total, influence, residuals
    )
    se_j = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    # A phase that no update saw has a power of the order of the mean, and nothing is known of it.
    seen = design[:, : work.phases].sum(axis=0) >= 1.0
    unseen_j = work.durations_s() * float(data.power_w.mean())
    se_j = np.where(seen, se_j, np.maximum(se_j, unseen_j))
    for name, joules, se in zip(names, energy_j, se_j, strict=True):
        figure = f"{joules:.1f} J with a standard error of {se:.1f} J"
        if se > MAX_RELATIVE_SE * abs(joules) and se > NEGLIGIBLE * total_j:
            return f"the updates of the counter cannot tell {name} from the rest ({figure})"
        if joules < 0:
            return f"the updates of the counter contradict the phases ({name}: {figure})"
    doubt, moved_j = _doubt(names, entered, edges_ns, data, (shape, free), residuals, energy_j)
    if not np.any((moved_j > MAX_RELATIVE_SE * energy_j) & (moved_j > 2 * se_j)):
        doubt = ""
    se_j = np.hypot(se_j, moved_j)
    return PhaseFit(
        doubt=doubt,
        energy_j=dict(zip(names, map(float, energy_j), strict=True)),
        se_j=dict(zip(names, map(float, se_j), strict=True)),
        lag_s=shape.lag_s,
        window=shape.window,
        tau_s=shape.tau_s,
        ticks=len(data.power_w),
        bootstrap=bootstrap,
    )


def _too_alike(work: Signals, design: Array) -> bool:
    """Whether a phase that alternates with others is told apart by a handful of ticks only.

    What is left of its shares when the other phases' are taken out is what it is told by.
    """
    shares = design[:, : work.phases]
    for phase in np.flatnonzero(work.entries() >= FEW):
        others = np.delete(shares, phase, axis=1)
        own = shares[:, phase] - others @ np.linalg.lstsq(others, shares[:, phase], rcond=None)[0]
        if own @ own < (_SAME_MIX**2) * len(own) or (own @ own) ** 2 / np.sum(own**4) < _FEW_TICKS:
            return True
    return False


def _doubt(
    names: tuple[str, ...],
    entered: Sequence[int],
    edges_ns: Sequence[int],
    data: TickData,
    found: tuple[Shape, tuple[str, ...]],
    residuals: Array,
    energy_j: Array,
) -> tuple[str, Array]:
    """What explains the ticks much better than even power, and by how much it moves each phase."""
    shape, free = found
    few = data.few()
    first = int(np.searchsorted(data.times_s, few.times_s[0]))
    inside = residuals[first : first + len(few.times_s)]
    own = _criterion(float(inside @ inside), few, len(free))
    edges_s = _seconds(edges_ns, edges_ns[0])
    doubt, worst_j = "", np.zeros(len(names))
    for what, rival in rivals(names, np.asarray(entered, dtype=np.int64), edges_s):
        more = len(rival.energy_gradient().T) - len(names)
        starts = [(shape, free), (_plain(rival, few).bounded(), ("lag_s",))]
        for start, searched in starts:
            other = _refine(rival, few, start, searched)
            gain = own - _criterion(_rss(rival, few, other), few, len(searched) + more)
            if gain < _MUCH_BETTER:
                continue
            powers, _ = _least_squares(rival.design(data, other), data.power_w)
            raw_j = rival.energy_gradient() @ powers
            moved_j = np.abs(raw_j * energy_j.sum() / raw_j.sum() - energy_j)
            if moved_j.max() > worst_j.max():
                worst_j, doubt = moved_j, f"the power of a phase seems to be {what}"
    return doubt, worst_j


def _criterion(rss: float, data: TickData, parameters: int) -> float:
    """Bayesian information criterion; the least is the best."""
    ticks = len(data.power_w)
    floor = 1e-12 * float(data.power_w @ data.power_w)
    return float(ticks * np.log(max(rss, floor) / ticks) + parameters * np.log(ticks))


def _plain(work: Signals, data: TickData) -> Shape:
    """The lag alone that fits best."""
    gap_s = float(np.median(data.gaps_s))
    # A narrow window shows later work than a whole one: below 0 here, and not in the end.
    lags = np.arange(-gap_s / 2, MAX_LAG_S, min(0.0025, gap_s / 4))
    return Shape(float(lags[np.argmin([_rss(work, data, Shape(lag)) for lag in lags])]))


def _seconds(times_ns: Sequence[int], origin_ns: int) -> Array:
    return np.asarray((np.asarray(times_ns, dtype=np.int64) - origin_ns) / 1e9)


def _find_shape(work: Signals, data: TickData) -> tuple[Shape, tuple[str, ...]]:
    """The shape that explains the ticks best, and which of its parameters were needed.

    A window or a response is only assumed where the ticks demand it (Bayesian information
    criterion): a parameter more makes every figure less certain.
    """
    few = data.few()
    plain = _plain(work, few)
    best: tuple[float, Shape, tuple[str, ...]] | None = None
    for free in _MODELS:
        starts = _starts(work, few, plain, free)
        shape = min(
            (_refine(work, few, start, free) for start in starts),
            key=lambda shape: _rss(work, few, shape),
        )
        criterion = _criterion(_rss(work, few, shape), few, len(free))
        if best is None or criterion < best[0]:
            best = (criterion, shape, free)
    assert best is not None
    _, shape, free = best
    return shape, free


def _starts(work: Signals, data: TickData, plain: Shape, free: tuple[str, ...]) -> list[Shape]:
    """Where to begin refining: the best points of a coarse grid."""
    gap_s = float(np.median(data.gaps_s))
    shapes = []
    for window in _WINDOWS if "window" in free else (1.0,):
        for tau_s in _RESPONSES_S if "tau_s" in free else (0.0,):
            # The centre of what a tick shows stays where the plain search found it.
            centre = plain.lag_s + (1.0 - window) * gap_s / 2 - tau_s
            spread = max(gap_s, tau_s) * np.array([-0.5, -0.25, 0.0, 0.25, 0.5])
            shapes += [Shape(centre + d, window, tau_s).bounded() for d in spread]
    shapes = list(dict.fromkeys(shapes))
    shapes.sort(key=lambda shape: _rss(work, data, shape))
    return shapes[:3]


def _refine(work: Signals, data: TickData, shape: Shape, free: tuple[str, ...]) -> Shape:
    """Gauss-Newton on the free parameters, the powers projected out; steps halved as needed."""
    rss = _rss(work, data, shape)
    for _ in range(12):
        slopes = _slopes(work, data, shape, free)
        residuals = _least_squares(work.design(data, shape), data.power_w)[1]
        move = np.linalg.lstsq(slopes, residuals, rcond=1e-10)[0]
        for half in range(6):
            scale = 0.5**half
            moved = replace(
                shape,
                **{n: getattr(shape, n) + scale * m for n, m in zip(free, move, strict=True)},
            ).bounded()
            tried = _rss(work, data, moved)
            if tried < rss:
                break
        else:
            return shape
        gain, shape, rss = rss - tried, moved, tried
        if gain < 1e-6 * rss:
            return shape
    return shape


def _slopes(work: Signals, data: TickData, shape: Shape, free: tuple[str, ...]) -> Array:
    """Shape (ticks, free): how the prediction changes with each parameter, powers refitted."""
    columns = []
    for name in free:
        up, down, width = beside(shape, name)
        fitted = [
            data.power_w - _least_squares(work.design(data, one), data.power_w)[1]
            for one in (up, down)
        ]
        columns.append((fitted[0] - fitted[1]) / width)
    return np.stack(columns, axis=1)


def _least_squares(design: Array, power_w: Array) -> tuple[Array, Array]:
    """Powers and residuals; a weak pull to the mean power keeps what the data leave open finite."""
    pull = _PULL * len(power_w)
    normal = design.T @ design
    normal.flat[:: len(normal) + 1] += pull
    powers = np.linalg.solve(normal, design.T @ power_w + pull * power_w.mean())
    return powers, power_w - design @ powers


def _rss(work: Signals, data: TickData, shape: Shape) -> float:
    residuals = _least_squares(work.design(data, shape), data.power_w)[1]
    return float(residuals @ residuals)
