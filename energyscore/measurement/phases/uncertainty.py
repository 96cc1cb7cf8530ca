"""Standard errors of the phases' energies: what the ticks leave open.

See `regression` for the model. Pure.
"""

import numpy as np

from energyscore.measurement.phases.fit import Fit, Free, beside
from energyscore.measurement.phases.ticks import Array, TickData

BLOCK_S = 1.0
"""Residuals this far apart count as independent."""

_FEW_BLOCKS = 10
_DRAWS = 400


def find_influence(fit: Fit, free: Free) -> Array:
    """Shape (phases, ticks): joules by which a watt more in a tick would change each phase.

    Through the powers and through the shape that was searched for alike.
    """
    work, data, shape, design = fit.work, fit.data, fit.shape, fit.design
    columns = [design]
    for name in free:
        up, down, width = beside(shape, name)
        if name != "lag_s" and getattr(shape, name) in (0.0, 1.0):
            continue  # at its bound it is not estimated
        change = (work.design(data, up) - work.design(data, down)) @ fit.powers / width
        columns.append(change[:, None])
    jacobian = np.concatenate(columns, axis=1)
    ticks, parameters = jacobian.shape
    sigma2 = fit.rss / max(1, ticks - parameters)
    # What the data leave open is only known to be of the usual size: a power of the order of
    # the mean, a lag of 50 ms.
    usual = np.full(parameters, 0.05)
    usual[: design.shape[1]] = float(abs(data.power_w.mean()))
    information = jacobian.T @ jacobian + sigma2 * np.diag(usual**-2)
    gradient = np.zeros((work.phases, parameters))
    gradient[:, : design.shape[1]] = work.energy_gradient()
    inverse = np.linalg.inv(information + 1e-14 * np.diag(np.diag(information)))
    return np.asarray(gradient @ inverse @ jacobian.T)


def find_covariance(fit: Fit, to_total: Array, influence: Array) -> tuple[Array, bool]:
    """Covariance of the phases' energies, and whether the block bootstrap was needed.

    A counter that integrates all of the time has the energy that was really used: a residual in
    a tick that lies in one phase is that phase's own, and no error. Only in mixed ticks it is
    open whose it is. Where the counter samples a part of the time only, every residual is an
    error.
    """
    work, data, residuals = fit.work, fit.data, fit.residuals
    ticks = len(residuals)
    squares = residuals**2 * ticks / max(1, ticks - work.phases - 3)
    if fit.shape.window < 1.0:
        plain = (influence * squares) @ influence.T
        errors = influence * residuals
    else:
        # Whose a mixed tick's residual is: power varies in proportion to itself, so a part
        # of it varies by the square of its energy there.
        shares = (fit.design[:, : work.phases] * fit.powers[: work.phases]) ** 2
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
        plain = np.zeros((work.phases, work.phases))
        errors = np.zeros_like(influence)
        for phase in range(work.phases):
            own = influence - np.outer(to_total[:, phase], data.gaps_s)
            plain += (own * (squares * shares[:, phase])) @ own.T
            errors += own * (residuals * shares[:, phase])
    if not _autocorrelated(residuals, data):
        return plain, False
    drawn, blocks_of = _bootstrap(errors, fit.design[:, : work.phases], data)
    # A phase that lies in a few blocks only hardly varies between draws.
    rare = blocks_of < _FEW_BLOCKS
    widen = np.sqrt(np.maximum(1.0, np.diag(plain) / np.maximum(np.diag(drawn), 1e-300)))
    widen[~rare] = 1.0
    return drawn * np.outer(widen, widen), True


def _autocorrelated(residuals: Array, data: TickData) -> bool:
    """Whether residuals up to a second apart are correlated more than chance would have it."""
    ticks = len(residuals)
    reach = int(min(max(BLOCK_S / np.median(data.gaps_s), 1), ticks // 4, 20))
    power = float(residuals @ residuals)
    if power <= 0:
        return False
    found = [float(residuals[h:] @ residuals[:-h]) / power for h in range(1, reach + 1)]
    # Ljung-Box, against its 1% point (Wilson and Hilferty's approximation).
    q = ticks * (ticks + 2) * sum(r * r / (ticks - h) for h, r in enumerate(found, start=1))
    limit = reach * (1 - 2 / (9 * reach) + 2.326 * np.sqrt(2 / (9 * reach))) ** 3
    return bool(q > limit)


def _bootstrap(errors: Array, shares: Array, data: TickData) -> tuple[Array, Array]:
    """Covariance of the sums of errors (phases, ticks) over redrawn blocks of 1 s or more.

    And in how many blocks each phase occurs.
    """
    length_s = max(BLOCK_S, 10 * float(np.median(data.gaps_s)))
    block = ((data.times_s - data.times_s[0]) // length_s).astype(np.int64)
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    blocks = len(starts)
    sums = np.add.reduceat(errors, starts, axis=1)
    generator = np.random.default_rng(0)
    draws = generator.multinomial(blocks, np.full(blocks, 1 / blocks), size=_DRAWS)
    covariance = np.asarray(np.cov(draws @ sums.T, rowvar=False)) * blocks / max(1, blocks - 1)
    return covariance, (np.maximum.reduceat(shares, starts, axis=0) > 0).sum(axis=0)
