"""What this machine can measure, and what to do where it cannot: the facts behind `doctor`."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from energyscore.base.errors import EnergyScoreError, MeterError, ResultError
from energyscore.base.units import format_duration
from energyscore.measurement import environment
from energyscore.measurement.imports import uncollected
from energyscore.measurement.selftest.file import load_selftest
from energyscore.protocol import hub

Status = Literal["ok", "missing", "caution"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what it is.
        status: `ok`, `missing` (something cannot be measured without it), or `caution`.
        detail: what was found, for people.
        remedy: how to mend it; empty when there is nothing to mend.
        facts: the same for programs.
    """

    name: str
    status: Status
    detail: str
    remedy: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def examine(out: Path) -> Iterator[Finding]:
    """Look at everything that takes part in a measurement, one finding at a time."""
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
    yield selftest_finding(out, nvml.get("uuids", ()), nvml.get("driver"))


def _python() -> Finding:
    machine = environment.describe()
    memory = (
        "" if machine.memory_total_mb is None else f", {machine.memory_total_mb / 1024:.1f} GiB"
    )
    detail = f"Python {machine.python}, {machine.os}, {machine.cpu} x {machine.cpu_count}{memory}"
    return Finding("machine", "ok", detail, facts=machine.model_dump(mode="json"))


def _torch() -> Finding:
    try:
        with uncollected():
            import torch
    except (ImportError, OSError) as error:
        return Finding("torch", "missing", f"cannot be imported: {error}", "pip install torch")
    version = str(torch.__version__)
    facts: dict[str, Any] = {"version": version, "cuda": torch.version.cuda}
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        detail = f"{version} sees {len(names)} GPU(s): {', '.join(names)}"
        return Finding("torch", "ok", detail, facts=facts | {"gpus": names})
    why = "is built without CUDA" if torch.version.cuda is None else "sees no GPU"
    detail = f"{version} {why}: models work on the processor"
    return Finding("torch", "caution", detail, facts=facts | {"gpus": []})


def _gpus() -> Iterator[Finding]:
    from energyscore.measurement.meters import nvml, nvml_device

    try:
        session = nvml_device.NvmlSession()
    except MeterError as error:
        yield Finding("NVML", "missing", error.message, error.remedy)
        return
    try:
        uuids = session.uuids()
        detail = f"driver {session.driver_version()}, CUDA up to {session.cuda_version()}"
        seen = {"uuids": uuids, "driver": session.driver_version()}
        yield Finding("NVML", "ok", f"{detail}, {len(uuids)} GPU(s)", facts=seen)
        for index, why in session.unreadable().items():
            detail = f"NVML cannot read it: {why}"
            yield Finding(f"GPU {index}", "missing", detail, nvml_device.GPU_REMEDY)
        for uuid in uuids:
            handle = session.handle(uuid)
            yield _gpu(
                session.facts(uuid),
                nvml.probe_update_period(handle),
                nvml_device.counter_error(handle),
                nvml_device.read_instant_power_w(handle),
                nvml_device.count_processes(handle),
            )
    except MeterError as error:
        yield Finding("GPUs", "missing", error.message, error.remedy)
    finally:
        session.close()


def _gpu(
    facts: Any,
    period: Any,
    counter_error: str,
    power_w: float | None,
    processes: int | None,
) -> Finding:
    period_ms = None if period is None else period.median_ms
    parts = [f"{facts.name}, {facts.uuid}"]
    problems = []
    if counter_error:
        problems.append(f"no energy counter ({counter_error})")
    elif period_ms is None:
        problems.append("the energy counter stands still")
    else:
        parts.append(f"energy counter updates every {period_ms:.0f} ms")
    if power_w is None:
        problems.append("no instantaneous power")
    else:
        parts.append(f"{power_w:.0f} W now")
    if facts.power_limit_w is not None:
        parts.append(f"limit {facts.power_limit_w:.0f} W")
    if facts.mig or facts.vgpu:
        problems.append("MIG or vGPU: its energy cannot be rated")
    if processes:
        problems.append(
            f"{processes} process(es) compute on it now: a measurement would be invalid"
        )
    else:
        parts.append("no other processes")
    return Finding(
        f"GPU {facts.index}",
        "caution" if problems else "ok",
        ", ".join(parts + problems),
        facts=asdict(facts)
        | {
            "counter_error": counter_error or None,
            "update_period_ms": period_ms,
            "power_w": power_w,
            "processes": processes,
        },
    )


def _nvidia_smi() -> Finding:
    path = shutil.which("nvidia-smi")
    if path is None:
        detail = "not found: CodeCarbon cannot see GPUs (NVML itself does not need it)"
        return Finding("nvidia-smi", "caution", detail)
    try:
        done = subprocess.run([path, "-L"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("nvidia-smi", "caution", f"does not answer: {error}")
    if done.returncode != 0:
        return Finding("nvidia-smi", "caution", f"fails with status {done.returncode}")
    return Finding("nvidia-smi", "ok", "answers")


def _rapl() -> Finding:
    from energyscore.measurement.meters import rapl

    try:
        zones = rapl.find_zones()
    except MeterError as error:
        detail = f"{error.message.rstrip('.')}: processor energy will be an estimate"
        return Finding("RAPL", "caution", detail, error.remedy)
    names = sorted(f"{zone.domain} ({zone.file.parent.name})" for zone in zones)
    return Finding("RAPL", "ok", ", ".join(names))


def _codecarbon() -> Finding:
    from energyscore.measurement.meters.codecarbon import CodeCarbonMeter

    meter = CodeCarbonMeter()
    try:
        meter.open()
    except EnergyScoreError as error:
        return Finding("CodeCarbon", "caution", error.message, error.remedy)
    meter.close()
    version = environment.installed_packages().get("codecarbon")
    return Finding("CodeCarbon", "ok", f"{version} answers")


def _hub() -> Finding:
    if hub.offline_by_choice():
        return Finding("hub", "caution", "HF_HUB_OFFLINE is set: only the local cache is used")
    if hub.is_reachable():
        return Finding("hub", "ok", f"{hub.endpoint()} can be reached")
    detail = (
        f"{hub.endpoint()} cannot be reached: bundled models and samples work, downloads do not"
    )
    return Finding("hub", "caution", detail)


def _disk(out: Path) -> Finding:
    existing = next(p for p in (out.absolute(), *out.absolute().parents) if p.exists())
    free_gb = shutil.disk_usage(existing).free / 1e9
    status: Status = "ok" if free_gb > 5 else "caution"
    remedy = "" if free_gb > 5 else "Free some: a large model takes tens of GB."
    detail = f"{free_gb:.0f} GB free at {existing}"
    return Finding("disk", status, detail, remedy, {"free_gb": round(free_gb, 1)})


def selftest_finding(out: Path, gpus: Sequence[str], driver: str | None) -> Finding:
    """Whether this machine was tested, and what it came to; results cite it."""
    remedy = "Run `energyscore selftest`: about two minutes."
    try:
        found = load_selftest(out)
    except ResultError as error:
        return Finding("self-test", "caution", error.message.rstrip("."), remedy)
    if found is None:
        return Finding("self-test", "caution", f"none in {out}", remedy)
    age = format_duration(max(0.0, found.age().total_seconds()))
    facts = {"id": found.id, "created_at": found.created_at, "quick": found.quick}
    detail = f"{'a quick one, ' if found.quick else ''}made {age} ago"
    stale = found.why_not_of(environment.describe().cpu, gpus, driver)
    if stale:
        return Finding("self-test", "caution", f"{detail}, but {stale}", remedy, facts)
    if found.invalidating:
        names = ", ".join(dict.fromkeys(check.name for check in found.invalidating))
        detail = f"{detail}: measurements would be invalid ({names})"
        return Finding("self-test", "caution", detail, "Mend that, and repeat it.", facts)
    cautions = [check.name for check in found.checks if check.status == "caution"]
    detail += f", cautions: {', '.join(cautions)}" if cautions else ", no cautions"
    return Finding("self-test", "ok", detail, facts=facts)
