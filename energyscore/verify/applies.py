"""Which checks have something to check in a result; the others hold nothing, and say so."""

from collections.abc import Callable, Mapping

from energyscore.verify.subject import Subject

Applies = Callable[[Subject], bool]


def has_raw(subject: Subject) -> bool:
    """A run whose times were recorded."""
    return any(True for _ in subject.pairs())


def has_runs_to_compare(subject: Subject) -> bool:
    """Two runs whose times were recorded."""
    return len(list(subject.pairs())) > 1


def has_readings(subject: Subject) -> bool:
    """A GPU whose counter or power was recorded."""
    return any(True for _ in subject.recorded())


def has_counter(subject: Subject) -> bool:
    """A GPU's energy by its counter, recorded."""
    return any(found.method == "counter" for *_, found in subject.recorded())


def has_counters_to_compare(subject: Subject) -> bool:
    """Readings of two runs."""
    return len({run.index for run, *_ in subject.recorded()}) > 1


def has_gpus(subject: Subject) -> bool:
    """A GPU that was metered, of a valid result."""
    return subject.result.valid and bool(subject.gpu_domains)


def has_work_on_gpus(subject: Subject) -> bool:
    """A GPU that was metered while the model worked on it."""
    return bool(subject.gpu_domains) and subject.result.protocol.device == "cuda"


def has_phases_by_readings(subject: Subject) -> bool:
    """A GPU whose energy was split, and its readings."""
    return any(run.phase_methods.get(domain) for run, _, domain, _ in subject.recorded())


def has_phases(subject: Subject) -> bool:
    """A phase."""
    return any(run.phases for run in subject.result.runs)


def has_shares(subject: Subject) -> bool:
    """A domain's energy that was split by time."""
    return any("time_share" in run.phase_methods.values() for run in subject.result.runs)


def has_emissions(subject: Subject) -> bool:
    """A country's grid."""
    return subject.result.emissions.intensity_g_per_kwh is not None


APPLIES: Mapping[str, Applies] = {
    "durations": has_raw,
    "windows": has_raw,
    "clock": has_runs_to_compare,
    "gaps": has_runs_to_compare,
    "counter rises": has_counter,
    "counter updates": has_counter,
    "counter energy": has_counter,
    "counter steps": has_counter,
    "counter from run to run": has_counters_to_compare,
    "power samples": has_readings,
    "power": has_gpus,
    "weights": has_work_on_gpus,
    "phase sums": has_phases,
    "phase energy": has_phases_by_readings,
    "phase scores": has_phases,
    "time shares": has_shares,
    "emissions": has_emissions,
}
"""Checks that a result can have nothing for; all others hold something in every result."""
