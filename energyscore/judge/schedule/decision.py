"""Policies against each other: the energy of a day, the waits, and the one to choose. Pure.

Figures are of simulated requests. For requests that come by chance the best timeout is 0 or
infinity; the timeout E_L / dP is insurance: whatever comes, idling and loading take at most twice
what they would if all were known before. Of a trace the best timeout is also sought among its own
gaps: chosen on one half, it is reported on the other, both ways, so that no figure is of the
requests that it was chosen by.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from energyscore.base.errors import UsageError
from energyscore.base.stats import sample_std, t_quantile
from energyscore.base.units import JOULES_PER_WH, format_duration, format_number
from energyscore.judge.schedule.arrivals import DAY_S, HOUR_S, Arrivals, Demand
from energyscore.judge.schedule.closed_forms import break_even_per_h
from energyscore.judge.schedule.service import Service
from energyscore.judge.schedule.simulation import MOMENT_S, Served, ServingPolicy, serve

ALWAYS = ServingPolicy("always loaded", math.inf)
AT_ONCE = ServingPolicy("loaded on demand", 0.0)
LEAST_GATHERINGS = 4  # windows or batches of a horizon: of fewer the begin and the end would tell
LEAST_TO_CHOOSE = 40  # requests of a trace: a timeout chosen by fewer says nothing


@dataclass(frozen=True)
class Wishes:
    """What is asked for beside the policies that are always tried."""

    max_wait_s: float | None = None
    timeouts_s: tuple[float, ...] = ()
    windows_s: tuple[float, ...] = ()
    batches: tuple[int, ...] = ()
    hours: tuple[float, float] | None = None


@dataclass(frozen=True)
class PolicyFigures:
    """What a policy comes to a day. Waits are from a request's arrival until its work begins."""

    policy: ServingPolicy
    wh_per_day: float
    wh_per_day_ci95: tuple[float, float] | None
    idle_share: float
    loads_per_day: float
    delayed_share: float
    wait_p50_s: float
    wait_p95_s: float
    meets: bool


@dataclass(frozen=True)
class Decision:
    """Policies from the least energy to the most, and the one to choose.

    `left_out` are the names of policies that cannot keep up with the requests.
    """

    service: Service
    requests_per_hour: float
    figures: tuple[PolicyFigures, ...]
    left_out: tuple[str, ...]
    break_even_per_h: float | None
    max_wait_s: float | None

    @property
    def recommended(self) -> PolicyFigures | None:
        """The least energy within the wait; None where no policy keeps to it."""
        return next((one for one in self.figures if one.meets), None)

    def of(self, policy: ServingPolicy) -> PolicyFigures | None:
        """The figures of a policy, where it was tried."""
        return next((one for one in self.figures if one.policy == policy), None)


def decide(service: Service, demand: Demand, wishes: Wishes) -> Decision:
    """Try the policies on the same requests.

    Raises:
        UsageError: where one server cannot keep up with the requests under any of them.
    """
    policies = _policies(service, wishes)
    able = [one for one in policies if _keeps_up(service, demand, one)]
    served = _served(able, service, demand, wishes)
    if able and not served:
        raise UsageError(
            f"One server cannot answer {format_number(demand.per_hour)} requests an hour one by "
            "one, nor in batches as small as these.",
            "Gather for longer (--window), or more requests (--gather).",
        )
    if not served:
        seconds = service.cost(service.most)[0] / service.most
        raise UsageError(
            f"One server cannot answer {format_number(demand.per_hour)} requests an hour: each "
            f"takes {format_number(seconds)} s, so {format_number(HOUR_S / seconds)} an hour are "
            "the most.",
            "Name a result of a larger batch or a faster machine, or fewer requests.",
        )
    figures = [_figures(one, parts, service, wishes) for one, parts in served.items()]
    if AT_ONCE in able and demand.trace and len(demand.trace.times_s) >= LEAST_TO_CHOOSE:
        figures.append(_chosen_by_halves(demand.trace, service, wishes))
    return Decision(
        service,
        demand.per_hour,
        tuple(sorted(figures, key=lambda one: one.wh_per_day)),
        tuple(one.name for one in policies if one not in served),
        break_even_per_h(service),
        wishes.max_wait_s,
    )


def _served(
    policies: Sequence[ServingPolicy], service: Service, demand: Demand, wishes: Wishes
) -> dict[ServingPolicy, list[Served]]:
    """What each policy came to on the same requests, of those whose work fits into the time."""
    if not policies:
        return {}
    longest_s = max((_gathering_s(one, demand) for one in policies), default=0.0)
    horizons = demand.horizons(
        (LEAST_GATHERINGS + 1) * longest_s, whole_days=wishes.hours is not None
    )
    found = {}
    for policy in policies:
        parts = [serve(_whole(part, policy), service, policy) for part in horizons]
        if math.fsum(one.work_s for one in parts) < math.fsum(one.horizon_s for one in parts):
            found[policy] = parts
    return found


def _gathering_s(policy: ServingPolicy, demand: Demand) -> float:
    """How long a policy gathers on average; 0 where it does not."""
    return policy.window_s or (policy.batch or 0) / demand.per_hour * HOUR_S


def _whole(arrivals: Arrivals, policy: ServingPolicy) -> Arrivals:
    """The part of a horizon that ends as a window or batch does: a broken one would count whole.

    Raises:
        UsageError: where hardly any fit into a horizon, which is a trace's then.
    """
    if not policy.gathers:
        return arrivals
    window_s, batch = policy.window_s, policy.batch
    lasts_s = arrivals.end_s - arrivals.begin_s
    fit = (lasts_s + MOMENT_S) / window_s if window_s else len(arrivals.times_s) / (batch or 1)
    count = int(fit)
    if count < LEAST_GATHERINGS:
        raise UsageError(
            f"{policy.name}: the trace holds {len(arrivals.times_s)} requests in "
            f"{format_duration(lasts_s)}, and {LEAST_GATHERINGS} times as much would tell.",
            "Gather for a shorter time, or fewer requests.",
        )
    if window_s:
        return arrivals.until(min(arrivals.end_s, arrivals.begin_s + count * window_s))
    last = count * (batch or 1)
    return arrivals.until(arrivals.times_s[last]) if last < len(arrivals.times_s) else arrivals


def _policies(service: Service, wishes: Wishes) -> list[ServingPolicy]:
    timeouts = [one for one in wishes.timeouts_s if one > 0]
    if 0 < service.insurance_s < math.inf:
        timeouts.append(service.insurance_s)
    found = [ALWAYS, AT_ONCE, *map(_unloaded_after, dict.fromkeys(timeouts))]
    if wishes.hours:
        begin, end = (f"{hour:g}" for hour in wishes.hours)
        found.append(ServingPolicy(f"loaded from {begin} to {end}", 0.0, hours=wishes.hours))
    gathered = [
        *(
            ServingPolicy(f"gathered for {format_duration(one)}", 0.0, window_s=one)
            for one in dict.fromkeys(wishes.windows_s)
        ),
        *(
            ServingPolicy(f"gathered to {one}", 0.0, batch=one)
            for one in dict.fromkeys(wishes.batches)
        ),
    ]
    kept = [replace(one, name=f"{one.name}, kept loaded", timeout_s=math.inf) for one in gathered]
    return [*found, *gathered, *kept]


def _unloaded_after(timeout_s: float) -> ServingPolicy:
    return ServingPolicy(f"unloaded after {format_duration(timeout_s)}", timeout_s)


def _keeps_up(service: Service, demand: Demand, policy: ServingPolicy) -> bool:
    """Whether the work of an hour takes less than an hour."""
    batch = service.most if policy.gathers else 1
    return demand.per_hour * service.cost(batch)[0] / batch < HOUR_S


def _figures(
    policy: ServingPolicy, served: Sequence[Served], service: Service, wishes: Wishes
) -> PolicyFigures:
    per_day = [one.energy_j / one.horizon_s * DAY_S / JOULES_PER_WH for one in served]
    mean = math.fsum(per_day) / len(per_day)
    energy_j = math.fsum(one.energy_j for one in served)
    horizon_s = math.fsum(one.horizon_s for one in served)
    waits = sorted(wait for one in served for wait in one.waits_s)
    # The interval is of all that a request draws, the floor meanwhile too.
    of_work_j = math.fsum(one.work_j + service.floor_w * one.work_s for one in served)
    half = _half_width(per_day, of_work_j / energy_j, service)
    wait_p95_s = _percentile(waits, 0.95)
    return PolicyFigures(
        policy,
        wh_per_day=mean,
        wh_per_day_ci95=None if half is None else (mean * max(0.0, 1 - half), mean * (1 + half)),
        idle_share=math.fsum(one.idle_j for one in served) / energy_j,
        loads_per_day=sum(one.loads for one in served) / horizon_s * DAY_S,
        delayed_share=sum(one.delayed for one in served) / len(waits),
        wait_p50_s=_percentile(waits, 0.5),
        wait_p95_s=wait_p95_s,
        meets=wishes.max_wait_s is None or wait_p95_s <= wishes.max_wait_s + MOMENT_S,
    )


def _half_width(per_day: Sequence[float], work_share: float, service: Service) -> float | None:
    """Half the 95% interval as a share: of simulated requests, and of the energy of a request."""
    if service.half_width is None:
        return None
    mean, count = math.fsum(per_day) / len(per_day), len(per_day)
    by_chance = (
        t_quantile(0.975, count - 1) * sample_std(per_day) / math.sqrt(count) / mean
        if count > 1
        else 0.0
    )
    return math.hypot(by_chance, work_share * service.half_width)


def _percentile(ordered: Sequence[float], share: float) -> float:
    """The least of the values that this share of them does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _chosen_by_halves(trace: Arrivals, service: Service, wishes: Wishes) -> PolicyFigures:
    """The timeout that is best on one half of a trace, on the other one; both ways."""
    halves = trace.halves()
    served = [
        serve(other, service, ServingPolicy("", best_timeout_s(half, service)))
        for half, other in (halves, halves[::-1])
    ]
    whole = best_timeout_s(trace, service)
    name = {0.0: "at once", math.inf: "never"}.get(whole, f"after {format_duration(whole)}")
    policy = ServingPolicy(f"unloaded {name} (by the trace)", whole)
    return _figures(policy, [served[0] + served[1]], service, wishes)


def best_timeout_s(arrivals: Arrivals, service: Service) -> float:
    """The timeout of the least energy for idling and loading: 0, infinity, or one of the gaps.

    Of each gap the work is taken off; that a load delays what follows is left out here.
    """
    seconds = service.cost(1)[0]
    pairs = zip(arrivals.times_s, arrivals.times_s[1:], strict=False)
    idle_s = sorted(later - earlier - seconds for earlier, later in pairs)
    idle_s = [one for one in idle_s if one > 0]
    if not idle_s:
        return math.inf
    kept_s = list(accumulate(idle_s))
    costs = {
        0.0: service.load_j * len(idle_s),
        math.inf: service.above_floor_w * kept_s[-1],
    }
    for place, gap_s in enumerate(idle_s):
        longer = len(idle_s) - place - 1
        idling_s = kept_s[place] + longer * gap_s
        costs[gap_s] = service.above_floor_w * idling_s + service.load_j * longer
    return min(costs, key=lambda timeout_s: costs[timeout_s])
