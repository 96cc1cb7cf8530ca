"""What screens came to, and what they had said of what was measured in full since, for people."""

from collections.abc import Iterable, Iterator, Sequence

from energyscore.base.units import format_number, format_wh
from energyscore.judge.comparability import conditions_of, differences
from energyscore.judge.figures import Headline, headline_of
from energyscore.publish.took import times_as_much
from energyscore.results.result import Result


def told_of_screens(measured: Sequence[Result], known: Sequence[Result]) -> Iterator[str]:
    """What screens came to, and of each full measurement what its screen had said."""
    yield from screens_came_to(measured)
    yield from against_screens(measured, known)


def screens_came_to(measured: Iterable[Result]) -> Iterator[str]:
    """Of each screen, what was decided, or what is open and why."""
    for screen in measured:
        if (part := screen.screen) is not None:
            which = f"The screen of {screen.model.id}"
            decided = f"{which} until {part.until} is decided: {part.reason}."
            yield decided if part.decided else f"{which}: {part.reason}."


def against_screens(measured: Iterable[Result], known: Sequence[Result]) -> Iterator[str]:
    """Of each full measurement whose like was screened before, how the two differ."""
    for result in measured:
        if result.screen is not None:
            continue
        conditions = conditions_of(result)
        alike = [
            one
            for one in known
            if one.screen is not None
            and one.valid
            and one.created_at < result.created_at
            and one.model.id == result.model.id
            and not differences(conditions_of(one), conditions)
        ]
        if alike:
            screen = max(alike, key=lambda one: one.created_at)
            yield from _difference(result, screen)


def _difference(result: Result, screen: Result) -> Iterator[str]:
    now, before = headline_of(result), headline_of(screen)
    if now is None or before is None or now.basis != before.basis:
        return
    off = before.energy_wh / now.energy_wh - 1
    way = "more" if off > 0 else "less"
    line = (
        f"The screen of {result.model.id} had said {_figure(before)}, this says {_figure(now)}: "
        f"{abs(off):.1%} {way}; {_together(now, before)}."
    )
    times = times_as_much(result.cost, screen.cost) if result.cost and screen.cost else None
    yield line + (f" Measuring all took {format_number(times)} times the energy." if times else "")


def _figure(one: Headline) -> str:
    half = f" ± {one.half_width:.1%}" if one.half_width is not None else ""
    return f"{format_wh(one.energy_wh)}{half}"


def _together(one: Headline, other: Headline) -> str:
    if one.ci95 is None or other.ci95 is None:
        return "one of them has no interval"
    apart = max(one.ci95[0], other.ci95[0]) > min(one.ci95[1], other.ci95[1])
    return f"their intervals {'do not overlap' if apart else 'overlap'}"
