"""Closed forms for requests that come by chance at a steady rate (Poisson). Pure.

One server answers one request after another, in time `S`, and is unloaded once it has been idle
for `T`; a request that finds it unloaded begins to load it. With the rate `lambda`, loading time
`t_L` and energy `E_L`, floor `P0`, idle power above it `dP`, q = exp(-lambda T), rho = lambda S:

    E[cycle]    = (1 / lambda + q t_L) / (1 - rho)         from one idle time's begin to the next
    mean power  = P0 + (dP (1 - q) / lambda + q E_L) / E[cycle] + rho (Pa - P0)
    loads       = q (1 - rho) / (1 + lambda q t_L)         a request

By renewal theory: a busy time follows each idle time, and idle times are memoryless.
"""

import math
from dataclasses import dataclass

from energyscore.judge.schedule.arrivals import HOUR_S
from energyscore.judge.schedule.service import Service


@dataclass(frozen=True)
class Steady:
    """What a policy comes to in the long run: power in W, loads a request."""

    power_w: float
    idle_w: float  # of it, drawn by the idle loaded model above the floor
    loads_per_request: float


def utilization(service: Service, rate_per_s: float) -> float:
    """The share of time that requests keep the server busy; from 1 on it never ends."""
    return rate_per_s * service.cost(1)[0]


def steady(service: Service, rate_per_s: float, timeout_s: float) -> Steady:
    """The long run at a rate, with a timeout: 0 unloads at once, infinity never.

    Raises:
        ValueError: where the server cannot keep up with the rate.
    """
    busy = utilization(service, rate_per_s)
    if busy >= 1:
        raise ValueError("more requests come than the server can answer")
    q = math.exp(-rate_per_s * timeout_s)
    cycle_s = (1 / rate_per_s + q * service.load_s) / (1 - busy)
    idle_w = service.above_floor_w * (1 - q) / rate_per_s / cycle_s
    work_j = service.cost(1)[1]
    power_w = service.floor_w + idle_w + q * service.load_j / cycle_s + rate_per_s * work_j
    loads = q * (1 - busy) / (1 + rate_per_s * q * service.load_s)
    return Steady(power_w, idle_w, loads)


def break_even_per_h(service: Service) -> float | None:
    """The requests an hour above which an always loaded model draws less than one on demand.

    Always on is better exactly where E_L > dP (1 / lambda + t_L). None where no rate is high
    enough: then loading takes less than idling for as long as it lasts.
    0 where it is better at any rate: an idle model draws no more than none.
    """
    if service.above_floor_w == 0:
        return 0.0
    gap_s = service.load_j / service.above_floor_w - service.load_s
    return HOUR_S / gap_s if gap_s > 0 else None
