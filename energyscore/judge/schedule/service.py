"""What a service draws: without the model, with it loaded, while it loads, and for a request. Pure.

Powers and energies are those of the headline of the results: of the GPUs, or of processor and
memory where no GPU was metered.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

TELLABLE = 1e-3  # powers that differ by a smaller share are the same: no meter tells them apart


@dataclass(frozen=True)
class BatchCost:
    """One batch of `size` requests: its time, and all energy that is drawn in it."""

    size: int
    duration_s: float
    energy_j: float


@dataclass(frozen=True)
class Service:
    """A model on a machine, as it was measured.

    Attributes:
        floor_w: power while the model's process does not run.
        idle_w: power with the model loaded, without a request.
        load_s: from the start of the process until it can answer.
        load_j: energy above the floor in that time.
        batches: what a batch costs, by its size; at least one.
        half_width: half the 95% interval of the energy of requests, as a share; None: not known.
    """

    floor_w: float
    idle_w: float
    load_s: float
    load_j: float
    batches: tuple[BatchCost, ...]
    half_width: float | None = None

    def __post_init__(self) -> None:
        """Put the batches in the order of their size."""
        object.__setattr__(self, "batches", tuple(sorted(self.batches, key=lambda one: one.size)))

    @property
    def above_floor_w(self) -> float:
        """What a loaded model draws idle, above the floor; 0 where it draws no more."""
        above_w = self.idle_w - self.floor_w
        return above_w if above_w > TELLABLE * self.idle_w else 0.0

    @property
    def most(self) -> int:
        """Requests of the largest batch that was measured."""
        return self.batches[-1].size

    @property
    def insurance_s(self) -> float:
        """So long an idle model draws what loading it again takes: the timeout E_L / dP."""
        return self.load_j / self.above_floor_w if self.above_floor_w else float("inf")

    def cost(self, requests: int) -> tuple[float, float]:
        """Seconds of a batch of so many requests, and its joules above the floor.

        Between two measured sizes it lies on the line through them. Below the smallest one a batch
        counts as that one: whether a part of a batch costs less was not measured.

        Raises:
            ValueError: beyond the largest batch that was measured.
        """
        if requests > self.most:
            raise ValueError(f"no batch of {requests} was measured, but of {self.most}")
        place = bisect_left([one.size for one in self.batches], requests)
        after = self.batches[place]
        if after.size == requests or place == 0:
            seconds, joules = after.duration_s, after.energy_j
        else:
            before = self.batches[place - 1]
            share = (requests - before.size) / (after.size - before.size)
            seconds = before.duration_s + share * (after.duration_s - before.duration_s)
            joules = before.energy_j + share * (after.energy_j - before.energy_j)
        return seconds, joules - self.floor_w * seconds

    def split(self, requests: int) -> Sequence[int]:
        """The batches in which so many requests are answered: full ones, and a rest."""
        full, rest = divmod(requests, self.most)
        return [self.most] * full + ([rest] if rest else [])

    def switched_off(self) -> "Service":
        """The same service where nothing is drawn while the model is not loaded."""
        load_j = self.load_j + self.floor_w * self.load_s
        return replace(self, floor_w=0.0, load_j=load_j)
