"""Ask a loaded model for answers to rows with references, and judge them."""

import importlib.util
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from energyscore.base.errors import DatasetError, EnergyScoreError, ModelError, UsageError
from energyscore.base.files import read_text
from energyscore.base.form import unique_keys
from energyscore.base.lookup import resolve
from energyscore.base.packages import PACKAGES
from energyscore.base.version import __version__
from energyscore.measurement.backend import Answerer
from energyscore.measurement.catalog import METRICS
from energyscore.measurement.quality.metric import (
    DRAWS,
    Judged,
    Metric,
    Names,
    NotJudgedError,
    interval,
    value_of,
)
from energyscore.measurement.work import SEED
from energyscore.protocol.selection import BUNDLED, Selection
from energyscore.protocol.task import Generation, TaskFile, TaskSpec
from energyscore.protocol.workload import Query, Workload, load_graded, locate
from energyscore.results.quality import Quality


@dataclass(frozen=True)
class Examination:
    """What a model's answers are judged by; `reason` is why they cannot be, where they cannot.

    `right` is the reference of each row; `labels` is what a file says that the model's labels mean.
    """

    task: TaskSpec
    rows: Workload | None
    reason: str = ""
    right: Sequence[Any] = ()
    labels: dict[str, str] | None = None
    metric: Metric | None = None


def examine(
    task: TaskFile,
    source: str,
    count: int,
    selection: Selection,
    labels: str | None = None,
    judge: str | None = None,
) -> Examination:
    """What can be known of a judgment before a model is loaded.

    `judge` is the model that judges, for metrics that need one.

    Raises:
        UsageError: when the file of labels cannot be used, or the model that judges.
    """
    quality, mapped = task.spec.quality, _read_labels(labels)
    if quality is None:
        reason = f"for the task {task.spec.id} no metric is named"
        return Examination(task.spec, None, reason)
    metric = metric_of(quality.metric)
    found = Examination(task.spec, None, labels=mapped, metric=metric)
    if why := missing_package(quality.metric, metric):
        return replace(found, reason=why)
    try:
        metric.set_up(task.spec, judge)
        found = replace(found, rows=load_graded(task, source, count, selection))
        return replace(found, right=metric.references(found.rows.queries if found.rows else ()))
    except ModelError as error:
        if judge is not None:
            raise UsageError(f"--clip {judge}: {error.message}", error.remedy) from error
        return replace(found, reason=str(error).rstrip("."))
    except NotJudgedError as error:
        return replace(found, reason=str(error))
    except DatasetError as error:
        path = locate(task, source)
        name = f"bundled:{task.spec.id}" if source == BUNDLED else path.name if path else source
        said = _sentence(error)
        said = said.replace(str(path), name) if path else said
        return replace(found, reason=f"no references: {said}")


def missing_package(name: str, metric: Metric) -> str:
    """The line for a library that a metric needs and that is not installed; empty if none."""
    for package in metric.packages:
        if importlib.util.find_spec(package) is None:
            remedy = f"pip install '{PACKAGES[package]}'"
            return f"{name} needs {package}, which is not installed: {remedy}"
    return ""


def metric_of(name: str) -> Metric:
    """The metric of that name."""
    metric: Metric = resolve(METRICS, name)()
    return metric


def evaluate(
    backend: Answerer,
    examination: Examination,
    batch_size: int,
    generation: Generation | None,
    *,
    random_weights: bool,
    advance: Callable[[int], None] = lambda done: None,
) -> Quality:
    """Have a loaded model answer all rows, in batches as they were measured, and judge it.

    What a model or its answers cannot do there is the reason of a quality without value: the energy
    stays measured.
    """
    reason, task, rows = examination.reason, examination.task, examination.rows
    metric = examination.metric
    if random_weights:
        reason = "the weights are random: answers are too"
    if reason or rows is None or task.quality is None or metric is None:
        return _without(examination, reason)
    asked = task.quality.generation or generation
    try:
        if not metric.of_likelihoods:
            backend.answer_as(task.model_copy(update={"generation": asked}))
        answers: list[Any] = []
        for place in range(0, len(rows.queries), batch_size):
            answers += metric.ask(backend, rows.queries[place : place + batch_size])
            advance(len(answers))
        names = Names(backend.labels(), _labels_of(task, rows), examination.labels)
        judged = metric.judge(answers, examination.right, names)
    except NotJudgedError as error:
        return _without(examination, str(error))
    except EnergyScoreError as error:
        return _without(examination, f"the evaluation failed: {_sentence(error)}")
    written = asked if backend.writes and not metric.of_likelihoods else None
    return _with_value(examination, judged, rows.queries, batch_size, written)


def _with_value(
    examination: Examination,
    judged: Judged,
    queries: Sequence[Query],
    batch_size: int,
    generation: Generation | None,
) -> Quality:
    value, settings = value_of(judged, len(queries)), dict(judged.settings)
    if not math.isfinite(value):
        return _without(examination, "the answers are all alike: the metric is undefined for them")
    settings |= {"batch_size": batch_size, "energyscore": __version__}
    if generation is not None:
        settings |= generation.recorded()
    settings |= {"interval": "percentile bootstrap over queries", "draws": DRAWS, "seed": SEED}
    return _without(examination, "").model_copy(
        update={
            "value": value,
            "ci95": interval(judged, len(queries), SEED),
            "n": len(queries),
            "settings": settings,
            "beside": judged.beside,
            "items": judged.items,
        }
    )


def _without(examination: Examination, reason: str) -> Quality:
    """A quality that has no value, for that reason."""
    quality, rows, metric = examination.task.quality, examination.rows, examination.metric
    return Quality(
        metric=quality.metric if quality else "none",
        value=None,
        higher_is_better=metric.higher_is_better if metric else True,
        ci95=None,
        n=0,
        dataset=rows.dataset if rows else None,
        revision=rows.revision if rows else None,
        settings={},
        reason=reason,
        rows=rows.fingerprint if rows else None,
    )


def _labels_of(task: TaskSpec, rows: Workload) -> Sequence[str]:
    """The labels that the task says, for its own datasets; none for others."""
    own = rows.official or rows.dataset == f"bundled:{task.id}"
    return task.quality.labels if task.quality and own else ()


def _read_labels(file: str | None) -> dict[str, str] | None:
    """The dataset's label for each of the model's, from a file of JSON."""
    if file is None:
        return None
    where = f"--labels {file}"
    remedy = 'It holds the dataset\'s label for each of the model\'s: {"LABEL_0": "negative", ...}.'
    try:
        text = read_text(Path(file), where, UsageError)
        content = json.loads(text, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is not valid JSON: {error}.", remedy) from error
    if not isinstance(content, dict) or not all(isinstance(v, str | int) for v in content.values()):
        raise UsageError(f"{where} holds no JSON object of labels.", remedy)
    return {label: str(meant) for label, meant in content.items()}


def _sentence(error: EnergyScoreError) -> str:
    """What an error says, as a part of a sentence."""
    return error.message.rstrip(".")
