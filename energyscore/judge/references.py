"""Which dated reference a result is rated against, and what must be known of that one.

A figure and a range say something of each other only where both were measured by one method:
models that write are measured greedily with forced lengths by one official method, and sampled by
the other. Tasks that write nothing are the same in both.
"""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date, datetime

from energyscore.base.errors import UsageError
from energyscore.judge.official import Published
from energyscore.protocol.official_method import METHODS, Protocol, method_for, method_of
from energyscore.protocol.scales import Scale, all_scales, first_day, readable_scales
from energyscore.results.result import Result

UPDATE = "`energyscore scale update` brings the newest"
_OLD_DAYS = 365


@dataclass(frozen=True)
class Rated:
    """A task, class and mode of reasoning that was rated by a reference."""

    scale: Scale
    task: str
    model_class: str | None
    mode: str | None = None

    def has_range_in(self, scale: Scale) -> bool:
        """Whether another reference has a range of the same."""
        return scale.band(self.task, self.model_class, self.mode) is not None

    @property
    def words(self) -> str:
        """It for people, without the reference."""
        size = f" class {self.model_class}" if self.model_class else ""
        return f"{self.task}{size}{f' (reasoning {self.mode})' if self.mode else ''}"


def reference_for(result: Result, scales: Sequence[Scale]) -> Scale:
    """The newest reference of its method with a range for its task, class and mode.

    Where none has one: of its task and its method, so that it can be told what is lacking.
    """
    method = method_of(result.workload.generation)

    def rank(scale: Scale) -> tuple[bool, bool, bool, str, bool, str, str]:
        task, size = result.task.scale_task, result.model.model_class
        has_task = any(band.task == task for band in scale.bands)
        same = method in (None, method_for(scale.protocol, task))
        rates = same and scale.band(task, size, result.mode) is not None
        return rates, has_task, same, *scale.age()

    return max(scales, key=rank)


def protocol_of(tables: Iterable[Published], asked: Protocol | None = None) -> Protocol:
    """The method of official files, as they or the scales made of them say; else the first.

    The one that is `asked` for stands. A UsageError where a file itself tells another one, where
    they are of two, or where of one it is not known and of others it is the second.
    """
    tables = list(tables)
    if asked is not None:
        for table in tables:
            told = table.protocol or asked
            if method_for(told, table.task) != method_for(asked, table.task):
                raise UsageError(
                    f"--harness {asked}: {table.file} was by {METHODS[told].harness} ({told})."
                )
        return asked
    found = {method: table.file for table, methods in _methods_told(tables) for method in methods}
    if len(found.keys() - {None}) > 1:
        raise UsageError(
            "These official files were measured by two methods (v1 and v2).",
            "Rank the files of each method in a command of its own.",
        )
    if None in found and "v2" in found:
        raise UsageError(
            f"{found[None]} does not tell by which method it was measured; "
            f"{found['v2']} was by {METHODS['v2'].harness}.",
            "Name the method of all with --harness, or rank each among its own.",
        )
    return "v2" if "v2" in found else "v1"


def without_method(tables: Iterable[Published], asked: Protocol | None = None) -> list[str]:
    """The files of which nothing tells by which method they were measured, where it matters."""
    if asked is not None:
        return []
    return [table.file for table, methods in _methods_told(tables) if None in methods]


def of_unknown_method(reference: Scale) -> str:
    """A caution on official rows that are taken to be by the method of a reference."""
    method = METHODS[reference.protocol]
    return (
        f"the official file does not tell its method: taken for {reference.protocol} "
        f"({method.harness}, {method.decoding}); --harness says it"
    )


def _methods_told(
    tables: Iterable[Published],
) -> Iterator[tuple[Published, AbstractSet[Protocol | None]]]:
    """The methods of official files of tasks that are measured differently by each.

    They are as the files or the scales made of them say; None where neither does.
    """
    known: dict[str, set[Protocol | None]] = {}
    for scale in all_scales():
        for file in scale.files:
            known.setdefault(file.sha256, set()).add(scale.protocol)
    for table in tables:
        if method_for("v2", table.task) == "v2":
            yield table, {table.protocol} if table.protocol else known.get(table.sha256, {None})


def as_if_by(scale: Scale, protocol: Protocol) -> Scale:
    """The hardware and tasks of a reference for rows of a method, with the bands that are of it."""
    of_it = [
        band
        for band in scale.bands
        if method_for(scale.protocol, band.task) == method_for(protocol, band.task)
    ]
    return scale.model_copy(update={"protocol": protocol, "bands": of_it})


def by_another_method(result: Result, known: Sequence[Scale]) -> str:
    """What to do where only the method of a reference keeps a result from its stars.

    `known` are the references at hand.
    """
    found = reference_for(result, known)
    own = method_of(result.workload.generation)
    if own and own != method_for(found.protocol, result.task.scale_task):
        remedy = UPDATE if own == "v2" else "`--protocol v2` measures by the newer method"
        return f"no reference by {own} is at hand; {remedy}"
    return f"{found.name} was measured by {own} too: `--scale {found.name}` rates by it"


def about(scale: Scale) -> str:
    """What a reference stands on, in a line."""
    method = METHODS[scale.protocol]
    where = f"{' and '.join(method.tasks)}: " if method.tasks else ""
    return (
        f"{scale.name}: {scale.models:,} rows of {scale.date}, measured by {method.harness} "
        f"({where}{method.decoding}) on {scale.gpu}"
    )


def of_all_bands(scale: Scale) -> list[Rated]:
    """All that a reference can rate."""
    return [Rated(scale, band.task, band.model_class, band.reasoning) for band in scale.bands]


def cautions_on(rated: Iterable[Rated], today: date | None = None) -> list[str]:
    """What is out of date about these references: one line each, everything in it once."""
    today = today or datetime.now(UTC).date()
    whys: dict[str, dict[str, None]] = {}
    what_to_do: dict[str, str] = {}
    several = {(one.scale.name, one.task, one.model_class, one.mode): one for one in rated}
    known = readable_scales() if several else []
    for one in several.values():
        found = [*_out_of_date(one, today), *_lacking(one, known)]
        whys.setdefault(one.scale.name, {}).update(dict.fromkeys(found))
        if newer := _newer_at_hand(one, known):
            what_to_do[one.scale.name] = newer
    return [
        f"{name} {'; '.join(why)}; {what_to_do.get(name, UPDATE)}"
        for name, why in whys.items()
        if why
    ]


def _newer_at_hand(rated: Rated, known: Iterable[Scale]) -> str:
    """Which newer reference with a range for it there is here, and how to be rated by it."""
    scale, task = rated.scale, rated.task
    newer = [one for one in known if one.age() > scale.age() and rated.has_range_in(one)]
    if not newer:
        return ""
    newest = max(newer, key=Scale.age)
    method = method_for(newest.protocol, task)
    if method == method_for(scale.protocol, task):
        return f"{newest.name} is at hand: `--scale {newest.name}` rates by it"
    return (
        f"{newest.name} is at hand, but was measured by {method}: it rates what "
        f"`--protocol {method}` measured"
    )


def _lacking(rated: Rated, known: Iterable[Scale]) -> Iterator[str]:
    """That a newer reference of the task and method has no range for it: then this one rates."""
    scale, task = rated.scale, rated.task
    method = method_for(scale.protocol, task)
    newer = [
        one
        for one in known
        if one.age() > scale.age()
        and method_for(one.protocol, task) == method
        and any(band.task == task for band in one.bands)
    ]
    if newer and not rated.has_range_in(newest := max(newer, key=Scale.age)):
        yield f"rates {rated.words}, as {newest.name}, which is newer, has no range for it"


def _out_of_date(one: Rated, today: date) -> Iterator[str]:
    scale = one.scale
    known = [it for it in scale.superseded if it.concerns(one.task, one.model_class)]
    for it in known:
        size = f" class {it.model_class}" if it.model_class else ""
        what = f" for {it.task}{size}" if it.task else ""
        yield f"is superseded{what} since {it.since}: {it.why}"
    day = first_day(scale.date)
    if not known and day is not None and (today - day).days > _OLD_DAYS:
        yield f"is of {scale.date}, over a year ago"
