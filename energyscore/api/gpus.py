"""The GPUs of work that is measured in this process, and their meters."""

import sys
from dataclasses import dataclass

from energyscore.api.arguments import Arguments
from energyscore.base.errors import MeterError, UnsupportedError
from energyscore.measurement.metering import (
    Metering,
    count_gpu_processes,
    open_metering,
    plan_metering,
)

NO_TORCH_GPU = (
    "no GPU was metered: torch holds no memory on one in this process; gpus=[...] names the GPUs "
    "of work that is done otherwise"
)
NOT_ASKED = "no GPU was metered: device='cpu' was asked for"


@dataclass
class MeteredGpus:
    """The meters of one measurement; `no_gpu` says why no GPU is among what they meter."""

    metering: Metering
    arguments: Arguments
    others: dict[str, int]  # processes on each GPU that are not this one
    no_gpu: str = ""

    @classmethod
    def plan(cls, arguments: Arguments) -> "MeteredGpus":
        """Find the GPUs that were named, and who else is on them.

        Raises:
            MeterError: when one of them cannot be metered here.
        """
        device = "cpu" if arguments.device == "cpu" else "cuda"
        try:
            metering = plan_metering(device, arguments.gpus, shared=arguments.allow_shared)
        except MeterError as error:
            message = error.message.replace("--gpu ", "gpus: ")  # as the command line calls them
            raise MeterError(message, error.remedy) from error
        before, others = gpus_in_use(), count_gpu_processes() if device != "cpu" else {}
        known = {uuid: count - (uuid in before) for uuid, count in others.items()}
        return cls(metering, arguments, known)

    def open(self) -> None:
        """Open the meters for the GPUs that are in use or were named.

        Raises:
            UnsupportedError: when there is none although one was asked for.
        """
        metering, arguments, in_use = self.metering, self.arguments, gpus_in_use()
        if set(metering.uuids) <= set(in_use):
            metering.before = self.others
        # Else others do the work, such as a server: who is there now is not foreign to it.
        occupied = () if arguments.gpus or arguments.device == "cpu" else in_use
        if not metering.uuids and not occupied:
            no_gpu = NOT_ASKED if arguments.device == "cpu" else "; ".join(metering.failures)
            self.no_gpu = no_gpu.rstrip(".") or NO_TORCH_GPU
            if arguments.device == "cuda":
                raise UnsupportedError(
                    f"device='cuda': {self.no_gpu}.", "`energyscore doctor` says more."
                )
            metering.failures.clear()  # nothing failed that was needed
        open_metering(metering, occupied)

    def note_late(self) -> None:
        """A GPU that came into use later was not metered, and that makes it invalid."""
        if not self.arguments.gpus and self.arguments.device != "cpu":
            metering = self.metering
            metering.occupied = tuple(dict.fromkeys((*metering.occupied, *gpus_in_use())))


def gpus_in_use() -> tuple[str, ...]:
    """UUIDs of the GPUs on which torch holds memory in this process."""
    if "torch" not in sys.modules:
        return ()
    from energyscore.measurement.backends.devices import device_uuid, devices_in_use

    return tuple(device_uuid(index) for index in devices_in_use())


def synchronize_gpus() -> None:
    """Wait for the GPUs that torch uses in this process; a RuntimeError where one failed."""
    if "torch" not in sys.modules:
        return
    from energyscore.measurement.backends.devices import devices_in_use, synchronize

    synchronize(devices_in_use())
