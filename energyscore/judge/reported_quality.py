"""Qualities that were measured elsewhere: results of lm-evaluation-harness, and CSV files.

Both are "reported, not measured here". A CSV has the columns model,metric,value[,ci_low,ci_high].
A results file of the harness has one model: `results[task]["metric,filter"]`, and its standard
error under `"metric_stderr,filter"`. A metric is named there by as much of `task/metric,filter` as
tells it from the others.
"""

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from energyscore.base.errors import ResultError, UsageError, did_you_mean
from energyscore.base.files import read_text
from energyscore.base.form import unique_keys
from energyscore.base.stats import NORMAL_975
from energyscore.base.text import first_of
from energyscore.judge.contenders import Contender
from energyscore.judge.qualities import less_is_better
from energyscore.results.quality import BOUNDS, Quality

_CSV = ("model", "metric", "value")
_ENDS = ("ci_low", "ci_high")


@dataclass(frozen=True)
class Reported:
    """One figure of a model; `full` names its metric whole, as `gsm8k/exact_match,strict-match`.

    `doubt`: what is to be known of it, such as that only some rows were evaluated.
    """

    model: str
    full: str
    metric: str
    value: float
    ci95: tuple[float, float] | None
    higher_is_better: bool
    file: str
    doubt: str = ""

    def is_called(self, name: str) -> bool:
        """Whether a name, whole or in part, means this metric."""
        task, _, rest = self.full.rpartition("/")
        return name in (self.full, rest, self.metric, f"{task}/{self.metric}")

    @property
    def quality(self) -> Quality:
        """In the form of one that was measured."""
        return Quality(
            metric=self.full,
            value=self.value,
            higher_is_better=self.higher_is_better,
            ci95=self.ci95,
            n=0,
            dataset=None,
            revision=None,
            settings={"reported_in": self.file},
            reason="",
        )


def with_reported(
    candidates: Sequence[Contender],
    files: Iterable[Path],
    metric: str | None,
    note: Callable[[str], None] = lambda text: None,
    *,
    only: bool = True,
) -> list[Contender]:
    """The candidates with the qualities of these files in place of their own.

    With `only` one that is not in the files has no quality; else it keeps its own.

    Raises:
        ResultError: where a file is neither of the two formats.
        UsageError: where no candidate is in the files, or the metric must be named.
    """
    found = [one for file in files for one in read_reported(file)]
    models = {name for one in candidates for name in _names(one)}
    fitting = [one for one in found if one.model in models]
    named = sorted({one.model for one in found})
    if not fitting:
        meant = did_you_mean(named[0], models) if len(named) == 1 else ""
        raise UsageError(
            f"No candidate is in the reported qualities, which are of {first_of(named)}.",
            meant or f"The candidates are {first_of(sorted(models))}.",
        )
    for model in named:
        if model not in models:
            meant = did_you_mean(model, models)
            note(f"{model} has a reported quality and is no candidate. {meant}".strip())
    chosen = _of_one_metric(fitting, metric)
    for text in dict.fromkeys(one.doubt for one in chosen if one.doubt):
        note(text)
    by_model = {one.model: one for one in chosen}
    return [_with(one, by_model, only=only) for one in candidates]


def _names(one: Contender) -> tuple[str, ...]:
    return one.entry.label, one.entry.result.model.id


def _with(one: Contender, reported: dict[str, Reported], *, only: bool) -> Contender:
    known = next((reported[name] for name in _names(one) if name in reported), None)
    if known is None and not only:
        return one
    if known is None:
        return replace(one, quality=None, no_quality="its quality is not in the reported ones")
    return replace(one, quality=known.quality, no_quality="", reported=known.file)


def _of_one_metric(found: Sequence[Reported], metric: str | None) -> list[Reported]:
    full = sorted({one.full for one in found})
    if metric is not None:
        full = sorted({one.full for one in found if one.is_called(metric)})
        if not full:
            known = {one.full for one in found}
            raise UsageError(f"No reported metric is {metric!r}.", did_you_mean(metric, known))
    if len(full) > 1:
        raise UsageError(
            f"{len(full)} reported metrics could be meant: {first_of(full)}.",
            "Name one with --quality-metric.",
        )
    chosen = [one for one in found if one.full == full[0]]
    for place, one in enumerate(chosen):
        if one.model in [other.model for other in chosen[:place]]:
            raise UsageError(f"{one.file}: {one.full} of {one.model} is reported twice.")
    _check_scale(chosen)
    return chosen


def _check_scale(chosen: Sequence[Reported]) -> None:
    """Refuse shares beside percent, and what the metric never is."""
    least, most = BOUNDS.get(chosen[0].metric.casefold(), (-math.inf, math.inf))
    values = [one.value for one in chosen]
    if most == 1.0 and any(1 < value <= 100 for value in values):
        if any(0 < value <= 1 for value in values):
            raise UsageError(
                f"{chosen[0].full} is reported in percent by some and as a share by others: "
                f"{first_of([f'{value:g}' for value in values])}.",
                "Write all of them as shares, such as 0.7.",
            )
        most = 100.0
    for one in chosen:
        if not least <= one.value <= most:
            raise UsageError(f"{one.file}: {one.full} of {one.model} is never {one.value:g}.")


def read_reported(file: Path) -> list[Reported]:
    """All figures of one file."""
    text = read_text(file, str(file), ResultError)
    if text.lstrip()[:1] == "{":
        return _of_harness(text, str(file))
    return _of_csv(text, str(file))


def _of_csv(text: str, file: str) -> list[Reported]:
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    columns = [name.strip() for name in rows.fieldnames or ()]
    if missing := [name for name in _CSV if name not in columns]:
        raise ResultError(
            f"{file} has no column {' and no column '.join(missing)}.",
            f"Expected {','.join((*_CSV, *_ENDS))}, or a results file of lm-evaluation-harness.",
        )
    rows.fieldnames = columns
    found = []
    for row in rows:
        where = f"{file}, line {rows.line_num}"
        cells = {name: (row.get(name) or "").strip() for name in (*_CSV, *_ENDS)}
        if not (cells["model"] and cells["metric"]):
            raise ResultError(f"{where}: model or metric is blank.")
        value = _number(cells["value"], where, "value")
        ends = [_number(cells[name], where, name) for name in _ENDS if cells[name]]
        if len(ends) == 1 or (ends and not ends[0] <= value <= ends[1]):
            raise ResultError(f"{where}: ci_low and ci_high are no interval around the value.")
        found.append(
            Reported(
                model=cells["model"],
                full=cells["metric"],
                metric=cells["metric"],
                value=value,
                ci95=(ends[0], ends[1]) if ends else None,
                higher_is_better=not less_is_better(cells["metric"]),
                file=file,
            )
        )
    if not found:
        raise ResultError(f"{file} has no rows.")
    return found


def _number(text: str, where: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ResultError(f"{where}: {name} is no number: {text[:40]!r}.")
    return value


def _of_harness(text: str, file: str) -> list[Reported]:
    try:
        content: Any = json.loads(text, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise ResultError(f"{file} is not valid JSON: {error}.") from error
    results = content.get("results")
    if not isinstance(results, dict):
        raise ResultError(
            f"{file} has no `results`.", "Expected a results file of lm-evaluation-harness, or CSV."
        )
    model = _model_of(content)
    if not model:
        raise ResultError(
            f"{file} does not name its model.", "A CSV with model,metric,value can name it."
        )
    groups = content.get("groups")
    tables = (groups if isinstance(groups, dict) else {}) | results
    found = [
        one
        for task, figures in tables.items()
        if isinstance(figures, dict)
        for one in _of_task(task, figures, model, file, content)
    ]
    if not found:
        raise ResultError(
            f"{file} has no figure named `metric,filter`.",
            "Files of lm-evaluation-harness 0.4 and newer have; a CSV can hold the others.",
        )
    return found


def _model_of(content: dict[str, Any]) -> str:
    """With an adapter the harness names the adapter; older files name it in the arguments only."""
    config = content.get("config")
    config = config if isinstance(config, dict) else {}
    arguments = config.get("model_args")
    if isinstance(arguments, str):
        pairs = (part.partition("=") for part in arguments.split(","))
        arguments = {name.strip(): value.strip() for name, _, value in pairs}
    arguments = arguments if isinstance(arguments, dict) else {}
    named = (content.get("model_name"), arguments.get("peft"), arguments.get("pretrained"))
    return next((name for name in named if isinstance(name, str) and name), "")


def _of_task(
    task: str, figures: dict[str, Any], model: str, file: str, content: dict[str, Any]
) -> Iterable[Reported]:
    for key, value in figures.items():
        metric, comma, filter_ = key.rpartition(",")
        if not comma or metric.endswith("_stderr") or not _is_number(value):
            continue
        error = figures.get(f"{metric}_stderr,{filter_}")
        half = NORMAL_975 * float(error) if error is not None and _is_number(error) else None
        yield Reported(
            model=model,
            full=f"{task}/{key}",
            metric=metric,
            value=float(value),
            ci95=None if half is None else (value - half, value + half),
            higher_is_better=_direction(content.get("higher_is_better"), task, metric),
            file=file,
            doubt=_partial(content, file),
        )


def _direction(known: Any, task: str, metric: str) -> bool:
    of_task = known.get(task) if isinstance(known, dict) else None
    said = of_task.get(metric) if isinstance(of_task, dict) else None
    return said if isinstance(said, bool) else not less_is_better(metric)


def _partial(content: dict[str, Any], file: str) -> str:
    config = content.get("config")
    limit = config.get("limit") if isinstance(config, dict) else None
    return f"{file}: only some rows were evaluated (limit {limit})" if limit else ""


def _is_number(value: Any) -> bool:
    """The harness writes `N/A` where it has no standard error."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
