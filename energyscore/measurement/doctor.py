"""What this machine can measure, and what to do where it cannot: the facts behind `doctor`."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from energyscore.base.errors import EnergyScoreError, MeterError, ResultError
from energyscore.base.units import format_duration
from energyscore.measurement import environment
from energyscore.measurement.imports import uncollected
from energyscore.measurement.selftest.plan import SelfTestPlan
from energyscore.measurement.selftest.report import load_selftest
from energyscore.protocol import hub

if TYPE_CHECKING:
    from energyscore.measurement.meters.nvml_device import NvmlSession

SEE_SELFTEST = "`energyscore selftest` says what each means."

Status = Literal["ok", "missing", "caution"]


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at: what was found, what to do, and facts for programs."""

    name: str
    status: Status  # `missing`: something cannot be measured without it
    detail: str
    remedy: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def examine(out: Path) -> Iterator[Diagnosis]:
    """Look at everything that takes part in a measurement, one thing at a time."""
    yield _python()
    yield _torch()
    gpus = list(_gpus())
    yield from gpus
    yield _nvidia_smi()
    yield _rapl()
    yield _codecarbon()
    yield _hub()
    yield _disk(out)
    nvml = next((found.facts for found in gpus if found.name == "NVML"), {})
    yield diagnose_selftest(out, nvml.get("uuids", ()), nvml.get("driver"))


def _python() -> Diagnosis:
    machine = environment.describe()
    detail = f"Python {machine.python}, {machine.os}, {machine.cpu} x {machine.cpu_count}"
    if machine.memory_total_mb is not None:
        detail += f", {machine.memory_total_mb / 1024:.1f} GiB"
    return Diagnosis("machine", "ok", detail, facts=machine.model_dump(mode="json"))


def _torch() -> Diagnosis:
    try:
        with uncollected():
            import torch
    except (ImportError, OSError) as error:
        return Diagnosis("torch", "missing", f"cannot be imported: {error}", "pip install torch")
    version = str(torch.__version__)
    facts: dict[str, Any] = {"version": version, "cuda": torch.version.cuda}
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        detail = f"{version} sees {len(names)} GPU(s): {', '.join(names)}"
        return Diagnosis("torch", "ok", detail, facts=facts | {"gpus": names})
    why = "is built without CUDA" if torch.version.cuda is None else "sees no GPU"
    detail = f"{version} {why}: models work on the processor"
    return Diagnosis("torch", "caution", detail, facts=facts | {"gpus": []})


def _gpus() -> Iterator[Diagnosis]:
    from energyscore.measurement.meters import nvml_device, power_limit

    try:
        session = nvml_device.NvmlSession()
    except MeterError as error:
        yield Diagnosis("NVML", "missing", error.message, error.remedy)
        return
    with closing(session):
        try:
            uuids, driver = session.uuids(), session.driver_version()
            detail = f"driver {driver}, CUDA up to {session.cuda_version()}, {len(uuids)} GPU(s)"
            yield Diagnosis("NVML", "ok", detail, facts={"uuids": uuids, "driver": driver})
            for index, why in session.unreadable().items():
                detail = f"NVML cannot read it: {why}"
                yield Diagnosis(f"GPU {index}", "missing", detail, nvml_device.GPU_REMEDY)
            for uuid in uuids:
                yield _gpu(session, uuid)
            for label, note in power_limit.limits_left(session, uuids):
                left = power_limit.in_words(label, note)
                yield Diagnosis("power limit", "caution", left, note.remedy, asdict(note))
        except MeterError as error:
            yield Diagnosis("GPUs", "missing", error.message, error.remedy)


def _gpu(session: "NvmlSession", uuid: str) -> Diagnosis:
    from energyscore.measurement.meters import nvml, nvml_device

    facts, handle = session.facts(uuid), session.handle(uuid)
    period = nvml.probe_update_period(handle)
    counter_error = nvml_device.read_counter(handle).error
    power_w = nvml_device.read_instant_power_w(handle)
    processes = nvml_device.count_processes(handle)
    parts, problems = [f"{facts.name}, {facts.uuid}"], []
    if counter_error:
        problems.append(f"no energy counter ({counter_error})")
    elif period is None:
        problems.append("the energy counter stands still")
    else:
        parts.append(f"energy counter updates every {period.median_ms:.0f} ms")
    if power_w is None:
        problems.append("no instantaneous power")
    else:
        parts.append(f"{power_w:.0f} W now")
    if facts.power_limit_w is not None:
        parts.append(f"limit {facts.power_limit_w:.0f} W")
    if facts.module and power_w is None:
        problems.append("only its module's energy can be read, which cannot be rated")
    elif facts.module:
        problems.append("its counter is that of its whole module: energy is from its own power")
    elif facts.module is None:
        problems.append("its energy may be that of a module with a processor: it is not told")
    if facts.mig or facts.vgpu:
        problems.append("MIG or vGPU: its energy cannot be rated")
    if processes:
        busy = "process(es) compute on it now: a measurement would be invalid"
        problems.append(f"{processes} {busy}")
    elif processes == 0:
        parts.append("no other processes")
    read = {
        "counter_error": counter_error or None,
        "update_period_ms": period and period.median_ms,
        "power_w": power_w,
        "processes": processes,
    }
    status: Status = "caution" if problems else "ok"
    detail = ", ".join(parts + problems)
    return Diagnosis(f"GPU {facts.index}", status, detail, facts=asdict(facts) | read)


def _nvidia_smi() -> Diagnosis:
    path = shutil.which("nvidia-smi")
    if path is None:
        detail = "not found: CodeCarbon cannot see GPUs (NVML itself does not need it)"
        return Diagnosis("nvidia-smi", "caution", detail)
    try:
        done = subprocess.run([path, "-L"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Diagnosis("nvidia-smi", "caution", f"does not answer: {error}")
    if done.returncode != 0:
        return Diagnosis("nvidia-smi", "caution", f"fails with status {done.returncode}")
    return Diagnosis("nvidia-smi", "ok", "answers")


def _rapl() -> Diagnosis:
    from energyscore.measurement.meters import rapl

    try:
        zones = rapl.find_zones()
    except MeterError as error:
        detail = f"{error.message.rstrip('.')}: processor energy will be an estimate"
        return Diagnosis("RAPL", "caution", detail, error.remedy)
    names = sorted(f"{zone.domain} ({zone.file.parent.name})" for zone in zones)
    return Diagnosis("RAPL", "ok", ", ".join(names))


def _codecarbon() -> Diagnosis:
    from energyscore.measurement.meters.codecarbon import CodeCarbonMeter

    meter = CodeCarbonMeter()
    try:
        meter.open()
    except EnergyScoreError as error:
        return Diagnosis("CodeCarbon", "caution", error.message, error.remedy)
    meter.close()
    version = environment.installed_packages().get("codecarbon")
    return Diagnosis("CodeCarbon", "ok", f"{version} answers")


def _hub() -> Diagnosis:
    if hub.offline_by_choice():
        return Diagnosis("hub", "caution", "HF_HUB_OFFLINE is set: only the local cache is used")
    if hub.is_reachable():
        return Diagnosis("hub", "ok", f"{hub.endpoint()} can be reached")
    detail = "cannot be reached: bundled models and samples work, downloads do not"
    return Diagnosis("hub", "caution", f"{hub.endpoint()} {detail}")


def _disk(out: Path) -> Diagnosis:
    existing = next(p for p in (out.absolute(), *out.absolute().parents) if p.exists())
    free_gb = shutil.disk_usage(existing).free / 1e9
    status: Status = "ok" if free_gb > 5 else "caution"
    remedy = "" if free_gb > 5 else "Free some: a large model takes tens of GB."
    detail = f"{free_gb:.0f} GB free at {existing}"
    return Diagnosis("disk", status, detail, remedy, {"free_gb": round(free_gb, 1)})


def diagnose_selftest(out: Path, gpus: Sequence[str], driver: str | None) -> Diagnosis:
    """Whether this machine was tested, and what it came to; results cite it."""
    seconds = format_duration(SelfTestPlan().seconds(len(gpus)))
    remedy = f"Run `energyscore selftest`: about {seconds}."
    try:
        found = load_selftest(out)
    except ResultError as error:
        return Diagnosis("self-test", "caution", error.message.rstrip("."), remedy)
    if found is None:
        return Diagnosis("self-test", "caution", f"none in {out}", remedy)
    age = format_duration(max(0.0, found.age().total_seconds()))
    facts = {"id": found.id, "created_at": found.created_at, "quick": found.quick}
    detail = f"{'a quick one, ' if found.quick else ''}made {age} ago"
    stale = found.why_not_of(environment.describe().cpu, gpus, driver)
    if stale:
        return Diagnosis("self-test", "caution", f"{detail}, but {stale}", remedy, facts)
    if found.invalidating:
        names = ", ".join(dict.fromkeys(check.name for check in found.invalidating))
        detail = f"{detail}: measurements would be invalid ({names})"
        return Diagnosis("self-test", "caution", detail, "Mend that, and repeat it.", facts)
    cautions = [check.name for check in found.checks if check.status == "caution"]
    if cautions:
        detail += f", with cautions: {', '.join(dict.fromkeys(cautions)).replace('_', ' ')}"
        return Diagnosis("self-test", "caution", detail, SEE_SELFTEST, facts)
    return Diagnosis("self-test", "ok", f"{detail}, no cautions", facts=facts)
