"""How far the sensors of GPUs err, by the GPU's name: data from external meters, with sources.

The error of a name is the same in all figures of one GPU, and no repeat shows it. On many GPUs it
is one-sided: all that was measured lies between `low` and `high`, which then have one sign.
"""

import functools
import re
from collections.abc import Sequence
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict

from energyscore.protocol.scales import Uncertainty

_KINDS = frozenset({"ti", "super", "laptop", "mobile", "max", "d"})
"""Words that make another GPU of a name: an RTX 3090 Ti is no RTX 3090."""


class SensorError(BaseModel):
    """The span of a sensor's relative error: -0.05 is an energy that is told 5% too low."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float
    high: float
    source: str

    @property
    def most(self) -> float:
        """The greatest error, either way."""
        return max(abs(self.low), abs(self.high))


class _OfName(SensorError):
    name: str
    devices: int

    def fits(self, gpu: str) -> bool:
        """Whether a driver's name of a GPU means this one."""
        words, ours = _words(gpu), _words(self.name)
        return ours <= words and words & _KINDS == ours & _KINDS


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["gpu-sensors"]
    schema_version: Literal[1]
    what: str
    device_spread: float
    device_spread_source: str
    unknown: SensorError
    gpus: list[_OfName]


def sensor_error(gpus: Sequence[str]) -> SensorError:
    """The error of a figure that these GPUs, by the driver's names, were metered for together."""
    return _error_of_all(tuple(gpus))


@functools.lru_cache(maxsize=1000)
def _error_of_all(gpus: tuple[str, ...]) -> SensorError:
    found = [_error_of(gpu) for gpu in dict.fromkeys(gpus)] or [_table().unknown]
    return SensorError(
        low=min(one.low for one in found),
        high=max(one.high for one in found),
        source="; ".join(dict.fromkeys(one.source for one in found)),
    )


def between_devices(gpus: Sequence[str]) -> Uncertainty:
    """How far figures of two devices of one name may part by their sensors alone.

    What errs in all devices of a name alike cancels: of the error only its span is left.
    """
    error, table = sensor_error(gpus), _table()
    return Uncertainty(
        systematic=(error.high - error.low) / 2,
        device_spread=table.device_spread,
        source=f"{error.source}; {table.device_spread_source}",
    )


def between_names(gpus: Sequence[str]) -> Uncertainty:
    """How far a figure may be off by its sensor, beside one of another GPU's."""
    error, table = sensor_error(gpus), _table()
    return Uncertainty(
        systematic=error.most,
        device_spread=table.device_spread,
        source=f"{error.source}; {table.device_spread_source}",
    )


def _error_of(gpu: str) -> SensorError:
    table = _table()
    return next((one for one in table.gpus if one.fits(gpu)), table.unknown)


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", name.lower()))


@functools.cache
def _table() -> _Table:
    file = resources.files("energyscore.results") / "gpu_sensors.json"
    return _Table.model_validate_json(file.read_text(encoding="utf-8"))
