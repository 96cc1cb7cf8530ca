"""How long the self-test looks at what, and the load that it needs."""

from dataclasses import dataclass
from typing import Protocol


class Load(Protocol):
    """Work on one device that is always the same."""

    operation: str
    """What one operation is, for people."""

    def work(self, seconds: float) -> int:
        """Work for about so long; how many operations were done when it returns."""

    def close(self) -> None:
        """Release the device."""


class Loads(Protocol):
    """Where loads come from; a device that cannot be loaded raises an EnergyScoreError."""

    def gpu(self, uuid: str) -> Load:
        """A load for the GPU with that UUID."""

    def cpu(self) -> Load:
        """A load for all cores."""


@dataclass(frozen=True)
class Wave:
    """A load that is switched on and off: as long off as on."""

    half_s: float
    cycles: int

    @property
    def name(self) -> str:
        """Its check's name: `wave_500_ms`, by the time it is on."""
        return f"wave_{self.half_s * 1e3:.0f}_ms"

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return 2 * self.half_s * self.cycles


@dataclass(frozen=True)
class SelfTestPlan:
    """Durations in seconds, and counts."""

    quick: bool = False
    probe_s: float = 5.0
    idle_s: float = 15.0
    warmup_s: float = 5.0
    repeats: int = 6
    repeat_s: float = 8.0
    pause_s: float = 2.0
    waves: tuple[Wave, ...] = (Wave(0.5, 6), Wave(0.05, 40))
    pairs: int = 5
    pair_s: float = 2.0
    cpu_repeats: int = 6
    cpu_repeat_s: float = 3.0

    @property
    def load_s(self) -> float:
        """How long one GPU is under load."""
        repeats_s = self.repeats * (self.repeat_s + self.pause_s)
        waves_s = sum(wave.seconds for wave in self.waves)
        return self.warmup_s + repeats_s + waves_s + 2 * self.pairs * self.pair_s

    def seconds(self, gpus: int) -> float:
        """How long it all takes, with what is needed to load libraries and devices."""
        cpu_s = self.cpu_repeats * self.cpu_repeat_s
        return 5.0 + self.idle_s + cpu_s + gpus * (self.probe_s + self.load_s)


QUICK = SelfTestPlan(
    quick=True,
    probe_s=1.0,
    idle_s=2.0,
    warmup_s=1.0,
    repeats=5,  # fewer show no drift
    repeat_s=0.8,
    pause_s=0.2,
    waves=(Wave(0.5, 2), Wave(0.05, 15)),
    pairs=3,
    pair_s=0.5,
    cpu_repeats=5,
    cpu_repeat_s=0.3,
)
