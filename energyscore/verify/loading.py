"""Whether what a result says of loading its model holds together; it enters no score."""

from energyscore.verify.examined import ExaminedResult
from energyscore.verify.findings import NOT_APPLICABLE, Derived, Finds


def check_loading(it: ExaminedResult) -> Finds:
    """What is null has a reason; no GPU draws more than its limit without work."""
    loading = it.result.loading
    if loading is None:
        yield NOT_APPLICABLE
        return
    known = loading.duration_s is not None and None not in loading.energy_j.values()
    yield Derived("whether loading has a reason for what is null", bool(loading.reason), not known)
    limits_w = {f"gpu:{gpu.uuid}": gpu.power_limit_w for gpu in it.result.environment.gpus}
    for name, powers in (("without", loading.floor_w), ("with", loading.idle_w)):
        for domain, power_w in powers.items():
            limit_w = limits_w.get(domain)
            if limit_w is not None and power_w > limit_w:
                yield f"{domain[:60]}: {power_w:.7g} W {name} the model, over its limit"
