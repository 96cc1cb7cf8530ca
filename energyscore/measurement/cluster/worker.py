"""One attempt on a node: the same process as on one machine, in a folder of its own."""

import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from energyscore.base.errors import EnergyScoreError
from energyscore.base.units import JOULES_PER_WH
from energyscore.measurement.child import job_command
from energyscore.measurement.cluster.delivery import MOST_LOG_BYTES, Delivery
from energyscore.measurement.cluster.order import Order, unmeasured
from energyscore.measurement.cluster.scratch import scratch_folder
from energyscore.measurement.cluster.visible import visible_gpus
from energyscore.measurement.metering import list_gpus, read_gpu_counters
from energyscore.measurement.options import Job, RunOptions
from energyscore.measurement.suite.apart import Apart, measure_apart
from energyscore.results.store import KnownResults, result_folder

Command = Callable[[Job], Sequence[str]]


def attempt(
    order: Order,
    on_line: Callable[[str], None] = lambda text: None,
    journals: Mapping[str, bytes] | None = None,
    *,
    node: str | None = None,
    command: Command = job_command,
) -> Delivery:
    """Measure what an order asks for, on this machine, and give what came of it.

    `journals` of an earlier attempt are gone on from. Whatever goes wrong is in the delivery.
    """
    told = unmeasured(order, node or socket.gethostname(), "failed", "")
    lines: list[str] = []

    def keep(text: str) -> None:
        lines.append(text)
        on_line(text)

    try:
        with scratch_folder() as scratch:
            gpus = visible_gpus(os.environ.get("CUDA_VISIBLE_DEVICES"), list_gpus())
            told = told.model_copy(update={"gpus": list(gpus)})
            folder = result_folder(scratch, order.folder, order.task)
            sent = dict(journals or {})
            for name, data in sent.items():
                folder.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data)
            known = KnownResults(scratch, lambda error: keep(f"caution: {error}"))
            asked = command(_job_here(order, scratch, gpus))
            before = read_gpu_counters()
            apart = measure_apart(order.key, folder, known, asked, keep, timeout_s=order.timeout_s)
            gpu_wh = _wh_between(before, read_gpu_counters(), gpus)
            told = told.model_copy(update=_ending(apart) | {"gpu_wh": gpu_wh})
            return Delivery(told, *_files(apart), _log(lines), _journals(folder, sent))
    except (EnergyScoreError, OSError) as error:
        return Delivery(told.model_copy(update={"reason": str(error)}), log=_log(lines))


def _job_here(order: Order, out: Path, gpus: Sequence[str]) -> Job:
    """The job here, into that folder; of GPUs that were named it takes those that it was given."""
    if order.place.is_dir():
        os.chdir(order.place)
    options = order.job.options
    if options.gpu:
        options = RunOptions(gpu=list(gpus)).over(options)
    return order.job.model_copy(update={"out": out, "options": options})


def _ending(apart: Apart) -> dict[str, Any]:
    """What the end of its process says of an attempt."""
    told: dict[str, Any] = {"exit_code": apart.ended.exit_code, "seconds": apart.ended.seconds}
    if apart.interrupted:
        return told | {"status": "interrupted", "reason": apart.why_interrupted}
    if apart.written is None:
        return told | {"status": "failed", "reason": apart.ended.reason}
    result = apart.written[1]
    status = "done" if result.valid else "invalid"
    return told | {"status": status, "reason": "; ".join(result.invalid_reasons)}


def _files(apart: Apart) -> tuple[bytes | None, bytes | None]:
    """The result and its raw record."""
    if apart.written is None:
        return None, None
    path, result = apart.written
    raw = path.with_name(result.raw.file).read_bytes() if result.raw else None
    return path.read_bytes(), raw


def _journals(folder: Path, sent: Mapping[str, bytes]) -> dict[str, bytes]:
    """The runs of what is unfinished, where there are more than were sent."""
    found = {path.name: path.read_bytes() for path in folder.glob(".*.journal")}
    return {name: data for name, data in found.items() if sent.get(name) != data}


def _log(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()[-MOST_LOG_BYTES:]


def _wh_between(
    before: Mapping[str, int], after: Mapping[str, int], gpus: Sequence[str]
) -> float | None:
    """What GPUs took by their counters (mJ); None where one of them has none, or it was reset."""
    if not gpus or any(uuid not in before or uuid not in after for uuid in gpus):
        return None
    taken = [after[uuid] - before[uuid] for uuid in gpus]
    return None if min(taken) < 0 else sum(taken) / 1000 / JOULES_PER_WH
