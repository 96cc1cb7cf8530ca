"""What may stand in one table of a leaderboard, and why something may not. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from energyscore.base.units import counted
from energyscore.judge.comparability import Condition, cohort_key, cohort_of
from energyscore.judge.departures import departures_from, without_band
from energyscore.judge.figures import headline_of
from energyscore.judge.rating import NO_TASK
from energyscore.judge.unratable import why_no_figure, why_no_place
from energyscore.protocol.official_method import METHODS, method_for
from energyscore.protocol.scales import Scale
from energyscore.results.conformance import Departure, is_gpu
from energyscore.results.result import Result


@dataclass(frozen=True)
class LeftOut:
    """Why something may not stand in a table; with departures, what it is not comparable to."""

    reason: str
    departures: tuple[Departure, ...] = ()

    def __str__(self) -> str:
        """The whole reason for people."""
        points = "; ".join(map(str, self.departures))
        return f"{self.reason}: {points}" if points else self.reason


def why_left_out(
    results: Sequence[Result],
    reference: Scale,
    scale: Scale | None = None,
    *,
    official_protocol: bool = False,
) -> list[LeftOut | None]:
    """Why each result of one task and class may not stand in its table; None where it may.

    It must be comparable to official rows (`official_protocol`), which were measured by the
    `reference`, and to the `scale` that the table is rated by. Where neither is asked for, it must
    be of the main cohort among the results.
    """
    reasons = [
        why_no_figure(one) or why_no_place(one)[1] or (NO_TASK if one.of_function else "")
        for one in results
    ]
    found = [LeftOut(reason) if reason else None for reason in reasons]
    main = _main_cohort([one for one, why in zip(results, found, strict=True) if why is None])
    for place, result in enumerate(results):
        if scale is None and not official_protocol:
            name = f"the {counted(len(main), 'result')} of the table"
            points = _cohort_departures(result, main)
        else:
            name, points = "official rows", official_departures(result, reference)
            if scale is not None and (not official_protocol or not points):
                name, points = scale.name, departures_from(result, scale)
        if points and found[place] is None:
            found[place] = LeftOut(f"not comparable to {name}", points)
    return found


def official_departures(result: Result, reference: Scale) -> tuple[Departure, ...]:
    """In what a result departs from the official protocol and hardware.

    Whether the reference has a band for it does not matter: the rows at hand make their own.
    """
    points = departures_from(result, reference)
    return tuple(point for point in points if point.name != "task")


def why_official_left_out(
    reference: Scale, scale: Scale, task: str, model_class: str | None, mode: str | None
) -> LeftOut | None:
    """Why official rows may not be rated by a scale; None when they may."""
    if not is_gpu(reference.gpu, scale.gpu):
        point: Departure | None = Departure("hardware", reference.gpu, scale.gpu)
    elif (own := method_for(reference.protocol, task)) != (
        theirs := method_for(scale.protocol, task)
    ):
        point = Departure("decoding", METHODS[own].decoding, METHODS[theirs].decoding)
    else:
        point = without_band(scale, task, model_class, mode)
    return LeftOut(f"not comparable to {scale.name}", (point,)) if point else None


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


def _cohort_departures(result: Result, cohort: Sequence[Result]) -> tuple[Departure, ...]:
    return departures_between(result, cohort[0], cohort_of) if cohort else ()


def departures_between(
    result: Result,
    other: Result,
    conditions: Callable[[Result], Mapping[str, Condition] | None],
) -> tuple[Departure, ...]:
    """In which of these conditions a result departs from another one."""
    own, theirs = conditions(result), conditions(other)
    if own is None or theirs is None:
        return ()
    mine, of_table = _shown(result), _shown(other)
    return tuple(
        Departure(name, mine.get(name, "another one"), of_table.get(name, "the table's"))
        for name, condition in own.items()
        if condition != theirs[name] and (name != "threads" or own["device"] == theirs["device"])
    )


def _shown(result: Result) -> dict[str, str]:
    """The conditions of a cohort that can be shown in a few words."""
    work = result.workload
    headline = headline_of(result)
    on_gpu = headline is not None and headline.basis == "gpu"
    limits_w = sorted({gpu.power_limit_w for gpu in result.environment.gpus if gpu.power_limit_w})
    limit = f" limited to {' and '.join(f'{w:g} W' for w in limits_w)}" if limits_w else ""
    return {
        "precision": result.model.precision,
        "batch size": str(work.batch_size),
        "set of queries": f"{work.dataset} ({work.queries:,}, {work.fingerprint[:8]})",
        "device": result.protocol.device,
        "hardware": result.hardware + limit,
        "threads": str((result.protocol.threads or {}).get("intra_op", "not recorded")),
        "load": result.load.words if result.load else "no server",
        "meter": "GPU" if on_gpu or headline is None else f"system, {headline.method}",
    }
