"""Results in words, the same on the label and in the model card. Pure."""

from datetime import datetime

from energyscore.base.units import format_number
from energyscore.judge.rating import Rating
from energyscore.publish.typesetting import plain
from energyscore.results.result import Result

_TITLES = {"asr": "Automatic speech recognition"}
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def title_of(task: str) -> str:
    """The name of a task for people, from its id."""
    return _TITLES.get(task, plain(task.replace("_", " ").capitalize()))


def task_of(result: Result) -> str:
    """The task for people, with the mode of reasoning and the size class."""
    title = title_of(result.task.id)
    mode, size = result.mode, result.model.model_class
    parts = [title, f"mode {mode}" if mode else "", f"class {size}" if size else ""]
    return ", ".join(plain(part) for part in parts if part)


def month_of(result: Result) -> str:
    """When it was measured: `January 2026`."""
    try:
        moment = datetime.fromisoformat(result.created_at)
    except ValueError:
        return result.created_at
    return f"{_MONTHS[moment.month - 1]} {moment.year}"


def basis_of(result: Result, rating: Rating) -> str:
    """What was metered, and how."""
    if rating.basis is None:
        return "Inference energy"
    if rating.basis == "system":
        return "Inference energy, processor and memory"
    how = {"counter": "by its counter", "power_integral": "by integrated power"}
    return f"Inference energy, GPU {how.get(result.score.method or '', '')}".rstrip()


def energy_of(result: Result, rating: Rating) -> str:
    """The rated figure with all that it must not be read without."""
    if rating.energy_wh is None:
        return "energy not measured"
    if not result.valid:
        return "invalid measurement"
    what = "GPU" if rating.basis == "gpu" else "processor and memory only"
    how = "estimated" if rating.estimated else "measured"
    return f"{format_number(rating.energy_wh)} Wh per 1,000 queries ({what}, {how})"


def interval_of(result: Result, rating: Rating) -> str:
    """The 95% interval of the figure over the runs, as a share of it."""
    score = result.score
    interval = score.ci95 if rating.basis == "gpu" else score.system_ci95
    if interval is None or rating.energy_wh is None:
        return "one run: no interval" if score.runs == 1 else "no interval"
    share = (interval[1] - interval[0]) / 2 / rating.energy_wh * 100
    return f"± {format_number(share)} % (95 % interval of {score.runs} runs)"


def against(rating: Rating) -> str:
    """What the stars are relative to."""
    return f"in a {rating.scale}" if rating.kind == "cohort" else f"scale {rating.scale}"


def is_pale(rating: Rating) -> bool:
    """Whether stars mean less than they look: on an estimate, or among two models."""
    return rating.stars is not None and (rating.estimated or rating.cohort_size == 2)


def stars_of(rating: Rating) -> str:
    """The stars in words, or why there are none."""
    if rating.stars is None:
        return f"no stars: {rating.reason}"
    kind = "estimated, " if rating.estimated else ""
    return f"{rating.stars} of 5 stars ({kind}{against(rating)})"
