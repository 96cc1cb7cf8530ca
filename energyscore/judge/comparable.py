"""What may stand in one table of a leaderboard, and why something may not. Pure."""

from collections.abc import Sequence

from energyscore.judge.comparability import cohort_key, cohort_of
from energyscore.judge.headline import headline_of
from energyscore.judge.rating import departures_from, why_unratable
from energyscore.protocol.scales import Scale
from energyscore.results.conformance import Departure, is_gpu
from energyscore.results.result import Result


def why_left_out(
    results: Sequence[Result],
    reference: Scale,
    scale: Scale | None = None,
    *,
    official_protocol: bool = False,
) -> list[str]:
    """Why each result of one task and class may not stand in its table; empty where it may.

    Args:
        results: the results of the table's task and class.
        reference: what official rows were measured by.
        scale: the bands that the table is rated by; None: its own rows make them.
        official_protocol: whether it must be comparable to official rows; without it, and
            without a scale, to the main cohort among the results.
    """
    reasons = [_why_no_figure(result) for result in results]
    if scale is None and not official_protocol:
        fit = [result for result, reason in zip(results, reasons, strict=True) if not reason]
        main = _main_cohort(fit)
        return [
            reason or _why_not_in_cohort(result, main)
            for result, reason in zip(results, reasons, strict=True)
        ]
    for place, result in enumerate(results):
        name, points = "official rows", official_departures(result, reference)
        if scale is not None and (not official_protocol or not points):
            name, points = scale.name, departures_from(result, scale)
        if not reasons[place] and points:
            reasons[place] = f"not comparable to {name}: {'; '.join(map(str, points))}"
    return reasons


def official_departures(result: Result, reference: Scale) -> tuple[Departure, ...]:
    """In what a result departs from the official protocol and hardware.

    Whether the reference has a band for it does not matter: the rows at hand make their own.
    """
    points = departures_from(result, reference)
    return tuple(point for point in points if point.name != "task")


def why_official_left_out(
    reference: Scale, scale: Scale, task: str, model_class: str | None
) -> str:
    """Why official rows may not be rated by a scale; empty when they may."""
    if not is_gpu(reference.gpu, scale.gpu):
        return f"not comparable to {scale.name}: hardware: {reference.gpu} instead of {scale.gpu}"
    if scale.band(task, model_class) is None:
        size = f" class {model_class}" if model_class else ""
        return f"not comparable to {scale.name}: task: {task}{size} is not in {scale.name}"
    return ""


def _why_no_figure(result: Result) -> str:
    unratable = why_unratable(result)
    if not unratable and headline_of(result) is None:
        return f"no energy was measured: {result.score.reason}"
    return unratable


def _main_cohort(results: Sequence[Result]) -> list[Result]:
    """The comparable results that make the table.

    Those that can be rated at all before a lone one, measured before estimated, GPU before
    system, many models before few, new before old.
    """
    cohorts: dict[object, list[Result]] = {}
    for result in results:
        cohorts.setdefault(cohort_key(result), []).append(result)

    def rank(members: list[Result]) -> tuple[bool, bool, bool, int, str]:
        headline = headline_of(members[0])
        models = len({(member.model.id, member.model.revision) for member in members})
        newest = max(member.created_at for member in members)
        on_gpu = headline is not None and headline.basis == "gpu"
        measured = headline is not None and not headline.estimated
        return models > 1, measured, on_gpu, models, newest

    return max(cohorts.values(), key=rank, default=[])


def _why_not_in_cohort(result: Result, cohort: Sequence[Result]) -> str:
    own, theirs = cohort_of(result), cohort_of(cohort[0])
    if own is None or theirs is None or own == theirs:
        return ""
    names = [name for name, condition in own.items() if condition != theirs[name]]
    words = {
        "precision": (result.model.dtype, cohort[0].model.dtype),
        "batch size": (str(result.workload.batch_size), str(cohort[0].workload.batch_size)),
        "device": (result.protocol.device, cohort[0].protocol.device),
        "hardware": (_hardware(result), _hardware(cohort[0])),
        "meter": (_metered(result), _metered(cohort[0])),
    }
    points = [
        f"{name}: {words[name][0]} instead of {words[name][1]}"
        if name in words
        else f"other {name}"
        for name in names
    ]
    return f"not comparable to the {len(cohort)} results of the table: {'; '.join(points)}"


def _hardware(result: Result) -> str:
    limits_w = {gpu.power_limit_w for gpu in result.environment.gpus if gpu.power_limit_w}
    limit = f" limited to {' and '.join(f'{w:g} W' for w in sorted(limits_w))}" if limits_w else ""
    return result.hardware + limit


def _metered(result: Result) -> str:
    headline = headline_of(result)
    if headline is None:
        return "nothing"
    return "GPU" if headline.basis == "gpu" else f"system, {headline.method}"
