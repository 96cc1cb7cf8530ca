"""Summaries of one run by an official harness: `GPU_ENERGY_SUMMARY.json`, a total in Wh.

The newer harness tells no phases apart: it writes all of the energy as `decode_wh`. What a summary
does not say stands in the `benchmark_report.json` beside it (the model, and how many queries the
total is of), or is missing. `GPU_ENERGY_WH.txt` has to say the same. The keys `model`, `task`,
`class`, `reasoning` and `queries` are those of summaries in submissions of energyscore; the harness
writes none of them, and people may add them.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from energyscore.base.errors import ResultError, did_you_mean, explain_form
from energyscore.base.files import is_file, read_text, shown_path
from energyscore.base.form import unique_keys
from energyscore.base.text import first_of
from energyscore.base.units import WH_PER_KWH
from energyscore.judge.official import Published, PublishedRow, mode_in
from energyscore.protocol.official_method import METHODS, Protocol
from energyscore.protocol.task import Mode

SUMMARY = "GPU_ENERGY_SUMMARY.json"
_REPORT, _TOTAL = "benchmark_report.json", "GPU_ENERGY_WH.txt"
_ROUNDED_WH = 0.0051
"""The harnesses round what they write to 0.01 Wh."""

_PER = 1000
_MAX_WH = 1e12
_MOST_QUERIES = 10**15
_Read = TypeVar("_Read", bound=BaseModel)
_Wh = Annotated[float, Field(ge=0, lt=_MAX_WH, allow_inf_nan=False)]
_Name = Annotated[str, Field(min_length=1, max_length=1000)]


class IncompleteError(ResultError):
    """A summary does not say all that a row needs."""


class _Part(BaseModel):
    """What is read of a file; harnesses write more, which is not read."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _Summary(_Part):
    units: Literal["Wh"]
    total: _Wh
    format: Literal["optimum", "ai_energy_benchmarks"] = "optimum"
    preprocess_wh: _Wh | None = None
    prefill_wh: _Wh | None = None
    decode_wh: _Wh | None = None
    model: _Name | None = None
    task: _Name | None = None
    model_class: _Name | None = Field(None, alias="class")
    reasoning: _Name | None = None
    queries: Annotated[int, Field(gt=0, lt=_MOST_QUERIES)] | None = None


class _Config(_Part):
    model: _Name | None = None


class _Prompts(_Part):
    successful_prompts: Annotated[int, Field(ge=0, lt=_MOST_QUERIES)]
    failed_prompts: Annotated[int, Field(ge=0)] = 0


class _Energy(_Part):
    gpu_energy_wh: _Wh
    error: str | None = None


class _Report(_Part):
    """Of the newer harness; the older one's has none of these."""

    config: _Config = _Config()
    summary: _Prompts | None = None
    energy: _Energy | None = None


def read_summary(
    path: Path, known: Mapping[str, Sequence[str]], task: str | None = None
) -> Published:
    """Read one summary as an official file of one row.

    Args:
        path: the summary.
        known: the tasks that there are, with their size classes.
        task: the one that it is of where it does not say so itself.

    Raises:
        IncompleteError: when it does not say of which model, task, class or number of queries.
        ResultError: when a field or a figure is wrong.
    """
    text = read_text(path, str(path), ResultError)
    said = _form(path, text, _Summary)
    report = _report_beside(path)
    _check_total(path, said, report)
    task = said.task or task
    if task is not None and task not in known:
        _refuse(path, f"task is {task[:40]!a}, and that is none.", did_you_mean(task, known))
    classes = known.get(task or "", ())
    model = said.model or report.config.model
    queries = said.queries or (report.summary.successful_prompts if report.summary else None)
    _check_complete(path, model=model, task=task, queries=queries)
    assert model is not None
    assert task is not None
    assert queries is not None
    if not model.isprintable():
        _refuse(path, f"model {model[:80]!a} holds characters that cannot show.")
    _check_same(path, said, report)
    energy_wh = Decimal(repr(said.total)) * _PER / queries
    if not float(energy_wh / int(WH_PER_KWH)):
        _refuse(path, f"total is {said.total} Wh of {queries:.3g} queries: no model takes that.")
    row = PublishedRow(
        model,
        float(energy_wh / int(WH_PER_KWH)),
        float(energy_wh),
        None,
        _class_of(path, said, classes),
        1,
        _mode_of(path, said),
    )
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Published(shown_path(path), task, [row], (), digest, _method_of(said))


def _method_of(said: _Summary) -> Protocol:
    """The method of the harness that wrote it."""
    return "v2" if said.format == METHODS["v2"].harness else "v1"


def _refuse(path: Path, what: str, remedy: str = "") -> NoReturn:
    raise ResultError(f"{path}: {what}", remedy)


def _form(path: Path, text: str, form: type[_Read]) -> _Read:
    try:
        return form.model_validate(json.loads(text, object_pairs_hook=unique_keys))
    except ValidationError as error:
        _refuse(path, explain_form(error, form))
    except (ValueError, RecursionError) as error:
        _refuse(path, f"it is not JSON: {error}.")


def _report_beside(path: Path) -> _Report:
    """What the harness's report says, where it lies beside the summary."""
    beside = path.parent / _REPORT
    if not is_file(beside):
        return _Report()
    return _form(beside, read_text(beside, str(beside), ResultError), _Report)


def _check_total(path: Path, said: _Summary, report: _Report) -> None:
    """Refuse a total that is none, or that the files beside it contradict."""
    if said.total == 0:
        what = "total is 0 Wh: no model takes that. Harnesses write 0 for what was not measured,"
        _refuse(path, f"{what} and round to 0.01 Wh.", "Measure again, with more queries.")
    phases = (said.preprocess_wh, said.prefill_wh, said.decode_wh)
    parts = [one for one in phases if one is not None]
    if len(parts) == len(phases) and abs(sum(parts) - said.total) > _ROUNDED_WH * (len(parts) + 1):
        _refuse(path, f"its phases have {sum(parts):.2f} Wh together, its total {said.total} Wh.")
    beside = path.parent / _TOTAL
    if is_file(beside):
        written = read_text(beside, str(beside), ResultError).strip().replace(",", "")
        try:
            same = abs(float(written) - said.total) <= _ROUNDED_WH
        except ValueError:
            same = False
        if not same:
            _refuse(path, f"total is {said.total} Wh, and {_TOTAL} says {written[:40]!a}.")
    energy = report.energy
    if energy is not None and energy.error:
        _refuse(path.parent / _REPORT, f"nothing was measured: {energy.error[:200]!a}.")
    if energy is not None and abs(energy.gpu_energy_wh - said.total) > _ROUNDED_WH:
        _refuse(path, f"total is {said.total} Wh, and {_REPORT} says {energy.gpu_energy_wh} Wh.")
    if report.summary is not None and report.summary.failed_prompts:
        failed = report.summary.failed_prompts
        what = f"{failed} of its prompts failed, and their energy is in the total."
        _refuse(path.parent / _REPORT, what, "Measure again.")
    if report.summary is not None and not report.summary.successful_prompts:
        _refuse(path.parent / _REPORT, "no prompt was answered.", "Measure again.")


def _check_same(path: Path, said: _Summary, report: _Report) -> None:
    """Refuse a summary that says something else than the report beside it."""
    answered = report.summary.successful_prompts if report.summary else None
    model = report.config.model
    if said.queries is not None and answered is not None and said.queries != answered:
        _refuse(path, f"it is of {said.queries} queries, and {_REPORT} of {answered}.")
    if said.model is not None and model is not None and said.model != model:
        _refuse(path, f"its model is {said.model[:80]!a}, and in {_REPORT} {model[:80]!a}.")


def _check_complete(path: Path, **needed: str | int | None) -> None:
    missing = [name for name, one in needed.items() if one is None]
    if not missing:
        return
    remedies = [f'add "{missing[0]}" to it']
    if "task" in missing:
        remedies.append("name the task with --task")
    if {"model", "queries"} & set(missing):
        remedies.append(f"put the harness's {_REPORT} beside it")
    remedy = f"{', or '.join(remedies)}."
    raise IncompleteError(
        f"{path}: it does not say its {first_of(missing, 3)}.", remedy[0].upper() + remedy[1:]
    )


def _class_of(path: Path, said: _Summary, classes: Sequence[str]) -> str:
    size = (said.model_class or "").upper()
    if not classes or size in classes:
        return size if classes else ""
    named = " or ".join(classes)
    if said.model_class is None:
        remedy = f'Add "class" to it: {named}.'
        raise IncompleteError(f"{path}: it does not say the class of the model.", remedy)
    _refuse(path, f"class is {said.model_class[:40]!a}.", f"Give {named}.")


def _mode_of(path: Path, said: _Summary) -> Mode | None:
    if said.reasoning is None:
        return None
    mode = mode_in(said.reasoning)
    if mode is None:
        _refuse(path, f"reasoning is {said.reasoning[:40]!a}.", "Give on, off, low or high.")
    return mode
