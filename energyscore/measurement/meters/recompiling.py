"""Whether torch.compile compiled in a window: its energy would stand in the work's figure."""

from collections.abc import Callable

from energyscore.measurement.meter import Metered, notice
from energyscore.results.compilation import Compilation


class RecompilingMeter:
    """Meters no energy: gives a notice where something was compiled in a window."""

    name = "recompiling"

    def __init__(self, compiled: Callable[[], Compilation | None]) -> None:
        """`compiled` tells what was compiled so far."""
        self._compiled = compiled

    def open(self) -> None:
        """Nothing is needed."""

    def start(self) -> int:
        """Begin a window."""
        return self._graphs()

    def stop(self, token: object) -> Metered:
        """End the window."""
        assert isinstance(token, int)
        more = self._graphs() - token
        if not more:
            return Metered({}, ())
        message = (
            "torch.compile compiled in the window, as a batch had a shape that was new: its energy "
            "is not the work's"
        )
        return Metered({}, (notice("recompiled", message, invalidates=True),))

    def close(self) -> None:
        """Nothing is held."""

    def _graphs(self) -> int:
        compiled = self._compiled()
        return 0 if compiled is None else compiled.graphs
