"""Whether the work can have been done: a model's place in memory, and the time of its passes.

All bounds are from below and generous, as what is true must never be refused. A pass through a
network takes time to start, and brings the weights that it uses from the GPU's memory; a token
takes two operations for each of those. How many weights work for a token is known of dense decoders
alone: of a mixture of experts, or where much is embeddings, it may be a small share.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from energyscore.results.parts import GpuPart, ModelPart
from energyscore.verify.examined import ExaminedResult, ExaminedRun, RecordedRun
from energyscore.verify.findings import NOT_APPLICABLE, Finds, Problem
from energyscore.verify.rules import Rules

LEAST_BATCH_S = 10e-6  # starting one program and waiting for its end takes longer on any device
LEAST_PASS_S = 50e-6  # a pass through a network starts many, one layer after the other
LEAST_GPU_PASS_S = 200e-6  # and on a GPU each is started by Python: two layers take 500 us
STEP_SHARE = 0.25  # of a step of decoding: a prefill does all of it, for at least one token
USUAL_STEP_SHARE = 0.6  # of nearly all prefills
UNDISTURBED = 0.1  # of the stretches of decoding: other work may have held up all the others
LONG_STEP_SHARE = 0.05  # the same where answers are long, and steps read more with each token
USUAL_LONG_STEP_SHARE = 0.2
FEW_TOKENS = 100
OVERCLOCKED = 1.2  # a GPU may be faster than its data sheet
CACHED_BYTES = 200e6  # smaller models may stay in a GPU's cache
DENSE_LEAST = 1e9  # parameters from which embeddings are the smaller part of a dense decoder
MIB = 2**20
NAMED_SLACK = 1.05
LEAST_BITS = 1
LEAST_PEAK = 0.9  # of the weights: tensors may share their memory
LEAST_STATED = 0.5  # of the least that weights take: some parts may be of a smaller type
_BITS = {"float64": 64, "float32": 32, "float16": 16, "bfloat16": 16}
_NAMED_GB = re.compile(r"(?<![0-9])([0-9]{1,4}) ?GB\b", re.IGNORECASE)


class Speed(NamedTuple):
    """The most that GPUs can do together, each second."""

    operations: float
    bytes_read: float


def parameters_of(model: ModelPart) -> int:
    """Its parameters; a function states none, and the least is asked of it."""
    return model.parameters or 1


def weights_bytes(model: ModelPart) -> float:
    """What the weights take at least: quantized ones of unknown bits one bit each."""
    bits = _BITS.get(model.dtype or "", LEAST_BITS)
    if model.quantization is not None:
        bits = model.quantization_bits or LEAST_BITS
    return parameters_of(model) * bits / 8


def room_bytes(gpus: Iterable[GpuPart], rules: Rules) -> float:
    """The memory of GPUs: what they state, but no more than the names of the GPUs allow."""
    return sum(
        MIB * min(gpu.memory_total_mb or most_mib, most_mib)
        for gpu in gpus
        for most_mib in [_most_mib(gpu, rules)]
    )


def speed_of(names: Iterable[str], rules: Rules, bits: float = 16) -> Speed:
    """The speed of GPUs by their names; of unknown ones that of the fastest there are."""
    found = [rules.gpu_of(name) for name in names]
    # Fewer bits are computed with faster, at most as 4 are, and 32 at most half as fast.
    faster = OVERCLOCKED * min(4.0, max(0.5, 16 / bits))
    operations = faster * sum(gpu.operations_per_s for gpu in found)
    return Speed(operations, OVERCLOCKED * sum(gpu.bytes_per_s for gpu in found))


def least_pass_s(size_bytes: float, active: float, speed: Speed) -> float:
    """Seconds that a pass takes at least, as it reads the weights that it uses."""
    return size_bytes * active / speed.bytes_read if size_bytes >= CACHED_BYTES else 0.0


def least_tokens_s(tokens: float, parameters: float, active: float, speed: Speed) -> float:
    """Seconds that computing tokens takes at least."""
    return 2 * tokens * parameters * active / speed.operations


def active_share(model: ModelPart, rules: Rules) -> float:
    """The share of its weights that a model uses at least for a token."""
    dense = model.architecture in rules.dense_decoders and parameters_of(model) >= DENSE_LEAST
    return rules.least_active_of_dense if dense else rules.least_active


def check_memory(it: ExaminedResult) -> Finds:
    """The weights have room in the memory of the device that did the work."""
    model, machine = it.result.model, it.result.environment
    size = weights_bytes(model)
    if it.result.protocol.device == "cpu":
        room_mib = machine.memory_total_mb
        if room_mib is not None and size > room_mib * MIB:
            yield Problem(_too_large(size, room_mib * MIB, "the machine's memory"), "warning")
        return
    if not machine.gpus or not it.result.valid:
        yield NOT_APPLICABLE
        return
    for gpu in machine.gpus:
        most_mib = _most_mib(gpu, it.rules)
        if (gpu.memory_total_mb or 0.0) > most_mib:
            yield f"{gpu.name[:60]} has not {gpu.memory_total_mb:,.0f} MiB of memory"
    room = room_bytes(machine.gpus, it.rules)
    if size > room:
        yield _too_large(size, room, "the memory of the metered GPUs")


def check_stated_memory(it: ExaminedResult) -> Finds:
    """The memory that a model is said to take holds its weights, and is on the GPUs it names."""
    memory, result = it.result.memory, it.result
    if memory is None:
        yield NOT_APPLICABLE
        return
    least = LEAST_STATED * weights_bytes(result.model)
    if memory.weights_bytes < least:
        yield Problem(
            f"weights of {memory.weights_bytes:,} bytes are too few for "
            f"{parameters_of(result.model):,} parameters of {result.model.dtype}",
            "warning",
        )
    if memory.peak_gpu_bytes is None:
        return
    if result.protocol.device != "cuda":
        yield "it has a peak of GPU memory, and worked on the processor"
    if memory.peak_gpu_bytes < LEAST_PEAK * memory.weights_bytes:
        yield Problem("the peak of GPU memory is less than the weights alone", "warning")


def check_time(place: ExaminedRun) -> Finds:
    """The tokens of a run take time on the GPUs that did the work."""
    run, result = place.run, place.it.result
    if result.protocol.device != "cuda" or not result.environment.gpus or not result.valid:
        yield NOT_APPLICABLE
        return
    speed, model = _speed(place.it), result.model
    parameters = parameters_of(model)
    done = {
        name: part.duration_s
        for name, part in run.phases.items()
        if name in ("prefill", "decode", "forward")
    }
    active = active_share(model, place.it.rules)
    read, written = run.input_tokens or 0, run.output_tokens or 0
    for names, tokens in (
        (("prefill", "forward"), read),
        (("prefill", "decode", "forward"), read + written),
    ):
        lasted = [done[name] for name in names if name in done]  # none: another phase has them
        lasted_s, least_s = sum(lasted), least_tokens_s(tokens, parameters, active, speed)
        if lasted and lasted_s < least_s:
            yield (
                f"{tokens:,} tokens through {parameters / 1e9:.3g} billion parameters take "
                f"{least_s:.3g} s on {result.hardware[:60]} at the very least, not {lasted_s:.3g} s"
            )
            return


def least_s(place: RecordedRun, phase: str) -> float:
    """Seconds that a phase of one batch takes at least."""
    it, forced = place.it, place.it.forced_tokens
    pass_s = LEAST_PASS_S
    if it.result.protocol.device == "cuda" and it.result.environment.gpus:
        active = active_share(it.result.model, it.rules)
        by_gpu_s = least_pass_s(weights_bytes(it.result.model), active, _speed(it))
        pass_s = max(LEAST_GPU_PASS_S, by_gpu_s)
    if phase == "decode":
        # The first token is of prefill; where none is forced, it may be the only one.
        return max(LEAST_BATCH_S, ((forced or 1) - 1) * pass_s)
    if phase == "prefill":
        return max(pass_s, _least_prefill_s(place, STEP_SHARE, LONG_STEP_SHARE))
    if phase == "call":
        steps = (it.result.workload.generation or {}).get("steps")
        return pass_s * steps if isinstance(steps, int) else pass_s
    return pass_s if phase == "forward" else 0.0


def least_prefills_s(place: RecordedRun) -> float:
    """Seconds that nearly all prefills of a run take at least."""
    return _least_prefill_s(place, USUAL_STEP_SHARE, USUAL_LONG_STEP_SHARE)


def usual_s(lengths_s: Sequence[float]) -> float:
    """The usual length of stretches: half of all time was spent in such or longer ones."""
    falling = sorted(lengths_s, reverse=True)
    half_s = sum(falling) / 2
    spent = zip(falling, accumulate(falling), strict=True)
    return next((one for one, spent_s in spent if spent_s >= half_s), 0.0)


def _least_prefill_s(place: RecordedRun, share: float, long_share: float) -> float:
    """By the run's own decoding: a step of it does less than a prefill, which makes a token too."""
    forced, decoded_s = place.it.forced_tokens, place.raw.phases.lengths_s.get("decode", [])
    if forced is not None and 1 < forced <= FEW_TOKENS:
        return share * _undisturbed_s(decoded_s) / (forced - 1)
    # So long is a step at least: every one made a token.
    return long_share * sum(decoded_s) / max(1, place.run.output_tokens or 0)


def _undisturbed_s(lengths_s: Sequence[float]) -> float:
    """The length of stretches that other work on the machine did not hold up."""
    rising = sorted(lengths_s)
    return rising[int(UNDISTURBED * len(rising))] if rising else 0.0


def _speed(it: ExaminedResult) -> Speed:
    model = it.result.model
    bits = 8 * weights_bytes(model) / parameters_of(model)
    return speed_of([gpu.name for gpu in it.result.environment.gpus], it.rules, bits)


def _most_mib(gpu: GpuPart, rules: Rules) -> float:
    named = _NAMED_GB.search(gpu.name)
    return int(named[1]) * 1024 * NAMED_SLACK if named else rules.most_gpu_memory_mib


def _too_large(size: float, room: float, where: str) -> str:
    return f"weights of {size / 1e9:,.1f} GB have no room in {where}, {room / 1e9:,.1f} GB"
