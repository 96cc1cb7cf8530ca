"""What nodes deliver, made by hand."""

from energyscore.measurement.cluster.delivery import Delivery
from energyscore.measurement.suite.attempt import Attempt
from energyscore.results.result import result_to_json
from support.results import make_cpu_run, make_result


def made(planned, minute=0, **changes):
    """An attempt at an entry that was done, or as `changes` say."""
    content = {
        "key": planned.key, "task": planned.task_name, "model": planned.label,
        "folder": planned.model.folder, "fresh": False,
        "began_at": f"2026-01-01T10:{minute:02}:00Z", "node": "n1", "gpus": ["GPU-1"],
        "status": "done", "reason": "", "exit_code": 0, "seconds": 9.0, "gpu_wh": 0.5,
    }  # fmt: skip
    return Attempt.model_validate(content | changes)


def delivered(planned, minute=0, *, valid=True, run=None, **changes):
    """Its delivery, with a result where it has one; of this run, or of one that has energy."""
    attempt = made(planned, minute, **changes)
    if attempt.status not in ("done", "invalid"):
        return Delivery(attempt, log=b"error: no such thing.\n")
    stamp = {"created_at": f"2026-01-01T10:{minute:02}:30Z", "request": planned.key}
    invalid = {} if valid else {"valid": False, "invalid_reasons": ["the GPU was shared"]}
    result = make_result(runs=[run or make_cpu_run()], gpu=None).model_copy(update=stamp | invalid)
    return Delivery(attempt, result_to_json(result).encode(), log=b"measured\n")
