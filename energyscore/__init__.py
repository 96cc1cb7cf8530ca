"""energyscore: how much energy an AI model needs to do its work, with one to five stars.

From Python, `measure` measures a function or a model, and `load` reads a result:

    import energyscore

    assert energyscore.load("result.json").require_gpu_wh_per_1k_queries() <= 2.5
"""

from typing import TYPE_CHECKING

from energyscore.base.version import __version__

__all__ = [
    "Block",
    "DatasetError",
    "EnergyScoreError",
    "Figure",
    "InvalidResult",
    "Measurement",
    "MeterError",
    "ModelError",
    "NotMeasuredError",
    "OutOfMemory",
    "ResultError",
    "ServerError",
    "TaskError",
    "UnsupportedError",
    "UsageError",
    "WorkError",
    "__version__",
    "load",
    "load_all",
    "measure",
    "meter",
]

if TYPE_CHECKING:
    from energyscore.api import Block, Figure, Measurement, load, load_all, measure, meter
    from energyscore.base.errors import (
        DatasetError,
        EnergyScoreError,
        InvalidResult,
        MeterError,
        ModelError,
        NotMeasuredError,
        OutOfMemory,
        ResultError,
        ServerError,
        TaskError,
        UnsupportedError,
        UsageError,
        WorkError,
    )
else:
    # Imported when asked for: the command line imports this, too, and is to start fast.

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from energyscore import api
        from energyscore.base import errors

        found = getattr(api if name in api.__all__ else errors, name)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
