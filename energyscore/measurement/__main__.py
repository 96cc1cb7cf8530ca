"""One job in a process of its own: `python -m energyscore.measurement JOB`, a job as JSON.

Its progress and its errors are lines on stderr, its results files, and its exit status is that of
`energyscore run`. A line before an error tells its code (`child.ERROR_CODE`).
"""

import json
import os
import signal
import sys

if __name__ == "__main__":
    # While the libraries are imported there is nothing to keep: it ends, and shows no traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from energyscore.base.errors import UNEXPECTED, EnergyScoreError, OutOfMemory, describe_crash
from energyscore.base.interrupts import heed_signals, interrupted_status
from energyscore.base.packages import missing_package
from energyscore.measurement.child import ERROR_CODE
from energyscore.measurement.observer import LineObserver, print_line
from energyscore.measurement.options import Job
from energyscore.measurement.session import run_session


class _ChildObserver(LineObserver):
    """Tells the parent an error's code too."""

    def fail(self, message: str, code: str = "") -> None:
        """What went wrong."""
        if code:
            print_line(f"{ERROR_CODE}{code}")
        super().fail(message, code)


def main(text: str) -> int:
    """Do the job and give the exit status."""
    # CUDA orders GPUs by speed unless told otherwise; NVML orders them by PCI bus.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    observer = _ChildObserver()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    heed_signals()
    try:
        # Not strict: JSON has neither paths nor tuples.
        job = Job.model_validate(json.loads(text), strict=False)
        observer.verbose = job.verbose
        return run_session(job, observer).exit_status
    except EnergyScoreError as error:
        observer.fail(str(error), error.code)
        return error.exit_code
    except KeyboardInterrupt:
        observer.fail("interrupted.")
        return interrupted_status()
    except MemoryError:
        observer.fail("the memory of this machine ran out.", OutOfMemory.code)
        return OutOfMemory.exit_code
    except Exception as error:  # noqa: BLE001 - reported in one line, as the command line does
        missing = missing_package(error, "This measurement")
        observer.fail(str(missing) if missing else describe_crash(error))
        return missing.exit_code if missing else UNEXPECTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
