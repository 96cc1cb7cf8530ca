"""What of a model card is ours: entries of `model-index`, and a block of text for each task. Pure.

A card is of one model. A task's results take the place of those that it had before; the other tasks
of the model stay, in the metadata and in the text.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from energyscore.publish.typesetting import plain

METRIC_PREFIX = "energyscore_"
"""What the metrics of our results begin with."""

_METRIC = re.compile(
    rf"{METRIC_PREFIX}(random_weights_)?(estimated_)?((gpu|system)_wh_per_1k_queries|stars)"
)

HEADING = "## Inference energy"
_BLOCK = "### "


@dataclass(frozen=True)
class CardFigures:
    """What goes into the card of one model: entries of `model-index`, and a text for each task."""

    name: str  # in `model-index`
    model: str  # its id
    results: Sequence[dict[str, Any]]
    blocks: Mapping[str, str]


@dataclass(frozen=True)
class IndexPlan:
    """What a card's `model-index` is to be; `place` is that of the entry with our results."""

    index: list[dict[str, Any]]
    place: int
    results: list[dict[str, Any]]
    tasks: tuple[str, ...]
    remarks: tuple[str, ...]


def plan_index(old: Sequence[dict[str, Any]], figures: CardFigures) -> IndexPlan:
    """Put our results into a `model-index`, under the model's name where it is there.

    Results of another model are not kept; `others_in` tells whether there are any.
    """
    of_task: dict[str, list[dict[str, Any]]] = {}
    for result in _ours_in(old):
        if model_of(result) in (None, figures.model):
            of_task.setdefault(task_name(result), []).append(result)
    of_task |= {task_name(result): [] for result in figures.results}
    for result in figures.results:
        of_task[task_name(result)].append(result)
    results = [result for part in of_task.values() for result in part]
    index = [
        {**entry, "results": [result for result in _results(entry) if not is_ours(result)]}
        for entry in old
        if not is_all_of_another(entry, figures.model)
    ]
    names = [str(entry["name"]) for entry in index]
    known = [name for name in (figures.name, figures.model) if name in names]
    remarks = []
    if known:
        place = names.index(known[0])
    elif len(index) == 1:
        place = 0
        remarks.append(f"the results stand under the only model of its model-index, {names[0]}")
    else:
        place = len(index)
        index.append({"name": figures.name, "results": []})
        if names:
            remarks.append(
                f"none of the {len(names)} models of its model-index is called {figures.name}: "
                "it was added"
            )
    index[place]["results"] += results
    return IndexPlan(index, place, results, tuple(of_task), tuple(remarks))


def others_in(index: Sequence[dict[str, Any]], model: str) -> list[str]:
    """The other models that figures of ours in a `model-index` are of."""
    return sorted({name for name in map(model_of, _ours_in(index)) if name} - {model})


def _ours_in(index: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [result for entry in index for result in _results(entry) if is_ours(result)]


def is_ours(result: Any) -> bool:
    """Whether an entry of `model-index` is one of ours: all its metrics are, by their names."""
    metrics = result.get("metrics") if isinstance(result, dict) else None
    return bool(
        isinstance(metrics, list)
        and metrics
        and all(
            isinstance(metric, dict) and _METRIC.fullmatch(str(metric.get("type")))
            for metric in metrics
        )
    )


def is_all_of_another(entry: Mapping[str, Any], model: str) -> bool:
    """Whether we made an entry, for another model: then it goes with its figures."""
    results = _results(entry)
    models = {model_of(result) if is_ours(result) else None for result in results}
    names = {str(name).rpartition("/")[2] for name in models if name} | {str(m) for m in models}
    return (
        bool(results) and None not in models and model not in models and str(entry["name"]) in names
    )


def model_of(result: Mapping[str, Any]) -> str | None:
    """The id of the model that an entry of ours was measured with; None where it says none."""
    for metric in result["metrics"]:
        facts = metric.get("args")
        if isinstance(facts, dict) and facts.get("model"):
            return str(facts["model"])
    return None


def task_name(result: Mapping[str, Any]) -> str:
    """The task of an entry, with mode and class."""
    task = result.get("task")
    names = (task.get("name"), task.get("type")) if isinstance(task, dict) else ()
    return next((str(name) for name in names if name), "")


def merge_section(old: str, tasks: Iterable[str], blocks: Mapping[str, str]) -> str:
    """Our text: the new blocks, and of the other tasks those that are in the old text."""
    kept = {part.split("\n", 1)[0]: part for part in re.split(rf"^(?={_BLOCK})", old, flags=re.M)}
    texts = [blocks.get(task, kept.get(heading_of(task), "")).rstrip() for task in tasks]
    return "\n\n".join(filter(None, [HEADING, *texts]))


def heading_of(task: str) -> str:
    """The line that the block of a task begins with."""
    return _BLOCK + escape_markdown(task)


def escape_markdown(text: str) -> str:
    """A name must not begin a tag, a cell or our marker."""
    return re.sub(r"([\\|`*\[\]])", r"\\\1", plain(text)).replace("<", "&lt;")


def _results(entry: Mapping[str, Any]) -> list[Any]:
    return entry.get("results") or []
