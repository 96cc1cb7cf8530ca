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
from dataclasses import dataclass

import numpy as np

from energyscore.base.units import counted, format_duration
from energyscore.measurement.meter import Ticks
from energyscore.measurement.phases.fit import Fit, Free, criterion, find_plain, find_shape, refine
from energyscore.measurement.phases.rivals import rivals
from energyscore.measurement.phases.ticks import FEW, Array, Signals, TickData, regular_times
from energyscore.measurement.phases.uncertainty import find_covariance, find_influence

MAX_RELATIVE_SE = 0.05
"""A phase whose energy is less certain than this is not known..."""

NEGLIGIBLE = 0.01
"""... unless the uncertainty is under this share of the total."""

_SAME_MIX = 1e-3
_FEW_TICKS = 10.0
_MUCH_BETTER = 10.0


@dataclass(frozen=True)
class PhaseFit:
    """What the regression found: joules by phase, summing to the total, with standard errors."""

    energy_j: dict[str, float]
    se_j: dict[str, float]
    lag_s: float  # how the counter follows the work, as in `Shape`
    window: float
    tau_s: float
    ticks: int
    bootstrap: bool
    doubt: str  # why the fit may be wrong by more than its errors


def _too_few(seen: int, lasted_s: float) -> str:
    """What was seen of the counter, and how much would tell the phases apart."""
    updates = "no update" if seen == 0 else counted(seen, "update")
    return (
        f"{updates} of the counter came in the {format_duration(lasted_s)} of work, and phases are "
        f"told apart by {FEW} or more: work longer, such as by more queries"
    )


def regress_phases(
    names: tuple[str, ...],
    entered: Sequence[int],
    edges_ns: Sequence[int],
    total_j: float,
    ticks: Ticks,
) -> PhaseFit | str:
    """Find the energy of each phase, or why the data cannot tell the phases apart.

    `entered` gives for each of n intervals the index of its phase, `edges_ns` their n + 1
    boundaries on the monotonic clock. The phases will sum to `total_j`. The first of the ticks is
    the counter's state when recording began.
    """
    edges_s = _seconds(edges_ns, edges_ns[0])
    work = Signals(len(names), np.asarray(entered, dtype=np.int64), edges_s)
    times_s = regular_times(_seconds(ticks.t_ns[1:], edges_ns[0]))
    energy = np.asarray(ticks.energy_j[1:], dtype=float)
    data = TickData.of(times_s, energy, work)
    if len(data.power_w) < FEW:
        return _too_few(len(data.power_w), float(edges_s[-1]))
    if not data.power_w.any():
        return "the counter stood still"
    shape, free = find_shape(work, data)
    # With the lag known, the work's beginning need not be left out.
    data = TickData.of(times_s, energy, work, shape.lag_s)
    fit = refine(Fit.of(work, data, shape), free)
    if fit.shape.out_of_reach:
        return "the updates of the counter follow the work too late or too slowly to be matched"
    if _too_alike(fit):
        return "too few updates of the counter saw another mix of phases than the rest"
    raw_j = work.energy_gradient() @ fit.powers
    if raw_j.sum() <= 0:
        return "the updates of the counter do not follow the phases"
    energy_j = raw_j * total_j / raw_j.sum()
    se_j, bootstrap = _standard_errors(fit, free, raw_j, total_j)
    for name, joules, se in zip(names, energy_j, se_j, strict=True):
        figure = f"{joules:.1f} J with a standard error of {se:.1f} J"
        if se > MAX_RELATIVE_SE * abs(joules) and se > NEGLIGIBLE * total_j:
            return f"the updates of the counter cannot tell {name} from the rest ({figure})"
        if joules < 0:
            return f"the updates of the counter contradict the phases ({name}: {figure})"
    doubt, moved_j = _doubt(fit, free, energy_j)
    matters = np.any((moved_j > MAX_RELATIVE_SE * energy_j) & (moved_j > 2 * se_j))
    return PhaseFit(
        doubt=doubt if matters else "",
        energy_j=dict(zip(names, map(float, energy_j), strict=True)),
        se_j=dict(zip(names, map(float, np.hypot(se_j, moved_j)), strict=True)),
        lag_s=fit.shape.lag_s,
        window=fit.shape.window,
        tau_s=fit.shape.tau_s,
        ticks=len(data.power_w),
        bootstrap=bootstrap,
    )


def _seconds(times_ns: Sequence[int], origin_ns: int) -> Array:
    return np.asarray((np.asarray(times_ns, dtype=np.int64) - origin_ns) / 1e9)


def _standard_errors(fit: Fit, free: Free, raw_j: Array, total_j: float) -> tuple[Array, bool]:
    """Of the phases' energies when rescaled to the total, and whether the bootstrap was needed."""
    whole_j = float(raw_j.sum())
    # What is too much in one phase is too little in the others.
    to_total = (np.eye(len(raw_j)) - (raw_j / whole_j)[:, None]) * total_j / whole_j
    influence = to_total @ find_influence(fit, free)
    covariance, bootstrap = find_covariance(fit, to_total, influence)
    se_j = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    # A phase that no update saw has a power of the order of the mean, and nothing is known of it.
    seen = fit.design[:, : fit.work.phases].sum(axis=0) >= 1.0
    unseen_j = fit.work.durations_s() * float(fit.data.power_w.mean())
    return np.where(seen, se_j, np.maximum(se_j, unseen_j)), bootstrap


def _too_alike(fit: Fit) -> bool:
    """Whether a phase that alternates with others differs from them in a handful of ticks only.

    What is left of its shares when the other phases' are taken out is what tells it from them.
    """
    shares = fit.design[:, : fit.work.phases]
    for phase in np.flatnonzero(fit.work.entries() >= FEW):
        others = np.delete(shares, phase, axis=1)
        own = shares[:, phase] - others @ np.linalg.lstsq(others, shares[:, phase], rcond=None)[0]
        if own @ own < (_SAME_MIX**2) * len(own) or (own @ own) ** 2 / np.sum(own**4) < _FEW_TICKS:
            return True
    return False


def _doubt(fit: Fit, free: Free, energy_j: Array) -> tuple[str, Array]:
    """What explains the ticks much better than even power, and by how much it moves each phase."""
    few = fit.data.few()
    first = int(np.searchsorted(fit.data.times_s, few.times_s[0]))
    inside = fit.residuals[first : first + len(few.times_s)]
    own = criterion(float(inside @ inside), few, len(free))
    doubt, worst_j = "", np.zeros(len(energy_j))
    for what, rival in rivals(fit.work):
        more = len(rival.energy_gradient().T) - rival.phases
        plain = Fit.of(rival, few, find_plain(rival, few).shape.bounded())
        for start, searched in ((Fit.of(rival, few, fit.shape), free), (plain, ("lag_s",))):
            other = refine(start, searched)
            if own - criterion(other.rss, few, len(searched) + more) < _MUCH_BETTER:
                continue
            raw_j = rival.energy_gradient() @ Fit.of(rival, fit.data, other.shape).powers
            moved_j = np.abs(raw_j * energy_j.sum() / raw_j.sum() - energy_j)
            if moved_j.max() > worst_j.max():
                worst_j, doubt = moved_j, f"the power of a phase seems to be {what}"
    return doubt, worst_j
