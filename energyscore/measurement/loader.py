"""A process that loads a model and waits: `python -m energyscore.measurement.loader JOB`.

It writes a line to stdout that begins with `READY` once the model can answer, and ends when its
stdin does. Whoever started it meters it from outside, from its start.
"""

import json
import os
import sys

from energyscore.base.errors import UNEXPECTED, EnergyScoreError, describe_crash
from energyscore.base.lookup import resolve
from energyscore.measurement import catalog
from energyscore.measurement.backend import Backend
from energyscore.measurement.imports import uncollected
from energyscore.measurement.loading import READY, load_model
from energyscore.measurement.options import Job
from energyscore.measurement.placement import choose_device
from energyscore.protocol.task import find_task, load_tasks


def main(text: str) -> int:
    """Load the first model of a job, say so, and wait for the end of stdin."""
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    try:
        job = Job.model_validate(json.loads(text), strict=False)
        task = find_task(job.tasks[0], load_tasks(job.task_path)).spec
        model = job.options.model_spec(job.models[0], task)
        device = choose_device(job.options)
        with uncollected():
            backend: Backend = resolve(catalog.BACKENDS, task.modality)()
        generation = job.options.generations(task)[0]
        load_model(backend, task, model, generation, device, job.options)
        backend.synchronize()
        print(f"\n{READY}", *backend.gpu_uuids(), flush=True)
        sys.stdin.read()
    except EnergyScoreError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - reported in one line, as the command line does
        print(f"error: {describe_crash(error)}", file=sys.stderr)
        return UNEXPECTED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
