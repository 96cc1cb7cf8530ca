"""The result of a function or of a block of code: the same file as a model's, and no task's."""

import hashlib
import pickle
import sys
import uuid
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

from energyscore.api.gpus import MeteredGpus
from energyscore.base.stamps import digest_of, utc_stamp
from energyscore.base.text import one_line
from energyscore.base.version import __version__
from energyscore.measurement import environment
from energyscore.measurement.assemble import protocol_of
from energyscore.measurement.backend import Device
from energyscore.measurement.benchmark import Repeats
from energyscore.measurement.work import Plan
from energyscore.results.checks import find_invalid_reasons, find_run_cautions
from energyscore.results.parts import Caution, Check, Idle, ModelPart, Run, TaskPart, WorkloadPart
from energyscore.results.per_token import with_per_token
from energyscore.results.result import CUSTOM, Result
from energyscore.results.score import emissions_for, score_runs

SHORT_S = 1.0
VERSION = 1

NO_PROTOCOL = Check(
    name="work", required="a task", actual="a function or a block of code", ok=False
)


def result_of(
    name: str,
    plan: Plan,
    gpus: MeteredGpus,
    measured: Repeats,
    *,
    fingerprint: str,
    cautions: Iterable[Caution],
) -> Result:
    """Put the result together; `fingerprint` is that of the queries."""
    runs, metering = measured.runs, gpus.metering
    idle = Idle(seconds=plan.idle_s, without_model_w={}, with_model_w=dict(measured.idle_w))
    device: Device = "cuda" if metering.uuids or metering.occupied else "cpu"
    protocol = protocol_of(plan, metering, measured.warmup, device)
    machine = environment.describe(metering.gpu_parts(), metering.driver, metering.cuda)
    score = score_runs(runs, metering.uuids, idle, [gpu.name for gpu in machine.gpus])
    if gpus.no_gpu:
        score = score.model_copy(update={"reason": gpus.no_gpu, "net_reason": gpus.no_gpu})
    reasons = find_invalid_reasons(runs, protocol)
    work = WorkloadPart(
        dataset=f"queries of {one_line(name)}",
        revision=None,
        official=False,
        fingerprint=fingerprint,
        queries=len(plan.workload.queries),
        batch_size=plan.batch_size,
        seed=plan.seed,
        input_tokens=0,
        output_tokens=0,
        generation=None,
    )
    settings = [plan.quick, plan.min_window_s, plan.batch_size, metering.shared]
    told_by = {
        "custom": [name, fingerprint, settings, metering.uuids, [m.name for m in metering.meters]],
        "machine": machine.model_dump(mode="json"),
        "version": __version__,
    }
    result = Result(
        created_at=utc_stamp(),
        identity=digest_of(told_by),
        task=TaskPart(
            id=CUSTOM, version=VERSION, digest=digest_of([CUSTOM, VERSION]), scale_task=CUSTOM
        ),
        model=_function(name),
        workload=work,
        protocol=protocol,
        environment=machine,
        runs=runs,
        idle=idle,
        score=score,
        emissions=emissions_for(None),
        conformance=[NO_PROTOCOL],
        official=False,
        cautions=[
            *find_run_cautions(runs, protocol),
            *metering.cautions(),
            *metering.idle_cautions(plan.idle_s, measured.idle_w),
            *_too_short(runs),
            *cautions,
        ],
        valid=not reasons,
        invalid_reasons=reasons,
    )
    return with_per_token(result)


def _function(name: str) -> ModelPart:
    return ModelPart(
        id=one_line(name) or "function",
        source="function",
        revision=None,
        architecture="function",
        parameters=None,
        dtype="not known",
        quantization=None,
        quantization_bits=None,
        weights=None,
        model_class=None,
    )


def fingerprint_of(queries: Sequence[Any]) -> str:
    """SHA-256 of queries by their values; one of its own where they cannot be told by them.

    Results of queries that cannot be told are comparable to nothing: no gate decides on them.
    """
    try:
        return digest_of([_digest(query) for query in queries])
    except Exception:  # noqa: BLE001 - writing a query runs code of its own, which may raise anything
        return f"not known: {uuid.uuid4().hex}"


def _digest(query: Any) -> str:
    try:
        return digest_of(query, _told)
    except TypeError:  # a mapping by other keys than texts
        return hashlib.sha256(pickle.dumps(query, 4)).hexdigest()


def _told(thing: Any) -> Any:
    """What stands for a thing that JSON does not have."""
    name = f"{type(thing).__module__}.{type(thing).__qualname__}"
    torch: Any = sys.modules.get("torch")
    if isinstance(thing, bytes | bytearray):
        return [name, hashlib.sha256(thing).hexdigest()]
    if isinstance(thing, PurePath):
        return [name, str(thing)]
    if isinstance(thing, set | frozenset):
        return [name, sorted(digest_of(one, _told) for one in thing)]
    if torch is not None and name == "torch.Tensor":
        flat = thing.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        content = hashlib.sha256(flat.numpy().tobytes()).hexdigest()
        return [name, str(thing.dtype), list(thing.shape), content]
    return [name, hashlib.sha256(pickle.dumps(thing, 4)).hexdigest()]


def going_on(name: str, left: Iterable[str]) -> list[Caution]:
    """What goes on when a call has returned is metered in part, or with the next one."""
    return [
        Caution(
            code="work_goes_on",
            message=f"{name} started {what} and did not wait for the end: metered in part only",
        )
        for what in left
        if what
    ]


def _too_short(runs: Sequence[Run]) -> list[Caution]:
    """Meters take milliseconds to start and to stop, which count where little else does."""
    shortest_s = min(run.duration_s for run in runs)
    if shortest_s >= SHORT_S:
        return []
    message = f"a run lasted {shortest_s:.3g} s, of which metering itself may be a large part"
    return [Caution(code="short_run", message=message)]
