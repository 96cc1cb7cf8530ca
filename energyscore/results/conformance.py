"""The points of the official protocol: which of them a result holds, and where it departs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from energyscore.base.units import counted, format_number
from energyscore.protocol.official_method import method_for, method_of
from energyscore.protocol.task import Generation, TaskSpec
from energyscore.results.checks import why_output_length
from energyscore.results.parts import Check, InputsCut, ProtocolPart, Run, WorkloadPart
from energyscore.results.result import Result
from energyscore.results.screen_part import ScreenPart

OFFICIAL_GPU = "H100 80GB"
MIN_WINDOW_S = 60.0
MOST_LOST = 0.5
"""A model that reads less than half of the workload does another one. Models of 512 tokens read
over half of every official dataset."""

Made: TypeAlias = int | float | str
"""What a setting of generation is."""

_DRAWN = ("temperature", "top_p", "top_k")


@dataclass(frozen=True)
class Departure:
    """A point in which a result departs from a protocol."""

    name: str
    actual: str
    required: str

    def __str__(self) -> str:
        """The point for people."""
        how = "is not in" if self.name == "task" else "instead of"
        return f"{self.name}: {self.actual} {how} {self.required}"


@dataclass(frozen=True)
class Intent:
    """A measurement before it is made, as far as the loaded model does not decide of it.

    Attributes:
        gpus: names of the GPUs that will be metered; none where the model works elsewhere.
        dtype: None where the model itself decides.
        quantization: that is to be made while the model is loaded.
        generation: as results have it; None where the task leaves no choice.
    """

    gpus: Sequence[str]
    cpu: str | None
    device: str
    gpus_chosen_by: str | None
    dataset: str
    official_dataset: bool
    queries: int
    batch_size: int
    repeats: int
    dtype: str | None
    weights: str
    quick: bool
    quantization: str | None = None
    compiled: bool = False
    generation: dict[str, Made] | None = None


_Point: TypeAlias = tuple[str, str, str, bool]
"""Name, required, actual, and whether it holds."""


def with_conformance(task: TaskSpec, result: Result) -> Result:
    """A result with each point of the official protocol: one that holds them all is official."""
    checks = check_conformance(task, result)
    official = all(check.ok for check in checks)
    return result.model_copy(update={"conformance": checks, "official": official})


def check_conformance(task: TaskSpec, result: Result) -> list[Check]:
    """Each point of the official protocol, whatever a result itself says of them."""
    return [Check(name=n, required=r, actual=a, ok=ok) for n, r, a, ok in _points(task, result)]


def points_held(task: TaskSpec, result: Result) -> dict[str, bool]:
    """The same by name: whether each point holds."""
    return {name: ok for name, _, _, ok in _points(task, result)}


def _points(task: TaskSpec, result: Result) -> Iterator[_Point]:
    yield from _hardware(task, result)
    yield from _work(task, result)
    yield from _measuring(result.protocol, result.runs)
    yield from _coverage(result.screen)
    if result.load is not None:
        asked = f"a server, {result.load.words}"
        yield "load", "none, batch after batch", asked, False
    yield from _generation(task, result.workload, result.runs)


def departures_ahead(task: TaskSpec, intent: Intent) -> list[Departure]:
    """The points of the official protocol that a measurement will miss, before it is made."""
    points = [
        _gpus_point(intent.gpus, intent.cpu),
        _device_point(intent.device, intent.gpus_chosen_by),
        _dataset_point(task, intent.dataset, official=intent.official_dataset),
        _number_point("queries", task.queries, intent.queries),
        _number_point("batch size", task.batch_size, intent.batch_size),
        _repeats_point(task, intent.repeats),
        *([_precision_point(task, intent.dtype, None)] if intent.dtype else []),
        *_added(intent.quantization, None, compiled=intent.compiled),
        _weights_point(intent.weights),
        _warmup_point("quick" if intent.quick else "until steady", quick=intent.quick),
    ]
    if task.generation is not None and (asked := intent.generation) is not None:
        wanted = _wanted(task, task.generation, asked)
        most = wanted.get("max_new_tokens")
        points.append(
            (
                "generation",
                f"{_at_most(most)}{_decoding(wanted)}",
                f"{_at_most(asked.get('max_new_tokens'))}{_decoding(asked)}",
                asked == wanted,
            )
        )
    return [Departure(name, actual, required) for name, required, actual, ok in points if not ok]


def _gpus_point(gpus: Sequence[str], cpu: str | None) -> _Point:
    official = bool(gpus) and all(is_gpu(name, OFFICIAL_GPU) for name in gpus)
    return "hardware", OFFICIAL_GPU, ", ".join(gpus) or cpu or "no GPU", official


def _device_point(device: str, chosen_by: str | None) -> _Point:
    on_gpu = device == "cuda" and chosen_by == "model"
    return "device", "model on the metered GPUs", device, on_gpu


def _dataset_point(task: TaskSpec, dataset: str, *, official: bool) -> _Point:
    return "dataset", task.dataset.id, dataset, official


def _number_point(name: str, required: int, actual: int) -> _Point:
    return name, str(required), str(actual), actual == required


def _repeats_point(task: TaskSpec, repeats: int) -> _Point:
    return "repeats", f"{task.repeats} or more", str(repeats), repeats >= task.repeats


def _precision_point(task: TaskSpec, dtype: str, quantization: str | None) -> _Point:
    precise = quantization is not None or dtype in task.precision
    return "precision", " or ".join(task.precision), quantization or dtype, precise


def _added(quantization: str | None, attention: str | None, *, compiled: bool) -> Iterator[_Point]:
    """Models run as they are; each way to run one otherwise is a point where it was taken."""
    if quantization:
        yield "quantization", "the model's own", f"{quantization} on loading", False
    if attention:
        yield "attention", "the model's own", attention, False
    if compiled:
        yield "compile", "not compiled", "compiled", False


def _weights_point(weights: str | None) -> _Point:
    return "weights", "pretrained", weights or "not known", weights == "pretrained"


def _warmup_point(actual: str, *, quick: bool) -> _Point:
    return "warm-up", "until steady, or two minutes", actual, not quick


def _hardware(task: TaskSpec, result: Result) -> Iterator[_Point]:
    protocol, environment, runs = result.protocol, result.environment, result.runs
    gpus = [gpu.name for gpu in environment.gpus] if protocol.metered_gpus else []
    yield _gpus_point(gpus, environment.cpu)
    yield _device_point(protocol.device, protocol.gpus_chosen_by)
    most = max_gpus_of(task, result.model.model_class)
    allowed = ("1" if most == 1 else f"1 to {most}") if most else "1 or more"
    yield "gpus", allowed, str(len(gpus)), bool(gpus) and (most is None or len(gpus) <= most)
    shared = sum(any(one.code == "contention" for one in run.notices) for run in runs)
    seen = f"others in {shared} of {counted(len(runs), 'run')}" if shared else "none was seen"
    yield "exclusive use", "no other process on the GPUs", seen, not shared


def _work(task: TaskSpec, result: Result) -> Iterator[_Point]:
    workload, model, runs = result.workload, result.model, result.runs
    dataset = f"{workload.dataset} {(workload.revision or '')[:12]}".strip()
    yield _dataset_point(task, dataset, official=workload.official)
    yield _number_point("queries", task.queries, workload.queries)
    yield from _inputs(workload.inputs_cut)
    yield _number_point("batch size", task.batch_size, workload.batch_size)
    yield _repeats_point(task, len(runs))
    own = None if model.quantized_on_load else model.quantization
    yield _precision_point(task, model.precision, own)
    attention = None if model.has_own_attention else model.attention
    yield from _added(model.quantized_on_load, attention, compiled=bool(model.compiled))
    yield _weights_point(model.weights)


def _inputs(cut: InputsCut | None) -> Iterator[_Point]:
    """Queries are cut where the model ends, and not before; older results do not say it."""
    if cut is None or cut.lost is None:
        return
    held = cut.lost <= MOST_LOST * (cut.total or 0.0)  # of an unknown whole nothing is known
    whole = not cut.lost or cut.official_limit is None or cut.limit >= cut.official_limit
    required = f"at most {MOST_LOST:.0%} cut off"
    if cut.official_limit is not None:
        required += f", none of the first {cut.official_limit:.10g} {cut.unit} of a query"
    share = "an unknown share" if cut.lost_share is None else f"{cut.lost_share:.1%}"
    actual = f"{share} cut off, at {cut.limit:.10g} {cut.unit}" if cut.lost else "none cut off"
    yield "inputs", required, actual, whole and held


def _measuring(protocol: ProtocolPart, runs: Sequence[Run]) -> Iterator[_Point]:
    shortest_s = min(run.duration_s for run in runs)
    long_enough = shortest_s >= MIN_WINDOW_S
    shown = f"{shortest_s:.1f} s" if shortest_s >= 1 else f"{format_number(shortest_s * 1000)} ms"
    yield "window", f"{MIN_WINDOW_S:.0f} s a run", shown, long_enough
    yield _warmup_point(_warmup(protocol), quick=protocol.quick)
    domains = protocol.gpu_domains
    methods = {run.methods.get(domain) for run in runs for domain in domains}
    said = sorted(method or "not measured" for method in methods)
    metered = " and ".join(said) or "no GPU was metered"
    yield "GPU energy", "counter", metered, methods == {"counter"}


def _coverage(screen: ScreenPart | None) -> Iterator[_Point]:
    """Every run does all queries; that is a point where one did not."""
    if screen is not None:
        shown = f"{screen.share:.2%} of the work, the rest predicted"
        yield "protocol", "all queries in each run", f"screen: {shown}", False


def _generation(task: TaskSpec, workload: WorkloadPart, runs: Sequence[Run]) -> Iterator[_Point]:
    generation = workload.generation or {}
    # Of a task that some models do in one forward pass, only the others generate.
    in_one_pass = "forward" in task.phases and workload.generation is None
    if task.generation is not None and not in_one_pass:
        wanted = _wanted(task, task.generation, generation)
        same = generation == wanted and not why_output_length(runs, workload)
        written = [run.output_tokens for run in runs if run.output_tokens is not None]
        actual = "not known"
        if len(written) == len(runs):
            made = sum(written) / sum(run.queries_done for run in runs)
            actual = f"{made:.1f} tokens on average"
        if generation.get("max_new_tokens") != wanted["max_new_tokens"]:
            actual = f"{_at_most(generation.get('max_new_tokens'))}, {actual}"
        how = _decoding(wanted) or ", greedy"
        lengths = f"{wanted['min_new_tokens']} to {wanted['max_new_tokens']} tokens{how}"
        yield "generation", lengths, actual, same
    if task.diffusion is not None:
        steps = task.diffusion.model_dump()
        yield "generation", _steps(steps), _steps(generation), generation == steps


def _wanted(task: TaskSpec, generation: Generation, made: Mapping[str, Made]) -> dict[str, Made]:
    """How the official method by which text was made has it made.

    Models are compared in each of their modes, and drawn by any seed: none is more official than
    another. Of a method that changed nothing at a task nothing is taken.
    """
    method = method_for(method_of(made) or "v1", task.scale_task)
    own = {name: one for name, one in made.items() if name in ("reasoning", "seed")}
    return generation.by(method).recorded() | own


def _decoding(generation: Mapping[str, Made]) -> str:
    """How tokens are drawn, behind their number; empty where they are not."""
    drawn = [f"{name} {generation[name]}" for name in _DRAWN if name in generation]
    return f", sampled at {', '.join(drawn)}" if drawn else ""


def _at_most(tokens: Made | None) -> str:
    return "no limit" if tokens is None else f"at most {tokens} tokens"


def max_gpus_of(task: TaskSpec, model_class: str | None) -> int | None:
    """How many GPUs a model of that class may use: one where the task has no classes."""
    size = next((c for c in task.classes if c.name == model_class), None)
    return size.max_gpus if size else 1


def _warmup(protocol: ProtocolPart) -> str:
    if protocol.quick:
        return "quick"
    if protocol.warmup_steady is None:
        return "full, before an interruption"
    steady = "until steady" if protocol.warmup_steady else "not steady"
    return f"{steady} ({protocol.warmup_s:.0f} s)"


def _steps(diffusion: Mapping[str, Made]) -> str:
    steps, images = (diffusion.get(name, "unknown") for name in ("steps", "images"))
    return f"{steps} steps, {images} a query"


def is_gpu(name: str, wanted: str) -> bool:
    """Whether a driver's name of a GPU holds every word of the one that is wanted."""
    return set(wanted.lower().split()) <= set(name.lower().split())
