"""What a tune came to, in every format: table, JSON, CSV and Markdown. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from energyscore.base.form import Part, schema_of
from energyscore.base.stamps import utc_stamp
from energyscore.base.text import csv_table, json_text, markdown_table, markdown_text
from energyscore.base.units import format_bytes, format_seconds, with_ends
from energyscore.base.version import __version__
from energyscore.judge.figures import Headline
from energyscore.judge.tuning import Tried, Tuning
from energyscore.publish.choice_cells import quality_value
from energyscore.publish.flat import cells_of, column_names
from energyscore.publish.tuning_words import MEASURE_BOTH, STATUS, answer, name_of, notes_of
from energyscore.results.kinds import Purpose

FILE_NAME = "tune.json"


class TuneSettings(Part):
    """The options of `run` that a trial was measured with."""

    batch_size: int
    dtype: str = Field(description="as it was asked for; auto: as the task's protocol says")
    quantization: str = Field("none", description="none: as the checkpoint is")
    attention: str | None = Field(None, description="null: as the model has it by default")
    compile: bool = False
    power_limit: float | None = Field(None, description="in watts; null: as it is set")


class TuneTrial(Part):
    """One trial; a figure that was not measured is null."""

    settings: TuneSettings
    purpose: Purpose = Field(
        description="repeat: once more, against drift; confirm: once more, for the saving"
    )
    file: str | None = Field(description="its result, relative to this file; null: it left none")
    energy_wh_per_1k_queries: float | None
    ci95: tuple[float, float] | None
    latency_p90_s: float | None
    memory_bytes: int | None = Field(
        description="on GPUs the peak, on a processor the weights; null: not known"
    )
    quality: float | None = Field(description="in the unit of its metric; null: not measured")
    equal_answers: float | None = Field(
        description="the share of its answers that are the default's; null: not known"
    )
    equal_answers_reason: str = Field(description="why that is not known; empty where it is")
    pareto: bool = Field(
        description="whether it keeps to the limits, and no other that does has both less energy "
        "and less latency"
    )
    status: str
    reason: str = Field(description="why it may not be chosen; empty where it may")


class TuneSaving(Part):
    """The energy of the best over that of the default, with its 95% interval.

    It is above 1 only where the default does not keep to the limits.
    """

    ratio: float
    ci95: tuple[float, float] | None


class TuneLeftOut(Part):
    """Settings that were not tried, and why."""

    settings: TuneSettings
    reason: str


class TuneReport(Part):
    """A tune: the default, the best setting, what it saves, and every trial."""

    kind: Literal["tune"] = "tune"
    schema_version: Literal[1] = 1
    energyscore: str = __version__
    updated_at: str = Field(description="UTC, ISO 8601")
    model: str
    task: str
    default: TuneSettings
    best: TuneSettings | None = Field(
        description="by the least energy within the limits; the default where nothing needs less; "
        "null: none could be measured"
    )
    best_file: str | None = Field(
        description="the result of the best as it was measured once more: its figure is that one"
    )
    default_file: str | None = Field(description="the result that the saving is against")
    saving: TuneSaving | None = Field(description="null: there is none to tell")
    estimated: bool = Field(description="whether its energies are estimates and no meter's")
    answer: str
    command: str | None = Field(description="the command line that measures with the best")
    trials: list[TuneTrial] = Field(description="from the least energy to the most")
    undecided: list[TuneSettings] = Field(
        default=[], description="what the trials cannot tell from the best"
    )
    left_out: list[TuneLeftOut]
    ended: str = Field(description="why the search ended early; empty where it did not")
    interrupted: bool


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `tune.json`."""
    return schema_of(TuneReport, "energyscore-tune-1")


def report_of(tuning: Tuning, command: str | None = None) -> TuneReport:
    """A tune in the form that is published."""
    best, saving = tuning.best, tuning.saving
    return TuneReport(
        updated_at=utc_stamp(),
        model=tuning.model,
        task=tuning.task,
        default=_settings(tuning.default.settings),
        best=_settings(best.settings) if best else None,
        best_file=best.file if best else None,
        default_file=tuning.default.file,
        saving=TuneSaving(ratio=saving.ratio, ci95=saving.ci95) if saving else None,
        estimated=tuning.estimated,
        answer=" ".join(answer(tuning)),
        command=command,
        trials=[_trial(one, pareto=tuning.is_on_front(one)) for one in tuning.trials],
        undecided=[_settings(one) for one in tuning.undecided],
        left_out=[TuneLeftOut(settings=_settings(one), reason=why) for one, why in tuning.left_out],
        ended=tuning.ended,
        interrupted=tuning.interrupted,
    )


def _settings(settings: Mapping[str, Any]) -> TuneSettings:
    return TuneSettings.model_validate(dict(settings))


def _trial(one: Tried, *, pareto: bool) -> TuneTrial:
    return TuneTrial(
        settings=_settings(one.settings),
        purpose=one.purpose,
        file=one.file,
        energy_wh_per_1k_queries=one.energy_wh,
        ci95=one.headline.ci95 if one.headline else None,
        latency_p90_s=one.latency_s,
        memory_bytes=one.memory_bytes,
        quality=one.quality,
        equal_answers=one.equal.share,
        equal_answers_reason=one.equal.reason,
        pareto=pareto,
        status=one.status,
        reason=one.reason,
    )


def to_json(report: TuneReport) -> bytes:
    """As JSON, which `tune.json` holds too."""
    return (json_text(report.model_dump_json(indent=2)) + "\n").encode()


def to_csv(report: TuneReport) -> bytes:
    """As CSV, a row a trial with whether it is of the best, and of the default, setting."""
    own = [name for name in TuneTrial.model_fields if name != "settings"]
    settings = list(TuneSettings.model_fields)
    rows = [
        [
            *cells_of(one.settings, settings),
            *cells_of(one, own),
            one.settings == report.best,
            one.settings == report.default,
        ]
        for one in report.trials
    ]
    return csv_table([*settings, *column_names(own), "best", "default"], rows)


def to_markdown(tuning: Tuning, command: str | None, other: str | None = None) -> bytes:
    """As Markdown; `other` measures with the default, where the best is undecided."""
    rows = ([markdown_text(cell) for cell in cells] for cells in rows_of(tuning))
    what = MEASURE_BOTH if other else "Measure with it"
    commands = [f"{what}: {'; '.join(filter(None, (command, other)))}"] if command else []
    said = [*answer(tuning), *commands, *notes_of(tuning)]
    lines = [
        *(f"## {title_of(tuning)}", ""),
        *markdown_table(columns_of(tuning), rows),
        *("", *(f"- {markdown_text(line)}" for line in said)),
    ]
    return ("\n".join(lines) + "\n").encode()


def title_of(tuning: Tuning) -> str:
    """Above its table."""
    return f"{tuning.model}, {tuning.task}: trials by energy"


def columns_of(tuning: Tuning) -> tuple[str, ...]:
    """The columns of its table; those of which no trial knows anything are left out."""
    energy = f"{'estimated ' * tuning.estimated}energy / 1,000 queries"
    return ("settings", energy, "latency p90", "front", *_optional(tuning), "")


def _optional(tuning: Tuning) -> list[str]:
    """The columns that not every tune has."""
    known: dict[str, Callable[[Tried], float | None]] = {
        "memory": lambda one: one.memory_bytes,
        "quality": lambda one: one.quality,
        "equal answers": lambda one: one.equal.share,
    }
    return [name for name, of in known.items() if any(of(one) is not None for one in tuning.trials)]


def rows_of(tuning: Tuning) -> list[tuple[str, ...]]:
    """A row a trial, from the least energy to the most; those without a figure come last."""
    optional = _optional(tuning)
    return [(*_first_cells(one, tuning), *_cells(one, optional), _status(one, tuning))
            for one in tuning.trials]  # fmt: skip


def energy_of(headline: Headline) -> str:
    """`1.02 (0.98 to 1.06) Wh`."""
    return f"{with_ends(headline.energy_wh, headline.ci95)} Wh"


def _first_cells(one: Tried, tuning: Tuning) -> tuple[str, ...]:
    energy = "" if one.headline is None else energy_of(one.headline)
    latency = "" if one.latency_s is None else format_seconds(one.latency_s)
    return name_of(one), energy, latency, "yes" if tuning.is_on_front(one) else ""


def _cells(one: Tried, names: Sequence[str]) -> list[str]:
    cells = {
        "memory": "" if one.memory_bytes is None else format_bytes(one.memory_bytes),
        "quality": "" if one.quality is None else quality_value(one.quality),
        "equal answers": "" if one.equal.share is None else f"{one.equal.share:.0%}",
    }
    return [cells[name] for name in names]


def _status(one: Tried, tuning: Tuning) -> str:
    """What else there is to know of it, shortly."""
    words = [
        "best" * (tuning.best is not None and one.settings == tuning.best.settings),
        "default" * (one.settings == tuning.default.settings),
        {"repeat": "repeated", "confirm": "once more"}.get(one.purpose, ""),
    ]
    if one.status != "measured":
        words.append(STATUS.get(one.status, f"{one.status}: {one.reason}"))
    return ", ".join(filter(None, words))
