"""The official methods: what measured a leaderboard, and how it had models write."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Protocol: TypeAlias = Literal["v1", "v2"]
"""The official method of February 2025, and that of December 2025."""


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn: of the likeliest `top_k`, of those that together reach `top_p`.

    What is not named here is not done.
    """

    temperature: float
    top_p: float
    top_k: int


@dataclass(frozen=True)
class OfficialMethod:
    """An official method.

    Attributes:
        harness: the program that measures by it.
        decoding: how it has models write, for people.
        sampling: how the next token is drawn; None: the likeliest one is taken (greedy).
        forced: whether answers are as long as the task says, whatever the model does.
        phases: whether the energy of each phase is told apart.
        tasks: those that it changed; the others are measured as before. None: all.
    """

    harness: str
    decoding: str
    sampling: Sampling | None
    forced: bool
    phases: bool
    tasks: tuple[str, ...] | None = None


METHODS: Mapping[Protocol, OfficialMethod] = {
    "v1": OfficialMethod(
        "optimum-benchmark", "greedy, lengths forced", None, forced=True, phases=True
    ),
    "v2": OfficialMethod(
        "ai_energy_benchmarks",
        "sampled at temperature 0.7, lengths not forced",
        Sampling(temperature=0.7, top_p=0.9, top_k=50),
        forced=False,
        phases=False,
        tasks=("text_generation", "reasoning"),
    ),
}


def method_of(generation: Mapping[str, object] | None) -> Protocol | None:
    """The method by which a model was made to write, by what results say of it; None: it wrote not.

    Images are made by steps, and are not written.
    """
    if generation is None or "max_new_tokens" not in generation:
        return None
    return "v2" if generation.get("temperature") else "v1"


def method_for(protocol: Protocol, task: str) -> Protocol:
    """The method by which a leaderboard of a protocol measured a task."""
    tasks = METHODS[protocol].tasks
    return protocol if tasks is None or task in tasks else "v1"
