"""Energy of phases from the raw record: simple least squares, apart from the runner's own.

The result states how the counter follows the work (lag, window, response); here only the powers are
found. Each update shows the mean power of a stretch that ends `lag` before it. What share of that
stretch each phase had is what its power is multiplied by.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from energyscore.verify.raw_record import RawDomain, RawPhases

Array = NDArray[np.float64]

FEW = 30
_VARYING = 0.10
_LONG, _SHORT = 1.5, 0.5
_LEAST_STEPS = 30


def phase_energies(
    run: RawPhases, domain: RawDomain, total_j: float, lag_s: float, window: float, tau_s: float
) -> dict[str, float] | str:
    """Joules of each phase, summing to the total of the window; or why they cannot be computed.

    An update shows the mean power of the last `window` of the time since the update before it,
    `lag_s` late, as a response of the time constant `tau_s` (0: none) shows it.
    """
    edges = np.asarray(run.edges_s)
    lengths = np.diff(edges)
    lasting = lengths > 0
    edges = np.append(edges[:-1][lasting], edges[-1])
    entered, lengths = np.asarray(run.entered)[lasting], lengths[lasting]
    signals, owners = _signals(entered, lengths, len(run.names))
    t_s, gaps_s, power_w = _updates(domain, edges, lag_s)
    if len(t_s) < FEW:
        return f"only {len(t_s)} updates fell into the work"
    ends, spans = t_s - lag_s, gaps_s * window
    after = _reached(edges, lengths, signals, ends, tau_s)
    before = _reached(edges, lengths, signals, ends - spans, tau_s)
    design = ((after - before) / spans).T
    # A phase that no update saw is given the mean power, as nothing else is known of it.
    pull = 1e-6 * np.sqrt(len(t_s))
    mean = np.zeros(len(owners))
    mean[: len(run.names)] = power_w.mean()
    rows = np.concatenate([design, pull * np.eye(len(owners))])
    powers = np.linalg.lstsq(rows, np.concatenate([power_w, pull * mean]), rcond=None)[0]
    raw_j = np.bincount(owners, powers * (signals @ lengths), minlength=len(run.names))
    if raw_j.sum() <= 0:
        return "the updates do not follow the phases"
    return dict(zip(run.names, map(float, raw_j * total_j / raw_j.sum()), strict=True))


def with_lone_phase(
    run: RawPhases, domain: RawDomain, energies: Mapping[str, float], total_j: float
) -> dict[str, float] | str:
    """The same with one phase's power from that phase alone, and the others sharing the rest."""
    lone = domain.lone
    if lone is None or lone.phase not in energies:
        return "the stretch of one phase alone is not in the raw record"
    alone_j = lone.power_w * sum(run.lengths_s[lone.phase])
    rest_j = total_j - energies[lone.phase]
    if rest_j <= 0:
        return "one phase took all of it"
    shares = {name: joules * (total_j - alone_j) / rest_j for name, joules in energies.items()}
    return shares | {lone.phase: alone_j}


def _signals(entered: NDArray[np.int64], lengths: Array, phases: int) -> tuple[Array, list[int]]:
    """A row for each phase, and one more for each whose length varies: longer may draw more."""
    rows = [(entered == phase).astype(float) for phase in range(phases)]
    owners = list(range(phases))
    for phase in range(phases):
        own = lengths[entered == phase]
        if len(own) >= FEW and own.std() > _VARYING * own.mean():
            rows.append(np.where(entered == phase, lengths / own.mean() - 1, 0.0))
            owners.append(phase)
    return np.array(rows), owners


def _updates(domain: RawDomain, edges: Array, lag_s: float) -> tuple[Array, Array, Array]:
    """When updates came, since when, and the power that each shows; of the work only."""
    t_s, energy_j = np.asarray(domain.ticks.t_s[1:]), np.asarray(domain.ticks.values[1:])
    if len(t_s) < FEW:
        return (np.array([]),) * 3
    rises = np.diff(energy_j)
    sizes = np.unique(rises[rises > 0])
    step_j = min(sizes[0], *np.diff(sizes)) if len(sizes) > 1 else max(rises.max(), 0.0)
    least_s, least_j = _SHORT * float(np.median(np.diff(t_s))), _LEAST_STEPS * step_j
    kept = [0]
    for place in range(1, len(t_s)):
        if t_s[place] - t_s[kept[-1]] >= least_s and (
            energy_j[place] - energy_j[kept[-1]] >= least_j
        ):
            kept.append(place)
    t_s, energy_j = _even(t_s[kept]), energy_j[kept]
    gaps = np.diff(t_s)
    good = (gaps > 0) & (t_s[:-1] >= edges[0] + lag_s) & (t_s[1:] <= edges[-1])
    if not good.any():
        return (np.array([]),) * 3
    good &= gaps <= _LONG * np.median(gaps[good])
    power_w = np.diff(energy_j)[good] / gaps[good]
    return t_s[1:][good], gaps[good], power_w


def _even(t_s: Array) -> Array:
    """Updates come at a steady pace, and are noticed up to some ms late: take that out."""
    gaps = np.diff(t_s)
    if len(gaps) < FEW or np.median(gaps) <= 0:
        return t_s
    count = np.append(0.0, np.cumsum(np.maximum(1.0, np.round(gaps / np.median(gaps)))))
    line = np.polynomial.Polynomial.fit(count, t_s, 1)(count)
    late = t_s - line
    width = min(101, (len(late) - 1) // 2 * 2 - 1)
    padded = np.pad(late, width // 2, mode="reflect")
    around = np.convolve(padded, np.full(width, 1 / width), mode="valid")
    low, high = np.quantile(late - around, (0.02, 0.98))
    regular = high - low <= min(0.003, float(np.median(gaps)) / 2)
    return np.asarray(line + around) if regular else t_s


def _reached(edges: Array, lengths: Array, signals: Array, moments: Array, tau_s: float) -> Array:
    """The integral of each signal up to each moment, as a first-order response shows it."""
    area = np.pad(np.cumsum(signals * lengths, axis=1), ((0, 0), (1, 0)))
    plain = np.array([np.interp(moments, edges, row) for row in area])
    if tau_s <= 0:
        return plain
    state = np.empty((len(signals), len(lengths)))
    now = signals[:, 0].copy()
    fading = np.exp(-lengths / tau_s)
    for place in range(len(lengths)):
        state[:, place] = now
        now = signals[:, place] + (now - signals[:, place]) * fading[place]
    at = np.clip(np.searchsorted(edges, moments, "right") - 1, 0, len(lengths) - 1)
    since = np.maximum(0.0, moments - edges[at])
    response = signals[:, at] + (state[:, at] - signals[:, at]) * np.exp(-since / tau_s)
    return np.asarray(plain - tau_s * (response - signals[:, :1]))
