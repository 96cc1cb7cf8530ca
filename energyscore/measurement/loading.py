"""Loading a model, and what that takes: measured in a process of its own, before the session's.

A process that has used a GPU draws more than none, even after it has freed its model. So the floor
is taken while nothing of ours is on the device, and what is started is ended again before the
session begins.
"""

import contextlib
import ctypes
import mmap
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, TypeAlias

from energyscore.base.errors import MeterError, TaskError
from energyscore.base.interrupts import die_with_parent
from energyscore.base.text import without_passwords
from energyscore.measurement.backend import Backend, Device, Gpus
from energyscore.measurement.benchmark import merged
from energyscore.measurement.child import job_command
from energyscore.measurement.meter import Meter, Metered, Reading, metered
from energyscore.measurement.metering import (
    Metering,
    free_gpu_memory,
    open_metering,
    plan_metering,
    power_limited,
)
from energyscore.measurement.observer import LineObserver
from energyscore.measurement.options import Job, RunOptions
from energyscore.measurement.warmup import watch_idle
from energyscore.protocol.model import ModelFacts, ModelSpec
from energyscore.protocol.task import Generation, TaskSpec
from energyscore.results.loading import Loading
from energyscore.results.parts import Domain

READY = "energyscore-loaded"
_LEAST_IDLE_S = 5.0  # of the floor, and of idling with the model: each stands for hours
_IN_MEMORY = 0.05  # the share of files in the page cache under which they count as on the disk
_LARGE_BYTES = 2**16
_NO_ENERGY = ("load", "continuity")  # meters that only tell of a window's circumstances
_LIBC = ctypes.CDLL(None, use_errno=True)


def load_model(
    backend: Backend,
    task: TaskSpec,
    model: ModelSpec,
    generation: Generation | None,
    device: Device,
    options: RunOptions,
) -> ModelFacts:
    """Load a model for a task; a TaskError where the task does not have all of its phases."""
    batch_size = options.batch_size or task.batch_size
    asked = task.model_copy(update={"generation": generation, "batch_size": batch_size})
    gpus = None if device == "cpu" else Gpus(free_gpu_memory(), options.spread)
    facts = backend.load(model, asked, device, gpus)
    if not set(backend.phases) <= set(task.phases):
        raise TaskError(
            f"The task {task.id} has the phases {', '.join(task.phases)}; "
            f"{model.label} does {', '.join(backend.phases)}."
        )
    return facts


def measure_loading(
    job: Job, task: TaskSpec, model: ModelSpec, device: Device, observer: LineObserver
) -> Loading:
    """Load a model in processes of their own, and meter that; a reason where it does not work.

    It is loaded once unmetered, which fetches its files and puts them into memory, once metered,
    and once more after its files were put out of memory, where the system does that.
    """
    command = _command(job, task, model)
    observer.stage("loading in a process of its own, unmetered", None)
    try:
        occupied, _ = _load(command, lambda: None)
        return _metered(command, occupied, job, model, device, observer)
    except MeterError as error:
        return Loading(duration_s=None, energy_j={}, reason=error.message)


def _metered(
    command: Sequence[str],
    occupied: Sequence[str],
    job: Job,
    model: ModelSpec,
    device: Device,
    observer: LineObserver,
) -> Loading:
    metering = plan_metering(device, job.options.gpu or (), shared=True)
    limit_w = job.options.power_limit
    with contextlib.ExitStack() as stack:
        stack.enter_context(power_limited(metering.uuids or occupied, limit_w, observer.warn))
        stack.enter_context(contextlib.closing(metering))
        open_metering(metering, occupied)
        load = partial(_load_timed, command)
        loading = meter_loading(metering, job.options, load, observer)
        if _put_out_of_memory(_files(model)):
            observer.stage("loading from the disk, metered", None)
            readings, seconds = _load_metered(load, energy_meters(metering), lambda: None)
            above = _above(loading.floor_w, (readings, seconds))
            cold = {"cold_duration_s": seconds, "cold_energy_j": above}
            loading = loading.model_copy(update=cold)
    return loading


LoadTimed: TypeAlias = Callable[[Callable[[], None]], float]
"""Starts a process that loads a model, calls what it is given when that is ready, and gives the
seconds from the start until then."""


def meter_loading(
    metering: Metering, options: RunOptions, load: LoadTimed, observer: LineObserver
) -> Loading:
    """What loading takes, by open meters: above the floor before it; and idling with the model."""
    meters = energy_meters(metering)
    seconds = options.idle or max(_LEAST_IDLE_S, options.idle_s)
    observer.stage(f"idle without the model, {seconds:g} s", None)
    floor_w = _powers(*watch_idle(meters, seconds))
    observer.stage("loading, metered", None)
    idle_w: dict[Domain, float] = {}

    def idle() -> None:
        observer.stage(f"idle with the model, {seconds:g} s", None)
        idle_w.update(_powers(*watch_idle(meters, seconds)))

    loaded = _load_metered(load, meters, idle)
    return _loading_of(floor_w, loaded, idle_w)


def energy_meters(metering: Metering) -> list[Meter]:
    """Those that meter energy, and not only a window's circumstances."""
    return [meter for meter in metering.meters if meter.name not in _NO_ENERGY]


_Load: TypeAlias = tuple[Mapping[Domain, Reading], float]
"""What was read by domain, and the seconds from the process's start until it was ready."""


def _loading_of(
    floor_w: Mapping[Domain, float], loaded: _Load, idle_w: Mapping[Domain, float]
) -> Loading:
    readings, seconds = loaded
    lacking = {domain: one.reason for domain, one in readings.items() if one.energy_j is None}
    lacking |= {d: "its power before was not metered" for d in readings if d not in floor_w}
    return Loading(
        duration_s=seconds,
        energy_j=_above(floor_w, loaded),
        reason="; ".join(f"{domain}: {why}" for domain, why in lacking.items()),
        methods={domain: one.method for domain, one in readings.items() if one.method},
        floor_w=dict(floor_w),
        idle_w=dict(idle_w),
    )


def _above(floor_w: Mapping[Domain, float], loaded: _Load) -> dict[Domain, float | None]:
    """Energy above the floor."""
    readings, seconds = loaded
    return {
        domain: None
        if one.energy_j is None or domain not in floor_w
        else one.energy_j - floor_w[domain] * seconds
        for domain, one in readings.items()
    }


def _powers(measurements: Mapping[str, Metered], seconds: float) -> dict[Domain, float]:
    readings, _ = merged(measurements)
    return {d: one.energy_j / seconds for d, one in readings.items() if one.energy_j is not None}


def _load_metered(load: LoadTimed, meters: Sequence[Meter], meanwhile: Callable[[], None]) -> _Load:
    """Meter a load, and do something while the model is loaded."""
    with contextlib.ExitStack() as window:
        measurements = window.enter_context(metered(meters))

        def end_window() -> None:
            window.close()
            meanwhile()

        seconds = load(end_window)
    return merged(measurements)[0], seconds


def _load_timed(command: Sequence[str], when_loaded: Callable[[], None]) -> float:
    return _load(command, when_loaded)[1]


def _load(command: Sequence[str], when_loaded: Callable[[], None]) -> tuple[tuple[str, ...], float]:
    """Start a process that loads the model, and end it; the GPUs that it occupied, and the time.

    Raises:
        MeterError: where it cannot be loaded there, with what the process said.
    """
    with tempfile.TemporaryFile() as told:  # a pipe that nobody reads would stop it once full
        begin_s = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=told,
            preexec_fn=die_with_parent(),
        )
        try:
            assert process.stdout is not None
            # A model's own code may write lines of its own.
            words = (line.decode(errors="replace").split() for line in process.stdout)
            said = next((one for one in words if one[:1] == [READY]), None)
            seconds = time.monotonic() - begin_s
            if said is None:
                raise MeterError(f"the process that loads the model failed: {_why(process, told)}")
            when_loaded()
            return tuple(said[1:]), seconds
        finally:
            process.kill()
            process.communicate()


def _why(process: subprocess.Popen[bytes], told: IO[bytes]) -> str:
    """What a process said that failed, or by which signal it ended."""
    status = process.wait()
    told.seek(0)
    lines = without_passwords(told.read().decode(errors="replace")).splitlines()
    error = next((line for line in lines if line.startswith("error: ")), "")
    if error:
        return error.removeprefix("error: ")
    if status < 0:
        return f"it was ended by {signal.Signals(-status).name}"
    return f"it ended with status {status}{f': {lines[-1]}' if lines else ''}"


def _command(job: Job, task: TaskSpec, model: ModelSpec) -> list[str]:
    """What loads this model for this task: the job with nothing else in it."""
    one = Job(
        tasks=(task.id,),
        models=(model.label if model.source == "builtin" else model.location,),
        options=job.options,
        out=job.out,
        task_path=job.task_path,
    )
    return job_command(one, "energyscore.measurement.loader")


def _files(model: ModelSpec) -> list[Path]:
    """The large files of a model on this disk; none where it has no files of its own."""
    folder = model.path
    if model.source == "hub":
        from huggingface_hub import try_to_load_from_cache

        file = try_to_load_from_cache(model.id, "config.json", revision=model.revision or "main")
        folder = Path(file).parent if isinstance(file, str) else None
    if folder is None or model.random_weights:
        return []
    files = (file.resolve() for file in folder.rglob("*") if file.is_file())
    return [file for file in files if file.stat().st_size >= _LARGE_BYTES]


def _put_out_of_memory(files: Sequence[Path]) -> bool:
    """Ask the kernel to forget files that it keeps in memory; whether it did."""
    for file in files:
        with contextlib.suppress(OSError), file.open("rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return bool(files) and all(_share_in_memory(file) <= _IN_MEMORY for file in files)


def _share_in_memory(file: Path) -> float:
    """The share of a file's pages that the kernel keeps in memory; 1 where it does not say."""
    size = file.stat().st_size
    pages = -(-size // mmap.PAGESIZE)
    found = (ctypes.c_ubyte * pages)()
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), size, access=mmap.ACCESS_COPY) as it:
        start = ctypes.c_char.from_buffer(it)
        try:
            place = ctypes.c_void_p(ctypes.addressof(start))
            told = _LIBC.mincore(place, ctypes.c_size_t(size), found)
        finally:
            del start
    return sum(one & 1 for one in found) / pages if told == 0 else 1.0
