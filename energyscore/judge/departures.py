"""In what a result departs from the protocol and the hardware of a reference. Pure."""

from collections.abc import Collection

from energyscore.protocol.official_method import METHODS, method_for, method_of
from energyscore.protocol.scales import Scale
from energyscore.results.conformance import Departure, is_gpu
from energyscore.results.consistency import is_bundled_task
from energyscore.results.result import Result


def departures_from(result: Result, reference: Scale) -> tuple[Departure, ...]:
    """The points in which a result departs from the protocol and hardware of a reference."""
    points = [
        Departure(check.name, check.actual, check.required)
        for check in result.conformance
        if not check.ok and check.name not in _told_otherwise(result)
    ]
    if not is_bundled_task(result.task.digest) or result.task.id != result.task.scale_task:
        # By a definition of somebody's own the points above may say anything, and a copy of a
        # published task under another name is another task.
        points.append(Departure("definition", "a task of one's own", "the one that was published"))
    names = [gpu.name for gpu in result.environment.gpus]
    if not names or not all(is_gpu(name, reference.gpu) for name in names):
        points.insert(0, Departure("hardware", result.hardware, reference.gpu))
    own = method_of(result.workload.generation)
    theirs = method_for(reference.protocol, result.task.scale_task)
    if own is not None and own != theirs:
        points.append(Departure("decoding", METHODS[own].decoding, METHODS[theirs].decoding))
    size, mode = result.model.model_class, result.mode
    if point := without_band(reference, result.task.scale_task, size, mode):
        points.append(point)
    return tuple(points)


def _told_otherwise(result: Result) -> Collection[str]:
    """Points that say nothing of whether a result may be rated against a reference.

    Its hardware has to be the reference's. What a screen does not do, its interval holds.
    """
    return {"hardware", "protocol", "window", "repeats"} if result.screen else {"hardware"}


def without_band(
    scale: Scale, task: str, model_class: str | None, mode: str | None
) -> Departure | None:
    """The departure of what a scale has no band for; None where it has one."""
    if scale.band(task, model_class, mode) is not None:
        return None
    size = f" class {model_class}" if model_class else ""
    has_task = any(band.task == task for band in scale.bands)
    reasoning = f", reasoning {mode}" if mode and has_task else ""
    return Departure("task", f"{task}{size}{reasoning}", scale.name)
