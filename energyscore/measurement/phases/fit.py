"""The powers of the phases by least squares, and the shape through which they explain the ticks.

See `regression` for the model. Pure.
"""

from dataclasses import dataclass, replace

import numpy as np

from energyscore.measurement.phases.ticks import MAX_LAG_S, Array, Shape, Signals, TickData

_WINDOWS = (1.0, 0.6, 0.35, 0.15)
_RESPONSES_S = (0.0, 0.005, 0.015, 0.04, 0.1, 0.25)
_STEPS = {"lag_s": 2e-4, "window": 0.02, "tau_s": 2e-4}
_PULL = 1e-12
_AT_ONCE = 6000  # ticks times lags; larger arrays cost more to allocate than they save

Free = tuple[str, ...]
"""The parameters of a shape that are searched for."""

_MODELS: tuple[Free, ...] = (
    ("lag_s",),
    ("lag_s", "window"),
    ("lag_s", "tau_s"),
    ("lag_s", "window", "tau_s"),
)


@dataclass(frozen=True)
class Fit:
    """The powers that explain ticks best when they show the work through one shape."""

    work: Signals
    data: TickData
    shape: Shape
    design: Array
    powers: Array
    residuals: Array

    @staticmethod
    def of(work: Signals, data: TickData, shape: Shape) -> "Fit":
        """By least squares; a weak pull to the mean power keeps what the data leave open finite."""
        design, power_w = work.design(data, shape), data.power_w
        pull = _PULL * len(power_w)
        normal = design.T @ design
        normal.flat[:: len(normal) + 1] += pull
        powers = np.linalg.solve(normal, design.T @ power_w + pull * power_w.mean())
        return Fit(work, data, shape, design, powers, power_w - design @ powers)

    def through(self, shape: Shape) -> "Fit":
        """The same ticks through another shape."""
        return Fit.of(self.work, self.data, shape)

    @property
    def rss(self) -> float:
        """The sum of the squared residuals."""
        return float(self.residuals @ self.residuals)


def criterion(rss: float, data: TickData, parameters: int) -> float:
    """Bayesian information criterion; the least is the best."""
    ticks = len(data.power_w)
    floor = 1e-12 * float(data.power_w @ data.power_w)
    return float(ticks * np.log(max(rss, floor) / ticks) + parameters * np.log(ticks))


def beside(shape: Shape, name: str) -> tuple[Shape, Shape, float]:
    """Two shapes around one, that differ in one parameter, and by how much they do."""
    step = _STEPS[name]
    up = replace(shape, **{name: getattr(shape, name) + step}).bounded()
    down = replace(shape, **{name: getattr(shape, name) - step}).bounded()
    return up, down, getattr(up, name) - getattr(down, name)


def find_plain(work: Signals, data: TickData) -> Fit:
    """The lag alone that fits best."""
    gap_s = float(np.median(data.gaps_s))
    # A narrow window shows later work than a whole one: below 0 here, and not in the end.
    lags_s = np.arange(-gap_s / 2, MAX_LAG_S, min(0.0025, gap_s / 4))
    # Many at once: on a few hundred ticks most of the time is that of the calls.
    chunks = np.array_split(lags_s, -(-len(lags_s) * len(data.times_s) // _AT_ONCE))
    rss = np.concatenate([_rss_of_lags(work, data, chunk) for chunk in chunks])
    return Fit.of(work, data, Shape(float(lags_s[rss.argmin()])))


def _rss_of_lags(work: Signals, data: TickData, lags_s: Array) -> Array:
    """Shape (lags,): the sum of squared residuals that each lag leaves, as `Fit.of` has it."""
    design = work.designs(data, lags_s)
    pull = _PULL * len(data.power_w)
    across = design.transpose(0, 2, 1)
    normal = across @ design + pull * np.eye(design.shape[2])
    wanted = across @ data.power_w + pull * data.power_w.mean()
    powers = np.linalg.solve(normal, wanted[:, :, None])
    residuals = data.power_w - (design @ powers)[:, :, 0]
    return np.asarray((residuals**2).sum(axis=1))


def find_shape(work: Signals, data: TickData) -> tuple[Shape, Free]:
    """The shape that explains the ticks best, and which of its parameters were needed.

    A window or a response is only assumed where the ticks demand it (Bayesian information
    criterion): a parameter more makes every figure less certain.
    """
    few = data.few()
    plain = find_plain(work, few)
    found = []
    for free in _MODELS:
        best = min((refine(start, free) for start in _starts(plain, free)), key=lambda fit: fit.rss)
        found.append((criterion(best.rss, few, len(free)), best.shape, free))
    _, shape, free = min(found, key=lambda one: one[0])
    return shape, free


def _starts(plain: Fit, free: Free) -> list[Fit]:
    """Where to begin refining: the best points of a coarse grid."""
    gap_s = float(np.median(plain.data.gaps_s))
    shapes = []
    for window in _WINDOWS if "window" in free else (1.0,):
        for tau_s in _RESPONSES_S if "tau_s" in free else (0.0,):
            # The centre of what a tick shows stays where the plain search found it.
            centre = plain.shape.lag_s + (1.0 - window) * gap_s / 2 - tau_s
            spread = max(gap_s, tau_s) * np.array([-0.5, -0.25, 0.0, 0.25, 0.5])
            shapes += [Shape(centre + d, window, tau_s).bounded() for d in spread]
    fits = [plain.through(shape) for shape in dict.fromkeys(shapes)]
    return sorted(fits, key=lambda fit: fit.rss)[:3]


def refine(fit: Fit, free: Free) -> Fit:
    """Gauss-Newton on the free parameters, the powers projected out; steps halved as needed."""
    for _ in range(12):
        move = np.linalg.lstsq(_slopes(fit, free), fit.residuals, rcond=1e-10)[0]
        for half in range(6):
            steps = {
                n: getattr(fit.shape, n) + 0.5**half * m for n, m in zip(free, move, strict=True)
            }
            moved = fit.through(replace(fit.shape, **steps).bounded())
            if moved.rss < fit.rss:
                break
        else:
            return fit
        gain, fit = fit.rss - moved.rss, moved
        if gain < 1e-6 * fit.rss:
            return fit
    return fit


def _slopes(fit: Fit, free: Free) -> Array:
    """Shape (ticks, free): how the prediction changes with each parameter, powers refitted."""
    columns = []
    for name in free:
        up, down, width = beside(fit.shape, name)
        columns.append((fit.through(down).residuals - fit.through(up).residuals) / width)
    return np.stack(columns, axis=1)
