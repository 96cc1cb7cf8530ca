"""Whether an energy can be: what reading a model's weights costs is a floor under any decoding."""

from collections.abc import Sequence

from energyscore.protocol.model import ModelFacts
from energyscore.results.parts import ProtocolPart, Run

CLOCKS_APART = 0.05
"""SM clocks further apart than this share are unlike: the same work takes another energy."""

LEAST_J_PER_BYTE = 30e-12
"""Joules to bring one byte from a GPU's memory: HBM2e itself takes some 3.9 pJ a bit (31 pJ a
byte). Whole GPUs take several times that (210 pJ a byte was measured on an H100, 146 on an
H200), so what falls below this floor is far below anything real."""

LEAST_WEIGHTS_BYTES = 200e6
"""Smaller models may stay in a GPU's cache, and need not be read from its memory."""

_BITS = {"float64": 64, "float32": 32, "float16": 16, "bfloat16": 16}


def why_implausibly_low(
    runs: Sequence[Run], protocol: ProtocolPart, facts: ModelFacts, batch_size: int
) -> str:
    """The run on GPUs that is furthest below what reading the weights for each step takes.

    Each step makes at most one token for each query of a batch, and reads every active weight.
    The floor says nothing of mixtures of experts, whose active weights are not known, nor of
    models that fit into a cache. It leaves a factor of five or so for what is not read in
    every step (an embedding of which one row is used, an encoder). Empty where no run is below.
    """
    size = weights_bytes(facts)
    if protocol.device != "cuda" or size is None or size < LEAST_WEIGHTS_BYTES:
        return ""
    least_share, why = 1.0, ""
    for run in runs:
        energy_j = run.total_j(protocol.gpu_domains)
        steps = (run.output_tokens or 0) / batch_size
        floor_j = steps * size * LEAST_J_PER_BYTE
        if energy_j and energy_j < floor_j * least_share:
            least_share = energy_j / floor_j
            why = (
                f"{energy_j:.1f} J in run {run.index + 1} cannot be: reading {size / 1e9:.1f} GB "
                f"of weights {steps:.0f} times takes {floor_j:.1f} J at the very least"
            )
    return why


def weights_bytes(facts: ModelFacts) -> float | None:
    """Bytes of the weights that every token needs, None where that is not known."""
    if facts.experts is not None:
        return None
    quantized = facts.quantization is not None
    bits = facts.quantization_bits if quantized else _BITS.get(facts.dtype or "")
    return None if bits is None or facts.parameters is None else facts.parameters * bits / 8
