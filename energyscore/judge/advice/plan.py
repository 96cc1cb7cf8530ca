"""Which missing pieces to measure, in what order, and what that takes. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from energyscore.base.units import JOULES_PER_WH
from energyscore.judge.advice.commands import MeasureCommand
from energyscore.judge.advice.untried import Missing, Piece
from energyscore.results.score import headline_domains

_ORDER: tuple[Piece, ...] = (
    *("requirement", "batch", "quality", "undecided", "days", "screened", "between"),
    *("combination", "mode", "settings"),
)
"""What decides whether a candidate will do comes first, then what may come out better."""

_ENERGY_ALONE: tuple[Piece, ...] = ("between", "combination", "mode")
_NEVER_SCREENED = ("repeats",)  # the blocks of a screen are its runs

NO_BUDGET = "it does not fit into the budget"


@dataclass(frozen=True)
class Measuring:
    """One command, and the pieces that it tells.

    `seconds` and `wh` are about what it takes, by what was measured; None: not known.
    """

    command: MeasureCommand
    pieces: tuple[Missing, ...]
    seconds: float | None
    wh: float | None


@dataclass(frozen=True)
class MeasuringPlan:
    """What is to be measured, in that order, and what is not, with the reason."""

    chosen: list[Measuring]
    left: list[tuple[Measuring, str]]

    @property
    def seconds(self) -> float | None:
        """About how long it takes; None where that is not known of one."""
        known = [one.seconds for one in self.chosen]
        return None if None in known else math.fsum(one or 0.0 for one in known)

    @property
    def wh(self) -> float | None:
        """About how much energy it takes, likewise."""
        known = [one.wh for one in self.chosen]
        return None if None in known else math.fsum(one or 0.0 for one in known)


def plan_missing(
    missing: Sequence[Missing],
    budget_s: float | None = None,
    why_not: Callable[[Measuring], str] = lambda one: "",
) -> MeasuringPlan:
    """What to measure of these within the budget; `why_not`: why it cannot be done here.

    Pieces of one result that one command can tell are one measurement. What could not be known to
    fit into a budget is left.
    """
    chosen: list[Measuring] = []
    left: list[tuple[Measuring, str]] = []
    rest_s = math.inf if budget_s is None else budget_s
    for one in _together([one for one in missing if one.command is not None]):
        if why := why_not(one):
            left.append((one, why))
        elif budget_s is not None and (one.seconds is None or one.seconds > rest_s):
            left.append((one, NO_BUDGET))
        else:
            rest_s -= one.seconds or 0.0
            chosen.append(one)
    return MeasuringPlan(chosen, left)


def _together(missing: Sequence[Missing]) -> list[Measuring]:
    """Measurements in their order, none of them twice."""
    found: dict[object, Measuring] = {}
    for piece in sorted(missing, key=lambda one: _ORDER.index(one.piece)):
        one = _measuring(piece)
        with_settings_of = piece.like if piece.piece in ("between", "combination") else None
        options = one.command.options
        of = options.get("reasoning"), options.get("batch_size")
        key = one.command.name, id(piece.of), id(with_settings_of), of
        known = found.get(key)
        found[key] = one if known is None else _merged(known, one)
    return list(found.values())


def _measuring(piece: Missing) -> Measuring:
    assert piece.command is not None
    command = piece.command
    if piece.piece in _ENERGY_ALONE and not command.options.get("quick"):
        command = replace(command, options=_screened(command.options))
    return Measuring(command, (piece,), piece.seconds, _wh_of(piece))


def _screened(options: Mapping[str, object]) -> dict[str, object]:
    """The same as a screen, which tells the energy for a fraction of the work."""
    return {k: v for k, v in options.items() if k not in _NEVER_SCREENED} | {"screen": True}


def _merged(one: Measuring, other: Measuring) -> Measuring:
    """Both at once: the work is done once, as often as the one that takes longer asks for."""
    options = {**one.command.options, **other.command.options}
    repeats = [
        each.command.options["repeats"]
        for each in (one, other)
        if isinstance(each.command.options.get("repeats"), int)
    ]
    if repeats:
        options["repeats"] = max(repeats, key=lambda count: int(str(count)))
    longer = max((one, other), key=lambda each: each.seconds or 0.0)
    return Measuring(
        replace(one.command, options=options),
        (*one.pieces, *other.pieces),
        longer.seconds,
        longer.wh,
    )


def _wh_of(piece: Missing) -> float | None:
    """About the energy that it takes: that of the like result, for as much longer as it lasts."""
    result = piece.of.entry.result
    cost = result.cost
    if cost is None or not cost.duration_s or piece.seconds is None:
        return None
    domains = headline_domains(result.runs, result.protocol.metered_gpus)
    known = [cost.energy_j.get(domain) for domain in domains]
    if None in known or not known:
        return None
    energy_j = math.fsum(one or 0.0 for one in known)
    return energy_j / JOULES_PER_WH * piece.seconds / cost.duration_s
