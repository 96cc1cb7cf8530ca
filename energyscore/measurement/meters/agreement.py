"""How far counter and integrated power of one window may be apart. Pure."""

import math

DISAGREEMENT = 0.05
"""Counter and integrated power further apart than this are both worth looking at..."""

EDGE_S = {"instant": 1.0, "average": 2.0}
"""... and in short windows further apart than so much time is of them: from 20 s on, and 40 s for
the driver's average, `DISAGREEMENT` alone counts. Each source tells the beginning and the end of
work late in its own way (averages by up to a second): on real GPUs they were up to 33% apart in
windows of 1 to 2 s, 2.2% in 20 s and more, 1.8% in 40 s and more."""

_RENEWALS = 2
"""Readings of each source may be old by so many of its periods at the two edges together."""

_SLOWEST_MS = 1000.0
"""Power readings are renewed this often at least; one that changes more seldom is steady."""

_SURE = 4.0
"""Standard errors of the integral, which is as uncertain as its samples are few and unlike."""


def margin(
    duration_s: float,
    source: str,
    period_ms: float | None,
    power_ms: float | None,
    sampling_se: float,
) -> float:
    """How far apart they may be in a window, as a share: edges and samples explain so much.

    `source` says what the power is, `period_ms` and `power_ms` how often counter and power are
    renewed; None where that is not known. `sampling_se` is the standard error of the integral
    for what lies between its samples, as a share of the counter's energy.
    """
    counter_s = (period_ms or _SLOWEST_MS) / 1e3
    power_s = min(power_ms or 0.0, _SLOWEST_MS) / 1e3
    edge_s = max(EDGE_S[source], _RENEWALS * counter_s, _RENEWALS * power_s)
    return max(DISAGREEMENT, math.hypot(edge_s / duration_s, _SURE * sampling_se))
