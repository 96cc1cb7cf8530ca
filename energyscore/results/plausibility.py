"""Whether an energy can be: what reading a model's weights costs is a floor under any decoding."""

from collections.abc import Sequence

from energyscore.protocol.model import ModelFacts
from energyscore.results.parts import Caution, ProtocolPart, Run

CLOCKS_APART = 0.05
"""SM clocks further apart than this share are unlike: the same work takes another energy."""

LEAST_J_PER_BYTE = 30e-12
"""Joules to bring one byte from a GPU's memory: HBM2e itself takes some 3.9 pJ a bit (31 pJ a
byte). Whole GPUs take several times that (210 pJ a byte was measured on an H100, 146 on an
H200), so what falls below this floor is far below anything real."""

LEAST_WEIGHTS_BYTES = 200e6
"""Smaller models may stay in a GPU's cache, and need not be read from its memory."""

_BYTES = {"float64": 8.0, "float32": 4.0, "float16": 2.0, "bfloat16": 2.0}


def find_implausibly_low(
    runs: Sequence[Run], protocol: ProtocolPart, facts: ModelFacts, batch_size: int
) -> list[Caution]:
    """Runs on GPUs that took less energy than reading the weights for every decoding step.

    Each step makes at most one token for each query of a batch, and reads every active weight.
    The floor says nothing of mixtures of experts, whose active weights are not known, nor of
    models that fit into a cache. It leaves a factor of five or so for what is not read in
    every step (an embedding of which one row is used, an encoder).
    """
    size = weights_bytes(facts)
    if protocol.device != "cuda" or size is None or size < LEAST_WEIGHTS_BYTES:
        return []
    worst: tuple[float, str] | None = None
    for run in runs:
        found = [run.energy_j.get(f"gpu:{uuid}") for uuid in protocol.metered_gpus]
        energies = [energy_j for energy_j in found if energy_j is not None]
        if not energies or len(energies) < len(found):
            continue
        steps = run.output_tokens / batch_size
        floor_j, energy_j = steps * size * LEAST_J_PER_BYTE, sum(energies)
        if energy_j < floor_j and (worst is None or energy_j / floor_j < worst[0]):
            message = (
                f"{energy_j:.1f} J in run {run.index + 1} cannot be: reading {size / 1e9:.1f} GB "
                f"of weights {steps:.0f} times takes {floor_j:.1f} J at the very least"
            )
            worst = (energy_j / floor_j, message)
    return [Caution(code="implausibly_low", message=worst[1])] if worst else []


def weights_bytes(facts: ModelFacts) -> float | None:
    """Bytes of the weights that every token needs, None where that is not known."""
    if facts.experts is not None:
        return None
    if facts.quantization is not None:
        bits = facts.quantization_bits
        return None if bits is None else facts.parameters * bits / 8
    size = _BYTES.get(facts.dtype)
    return None if size is None else facts.parameters * size
