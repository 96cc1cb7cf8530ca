"""What measuring took, in one line for people."""

from collections.abc import Mapping, Sequence

from energyscore.base.units import JOULES_PER_WH, counted, format_duration, format_number, format_wh
from energyscore.results.cost import Cost, added
from energyscore.results.parts import Domain


def measuring_took(costs: Sequence[Cost]) -> str:
    """What these measurements took together; empty where there are none."""
    if not costs:
        return ""
    whole = added(costs, every_domain=False)
    energy, why = _energy(whole)
    if whole.duration_s is None:
        time = "a time that is not known of an earlier session"
    else:
        time = format_duration(whole.duration_s)
    if not energy:
        return f"Measuring this took {time}; its energy is not known{why}."
    return f"Measuring this took {energy} and {time}.{_instead_of(whole)}"


def _instead_of(cost: Cost) -> str:
    """What the full protocol would have taken, and how many times that is."""
    if cost.full is None:
        return ""
    full_j, own_j = (_headline_j(energies) for energies in (cost.full.energy_j, cost.energy_j))
    time = format_duration(cost.full.duration_s)
    if not full_j or not own_j:
        return f" The full protocol would have taken about {time}."
    energy, times = format_wh(full_j / JOULES_PER_WH), format_number(full_j / own_j)
    return f" The full protocol would have taken about {energy} and {time}: {times} times as much."


def times_as_much(one: Cost, other: Cost) -> float | None:
    """How many times the energy of another measurement one took; None where it is not known."""
    one_j, other_j = _headline_j(one.energy_j), _headline_j(other.energy_j)
    return one_j / other_j if one_j and other_j else None


def _headline_j(energies: Mapping[Domain, float | None]) -> float | None:
    """Of the GPUs, else of processor and memory; None where it is not known."""
    gpus = [domain for domain in energies if domain.startswith("gpu:")]
    known = [energies[domain] for domain in gpus or energies]
    return None if None in known else sum(filter(None, known))


def _energy(cost: Cost) -> tuple[str, str]:
    """Of the GPUs, else of processor and memory; or why it is not known."""
    gpus = [domain for domain in cost.energy_j if domain.startswith("gpu:")]
    of = "the GPU" if len(gpus) == 1 else counted(len(gpus), "GPU")
    domains = gpus or list(cost.energy_j)
    known_j = [one for domain in domains if (one := cost.energy_j[domain]) is not None]
    if not domains or len(known_j) < len(domains):
        why = next((cost.reasons[domain] for domain in domains if domain in cost.reasons), "")
        return "", f" ({why})" if why else ""
    estimated = any(cost.methods.get(domain) == "estimated" for domain in domains)
    parts = of if gpus else "processor and memory" + (" (estimated)" if estimated else "")
    return f"{format_wh(sum(known_j) / JOULES_PER_WH)} of {parts}", ""
