"""What measuring itself takes, metered by counters that are read at the edges of a session.

Between the edges nothing is done that would disturb what is measured: a GPU's counter goes on by
itself, and that of a processor is looked at once a second, as it is in any case while runs are.
"""

import os
import time
from collections.abc import Collection, Mapping, Sequence

from energyscore.base.errors import EnergyScoreError
from energyscore.base.lookup import resolve
from energyscore.measurement import catalog
from energyscore.measurement.meter import Meter, Reading, is_check
from energyscore.measurement.metering import read_gpu_counters
from energyscore.results.cost import COUNTER_SLACK, Cost
from energyscore.results.parts import Domain, Run


class CostMeter:
    """Meters one model after the other, each from where the last one ended."""

    def __init__(self, *, gpus: bool) -> None:
        """Begin. `gpus`: whether work or meters are on any; else NVML is left alone."""
        self._gpus = gpus
        self._processor: Meter | None = resolve(catalog.METERS, "rapl")()
        self._no_counter = ""
        try:
            self._processor.open()
        except EnergyScoreError as error:
            self._processor.close()
            self._processor, self._no_counter = None, error.message
        self._finished: list[Cost] = []
        self._is_new = True
        self._begin()

    def begin_next(self) -> None:
        """The next model begins; the first one began when this did."""
        if not self._is_new:
            self._begin()
        self._is_new = False

    def _begin(self) -> None:
        self._begin_ns = time.monotonic_ns()
        self._begin_mj = read_gpu_counters() if self._gpus else {}
        self._token = self._processor.start() if self._processor else None

    @property
    def began_s(self) -> float:
        """When the present model began, on the monotonic clock."""
        return self._begin_ns / 1e9

    @property
    def session(self) -> str:
        """What tells this session's entries in a journal from those of others."""
        return f"{os.getpid()}-{self._begin_ns}"

    def so_far(self, runs: Sequence[Run], earlier: Collection[int] = ()) -> Cost:
        """What it took since it began, of the domains of these runs, of which there is one.

        `earlier` are the indices of runs that other sessions made.
        """
        duration_s = (time.monotonic_ns() - self._begin_ns) / 1e9
        end_mj = read_gpu_counters() if self._gpus else {}
        processor = self._processor.stop(self._token).readings if self._processor else {}
        domains = dict.fromkeys(domain for run in runs for domain in run.energy_j)
        made = [run for run in runs if run.index not in earlier]
        readings = {
            domain: _no_less(
                self._reading(domain, runs, duration_s, end_mj, processor), made, domain
            )
            for domain in domains
            if not is_check(domain)
        }
        return Cost(
            duration_s=duration_s,
            energy_j={domain: one.energy_j for domain, one in readings.items()},
            methods={domain: one.method for domain, one in readings.items() if one.method},
            reasons={domain: one.reason for domain, one in readings.items() if one.reason},
            sessions=1,
        )

    def keep(self, cost: Cost) -> None:
        """Keep what a model took whose runs are finished."""
        self._finished.append(cost)

    def end(self) -> list[Cost]:
        """End metering; gives what was kept."""
        if self._processor is not None:
            self._processor.close()
        return self._finished

    def _reading(
        self,
        domain: Domain,
        runs: Sequence[Run],
        duration_s: float,
        end_mj: Mapping[str, int],
        processor: Mapping[Domain, Reading],
    ) -> Reading:
        if domain.startswith("gpu:"):
            return self._gpu(domain, runs, end_mj)
        if domain in processor:
            return processor[domain]
        mean_w = _estimated_power_w(domain, runs)
        if mean_w is not None:
            return Reading(mean_w * duration_s, "estimated")
        why = next((run.reasons[domain] for run in runs if domain in run.reasons), "")
        return Reading(None, None, why or self._no_counter)

    def _gpu(self, domain: Domain, runs: Sequence[Run], end_mj: Mapping[str, int]) -> Reading:
        """By the counter, where the meter of the runs could rely on it."""
        if {run.methods.get(domain) for run in runs} != {"counter"}:
            return Reading(None, None, "the GPU's counter could not be relied on in all runs")
        uuid = domain.removeprefix("gpu:")
        begin, end = self._begin_mj.get(uuid), end_mj.get(uuid)
        if begin is None or end is None or end <= begin:
            return Reading(None, None, "the GPU's counter could not be read before it began")
        return Reading((end - begin) / 1e3, "counter")


def _no_less(reading: Reading, runs: Sequence[Run], domain: Domain) -> Reading:
    """The reading, unless the runs alone took more: then its counter began again."""
    runs_j = sum(run.energy_j.get(domain) or 0.0 for run in runs)
    if reading.energy_j is None or reading.energy_j >= (1 - COUNTER_SLACK) * runs_j:
        return reading
    return Reading(None, None, "its counter began again between the runs")


def _estimated_power_w(domain: Domain, runs: Sequence[Run]) -> float | None:
    """The mean power of runs whose energy is an estimate; None where one's is not."""
    energies_j = [run.energy_j.get(domain) for run in runs]
    known_j = [one for one in energies_j if one is not None]
    estimates = {run.methods.get(domain) for run in runs} == {"estimated"}
    if not estimates or len(known_j) < len(runs):
        return None
    return sum(known_j) / sum(run.duration_s for run in runs)
