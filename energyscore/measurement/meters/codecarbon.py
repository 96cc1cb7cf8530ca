"""CodeCarbon as the second source: processor and memory estimates, and a GPU figure to compare.

Everything it says of processor and memory is labelled `estimated`: by load and by memory slots
it errs by tens of percent against a meter. It never enters a measured score.
"""

import configparser
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from energyscore.base.errors import MeterError
from energyscore.base.units import JOULES_PER_KWH
from energyscore.measurement.environment import processor_name
from energyscore.measurement.meter import Metered, Reading, notice
from energyscore.measurement.meters.nvml_device import NvmlError

_MOST_TIMERS = 5

GPU_CHECK = "codecarbon:gpu"
"""The reading under which CodeCarbon's own GPU figure comes: a check, never part of a sum."""

_FAILED = "CodeCarbon failed: "

_FAILURES = (
    *(OSError, ValueError, TypeError, AttributeError),
    *(KeyError, RuntimeError, ArithmeticError, NvmlError, configparser.Error),
)
"""What its trackers raise, by release and machine; one lost GPU makes NVML fail for all."""

_SETTINGS: dict[str, Any] = {
    "country_iso_code": "USA",  # only feeds CodeCarbon's own CO2 figure, which is not used
    "output_dir": os.sep,  # must be there; nothing is written
    "project_name": "energyscore",
    "measure_power_secs": 10,
    "tracking_mode": "machine",
    "output_methods": [],
    "output_handlers": [],
    "electricitymaps_api_token": "",  # with one it would ask the network during the window
    "allow_multiple_runs": True,
    "log_level": "critical",
    "pue": 1.0,
    "wue": 0.0,
    "force_mode_cpu_load": False,
    "force_cpu_power": None,
    "force_ram_power": None,
    "rapl_include_dram": False,
    "rapl_prefer_psys": False,
}
"""Every setting that matters is given; the user's own are not read."""


class CodeCarbonMeter:
    """Domains `cpu` and `ram`, method `estimated`, and the GPU figure under `GPU_CHECK`."""

    name = "codecarbon"

    def __init__(self, gpu_indices: tuple[int, ...] = ()) -> None:
        """Compare against the GPUs of these NVML indices; none: no GPU figure is asked for."""
        self._gpu_indices = gpu_indices
        self._tracker: Any = None
        self._log_level: int | None = None  # of its logger, which others may use as well
        self._blind = ExitStack()  # until it is closed
        self._windows = 0
        self._start_error = ""
        self._gpu_reason = "" if gpu_indices else "no GPU was metered"

    def open(self) -> None:
        """Probe the hardware; that takes CodeCarbon a second or two, so it is done here.

        Where it fails with the GPUs, as it does while any of the machine is lost, it goes on
        without: processor and memory are estimated all the same.
        """
        if self._gpu_indices:
            try:
                self._probe(self._gpu_indices)
            except (ImportError, *_FAILURES) as error:
                why = str(error).removeprefix(_FAILED)
                self._gpu_reason = f"CodeCarbon does not start with the GPUs: {why}"
            else:
                if not self._has_gpus():
                    self._gpu_reason = "CodeCarbon found none of the metered GPUs"
                return
        try:
            self._probe(())
        except (ImportError, *_FAILURES) as error:
            # Whatever fails (that changes by release), the run goes on without a second source.
            what = f"{type(error).__name__}: {error}"
            raise MeterError(f"CodeCarbon does not start: {what}.", _remedy()) from error

    def _probe(self, gpu_indices: tuple[int, ...]) -> None:
        with _unwarned(), nullcontext() if gpu_indices else _blind_to_gpus():
            from codecarbon import OfflineEmissionsTracker, emissions_tracker

            self._be_blind_to_slurm()
            # Two of its log lines escape its own `log_level`, and importing it sets the level.
            logger = logging.getLogger("codecarbon")
            if self._log_level is None:
                self._log_level = logger.level
            logger.setLevel(logging.CRITICAL)
            with _replaced(emissions_tracker, get_hierarchical_config=dict):
                # The user's own settings, in files and variables, are for other work.
                self._tracker = OfflineEmissionsTracker(gpu_ids=list(gpu_indices), **_SETTINGS)
            # A first window that measures nothing: it makes the tracker probe the hardware, and
            # shows whether it works: a tracker that could not be set up says so in its log only.
            with _told_the_processor():
                probe = self.stop(self.start()).readings
        if probe["ram"].energy_j is None:
            raise ValueError(probe["ram"].reason)

    def _be_blind_to_slurm(self) -> None:
        """Have it estimate the machine: in a job of Slurm it would take the job's memory instead.

        It asks scontrol for that, and fails where there is none, such as in a container.
        """
        from codecarbon.core import util
        from codecarbon.external import ram

        self._blind.close()
        for module in (util, ram):
            self._blind.enter_context(_replaced(module, SLURM_JOB_ID=None))

    def start(self) -> str:
        """Begin a window; a failure is reported at its end."""
        self._windows += 1
        token = f"window-{self._windows}"
        self._start_error = ""
        try:
            with _unwarned():
                self._tracker.start_task(token)
        except _FAILURES as error:
            self._start_error = f"{type(error).__name__}: {error}"
        return token

    def stop(self, token: object) -> Metered:
        """End the window."""
        if self._start_error:
            return _nothing(_FAILED + self._start_error)
        try:
            with _unwarned():
                data = self._tracker.stop_task(token)
        except _FAILURES as error:
            return _nothing(f"{_FAILED}{type(error).__name__}: {error}")
        if data is None:
            return _nothing("CodeCarbon gave no figures")
        gpu_kwh = None if self._gpu_reason else data.gpu_energy
        no_gpu = self._gpu_reason or "CodeCarbon read no GPU energy"
        readings = {
            "cpu": _reading(data.cpu_energy, "CodeCarbon gave no processor energy"),
            "ram": _reading(data.ram_energy, "CodeCarbon gave no memory energy"),
            GPU_CHECK: _reading(gpu_kwh, no_gpu),
        }
        return Metered(readings)

    def close(self) -> None:
        """Release the tracker; its windows are ended already."""
        _end_timers(self._tracker)
        self._tracker = None
        self._blind.close()
        if self._log_level is not None:
            logging.getLogger("codecarbon").setLevel(self._log_level)
            self._log_level = None

    def _has_gpus(self) -> bool:
        from codecarbon.external.hardware import GPU

        hardware = getattr(self._tracker, "_hardware", [])
        return any(isinstance(one, GPU) and one.num_gpus > 0 for one in hardware)


def _end_timers(tracker: Any) -> None:
    """End the tracker's timers: one that fires while it is stopped would start another for ever."""
    for name in ("_scheduler", "_scheduler_monitor_power"):
        scheduler = getattr(tracker, name, None)
        for _ in range(_MOST_TIMERS):
            timer = getattr(scheduler, "_timer", None)
            if timer is None or not timer.is_alive():
                break
            timer.cancel()
            timer.join(timeout=1.0)  # until it has started its successor, if it does


def _unwarned() -> "warnings.catch_warnings[None]":
    """Contain its warnings: with `-W error` each would cost the figures, and none is the user's."""
    return warnings.catch_warnings(action="ignore")


@contextmanager
def _replaced(owner: Any, **others: Any) -> Iterator[None]:
    """Put others in place of a module's own functions and values, those that it has."""
    own = {name: getattr(owner, name) for name in others if hasattr(owner, name)}
    for name in own:
        setattr(owner, name, others[name])
    try:
        yield
    finally:
        for name, one in own.items():
            setattr(owner, name, one)


def _remedy() -> str:
    """Where settings of its own lie that may have cost the figures, should it read them again."""
    found = []
    for folder in (Path.home, Path.cwd):
        with suppress(OSError, RuntimeError):
            found.append(folder() / ".codecarbon.config")
    files = [str(file) for file in found if os.path.exists(file)]
    return f"It may be due to its settings in {' and '.join(files)}." if files else ""


def _blind_to_gpus() -> AbstractContextManager[None]:
    """Have CodeCarbon find no GPUs: it asks for all of the machine, and fails if one does."""
    from codecarbon.core import gpu

    return _replaced(gpu, is_nvidia_system=lambda: False, is_rocm_system=lambda: False)


def _told_the_processor() -> AbstractContextManager[None]:
    """Spare CodeCarbon the search for the processor's name: two processes and over a second.

    It asks py-cpuinfo, which measures the clock rate as well and takes the name from the kernel.
    """
    import cpuinfo

    name = processor_name()
    return _replaced(cpuinfo, get_cpu_info=lambda: {"brand_raw": name}) if name else nullcontext()


def _reading(energy_kwh: float | None, reason: str) -> Reading:
    """Nothing, a zero and a negative figure all mean that nothing was measured."""
    if energy_kwh is None or energy_kwh <= 0:
        return Reading(None, None, reason)
    return Reading(float(energy_kwh) * JOULES_PER_KWH, "estimated")


def _nothing(reason: str) -> Metered:
    readings = {domain: Reading(None, None, reason) for domain in ("cpu", "ram", GPU_CHECK)}
    return Metered(readings, (notice("codecarbon_failed", reason),))
