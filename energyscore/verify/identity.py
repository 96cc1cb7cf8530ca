"""What was measured: the task, model and hardware of the rules, in recordings of its own."""

import re
from collections.abc import Iterator

from energyscore.verify.counters import first_lengths_us
from energyscore.verify.examined import ExaminedResult, ExaminedRun, Marks, RecordedRun
from energyscore.verify.findings import NOT_APPLICABLE, Derived, Finds, Problem
from energyscore.verify.raw_record import RawRun
from energyscore.verify.served import SERVE

_PLAIN = re.compile(r"[A-Za-z0-9.]")
_MOST = 80


def check_identity(it: ExaminedResult) -> Finds:
    """The manifest means this measurement."""
    yield Derived("the measurement in the manifest", it.listed.identity, it.result.identity)


def check_task(it: ExaminedResult) -> Finds:
    """Task, version, scale and size class are those of the rules."""
    result, task = it.result, it.task
    if task is None:
        yield Problem(
            f"{result.task.id} (version {result.task.version}) is not a task of the rules "
            f"{it.rules.rules_version}: its protocol cannot be checked",
            "warning",
        )
        return
    yield Derived("the task's version", result.task.version, task.version)
    yield Derived("the task's scale", result.task.scale_task, task.scale_task)
    parameters, size = result.model.parameters, None
    if parameters is not None:
        size = task.class_of(parameters, result.model.quantization_bits)
    elif result.load is None:  # of a server's model nothing is known
        yield "the size of its model is not known"
        return
    yield Derived("the size class", result.model.model_class, size)
    if result.workload.official:
        yield Derived("the official dataset", result.workload.dataset, task.dataset)
    known = {*task.phases, *([SERVE] if result.load else [])}
    unknown = set(result.runs[0].phases) - known
    if unknown:
        yield f"the task has no phase {', '.join(sorted(unknown))}"


def check_model(it: ExaminedResult) -> Finds:
    """The folder names model and task; a bundled model is one of the rules, of their size."""
    model = it.result.model
    wanted = f"{_plain(model.id)}-{_plain(it.result.task.id)}"
    if re.fullmatch(r"[0-9]{2,4}-" + re.escape(wanted), it.listed.folder) is None:
        yield f"the folder {it.listed.folder} does not name model and task (NN-{wanted})"
    if (model.source == "builtin") != model.id.startswith("builtin:"):
        yield f"the model {model.id[:80]!r} cannot come from {model.source!r}"
    elif model.source == "builtin":
        parameters = it.rules.builtin.get(model.id)
        yield Derived(f"{model.id[:80]}: parameters", model.parameters, parameters)
        yield Derived(f"{model.id[:80]}: weights", model.weights, "random")


def _plain(name: str) -> str:
    """A name as folders have it: all other characters as one hyphen."""
    spaced = "".join(c if _PLAIN.fullmatch(c) else " " for c in name)
    return "-".join(spaced.split()).strip("-.")[:_MOST] or "unnamed"


def check_hardware(it: ExaminedResult) -> Finds:
    """The metered GPUs are those of the environment, and the runs have their energies."""
    protocol, gpus = it.result.protocol, it.result.environment.gpus
    described = sorted(gpu.uuid for gpu in gpus)
    yield Derived("the list of GPUs in the environment", described, sorted(protocol.metered_gpus))
    if len(set(protocol.metered_gpus)) < len(protocol.metered_gpus):
        yield "a GPU is metered twice"
    if (protocol.gpus_chosen_by is None) != (not protocol.metered_gpus):
        yield "it is not recorded who chose the GPUs, or there are none"
    for place in ExaminedRun.each(it):
        found = sorted(domain for domain in place.run.energy_j if domain.startswith("gpu:"))
        yield Derived(f"{place.where}: the list of GPUs", found, sorted(it.gpu_domains))


def check_recordings(it: ExaminedResult) -> Finds:
    """No run was recorded in another measurement; the same one twice is another check's."""
    result = it.result
    of_what = (result.identity, result.model, result.task, result.workload, result.protocol.device)
    if it.raw is None:
        yield NOT_APPLICABLE
    for place in RecordedRun.each(it):
        for mark in _marks(place.raw):
            other, what = it.seen.setdefault(mark, (it.listed.folder, of_what))
            if what != of_what:
                yield f"{place.where} was recorded in {other}, of another measurement"
                break


def _marks(raw: RawRun) -> Iterator[Marks]:
    """What no two runs have alike: their first intervals, and where a GPU's counter stood."""
    if lengths_us := first_lengths_us(raw):
        yield lengths_us
    for domain, found in raw.domains.items():
        start_j, end_j = found.counter_j
        if found.method == "counter" and start_j and end_j:
            yield domain, start_j, end_j
