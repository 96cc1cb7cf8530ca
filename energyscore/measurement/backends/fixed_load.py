"""A load that is always the same: matrix products, counted."""

import time

import torch

from energyscore.measurement.backends.devices import find_device
from energyscore.measurement.backends.failures import translated_errors

_GPU_SIZE, _CPU_SIZE = 4096, 512
_BATCH_S = 0.005
"""Products between two looks at the clock take about this long: a burst of 50 ms ends in time,
and the device waits for the next batch in well under 1% of it."""


class MatmulLoad:
    """Products of two square matrices on one device; the same numbers every time.

    A device that fails raises UnsupportedError, one whose memory is taken OutOfMemory.
    """

    def __init__(self, device: str, dtype: torch.dtype, size: int) -> None:
        """Put the matrices on the device and find out how many products fill a batch."""
        name = str(dtype).removeprefix("torch.")
        self.operation = f"{name} product of two {size} x {size} matrices"
        self._cuda = device if device.startswith("cuda") else None
        with translated_errors("The fixed load"):
            source = torch.Generator().manual_seed(0)
            self._factors = [
                torch.randn(size, size, generator=source).to(device, dtype) for _ in range(2)
            ]
            self._product = torch.empty(size, size, device=device, dtype=dtype)
        self._batch = 1
        self.work(0.2)  # the first calls load kernels
        while self._time_batch() < _BATCH_S / 2:
            self._batch *= 2

    def work(self, seconds: float) -> int:
        """Work for about so long; how many products were done when it returns."""
        done, deadline = 0, time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._do_batch()
            done += self._batch
        return done

    def close(self) -> None:
        """Give the memory back."""
        self._factors, self._product = [], torch.empty(0)
        if self._cuda is not None:
            with translated_errors("The fixed load"):
                torch.cuda.empty_cache()

    def _time_batch(self) -> float:
        start = time.monotonic()
        self._do_batch()
        return time.monotonic() - start

    def _do_batch(self) -> None:
        first, second = self._factors
        with translated_errors("The fixed load"):
            for _ in range(self._batch):
                torch.mm(first, second, out=self._product)
            if self._cuda is not None:
                torch.cuda.synchronize(self._cuda)


class MatmulLoads:
    """Where fixed loads come from."""

    def gpu(self, uuid: str) -> MatmulLoad:
        """Half-precision products on one GPU; UnsupportedError if torch does not see it."""
        return MatmulLoad(find_device(uuid), torch.float16, _GPU_SIZE)

    def cpu(self) -> MatmulLoad:
        """Single-precision products on all cores that torch uses."""
        return MatmulLoad("cpu", torch.float32, _CPU_SIZE)
