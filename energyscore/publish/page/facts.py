"""Lists of facts about a result: its model, work, protocol and machine. Pure."""

from dataclasses import dataclass

from energyscore.base.units import format_duration, format_number
from energyscore.publish.page.words import NOT_KNOWN, format_count, known
from energyscore.results.result import EnvironmentPart, GpuPart, ModelPart, Result


@dataclass(frozen=True)
class Fact:
    """A name and what there is to say."""

    name: str
    value: str


def model_facts(model: ModelPart) -> tuple[Fact, ...]:
    """Which model, as it was loaded."""
    bits = "" if model.quantization_bits is None else f", {model.quantization_bits} bits"
    return (
        Fact("Source", model.source),
        Fact("Revision", known(model.revision, "none")),
        Fact("Architecture", model.architecture),
        Fact("Parameters", f"{format_count(model.parameters)} ({known(model.parameters)})"),
        Fact("Precision", model.dtype),
        Fact("Quantization", known(model.quantization, "none") + bits),
        Fact("Weights", model.weights),
        Fact("Size class", known(model.model_class, "the task has none")),
    )


def workload_facts(result: Result) -> tuple[Fact, ...]:
    """Which work."""
    work, task = result.workload, result.task
    making = ", ".join(f"{name} {value}" for name, value in (work.generation or {}).items())
    return (
        Fact("Task", f"{task.id}, version {task.version}"),
        Fact("Task definition", task.digest),
        Fact("Dataset", work.dataset + (" (official)" if work.official else "")),
        Fact("Dataset revision", known(work.revision, "none: local data")),
        Fact("Fingerprint of the queries", work.fingerprint),
        Fact("Queries of a pass", known(work.queries)),
        Fact("Batch size", known(work.batch_size)),
        Fact("Seed of their order", known(work.seed)),
        Fact("Input tokens of a pass", known(work.input_tokens or None, "none")),
        Fact("Output tokens of a pass", known(work.output_tokens or None, "none")),
        Fact("Generation", making or "none"),
    )


def protocol_facts(result: Result) -> tuple[Fact, ...]:
    """How it was measured."""
    protocol, idle = result.protocol, result.idle
    target = protocol.target_half_width
    steady = {True: "steady", False: "not steady", None: "pace not checked"}[protocol.warmup_steady]
    facts = [
        Fact("Device", protocol.device),
        Fact("Quick look", known(protocol.quick)),
        Fact("Runs planned", f"{protocol.repeats}" + (" at most" if target else "")),
        Fact("Shortest window", f"{format_number(protocol.min_window_s)} s"),
        Fact(
            "Warm-up",
            f"{format_duration(protocol.warmup_s)}, {known(protocol.warmup_queries)} queries, "
            f"{steady}",
        ),
        Fact("Metered GPUs", ", ".join(protocol.metered_gpus) or "none"),
        Fact("GPUs that the model occupies", ", ".join(protocol.occupied_gpus) or "none"),
        Fact("GPUs chosen by", known(protocol.gpus_chosen_by, "no GPU")),
        Fact("Other processes on the GPU", "allowed" if protocol.shared else "not allowed"),
    ]
    if target:
        facts.insert(3, Fact("Until the half-width is", f"{format_number(target * 100)} %"))
    for name, powers in (("without", idle.without_model_w), ("with", idle.with_model_w)):
        metered = ", ".join(f"{domain} {format_number(w)} W" for domain, w in powers.items())
        facts.append(Fact(f"Idle {name} the model", metered or "not metered"))
    return tuple(facts)


def environment_facts(machine: EnvironmentPart) -> tuple[Fact, ...]:
    """The machine and its software, without its GPUs and packages."""
    cores = "" if machine.cpu_count is None else f", {machine.cpu_count} logical processors"
    return (
        Fact("Operating system", machine.os),
        Fact("Processor", known(machine.cpu) + cores),
        Fact("Memory", _megabytes(machine.memory_total_mb)),
        Fact("GPU driver", known(machine.driver, "none")),
        Fact("CUDA", known(machine.cuda, "none")),
        Fact("Python", machine.python),
        Fact("energyscore", machine.energyscore),
        Fact("Self-test", known(machine.selftest, "none of this machine")),
    )


def gpu_facts(gpu: GpuPart) -> tuple[Fact, ...]:
    """One GPU, as its driver describes it."""
    limit = gpu.power_limit_w
    return (
        Fact("UUID", gpu.uuid),
        Fact("Memory", _megabytes(gpu.memory_total_mb)),
        Fact("Power limit", NOT_KNOWN if limit is None else f"{format_number(limit)} W"),
        Fact("Compute capability", known(gpu.compute_capability)),
        Fact("PCI address", known(gpu.pci_bus_id)),
        Fact("MIG", known(gpu.mig)),
        Fact("ECC", known(gpu.ecc)),
        Fact("Persistence mode", known(gpu.persistence)),
    )


def _megabytes(memory_mb: float | None) -> str:
    if memory_mb is None:
        return NOT_KNOWN
    return f"{format_number(memory_mb / 1000)} GB" if memory_mb >= 1000 else f"{memory_mb:g} MB"
