"""Results as the hub's `.eval_results/*.yaml`: one file a result, to lie in the model's repository.

The hub ranks the values in them by dataset. So only measured GPU energy of a model's own
weights, by the whole protocol's windows, on a dataset of the hub goes there: an estimate would be
ranked among measurements.
"""

import re

from energyscore.base.yaml_text import write_yaml
from energyscore.judge.rating import RatedResult
from energyscore.publish.card import dataset_of, energy_wh, facts_of


def why_not(entry: RatedResult) -> str:
    """Why a result cannot go there; empty when it can."""
    if entry.rating.basis != "gpu":
        return "its figure is not measured GPU energy"
    if entry.result.model.weights == "random":
        return "its weights are random"
    if entry.result.protocol.quick:
        return "it is of a quick run"
    if entry.result.load is not None:
        return f"it is of a server under a load ({entry.result.load.words})"
    if dataset_of(entry.result) is None:
        return "its dataset is not on the hub"
    return ""


def eval_result_name(entry: RatedResult) -> str:
    """The file's name: the same for the same measurement made again."""
    result = entry.result
    parts = ("energyscore", result.task.id, result.mode, result.identity[:10])
    return f"{re.sub(r'[^A-Za-z0-9_-]', '-', '_'.join(filter(None, parts)))}.yaml"


def to_eval_results(entry: RatedResult) -> bytes:
    """The file: a list of one entry, in the form that the hub documents."""
    result, facts = entry.result, facts_of(entry)
    told = {
        "95% interval": facts["ci95"] and " to ".join(f"{limit:g}" for limit in facts["ci95"]),
        **{name: facts[name] for name in ("runs", "method", "hardware", "precision")},
        "quantization": facts["quantization"],
        "model revision": facts["revision"],
        "reasoning": facts["reasoning"],
        "batch": facts["batch_size"],
        "queries": facts["queries"],
        "stars of 5": entry.rating.stars,
        "relative to": entry.rating.scale,
        "energyscore": facts["energyscore"],
    }
    what = "GPU energy in Wh per 1,000 queries, less is better"
    notes = [what, *(f"{name}: {value}" for name, value in told.items() if value)]
    dataset = {"id": dataset_of(result), "task_id": result.task.id}
    line = {
        "dataset": dataset | {"revision": result.workload.revision},
        "value": energy_wh(entry),
        "date": result.created_at,
        "notes": "; ".join(notes),
    }
    return write_yaml([line]).encode()
