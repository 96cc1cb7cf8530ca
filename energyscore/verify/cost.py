"""Whether a measurement took at least what its runs took."""

import math

from energyscore.verify.examined import ExaminedResult
from energyscore.verify.findings import NOT_APPLICABLE, ROUNDING, Finds

_LATE = 0.02  # a counter is a part of a step behind, at the edges of a session as of a run


def check_cost(it: ExaminedResult) -> Finds:
    """Time and energy of all sessions hold those of the runs; what is null has its reason."""
    cost, runs = it.result.cost, it.result.runs
    if cost is None:
        yield NOT_APPLICABLE
        return
    runs_s = math.fsum(run.duration_s for run in runs)
    if cost.duration_s is not None and cost.duration_s < runs_s * (1 - ROUNDING):
        yield f"measuring took {cost.duration_s:.7g} s, and its runs alone {runs_s:.7g} s"
    for domain, energy_j in cost.energy_j.items():
        if energy_j is None:
            if not cost.reasons.get(domain):
                yield f"{domain[:60]}: what measuring took is not known, and there is no reason"
            continue
        runs_j = math.fsum(run.energy_j.get(domain) or 0.0 for run in runs)
        if energy_j < runs_j * (1 - _LATE):
            yield f"{domain[:60]}: measuring took {energy_j:.7g} J, its runs alone {runs_j:.7g} J"
