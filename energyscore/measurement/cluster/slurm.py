"""Orders as jobs of Slurm, by submitit: in arrays, each job one attempt.

submitit ignores SIGTERM and would put a job back on USR2, losing what its process has; here both
end the attempt as Ctrl-C does: it keeps its finished runs, and the driver tries again.
"""

import contextlib
import os
import shutil
import signal
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from energyscore.base.errors import UsageError
from energyscore.base.files import read_file
from energyscore.base.interrupts import end_on, heed_ctrl_c
from energyscore.base.packages import needed_by
from energyscore.base.stamps import utc_stamp
from energyscore.measurement.child import GRACE_S as CHILD_GRACE_S
from energyscore.measurement.cluster import gather
from energyscore.measurement.cluster.engine import Began, Came, Event, Journals, Lost
from energyscore.measurement.cluster.order import Order
from energyscore.measurement.cluster.sbatch import GRACE_S, MOST_ELEMENTS, gpu_options
from energyscore.measurement.cluster.worker import attempt

_LOOK_EVERY_S = 2.0


def measure_order(line: str, journals: Mapping[str, bytes], folder: Path) -> tuple[str, bytes]:
    """What a job does: an attempt at an order, and the name of what came of it.

    It is kept in the folder until a command has taken it: this one, or the next.
    """
    heed_ctrl_c()
    end_on(signal.SIGUSR2)
    end_on(signal.SIGTERM)
    order = Order.model_validate_json(line, strict=False)
    delivery = attempt(order, journals=journals, node=os.environ.get("SLURMD_NODENAME"))
    path = gather.keep(folder, delivery)
    return path.stem, path.read_bytes()


class SlurmEngine:
    """Submits what it was offered when it is waited for."""

    def __init__(
        self,
        folder: Path,
        slurm: Mapping[str, str],
        *,
        keys: Collection[str] = (),
        gpu_type: str | None = None,
        shared_node: bool = False,
        cluster: str = "slurm",
        look_every_s: float = _LOOK_EVERY_S,
    ) -> None:
        """`folder` is seen by all nodes; `cluster` is submitit's name for where jobs run.

        Of what an earlier command left there, it takes what answers the `keys`.
        """
        with needed_by("A suite on Slurm"):
            import submitit
        if cluster == "slurm" and shutil.which("sbatch") is None:
            raise UsageError(
                "There is no sbatch here: this is no machine that submits jobs to Slurm.",
                "Log in to one that does, or use --write-sbatch.",
            )
        self._executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        self._is_local = cluster != "slurm"
        self._slurm, self._gpu_type, self._shared = dict(slurm), gpu_type, shared_node
        self._look_every_s = look_every_s
        self._folder, self._keys = folder / "undelivered", set(keys)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._offered: list[tuple[int, Order, Mapping[str, bytes]]] = []
        self._jobs: dict[int, Any] = {}
        self._begun: dict[int, str] = {}

    def begin(self) -> Iterable[Event]:
        """What jobs of an earlier command finished after its end."""
        for path in sorted(self._folder.glob("*.zip")):
            if gather.is_of(path.stem, self._keys):
                yield Came(None, path.stem, read_file(path))

    def why_never(self, order: Order) -> str:
        """Slurm itself refuses what it will never run."""
        return ""

    def offer(self, number: int, order: Order, avoid: Collection[str], journals: Journals) -> bool:
        """Slurm has the queue: there is always room."""
        self._offered.append((number, order, journals()))
        return True

    def wait(self) -> Iterable[Event]:
        """Look at all jobs once; some time passes before the next look."""
        self._submit()
        events = self._news()
        if not events:
            time.sleep(self._look_every_s)
        return events

    def taken(self, name: str) -> None:
        """It need not be kept any more."""
        (self._folder / f"{name}.zip").unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing is under way."""

    def cancel(self) -> Iterable[Event]:
        """Cancel all jobs; those that had begun are given the time to keep what they have."""
        came = self._news()
        for job in self._jobs.values():
            self._end(job)
        deadline = time.monotonic() + CHILD_GRACE_S + self._look_every_s
        while self._begun.keys() & self._jobs.keys() and time.monotonic() < deadline:
            came += self._news()
            time.sleep(min(0.1, self._look_every_s))
        return [event for event in came if isinstance(event, Came)]

    def _end(self, job: Any) -> None:
        if self._is_local:  # its SIGINT leaves a second
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(job.job_id), signal.SIGTERM)
        else:
            job.cancel(check=False)

    def _news(self) -> list[Event]:
        return [event for number in list(self._jobs) for event in self._look(number)]

    def _submit(self) -> None:
        """Jobs that ask for the same share an array; one is cut where Slurm would refuse it."""
        by_gpus: dict[tuple[int, float | None], list[tuple[int, Order, Mapping[str, bytes]]]]
        by_gpus = defaultdict(list)
        for one in self._offered:
            by_gpus[one[1].gpus, one[1].timeout_s].append(one)
        self._offered = []
        for (gpus, timeout_s), group in by_gpus.items():
            self._executor.update_parameters(**self._parameters(gpus, timeout_s))
            for start in range(0, len(group), MOST_ELEMENTS):
                chunk = group[start : start + MOST_ELEMENTS]
                numbers, orders, journals = zip(*chunk, strict=True)
                lines, folders = [one.to_line() for one in orders], [self._folder] * len(chunk)
                jobs = self._executor.map_array(measure_order, lines, journals, folders)
                self._jobs |= dict(zip(numbers, jobs, strict=True))

    def _parameters(self, gpus: int, timeout_s: float | None) -> dict[str, Any]:
        if self._is_local:
            return {"timeout_min": 60, "gpus_per_node": 0}
        options: dict[str, Any] = {
            "job-name": "energyscore",
            **({} if self._shared else {"exclusive": True}),
            **gpu_options(self._slurm, gpus, self._gpu_type),
            **self._slurm,
        }
        if timeout_s is not None and "time" not in options:
            options["time"] = int((timeout_s + 2 * GRACE_S) // 60) + 1
        return {
            "slurm_additional_parameters": options,
            "slurm_signal_delay_s": GRACE_S,
            "slurm_array_parallelism": MOST_ELEMENTS,
        }

    def _look(self, number: int) -> list[Event]:
        """What is new of a job."""
        job, events = self._jobs[number], list[Event]()
        done = job.done()
        if number not in self._begun and (done or job.state == "RUNNING"):
            self._begun[number] = utc_stamp()
            events.append(Began(number, ""))
        if not done:
            return events
        del self._jobs[number]
        began_at = self._begun.pop(number)
        error = job.exception()
        if error is not None:
            why = f"the job {job.job_id} gave nothing ({job.state}): {_last_line(str(error))}"
            return [*events, Lost(number, "", began_at, why)]
        return [*events, Came(number, *job.result())]


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]
